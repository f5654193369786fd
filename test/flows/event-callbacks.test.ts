import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { filter, firstValueFrom, map, startWith, switchMap } from 'rxjs';
import { sqliteEventStore } from '../../src/adapters/event-store/sqlite.ts';
import { PATHS } from '../../src/api/surface.ts';
import type { StoredEvent } from '../../src/domain/ports/event-store.ts';
import { startCanary } from '../adapters/outbound/hosts.ts';
import { type StandingClock, standingClock } from '../support/clock.ts';
import { nodesOwn, type TestEngine, testEngine } from '../support/engine.ts';
import { sendForm, sendJson } from '../support/http.ts';
import { recorded } from '../support/log.ts';
import {
  type Behaviour,
  cut,
  type NotificationEndpoint,
  type Notified,
  notificationEndpoint,
  silent,
  status,
} from '../support/notification-endpoint.ts';
import { temporaryFolder } from '../support/served.ts';
import { CONSENTS, lodge, ownToken, secretTpp } from '../support/tpp.ts';

const CALLBACKS = { COUNTERSIGN_EVENT_NOTIFICATIONS_CALLBACKS: 'true' };
const TYPE = 'urn:uk:org:openbanking:events:consent-authorization-revoked';

let time: StandingClock;
let endpoint: NotificationEndpoint;
let tested: TestEngine;
let tpp: Party;
/** A client that nobody calls. */
let polling: Party;
let operator: { authorization: string };

interface Party {
  auth: { client_id: string; client_secret: string };
  clientId: string;
  token: { authorization: string };
}

beforeEach(async () => {
  time = standingClock();
  endpoint = await notificationEndpoint({ timeoutMs: 500 });
  endpoint.behaves(status(202));
  await start({ clock: time.clock, outbound: endpoint.outbound });
});
afterEach(async () => {
  await tested.close();
  await endpoint.close();
});

/** An engine that calls if the settings say so, a TPP that wants to be called and one that polls. */
const start = async (ports: Parameters<typeof testEngine>[0], settings: Record<string, string> = CALLBACKS) => {
  tested = await testEngine(ports, settings);
  [tpp, polling] = [await party(), await party()];
  await subscribe(tpp);
  const bank = { token_endpoint_auth_method: 'client_secret_basic', scope: 'consents:manage' } as const;
  operator = { authorization: `Basic ${btoa(`${await tested.client(bank, 's3cret')}:s3cret`)}` };
};
const party = async (metadata: Parameters<typeof secretTpp>[1] = {}): Promise<Party> => {
  const auth = await secretTpp(tested, metadata);
  return { auth, clientId: auth.client_id, token: { authorization: `Bearer ${await ownToken(tested, auth)}` } };
};
const subscriptions = `${PATHS.eventNotifications}/subscription`;
const subscribe = async (by: Party, callbackUrl = endpoint.url): Promise<string> => {
  const response = await sendJson(tested, 'POST', subscriptions, { callbackUrl, eventTypes: [TYPE] }, by.token);
  return String(((await response.json()) as Record<string, unknown>)['subscriptionId']);
};
/** The bank tells a client something. */
const created = async (to: Party = tpp): Promise<string> => {
  const headers = { ...operator, 'x-wso2-client_id': to.clientId, 'x-wso2-resource_id': 'resource-1' };
  const request = Buffer.from(JSON.stringify({ [TYPE]: { key: 'value' } })).toString('base64');
  const response = await sendForm(tested, `${PATHS.eventNotifications}/create-events`, { request }, headers);
  return ((await response.json()) as { notificationsID: string }).notificationsID;
};
const polled = async (by: Party, request: object = {}): Promise<string[]> => {
  const response = await sendJson(tested, 'POST', `${PATHS.eventNotifications}/events`, request, by.token);
  return Object.keys(((await response.json()) as { sets: object }).sets);
};
/** Time passes, and every reaction looks at what is due. */
const pass = async (seconds: number) => {
  time.pass(seconds);
  await created(polling);
};

const claimsOf = (set: string): Record<string, unknown> => JSON.parse(Buffer.from(set.split('.')[1] ?? '', 'base64url').toString());
const jtiOf = ({ text }: Notified) => claimsOf(text)['jti'];
const taken = (id: string) => recorded(tested, 'EventNotificationAcknowledged', `eventNotification-${id}`);
const factsOf = async (id: string): Promise<readonly StoredEvent[]> =>
  (await tested.ports.store.read(`eventNotification-${id}`)).filter(({ type }) => type !== 'EventNotificationCreated');
/** What is recorded of a notification behind its creation, as soon as there are so many facts. */
const facts = (id: string, count: number): Promise<{ type: string; data: Record<string, unknown> }[]> =>
  firstValueFrom(
    tested.engine.projections.applied.pipe(
      startWith(0),
      switchMap(() => factsOf(id)),
      filter((found) => found.length >= count),
      map((found) => found.map(({ type, data }) => ({ type, data: JSON.parse(data) }))),
    ),
  );
/** Whoever is called after this was not called again for anything before it. */
const controlled = async () => {
  await pass(1000);
  const control = await created();
  await taken(control);
  return endpoint.calls.map(jtiOf).filter((jti) => jti !== control);
};

describe('a callback is sent', () => {
  test('a consent’s end as a security event token (RFC 8935), once, and a poll has nothing more', async () => {
    const consentId = await lodge(tested, tpp.auth);
    expect((await sendJson(tested, 'DELETE', `${CONSENTS}/${consentId}`, undefined, tpp.token)).status).toBe(204);
    const { text, ...call } = await endpoint.call(1);
    expect(call).toMatchObject({ method: 'POST', path: '/cb', contentType: 'application/secevent+jwt', authorization: undefined });
    expect(await tested.ports.signer.verify(text, 'secevent+jwt')).not.toBeNull();
    const { jti, ...claims } = claimsOf(text);
    expect(claims).toMatchObject({ iss: tested.url, aud: tpp.clientId, events: { [TYPE]: { consentID: consentId } } });
    const { actor, data } = await taken(String(jti));
    expect([actor, JSON.parse(data)]).toEqual([{ kind: 'engine', id: 'deliver-notifications' }, { at: time.clock() }]);
    expect(await polled(tpp)).toEqual([]);
    expect(await controlled()).toEqual([jti]);
  });

  test('a notification as the reference writes it, where the client has its profile', async () => {
    const compatible = await party({ profile: 'wso2-compat' });
    await subscribe(compatible);
    const id = await created(compatible);
    const { contentType, body } = await endpoint.call(1);
    expect([contentType, body]).toEqual(['application/json', { notificationId: id, SET: expect.any(String) }]);
    expect(claimsOf(String(body['SET']))).toMatchObject({ jti: id, aud: compatible.clientId, events: { [TYPE]: { key: 'value' } } });
    await taken(id);
  });

  test('nothing where the settings do not say so', async () => {
    await tested.close();
    await start({ clock: time.clock, outbound: endpoint.outbound }, {});
    const id = await created();
    expect(await polled(tpp)).toEqual([id]);
    expect(endpoint.calls).toEqual([]);
  });
});

describe('a callback that was not taken', () => {
  test('is called again after a fault of the server or of the way there, with growing pauses', async () => {
    endpoint.behaves(cut, status(503), silent, status(500), status(202));
    const id = await created();
    for (const [before, pause] of [10, 20, 40, 80].entries()) {
      await facts(id, before + 1);
      await pass(pause);
    }
    await taken(id);
    const attempts = (await facts(id, 5)).slice(0, -1).map(({ data }) => data);
    expect(attempts.map(({ reason, status: code }) => [reason, code])).toEqual([
      ['connection_failed', null],
      ['http_status', 503],
      ['timeout', null],
      ['http_status', 500],
    ]);
    for (const [before, { at, retryAt }] of attempts.entries()) {
      const pause = Number(retryAt) - Number(at);
      expect([pause >= 5 * 2 ** before, pause <= 10 * 2 ** before]).toEqual([true, true]);
    }
    expect(endpoint.calls.map(jtiOf)).toEqual(Array(5).fill(id));
  });

  test('is called no more than six times, and can be polled for', async () => {
    endpoint.behaves(status(503));
    const id = await created();
    for (let count = 1; count < 6; count += 1) {
      await facts(id, count);
      await pass(160);
    }
    expect((await facts(id, 6)).map(({ type, data }) => [type, data['retryAt'] === null])).toEqual([
      ...Array(5).fill(['EventNotificationNotDelivered', false]),
      ['EventNotificationNotDelivered', true],
    ]);
    endpoint.behaves(status(202));
    expect(await controlled()).toEqual(Array(6).fill(id));
    expect(await polled(tpp)).toEqual([id]);
    expect(await polled(tpp, { ack: [id] })).toEqual([]);
  });

  test.each([400, 401, 404, 429, 200, 204])('because of %i can be polled for, and is not called again', async (code) => {
    endpoint.behaves(status(code), status(202));
    const id = await created();
    expect(await facts(id, 1)).toEqual([
      { type: 'EventNotificationNotDelivered', data: { reason: 'http_status', status: code, retryAt: null, at: time.clock() } },
    ]);
    expect(await polled(tpp)).toEqual([id]);
    expect(await controlled()).toEqual([id]);
  });

  test('because its address is none to call is not called', async () => {
    const by = await party();
    await subscribe(by, 'https://127.0.0.1:1/');
    const id = await created(by);
    expect((await facts(id, 1))[0]?.data).toMatchObject({ status: null, retryAt: null });
    expect(await polled(by)).toEqual([id]);
  });

  test('because of a redirect is not followed there', async () => {
    const canary = await startCanary();
    endpoint.behaves(status(307, { location: `https://localhost:${canary.port}/` }), status(202));
    const id = await created();
    expect((await facts(id, 1))[0]?.data).toMatchObject({ reason: 'redirect', retryAt: null });
    expect([await controlled(), canary.connections()]).toEqual([[id], 0]);
    expect(await polled(tpp)).toEqual([id]);
    await canary.close();
  });

  test.each([
    ['acknowledged', (id: string) => ({ ack: [id] })],
    ['reported as an error', (id: string) => ({ setErrs: { [id]: { err: 'jwtParse', description: '' } } })],
  ])('is not called again once it was polled and %s', async (_name, answer) => {
    endpoint.behaves(status(503), status(202));
    const id = await created();
    await facts(id, 1);
    expect(await polled(tpp)).toEqual([id]);
    expect(await polled(tpp, answer(id))).toEqual([]);
    expect(await controlled()).toEqual([id]);
    expect(await facts(id, 2)).toHaveLength(2);
  });

  test('is called where the subscription says by then, and nowhere when that has ended', async () => {
    const by = await party();
    const subscriptionId = await subscribe(by);
    endpoint.behaves(status(503), status(503), status(202));
    const id = await created(by);
    await facts(id, 1);
    const moved = { callbackUrl: endpoint.url.replace('/cb', '/moved') };
    expect((await sendJson(tested, 'PUT', `${subscriptions}/${subscriptionId}`, moved, by.token)).status).toBe(200);
    await pass(10);
    await facts(id, 2);
    expect(endpoint.calls.map(({ path }) => path)).toEqual(['/cb', '/moved']);
    expect((await sendJson(tested, 'DELETE', `${subscriptions}/${subscriptionId}`, undefined, by.token)).status).toBe(204);
    await pass(20);
    expect((await facts(id, 3))[2]?.data).toMatchObject({ reason: 'no_callback', status: null, retryAt: null });
    expect(await polled(by)).toEqual([id]);
    expect(endpoint.calls).toHaveLength(2);
  });

  test('of another subscription is called where the first has ended', async () => {
    const by = await party();
    const subscriptionId = await subscribe(by);
    endpoint.behaves(status(503), status(202));
    const id = await created(by);
    await facts(id, 1);
    await subscribe(by, endpoint.url.replace('/cb', '/second'));
    expect((await sendJson(tested, 'DELETE', `${subscriptions}/${subscriptionId}`, undefined, by.token)).status).toBe(204);
    await pass(10);
    expect((await facts(id, 2))[1]?.type).toBe('EventNotificationAcknowledged');
    expect(endpoint.calls.map(({ path }) => path)).toEqual(['/cb', '/second']);
  });

  test('is not called again for a client that was disabled', async () => {
    const ended = await party();
    await subscribe(ended);
    endpoint.behaves(status(503), status(202));
    const id = await created(ended);
    await facts(id, 1);
    await tested.disable(ended.clientId);
    expect(await controlled()).toEqual([id]);
    expect(await facts(id, 1)).toHaveLength(1);
  });
});

test('an endpoint that never answers holds up nobody else', async () => {
  const quick = endpoint;
  const slow = await notificationEndpoint({ timeoutMs: 60_000 });
  slow.behaves(silent);
  await tested.close();
  const outboundOf = ({ url }: { url: string }) => (url === slow.url ? slow : quick).outbound;
  await start({ clock: time.clock, outbound: { ...quick.outbound, fetch: (request) => outboundOf(request).fetch(request) } });
  const stuck = await party();
  await subscribe(stuck, slow.url);
  for (let count = 0; count < 40; count += 1) await created(stuck);
  await slow.call(32);
  const id = await created();
  await taken(id);
  expect(slow.calls).toHaveLength(32);
  await slow.close();
});

describe('an engine that ended', () => {
  test.each<[string, Behaviour[]]>([
    ['before the endpoint answered', [silent, status(202)]],
    ['between two attempts', [status(503), status(202)]],
  ])('%s leaves the call to the next one', async (_name, behaviours) => {
    const file = `${temporaryFolder()}/log.sqlite`;
    const shared = { sealer: tested.ports.sealer, signer: tested.ports.signer, clock: time.clock, outbound: endpoint.outbound };
    await tested.close();
    await start({ ...shared, store: sqliteEventStore(file) });
    endpoint.behaves(...behaviours);
    const id = await created();
    await endpoint.call(1);
    await tested.close();
    time.pass(10);
    tested = await testEngine({ ...shared, store: sqliteEventStore(file) }, CALLBACKS);
    await taken(id);
    const [first, second] = endpoint.calls.map(({ text }) => claimsOf(text));
    expect(second).toEqual({ ...first, iss: tested.url });
    expect(endpoint.calls).toHaveLength(2);
  });
});

describe('two engines on one store', () => {
  const another = () => {
    const { store, sealer, signer } = tested.ports;
    return testEngine({ store: nodesOwn(store), sealer, signer, clock: time.clock, outbound: endpoint.outbound }, CALLBACKS);
  };

  test('record once that a callback was taken', async () => {
    const other = await another();
    for (let round = 0; round < 20; round += 1) {
      const id = await created();
      await taken(id);
      expect((await factsOf(id)).map(({ type }) => type)).toEqual(['EventNotificationAcknowledged']);
      expect(endpoint.calls.filter((call) => jtiOf(call) === id).length).toBeLessThanOrEqual(2);
    }
    expect((await tested.log()).filter(({ type }) => type === 'EventNotificationNotDelivered')).toEqual([]);
    await other.close();
  });

  test('spend one attempt where both failed at once', async () => {
    const second = Promise.withResolvers<void>();
    const failed: Behaviour = (res) => res.writeHead(503).end();
    endpoint.behaves(
      async (res, call) => {
        await second.promise;
        failed(res, call);
      },
      (res, call) => {
        second.resolve();
        failed(res, call);
      },
      status(202),
    );
    const other = await another();
    const id = await created();
    await endpoint.call(2);
    await facts(id, 1);
    await pass(10);
    await taken(id);
    expect((await facts(id, 2)).map(({ type }) => type)).toEqual(['EventNotificationNotDelivered', 'EventNotificationAcknowledged']);
    await other.close();
  });
});
