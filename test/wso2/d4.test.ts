import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { inMemoryEventStore } from '../../src/adapters/event-store/in-memory.ts';
import { PATHS } from '../../src/api/surface.ts';
import { consent, expire } from '../../src/domain/consent/decider.ts';
import type { Actor } from '../../src/domain/ports/event-store.ts';
import { type StandingClock, standingClock } from '../support/clock.ts';
import { type TestEngine, testEngine } from '../support/engine.ts';
import { sendForm, sendJson } from '../support/http.ts';
import { recorded } from '../support/log.ts';
import { type RacingStore, racingStore } from '../support/racing-store.ts';
import { CONSENTS, lodge, ownToken, secretTpp } from '../support/tpp.ts';

const BASE = PATHS.eventNotifications;
const REVOKED = 'urn_uk_org_openbanking_events_consent-authorization-revoked';
const UPDATED = 'urn_uk_org_openbanking_events_resource-update';

let tested: TestEngine;
let store: RacingStore;
let time: StandingClock;
let tpp: Party;
let other: Party;
/** The header by which a system of the bank says who it is, and how the log names it. */
let operator: Record<string, string>;
let operatorActor: Actor;

interface Party {
  auth: { client_id: string; client_secret: string };
  clientId: string;
  token: Record<string, string>;
}

const party = async (): Promise<Party> => {
  const auth = await secretTpp(tested);
  return { auth, clientId: auth.client_id, token: { authorization: `Bearer ${await ownToken(tested, auth)}` } };
};

const basic = async (metadata: object): Promise<Record<string, string>> => {
  const clientId = await tested.client({ token_endpoint_auth_method: 'client_secret_basic', ...metadata }, 's3cret');
  return { authorization: `Basic ${btoa(`${clientId}:s3cret`)}` };
};

beforeAll(async () => {
  time = standingClock();
  store = racingStore(inMemoryEventStore());
  tested = await testEngine({ store, clock: time.clock });
  [tpp, other] = [await party(), await party()];
  operator = await basic({ scope: 'consents:manage' });
  const [id = ''] = atob(operator['authorization']?.replace('Basic ', '') ?? '').split(':');
  operatorActor = { kind: 'operator', id };
});
afterAll(() => tested.close());

const base64 = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64');
const about = ({ clientId }: Pick<Party, 'clientId'>, resourceId = 'resource-1') => ({
  'x-wso2-client_id': clientId,
  'x-wso2-resource_id': resourceId,
});
const createEvents = (to: Party, events: object, headers: Record<string, string> = operator) =>
  sendForm(tested, `${BASE}/create-events`, { request: base64(events) }, { ...headers, ...about(to) });
const created = async (to: Party, events: object = { [UPDATED]: { key1: 'value' } }): Promise<string> => {
  const response = await createEvents(to, events);
  return ((await response.json()) as { notificationsID: string }).notificationsID;
};

interface Sets {
  moreAvailable: boolean;
  sets: Record<string, string>;
}
const poll = async (by: Party, request: object = {}): Promise<Sets> => {
  const response = await sendJson(tested, 'POST', `${BASE}/events`, request, by.token);
  expect(response.status).toBe(200);
  return (await response.json()) as Sets;
};
/** Acknowledges whatever there is. */
const emptied = async (by: Party): Promise<void> => {
  const { sets } = await poll(by, { maxEvents: 100 });
  await poll(by, { ack: Object.keys(sets), maxEvents: 0 });
};
const subscribe = async (by: Party, request: object): Promise<Record<string, unknown>> => {
  const response = await sendJson(tested, 'POST', `${BASE}/subscription`, request, by.token);
  expect(response.status).toBe(201);
  return (await response.json()) as Record<string, unknown>;
};

/** The header and the claims of a security event token that the published keys verify. */
const verified = async (set: string) => {
  expect(await tested.ports.signer.verify(set, 'secevent+jwt')).not.toBeNull();
  const [header = '', claims = ''] = set.split('.').map((part) => Buffer.from(part, 'base64url').toString());
  return { header: JSON.parse(header), claims: JSON.parse(claims) };
};

const refusal = async (response: Response) => ({ status: response.status, body: await response.json() });
const words = (error: string, description: string) => ({ error, error_description: description });

test('D4: a system of the bank creates events, and the client polls them as signed tokens', async () => {
  const events = {
    [UPDATED]: { resourceID: 'resource-1', ref: 'https://bank.example/1' },
    'urn:ietf:params:scim:event:create': { attributes: ['id'] },
  };
  const response = await createEvents(tpp, events);
  expect(response.status).toBe(201);
  const { notificationsID: id, ...more } = (await response.json()) as Record<string, string>;
  expect(more).toEqual({});
  const { moreAvailable, sets } = await poll(tpp);
  expect([moreAvailable, Object.keys(sets)]).toEqual([false, [id]]);
  const { header, claims } = await verified(sets[String(id)] ?? '');
  const at = time.clock();
  expect(header).toEqual({ alg: 'ES256', typ: 'secevent+jwt', kid: expect.any(String) });
  const whose = { iss: tested.url, aud: tpp.clientId, sub: tpp.clientId };
  expect(claims).toEqual({ ...whose, iat: at, toe: at * 1000, jti: id, txn: expect.any(String), events });
  expect(await poll(tpp)).toEqual({ moreAvailable: false, sets: { [String(id)]: expect.any(String) } });
  expect(await poll(other)).toEqual({ moreAvailable: false, sets: {} });
  await emptied(tpp);
});

test('D4: what is said of an event is sealed in the log', async () => {
  const id = await created(tpp, { [UPDATED]: { name: 'Somebody Particular' } });
  const log = JSON.stringify(await tested.ports.store.read(`eventNotification-${id}`));
  expect(log).toContain(UPDATED);
  for (const secret of ['Somebody Particular', 'resource-1']) expect(log).not.toContain(secret);
  await emptied(tpp);
});

const notFound = { status: 400, body: words('invalid_request', 'A client was not found for the client id') };
const disabled = async (): Promise<string> => {
  const clientId = await tested.client({}, 's3cret');
  await tested.disable(clientId);
  return clientId;
};

describe('D4: creating events is refused', () => {
  const form = { request: base64({ [UPDATED]: {} }) };
  const send = (body: Record<string, string>, headers: Record<string, string>) => sendForm(tested, `${BASE}/create-events`, body, headers);
  test('to whom is no system of the bank', async () => {
    const cases = [
      [await basic({}), 403, 'insufficient_scope'],
      [tpp.token, 403, 'insufficient_scope'],
      [{ authorization: 'Basic YTpi' }, 401, 'invalid_client'],
      [{}, 401, 'invalid_token'],
    ] as const;
    for (const [headers, status, error] of cases)
      expect(await refusal(await send(form, { ...headers, ...about(tpp) }))).toMatchObject({ status, body: { error } });
  });
  test('without the headers, or with others', async () => {
    const missing = (name: string) => ({ status: 400, body: words('missing_request_header', `Missing header ${name}`) });
    expect(await refusal(await send(form, { ...operator, 'x-wso2-resource_id': 'r' }))).toEqual(missing('x-wso2-client_id'));
    expect(await refusal(await send(form, { ...operator, 'x-wso2-client_id': 'c' }))).toEqual(missing('x-wso2-resource_id'));
    const wrong = { 'x-wso2-client_id': 'a<b>', 'x-wso2-resource_id': 'r' };
    const invalid = words('invalid_request_header', 'Invalid characters found in the request headers');
    expect(await refusal(await send(form, { ...operator, ...wrong }))).toEqual({ status: 400, body: invalid });
  });
  test('without a payload, or with one that is none', async () => {
    const headers = { ...operator, ...about(tpp) };
    const none = words('missing_request_payload', 'No request payload found');
    expect(await refusal(await send({ another: 'x' }, headers))).toEqual({ status: 400, body: none });
    const unreadable = words('invalid_request_payload', 'Error in the request payload');
    expect(await refusal(await send({ request: 'AAAA' }, headers))).toEqual({ status: 400, body: unreadable });
    for (const events of [[], {}, 'text', null, { [UPDATED]: 'text' }])
      expect(await refusal(await send({ request: base64(events) }, headers))).toMatchObject({
        status: 400,
        body: { error: 'invalid_request' },
      });
  });
  test('with names that are none', async () => {
    for (const events of ['{"__proto__":{"a":1}}', '{"":{}}', `{"${'x'.repeat(257)}":{}}`]) {
      const request = Buffer.from(events).toString('base64');
      expect(await refusal(await send({ request }, { ...operator, ...about(tpp) }))).toMatchObject({ status: 400 });
    }
  });
  test('for a client that is none', async () => {
    for (const clientId of ['nobody', await disabled()])
      expect(await refusal(await send(form, { ...operator, ...about({ clientId }) }))).toEqual(notFound);
  });
  test('with what is nested deeper than anything is', async () => {
    const nested = (levels: number) => `{"${UPDATED}":{"a":${'['.repeat(levels)}${']'.repeat(levels)}}}`;
    const encoded = (levels: number) => ({ request: Buffer.from(nested(levels)).toString('base64') });
    const headers = { ...operator, ...about(tpp) };
    expect((await send(encoded(62), headers)).status).toBe(201);
    for (const levels of [63, 8000]) {
      expect(await refusal(await send(encoded(levels), headers))).toMatchObject({
        status: 400,
        body: { error: 'invalid_request_payload' },
      });
      const json = await fetch(`${tested.url}${BASE}/create-events`, {
        method: 'POST',
        headers: { ...headers, 'content-type': 'application/json' },
        body: nested(levels),
      });
      expect(json.status).toBe(400);
    }
    await emptied(tpp);
  });
});

describe('D4: polling', () => {
  test('takes the reference’s form as it takes JSON, from a system of the bank for the client that it names', async () => {
    const id = await created(tpp);
    const request = { request: base64({ returnImmediately: true, maxEvents: 3 }) };
    const ways = [tpp.token, { ...operator, 'x-wso2-client_id': tpp.clientId }, { ...operator, 'x-wso2-client-id': tpp.clientId }];
    for (const headers of ways) {
      const response = await sendForm(tested, `${BASE}/events`, request, headers);
      expect([response.status, Object.keys(((await response.json()) as Sets).sets)]).toEqual([200, [id]]);
    }
    expect(await refusal(await sendForm(tested, `${BASE}/events`, request, operator))).toMatchObject({
      status: 400,
      body: { error: 'missing_request_header' },
    });
    await emptied(tpp);
  });

  test('records what a system of the bank answers for as done by the system', async () => {
    const [own, theirs] = [await created(tpp), await created(tpp)];
    await poll(tpp, { ack: [own], maxEvents: 0 });
    const headers = { ...operator, 'x-wso2-client_id': tpp.clientId };
    expect((await sendJson(tested, 'POST', `${BASE}/events`, { ack: [theirs] }, headers)).status).toBe(200);
    const actorOf = async (id: string) => (await tested.ports.store.read(`eventNotification-${id}`)).at(-1)?.actor;
    expect([await actorOf(own), await actorOf(theirs)]).toEqual([{ kind: 'client', id: tpp.clientId }, operatorActor]);
    for (const clientId of ['nobody', await disabled()])
      expect(await refusal(await sendJson(tested, 'POST', `${BASE}/events`, {}, { ...operator, 'x-wso2-client_id': clientId }))).toEqual(
        notFound,
      );
  });

  test('gives as many as are asked for, five where nobody says, oldest first, and says whether there are more', async () => {
    const ids: string[] = [];
    for (let n = 0; n < 7; n += 1) ids.push(await created(tpp));
    const given = async (request: object) => {
      const { moreAvailable, sets } = await poll(tpp, request);
      return [moreAvailable, Object.keys(sets)];
    };
    expect(await given({})).toEqual([true, ids.slice(0, 5)]);
    expect(await given({ maxEvents: 0 })).toEqual([true, []]);
    expect(await given({ maxEvents: 3 })).toEqual([true, ids.slice(0, 3)]);
    expect(await given({ maxEvents: 7 })).toEqual([false, ids]);
    expect(await given({ ack: ids.slice(0, 3), maxEvents: 100 })).toEqual([false, ids.slice(3)]);
    expect(await given({ ack: ids.slice(3), maxEvents: 0 })).toEqual([false, []]);
  });

  test('acknowledges once, however often it is said, and never again says what it said', async () => {
    const [id, failed] = [await created(tpp), await created(tpp)];
    const setErrs = { [failed]: { err: 'authentication_failed', description: 'The SET could not be authenticated' } };
    await poll(tpp, { ack: [id, id, 'unknown'], setErrs });
    await poll(tpp, { ack: [id, failed], setErrs: { [id]: { err: 'jwtParse' } } });
    const facts = async (of: string) => (await tested.ports.store.read(`eventNotification-${of}`)).map(({ type }) => type);
    expect(await facts(id)).toEqual(['EventNotificationCreated', 'EventNotificationAcknowledged']);
    expect(await facts(failed)).toEqual(['EventNotificationCreated', 'EventNotificationErrorReported']);
    expect(JSON.stringify(await tested.ports.store.read(`eventNotification-${failed}`))).not.toContain('could not be authenticated');
    expect(await poll(tpp)).toEqual({ moreAvailable: false, sets: {} });
  });

  test('lets nobody answer for what is another’s', async () => {
    const id = await created(tpp);
    await poll(other, { ack: [id], setErrs: { [id]: { err: 'jwtParse' } } });
    expect(Object.keys((await poll(tpp)).sets)).toEqual([id]);
    await emptied(tpp);
  });

  test('records one answer where two meet', async () => {
    const id = await created(tpp);
    store.gather(`eventNotification-${id}`, 2);
    await Promise.all([poll(tpp, { ack: [id], maxEvents: 0 }), poll(tpp, { setErrs: { [id]: { err: 'jwtParse' } }, maxEvents: 0 })]);
    expect(await tested.ports.store.read(`eventNotification-${id}`)).toHaveLength(2);
  });

  test('waits for the first one where it need not return at once', async () => {
    const waiting = poll(tpp, { returnImmediately: false });
    const id = await created(tpp);
    expect(Object.keys((await waiting).sets)).toEqual([id]);
    expect(Object.keys((await poll(tpp, { returnImmediately: false })).sets)).toEqual([id]);
    expect(await poll(tpp, { returnImmediately: false, maxEvents: 0 })).toEqual({ moreAvailable: true, sets: {} });
    await emptied(tpp);
  });

  test('is refused without a token of the client’s own, and with what cannot be read', async () => {
    for (const headers of [{}, { authorization: 'Bearer nonsense' }])
      expect(await refusal(await sendJson(tested, 'POST', `${BASE}/events`, {}, headers))).toMatchObject({
        status: 401,
        body: { error: 'invalid_token' },
      });
    for (const request of [{ maxEvents: -1 }, { ack: 'x' }, { setErrs: { x: {} } }, { ack: Array(501).fill('x') }, []])
      expect(await refusal(await sendJson(tested, 'POST', `${BASE}/events`, request, tpp.token))).toMatchObject({
        status: 400,
        body: { error: 'invalid_request' },
      });
  });
});

describe('D4: subscriptions', () => {
  const callbackUrl = 'https://tpp.example/open-banking/v3.1/event-notifications';

  test('are created, read, listed, found by their type, changed and deleted', async () => {
    const by = await party();
    const one = await subscribe(by, { callbackUrl, eventTypes: [REVOKED, UPDATED], version: '3.1', test: 'testValue' });
    expect(one).toEqual({ callbackUrl, subscriptionId: expect.any(String), eventTypes: [REVOKED, UPDATED], version: '3.1' });
    const two = await subscribe(by, { eventTypes: ['Resource-Update'] });
    const get = async (path: string) => (await sendJson(tested, 'GET', `${BASE}/subscription${path}`, undefined, by.token)).json();
    const id = String(one['subscriptionId']);
    expect(await get(`/${id}`)).toEqual(one);
    for (const path of ['', '/']) expect(await get(path)).toEqual([one, two]);
    expect(await get(`/type/${UPDATED}`)).toEqual([one, two]);
    expect(await get('/type/Consent-Authorization-Revoked')).toEqual([one]);
    expect(await get('/type/unheard-of')).toEqual([]);
    const put = await sendJson(tested, 'PUT', `${BASE}/subscription/${id}`, { test: 'x', eventTypes: [UPDATED] }, by.token);
    const changed = { ...one, eventTypes: [UPDATED] };
    expect([put.status, await put.json()]).toEqual([200, changed]);
    expect(await get(`/type/${REVOKED}`)).toEqual([]);
    expect(await get('')).toEqual([changed, two]);
    expect((await sendJson(tested, 'DELETE', `${BASE}/subscription/${id}`, undefined, by.token)).status).toBe(204);
    expect(await get('')).toEqual([two]);
  });

  test('of others, and those that were deleted, do not exist', async () => {
    const { subscriptionId: id } = await subscribe(tpp, { eventTypes: [UPDATED] });
    const body = words('invalid_request', 'Event subscription not found.');
    const calls = async (by: Party) => {
      for (const [method, request] of [['GET'], ['PUT', { eventTypes: [REVOKED] }], ['DELETE']] as const)
        for (const path of [id, 'unknown'])
          expect(await refusal(await sendJson(tested, method, `${BASE}/subscription/${path}`, request, by.token))).toEqual({
            status: 400,
            body,
          });
    };
    await calls(other);
    await sendJson(tested, 'DELETE', `${BASE}/subscription/${id}`, undefined, tpp.token);
    await calls(tpp);
  });

  test('are changed by a system of the bank as itself, for a client that there is', async () => {
    const headers = { ...operator, 'x-wso2-client_id': tpp.clientId };
    const one = await sendJson(tested, 'POST', `${BASE}/subscription`, { eventTypes: [UPDATED], callbackUrl }, headers);
    const { subscriptionId: id } = (await one.json()) as { subscriptionId: string };
    await sendJson(tested, 'PUT', `${BASE}/subscription/${id}`, { eventTypes: [REVOKED] }, tpp.token);
    await sendJson(tested, 'DELETE', `${BASE}/subscription/${id}`, undefined, headers);
    const actors = (await tested.ports.store.read(`eventSubscription-${id}`)).map(({ actor }) => actor);
    expect(actors).toEqual([operatorActor, { kind: 'client', id: tpp.clientId }, operatorActor]);
    for (const clientId of ['nobody', await disabled()]) {
      const about = { ...operator, 'x-wso2-client_id': clientId };
      expect(await refusal(await sendJson(tested, 'POST', `${BASE}/subscription`, { eventTypes: [UPDATED] }, about))).toEqual(notFound);
      expect(await refusal(await sendJson(tested, 'GET', `${BASE}/subscription`, undefined, about))).toEqual(notFound);
    }
  });

  test('lose their callback where they are told that there is none', async () => {
    const { subscriptionId: id, ...rest } = await subscribe(tpp, { eventTypes: [UPDATED], callbackUrl });
    const put = await sendJson(tested, 'PUT', `${BASE}/subscription/${id}`, { callbackUrl: null }, tpp.token);
    expect([put.status, rest['callbackUrl'], await put.json()]).toEqual([200, callbackUrl, { subscriptionId: id, eventTypes: [UPDATED] }]);
    await sendJson(tested, 'DELETE', `${BASE}/subscription/${id}`, undefined, tpp.token);
  });

  test('need types, and a callback that is an https URL', async () => {
    const callbacks = ['http://tpp.example', 'https://user:secret@tpp.example/', 'https://user@tpp.example/', 'tpp'];
    for (const request of [
      ...[{}, { eventTypes: [] }, { eventTypes: UPDATED }],
      ...callbacks.map((callbackUrl) => ({ eventTypes: [UPDATED], callbackUrl })),
    ])
      expect(await refusal(await sendJson(tested, 'POST', `${BASE}/subscription`, request, tpp.token))).toMatchObject({
        status: 400,
        body: { error: 'invalid_request' },
      });
  });
});

describe('D4: a consent that has ended', () => {
  const end = (by: Party, consentId: string) =>
    sendJson(tested, 'DELETE', `${CONSENTS}/${consentId}`, undefined, by.token).then(({ status }) => expect(status).toBe(204));
  const notified = (consentId: string) => recorded(tested, 'EventNotificationCreated', `eventNotification-${idOf(consentId)}`);
  /** The id of a notification follows from the event that it tells of. */
  const idOf = (eventId: string): string => tested.ports.ids.derived(`notify/${eventId}`);
  const changeOf = async (consentId: string): Promise<string> => (await tested.ports.store.read(`consent-${consentId}`)).at(-1)?.id ?? '';

  test('is told to a client that subscribes to that, by the name that it used', async () => {
    const by = await party();
    await subscribe(by, { eventTypes: ['Consent-Authorization-Revoked'] });
    await subscribe(by, { eventTypes: ['Consent-Authorization-Revoked'] });
    const consentId = await lodge(tested, by.auth);
    await end(by, consentId);
    const change = await changeOf(consentId);
    expect(await notified(change)).toMatchObject({ correlationId: consentId, causationId: change });
    const { sets } = await poll(by);
    expect(Object.keys(sets)).toEqual([idOf(change)]);
    const said = { consentID: consentId, status: 'revoked', timeStamp: time.clock() * 1000 };
    expect((await verified(Object.values(sets)[0] ?? '')).claims.events).toEqual({ 'Consent-Authorization-Revoked': said });
  });

  test('is told also when its time was over, and when it was lodged before the subscription', async () => {
    const by = await party();
    const consentId = await lodge(tested, by.auth, { ExpirationDateTime: new Date((time.clock() + 100) * 1000).toISOString() });
    await subscribe(by, { eventTypes: [REVOKED] });
    time.pass(101);
    const command = { id: 'expiry', actor: { kind: 'engine', id: 'test' } as const, correlationId: consentId, causationId: null };
    await tested.engine.decide(consent, consentId, expire(time.clock()), command);
    await notified(await changeOf(consentId));
    const [set = ''] = Object.values((await poll({ ...by, token: { authorization: `Bearer ${await ownToken(tested, by.auth)}` } })).sets);
    expect((await verified(set)).claims.events[REVOKED]).toMatchObject({ consentID: consentId, status: 'Expired' });
  });

  test('is told to nobody else', async () => {
    const [by, silent] = [await party(), await party()];
    await subscribe(by, { eventTypes: [UPDATED] });
    for (const one of [by, silent]) await end(one, await lodge(tested, one.auth));
    for (const one of [by, silent]) expect(await poll(one)).toEqual({ moreAvailable: false, sets: {} });
  });
});
