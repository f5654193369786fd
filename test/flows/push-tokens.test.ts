import { createHash } from 'node:crypto';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { decodeJwt } from 'jose';
import { inMemoryEventStore } from '../../src/adapters/event-store/in-memory.ts';
import { CIBA_GRANT } from '../../src/domain/client/metadata.ts';
import { type EventStore, StoreStopped } from '../../src/domain/ports/event-store.ts';
import { type StandingClock, standingClock } from '../support/clock.ts';
import { type TestDevice, testDevice } from '../support/device.ts';
import { nodesOwn, type TestEngine, testEngine } from '../support/engine.ts';
import { expectRefusal, sendForm } from '../support/http.ts';
import { recorded } from '../support/log.ts';
import { cut, type NotificationEndpoint, notificationEndpoint, silent, status } from '../support/notification-endpoint.ts';
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
  auth = await pushed();
  phone = await testDevice(tested, 'alice');
});
afterEach(async () => {
  await tested.close();
  await endpoint.close();
});

const pushed = () => secretTpp(tested, { backchannel_token_delivery_mode: 'push', backchannel_client_notification_endpoint: endpoint.url });
const asked = (parameters: Record<string, string> = {}) => ask(tested, auth, { client_notification_token: TOKEN, ...parameters });
const approved = async () => {
  const request = await asked();
  await phone.decide(request.requestId, 'approved');
  return request;
};
const done = (requestId: string, on = tested) => recorded(on, 'ClientNotificationAccepted', `notification-${requestId}`);
const failed = (requestId: string) => recorded(tested, 'ClientNotificationRejected', `notification-${requestId}`);
const revoked = (requestId: string) => recorded(tested, 'GrantRevoked', `grant-${requestId}`);
const typesIn = async (stream: string) => (await tested.log()).filter((event) => event.stream === stream).map(({ type }) => type);
const isActive = async (token: unknown, on = tested) =>
  (await on.post('/oauth2/introspect', { ...auth, token: String(token) })).body['active'];

const TOKENS = ['GrantOpened', 'AccessTokenIssued', 'RefreshTokenIssued', 'TokenResponseKept'];

describe('an approval', () => {
  test('brings the client its tokens, which are good, and an ID token that says what it came with', async () => {
    const { authReqId, requestId } = await approved();
    const { body, authorization, contentType } = await endpoint.call(1);
    expect([authorization, contentType]).toEqual([`Bearer ${TOKEN}`, 'application/json']);
    expect(body).toEqual({
      auth_req_id: authReqId,
      access_token: expect.any(String),
      token_type: 'Bearer',
      expires_in: 3600,
      scope: 'openid accounts',
      id_token: expect.any(String),
      refresh_token: expect.any(String),
    });
    const leftHalf = (token: unknown) => createHash('sha256').update(String(token)).digest().subarray(0, 16).toString('base64url');
    expect(decodeJwt(String(body['id_token']))).toMatchObject({
      aud: auth['client_id'],
      at_hash: leftHalf(body['access_token']),
      'urn:openid:params:jwt:claim:rt_hash': leftHalf(body['refresh_token']),
      'urn:openid:params:jwt:claim:auth_req_id': authReqId,
    });
    await done(requestId);
    expect(await isActive(body['access_token'])).toBe(true);
    const refreshed = await tested.post('/oauth2/token', {
      ...auth,
      grant_type: 'refresh_token',
      refresh_token: String(body['refresh_token']),
    });
    expect(refreshed.status).toBe(200);
    const log = JSON.stringify(await tested.log());
    for (const secret of [authReqId, TOKEN, body['access_token'], body['refresh_token']]) expect(log).not.toContain(secret);
  });

  test('is told with the same bytes until the client takes them, from one grant', async () => {
    endpoint.behaves(cut, status(503), silent, status(204));
    const { requestId } = await approved();
    for (const [index, pause] of [2, 4, 8].entries()) {
      await endpoint.call(index + 1);
      while ((await typesIn(`notification-${requestId}`)).length <= index) await new Promise((resolve) => setImmediate(resolve));
      time.pass(pause);
    }
    await done(requestId);
    expect(endpoint.calls).toHaveLength(4);
    expect(new Set(endpoint.calls.map(({ text }) => text)).size).toBe(1);
    expect(await typesIn(`grant-${requestId}`)).toEqual(TOKENS);
    expect(await isActive(endpoint.calls[0]?.body['access_token'])).toBe(true);
  });

  test.each([400, 401, 404])('that the client answers with %i leaves no tokens behind', async (code) => {
    endpoint.behaves(status(code));
    const { requestId } = await approved();
    expect(JSON.parse((await failed(requestId)).data)).toMatchObject({ status: code, retryAt: null });
    expect(JSON.parse((await revoked(requestId)).data)).toMatchObject({ reason: 'not_delivered' });
    expect(await isActive(endpoint.calls[0]?.body['access_token'])).toBe(false);
    expect(endpoint.calls).toHaveLength(1);
  });

  test('that the client answers with 503 and a long page is told again', async () => {
    endpoint.behaves((res) => res.writeHead(503).end('x'.repeat(100_000)), status(204));
    const { requestId } = await approved();
    expect(JSON.parse((await failed(requestId)).data)).toMatchObject({ status: 503, retryAt: expect.any(Number) });
    time.pass(2);
    await done(requestId);
    expect(endpoint.calls).toHaveLength(2);
    expect(await isActive(endpoint.calls[0]?.body['access_token'])).toBe(true);
  });

  test.each(['plain', 'compressed'])('that the client answers with 200 and a long page (%s) is delivered', async (how) => {
    const headers = how === 'compressed' ? { 'content-encoding': 'gzip' } : {};
    endpoint.behaves((res) => res.writeHead(200, headers).end('x'.repeat(100_000)));
    const { requestId } = await approved();
    await done(requestId);
    expect(await typesIn(`grant-${requestId}`)).toEqual(TOKENS);
    expect(await isActive(endpoint.calls[0]?.body['access_token'])).toBe(true);
  });

  test('that the client does not take before the request ends leaves no tokens behind', async () => {
    endpoint.behaves(status(503));
    const { requestId } = await approved();
    await failed(requestId);
    time.pass(301);
    await revoked(requestId);
    expect(await isActive(endpoint.calls[0]?.body['access_token'])).toBe(false);
    expect(endpoint.calls).toHaveLength(1);
  });
});

describe('there is an error for', () => {
  test('a refusal', async () => {
    const { authReqId, requestId } = await asked();
    await phone.decide(requestId, 'denied');
    await done(requestId);
    const error_description = 'the PSU refused the request';
    expect(endpoint.calls.map(({ body }) => body)).toEqual([{ auth_req_id: authReqId, error: 'access_denied', error_description }]);
  });

  test('a request that has expired', async () => {
    const { authReqId, requestId } = await asked();
    time.pass(301);
    await done(requestId);
    expect(endpoint.calls.map(({ body }) => body)).toMatchObject([{ auth_req_id: authReqId, error: 'expired_token' }]);
  });

  test('a request that was cancelled', async () => {
    const consentId = await lodge(tested, auth);
    const { authReqId, requestId } = await asked({ openbanking_intent_id: consentId });
    const authorization = `Bearer ${await ownToken(tested, auth)}`;
    await fetch(`${tested.url}${CONSENTS}/${consentId}`, { method: 'DELETE', headers: { authorization } });
    await done(requestId);
    expect(endpoint.calls.map(({ body }) => body)).toMatchObject([{ auth_req_id: authReqId, error: 'access_denied' }]);
  });
});

describe('a client to whom tokens are pushed', () => {
  test('may not poll, before or after', async () => {
    const { authReqId, requestId } = await asked();
    const poll = () => sendForm(tested, '/oauth2/token', { ...auth, grant_type: CIBA_GRANT, auth_req_id: authReqId });
    await expectRefusal(tested, poll, 400, 'unauthorized_client');
    await phone.decide(requestId, 'approved');
    await done(requestId);
    await expectRefusal(tested, poll, 400, 'unauthorized_client');
  });

  test('is told no interval', async () => {
    const form = { ...auth, scope: 'openid accounts', login_hint: 'alice', client_notification_token: TOKEN };
    expect((await tested.post('/oauth2/ciba', form)).body).toEqual({ auth_req_id: expect.any(String), expires_in: 300 });
  });

  test('whose tokens must be bound brings at its request what they are bound to', async () => {
    const bound = await secretTpp(tested, {
      backchannel_token_delivery_mode: 'push',
      backchannel_client_notification_endpoint: endpoint.url,
      tls_client_certificate_bound_access_tokens: true,
    });
    const form = { ...bound, scope: 'openid accounts', login_hint: 'alice', client_notification_token: TOKEN };
    await expectRefusal(tested, () => sendForm(tested, '/oauth2/ciba', form), 400, 'invalid_request');
  });
});

test('two engines on one store push from one grant, however they meet', async () => {
  const { store, sealer, signer } = tested.ports;
  const other = await testEngine({ store: nodesOwn(store), sealer, signer, clock: time.clock, outbound: endpoint.outbound });
  for (let round = 0; round < 20; round += 1) {
    const { authReqId, requestId } = await approved();
    await done(requestId);
    expect(await typesIn(`grant-${requestId}`)).toEqual(TOKENS);
    expect(new Set(await typesIn(`notification-${requestId}`))).toEqual(new Set(['ClientNotificationAccepted']));
    const sent = endpoint.calls.filter(({ body }) => body['auth_req_id'] === authReqId);
    expect(new Set(sent.map(({ text }) => text)).size).toBe(1);
    expect(await isActive(sent[0]?.body['access_token'])).toBe(true);
  }
  await other.close();
});

/** A store that stops by itself: after so many further appends nothing is kept any more. */
const dyingStore = (store: EventStore) => {
  let left = Number.POSITIVE_INFINITY;
  return {
    ...store,
    diesAfter(appends: number) {
      left = appends;
    },
    async append(...given: Parameters<EventStore['append']>) {
      if (left === 0) throw new StoreStopped('the process has died');
      left -= 1;
      return store.append(...given);
    },
    close: async () => undefined,
  };
};

// The approval itself, the consent, the redemption, the grant with its tokens, the delivery.
test.each([1, 2, 3, 4, 5])('an engine that dies after append %i of a ceremony leaves the rest to the next one', async (appends) => {
  const { sealer, signer } = tested.ports;
  const store = inMemoryEventStore();
  const dying = dyingStore(store);
  const shared = { sealer, signer, clock: time.clock, outbound: endpoint.outbound };
  const first = await testEngine({ ...shared, store: dying });
  await tested.close();
  tested = first;
  auth = await pushed();
  phone = await testDevice(tested, 'alice');
  const { authReqId, requestId } = await asked();
  const shown = await phone.retrieve(requestId);
  const answer = await phone.answer(
    shown,
    'approved',
    JSON.parse(shown.shown).accounts.map((account: { account_id: string }) => account.account_id),
  );
  dying.diesAfter(appends);
  await fetch(`${tested.url}/approver/v1/requests/${requestId}/answer`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ answer }),
  });
  if (appends >= 4) await endpoint.call(1);
  // What it could not record are its faults.
  await first.close().catch(() => undefined);
  time.pass(3);

  tested = await testEngine({ ...shared, store });
  phone = await testDevice(tested, 'alice');
  await done(requestId);
  expect(await typesIn(`cibaRequest-${requestId}`)).toEqual([
    'CibaRequestReceived',
    'ConsentRetrieved',
    'CibaRequestApproved',
    'CibaRequestRedeemed',
  ]);
  expect(await typesIn(`grant-${requestId}`)).toEqual(TOKENS);
  expect(await typesIn(`notification-${requestId}`)).toEqual(['ClientNotificationAccepted']);
  expect(endpoint.calls.length).toBeGreaterThan(0);
  expect(new Set(endpoint.calls.map(({ text }) => text)).size).toBe(1);
  expect(endpoint.calls[0]?.body).toMatchObject({ auth_req_id: authReqId });
  expect(await isActive(endpoint.calls[0]?.body['access_token'])).toBe(true);
});
