import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { concatMap } from 'rxjs';
import { sqliteEventStore } from '../../src/adapters/event-store/sqlite.ts';
import { CIBA_GRANT } from '../../src/domain/client/metadata.ts';
import type { EventStore, StoredEvent } from '../../src/domain/ports/event-store.ts';
import { startCanary } from '../adapters/outbound/hosts.ts';
import { type StandingClock, standingClock } from '../support/clock.ts';
import { type TestDevice, testDevice } from '../support/device.ts';
import { nodesOwn, type TestEngine, testEngine } from '../support/engine.ts';
import { expectRefusal, sendForm } from '../support/http.ts';
import { recorded } from '../support/log.ts';
import {
  type Behaviour,
  cut,
  endless,
  type NotificationEndpoint,
  notificationEndpoint,
  silent,
  status,
} from '../support/notification-endpoint.ts';
import { temporaryFolder } from '../support/served.ts';
import { ask, CONSENTS, lodge, ownToken, secretTpp } from '../support/tpp.ts';

const TOKEN = '8d67dc78-7faa-4d41-aabd-67707b374255';

let time: StandingClock;
let endpoint: NotificationEndpoint;
let tested: TestEngine;
let auth: Record<string, string>;
let phone: TestDevice;

beforeEach(async () => {
  time = standingClock();
  endpoint = await notificationEndpoint({ timeoutMs: 500 });
  tested = await testEngine({ clock: time.clock, nowMs: time.nowMs, outbound: endpoint.outbound });
  auth = await pinged();
  phone = await testDevice(tested, 'alice');
});
afterEach(async () => {
  await tested.close();
  await endpoint.close();
});

const pinged = () => secretTpp(tested, { backchannel_token_delivery_mode: 'ping', backchannel_client_notification_endpoint: endpoint.url });
const asked = (parameters: Record<string, string> = {}) => ask(tested, auth, { client_notification_token: TOKEN, ...parameters });
const poll = (authReqId: string) => sendForm(tested, '/oauth2/token', { ...auth, grant_type: CIBA_GRANT, auth_req_id: authReqId });
const attempts = async (): Promise<{ type: string; data: Record<string, unknown> }[]> =>
  (await tested.log())
    .filter(({ type }) => type.startsWith('ClientNotification'))
    .map(({ type, data }) => ({ type, data: JSON.parse(data) }));
const done = (requestId: string) => recorded(tested, 'ClientNotificationAccepted', `notification-${requestId}`);
const failed = (requestId: string) => recorded(tested, 'ClientNotificationRejected', `notification-${requestId}`);
const types = (log: readonly StoredEvent[], stream: string) => log.filter((event) => event.stream === stream).map(({ type }) => type);

describe('R63 a client is pinged', () => {
  test('with the auth_req_id and nothing else, and as the bearer of its token', async () => {
    const { authReqId, requestId } = await asked();
    await phone.decide(requestId, 'approved');
    expect(await endpoint.call(1)).toMatchObject({
      method: 'POST',
      path: '/cb',
      contentType: 'application/json',
      authorization: `Bearer ${TOKEN}`,
      text: JSON.stringify({ auth_req_id: authReqId }),
    });
    await done(requestId);
    const at = time.clock();
    const { client_id: clientId } = auth;
    expect(await attempts()).toEqual([
      { type: 'ClientNotificationAccepted', data: { requestId, clientId, deliveryMode: 'ping', at, status: 204, mayRepeat: false } },
    ]);
  });

  test('R64 when its tokens are there: it gets them while it is still being called', async () => {
    let fetched: Response | undefined;
    endpoint.behaves(async (res, { body }) => {
      fetched = await poll(String(body['auth_req_id']));
      res.writeHead(204).end();
    });
    const { requestId } = await asked();
    await phone.decide(requestId, 'approved');
    await done(requestId);
    expect(fetched?.status).toBe(200);
  });

  test('R64 when access_denied is there', async () => {
    let refused: unknown;
    endpoint.behaves(async (res, { body }) => {
      refused = await (await poll(String(body['auth_req_id']))).json();
      res.writeHead(200).end('{}');
    });
    const { requestId } = await asked();
    await phone.decide(requestId, 'denied');
    await done(requestId);
    expect(refused).toMatchObject({ error: 'access_denied' });
  });

  test('when its request has expired, once', async () => {
    endpoint.behaves(status(503));
    const { authReqId, requestId } = await asked();
    time.pass(301);
    expect((await endpoint.call(1)).body).toEqual({ auth_req_id: authReqId });
    expect(JSON.parse((await failed(requestId)).data)).toMatchObject({ status: 503, retryAt: null });
    expect(endpoint.calls).toHaveLength(1);
  });

  test('when its request was cancelled with the consent', async () => {
    const consentId = await lodge(tested, auth);
    const { authReqId } = await asked({ openbanking_intent_id: consentId });
    const authorization = `Bearer ${await ownToken(tested, auth)}`;
    expect((await fetch(`${tested.url}${CONSENTS}/${consentId}`, { method: 'DELETE', headers: { authorization } })).status).toBe(204);
    expect((await endpoint.call(1)).body).toEqual({ auth_req_id: authReqId });
    expect(await (await poll(authReqId)).json()).toMatchObject({ error: 'access_denied' });
  });

  test('R48 and may poll before', async () => {
    const { authReqId } = await asked();
    expect(await (await poll(authReqId)).json()).toMatchObject({ error: 'authorization_pending' });
    expect(await (await poll(authReqId)).json()).toMatchObject({ error: 'slow_down' });
  });
});

test('R66 a client that polls is not called, and its client_notification_token says nothing', async () => {
  const polling = await secretTpp(tested);
  const { requestId, authReqId } = await ask(tested, polling, { client_notification_token: 'not/a token' });
  await phone.decide(requestId, 'approved');
  const control = await asked();
  await phone.decide(control.requestId, 'approved');
  await done(control.requestId);
  expect(endpoint.calls.map(({ body }) => body['auth_req_id'])).toEqual([control.authReqId]);
  expect((await sendForm(tested, '/oauth2/token', { ...polling, grant_type: CIBA_GRANT, auth_req_id: authReqId })).status).toBe(200);
});

describe('R65 an answer', () => {
  const approved = async () => {
    const { authReqId, requestId } = await asked();
    await phone.decide(requestId, 'approved');
    return { authReqId, requestId };
  };

  test.each([
    [400, 400],
    [401, 401],
    [403, 403],
    [404, 404],
  ])('of %i ends the notification and leaves the tokens there', async (code, recordedStatus) => {
    endpoint.behaves(status(code));
    const { authReqId, requestId } = await approved();
    expect(JSON.parse((await failed(requestId)).data)).toMatchObject({ reason: 'http_status', status: recordedStatus, retryAt: null });
    time.pass(60);
    expect((await poll(authReqId)).status).toBe(200);
    expect(endpoint.calls).toHaveLength(1);
  });

  test('that redirects is not followed', async () => {
    const canary = await startCanary();
    endpoint.behaves(status(301, { location: `https://localhost:${canary.port}/` }));
    const { authReqId, requestId } = await approved();
    expect(JSON.parse((await failed(requestId)).data)).toMatchObject({ reason: 'redirect', retryAt: null });
    expect((await poll(authReqId)).status).toBe(200);
    expect([endpoint.calls.length, canary.connections()]).toEqual([1, 0]);
    await canary.close();
  });

  test('of 200 without end is taken, and its connection dropped', async () => {
    const dropped = Promise.withResolvers<void>();
    endpoint.behaves((res, call) => endless(res.once('close', dropped.resolve), call));
    const { authReqId, requestId } = await approved();
    await done(requestId);
    await dropped.promise;
    expect((await poll(authReqId)).status).toBe(200);
  });

  test('of 503 with a long page is asked for again', async () => {
    endpoint.behaves((res) => res.writeHead(503).end('x'.repeat(100_000)), status(204));
    const { requestId } = await approved();
    expect(JSON.parse((await failed(requestId)).data)).toMatchObject({ reason: 'http_status', status: 503, retryAt: expect.any(Number) });
    time.pass(2);
    await done(requestId);
    expect(endpoint.calls).toHaveLength(2);
  });

  test('that never comes does not hold up the PSU, and is asked for again', async () => {
    endpoint.behaves(silent, status(204));
    const { requestId } = await approved();
    expect(JSON.parse((await failed(requestId)).data)).toMatchObject({ reason: 'timeout', status: null });
    time.pass(2);
    await done(requestId);
    expect(endpoint.calls).toHaveLength(2);
  });

  test('that is a fault of the server, or a cut connection, is asked for again with growing pauses', async () => {
    endpoint.behaves(cut, status(503), status(500), status(204));
    const { authReqId, requestId } = await approved();
    for (const [call, pause] of [2, 4, 8].entries()) {
      await endpoint.call(call + 1);
      await retryRecorded(call + 1);
      time.pass(pause);
    }
    await done(requestId);
    const facts = await attempts();
    expect(facts.map(({ data }) => data['reason'] ?? data['status'])).toEqual(['connection_failed', 'http_status', 'http_status', 204]);
    for (const [index, { data }] of facts.slice(0, -1).entries()) {
      const pause = Number(data['retryAt']) - Number(data['at']);
      expect([pause >= 2 ** index, pause <= 2 ** (index + 1)]).toEqual([true, true]);
    }
    expect(endpoint.calls.map(({ body }) => body['auth_req_id'])).toEqual(Array(4).fill(authReqId));
  });

  const retryRecorded = async (count: number) => {
    while ((await attempts()).length < count) await new Promise((resolve) => setImmediate(resolve));
  };

  test('is asked for until the request ends, and no longer', async () => {
    endpoint.behaves(status(503));
    const { requestId } = await approved();
    await failed(requestId);
    time.pass(301);
    await retryRecorded(2);
    expect((await attempts()).map(({ data }) => [data['reason'], data['retryAt'] === null])).toEqual([
      ['http_status', false],
      ['request_expired', true],
    ]);
    expect(endpoint.calls).toHaveLength(1);
  });
});

describe('R43 the client_notification_token', () => {
  const refusal = (form: Record<string, string>) => () =>
    sendForm(tested, '/oauth2/ciba', { ...auth, scope: 'openid accounts', login_hint: 'alice', ...form });

  test('is needed', () => expectRefusal(tested, refusal({}), 400, 'invalid_request'));

  test.each([
    ['is empty', ''],
    ['is too long', 'x'.repeat(1025)],
    ['holds a space', 'a b'],
    ['holds a line end', 'a\r\nX-Injected: 1'],
    ['holds a letter outside of ASCII', 'tökén'],
    ['begins with =', '=a'],
    ['goes on behind =', 'a=b'],
  ])('is refused when it %s', (_name, token) =>
    expectRefusal(tested, refusal({ client_notification_token: token }), 400, 'invalid_request'),
  );

  test.each(['a', 'x'.repeat(1024), 'AZaz09-._~+/=='])('is sent back as it came (%#)', async (token) => {
    const { requestId } = await asked({ client_notification_token: token });
    await phone.decide(requestId, 'denied');
    expect((await endpoint.call(1)).authorization).toBe(`Bearer ${token}`);
    await done(requestId);
  });

  test('stands nowhere in the open, nor does the auth_req_id', async () => {
    const { authReqId, requestId } = await asked();
    await phone.decide(requestId, 'approved');
    await done(requestId);
    const log = JSON.stringify(await tested.log());
    expect([log.includes(TOKEN), log.includes(authReqId)]).toEqual([false, false]);
  });
});

describe('an engine that ended', () => {
  test.each<[string, Behaviour[]]>([
    ['before the answer of the client', [silent, status(204)]],
    ['between two attempts', [status(503), status(204)]],
  ])('%s leaves the ping to the next one', async (_name, behaviours) => {
    const file = `${temporaryFolder()}/log.sqlite`;
    const shared = { sealer: tested.ports.sealer, signer: tested.ports.signer, clock: time.clock, outbound: endpoint.outbound };
    await tested.close();
    tested = await testEngine({ ...shared, store: sqliteEventStore(file) });
    auth = await pinged();
    phone = await testDevice(tested, 'alice');
    endpoint.behaves(...behaviours);
    const { authReqId, requestId } = await asked();
    await phone.decide(requestId, 'approved');
    await endpoint.call(1);
    await tested.close();
    time.pass(2);
    tested = await testEngine({ ...shared, store: sqliteEventStore(file) });
    await done(requestId);
    expect((await endpoint.call(2)).body).toEqual({ auth_req_id: authReqId });
  });
});

test('two engines on one store tell the same, and the tokens are there at either', async () => {
  const { store, sealer, signer } = tested.ports;
  const other = await testEngine({ store: nodesOwn(store), sealer, signer, clock: time.clock, outbound: endpoint.outbound });
  const fetched: number[] = [];
  endpoint.behaves(async (res, { body }) => {
    const form = { ...auth, grant_type: CIBA_GRANT, auth_req_id: String(body['auth_req_id']) };
    for (const node of [other, tested]) fetched.push((await sendForm(node, '/oauth2/token', form)).status);
    res.writeHead(204).end();
  });
  for (let round = 1; round <= 20; round += 1) {
    const { authReqId, requestId } = await asked();
    await phone.decide(requestId, 'approved');
    await done(requestId);
    const log = await tested.log();
    expect(new Set(types(log, `notification-${requestId}`))).toEqual(new Set(['ClientNotificationAccepted']));
    expect(types(log, `grant-${requestId}`).filter((type) => type === 'GrantOpened')).toHaveLength(1);
    expect(endpoint.calls.filter(({ body }) => body['auth_req_id'] === authReqId).length).toBeLessThanOrEqual(2);
  }
  // Nobody was told to wait: each call got the tokens or learnt that they had been fetched.
  expect(fetched.filter((code) => code === 200)).toHaveLength(20);
  const log = await tested.log();
  await other.close();
  expect(log.filter(({ type }) => type === 'ClientNotificationRejected')).toEqual([]);
});

test('what two engines were told at once is recorded by each', async () => {
  await tested.close();
  await endpoint.close();
  endpoint = await notificationEndpoint();
  tested = await testEngine({ clock: time.clock, outbound: endpoint.outbound });
  auth = await pinged();
  phone = await testDevice(tested, 'alice');
  const { store, sealer, signer } = tested.ports;
  const other = await testEngine({ store: nodesOwn(store), sealer, signer, clock: time.clock, outbound: endpoint.outbound });
  const second = Promise.withResolvers<void>();
  endpoint.behaves(
    async (res) => {
      await second.promise;
      res.writeHead(204).end();
    },
    (res) => {
      second.resolve();
      res.writeHead(400).end();
    },
  );
  const { requestId } = await asked();
  await phone.decide(requestId, 'approved');
  await Promise.all([done(requestId), failed(requestId)]);
  expect((await attempts()).map(({ data }) => data['status']).toSorted()).toEqual([204, 400]);
  await other.close();
  expect(endpoint.calls).toHaveLength(2);
});

test('R64 a node whose read models are behind has the tokens too', async () => {
  const { store, sealer, signer } = tested.ports;
  let gate: Promise<void> = Promise.resolve();
  let wanted: () => void = () => undefined;
  const late: EventStore = {
    ...store,
    follow: (after) => store.follow(after).pipe(concatMap((page) => gate.then(() => page))),
    async head() {
      wanted();
      return store.head();
    },
  };
  const other = await testEngine({ store: nodesOwn(late), sealer, signer, clock: time.clock, outbound: endpoint.outbound });
  const { authReqId, requestId } = await asked();
  await other.engine.readModels.latest();
  // From here on its read models stand still, until it wants to know what they have missed.
  gate = new Promise((resolve) => {
    wanted = resolve;
  });
  await phone.decide(requestId, 'approved');
  await done(requestId);
  const fetched = await sendForm(other, '/oauth2/token', { ...auth, grant_type: CIBA_GRANT, auth_req_id: authReqId });
  expect(fetched.status).toBe(200);
  await other.close();
});
