import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { systemClock, systemIds } from '../../../src/adapters/clock.ts';
import { inMemoryEventStore } from '../../../src/adapters/event-store/in-memory.ts';
import { psuKeys } from '../../../src/adapters/keys/psu-keys.ts';
import { accountsIn } from '../../../src/demo/phone.ts';
import { detailTypes } from '../../../src/domain/authorization-details/registered.ts';
import { answer, cancel, cancelOwn, cibaRequest, receive, retrieve } from '../../../src/domain/ciba-request/decider.ts';
import { CIBA_GRANT } from '../../../src/domain/client/metadata.ts';
import { makeDecide } from '../../../src/domain/decide.ts';
import { accounts, askedWith, received, retrieved } from '../../support/ceremony-facts.ts';
import { type StandingClock, standingClock } from '../../support/clock.ts';
import { sendAnswer, type TestDevice, testDevice } from '../../support/device.ts';
import { type TestEngine, testEngine } from '../../support/engine.ts';
import { expectRefusal, sendForm } from '../../support/http.ts';
import { recorded } from '../../support/log.ts';
import { racingStore } from '../../support/racing-store.ts';
import { ask, lodge, secretTpp } from '../../support/tpp.ts';

type Form = Record<string, string>;

let time: StandingClock;
let tested: TestEngine;
let auth: Form;
let other: Form;
let phone: TestDevice;
beforeAll(async () => {
  time = standingClock();
  tested = await testEngine({ clock: time.clock }, { COUNTERSIGN_LIMITS_PENDING_REQUESTS_PER_PSU: '1000000' });
  auth = await secretTpp(tested);
  other = await secretTpp(tested);
  phone = await testDevice(tested, 'alice');
});
afterAll(() => tested.close());

const back = (form: Form, client = auth) => sendForm(tested, '/oauth2/ciba/cancel', { ...client, ...form });
const poll = async (authReqId: string) =>
  (await tested.post('/oauth2/token', { ...auth, grant_type: CIBA_GRANT, auth_req_id: authReqId })).body['error'];
const story = async (requestId: string) =>
  (await tested.log()).filter(({ stream }) => stream === `cibaRequest-${requestId}`).map(({ type }) => type);
const reasonOf = async (requestId: string) => {
  const cancelled = (await tested.log()).find(
    ({ stream, type }) => stream === `cibaRequest-${requestId}` && type === 'CibaRequestCancelled',
  );
  return JSON.parse(cancelled?.data ?? '{}').reason;
};

describe('POST /oauth2/ciba/cancel', () => {
  test('takes a request back: polls are told at once, and no device shows it', async () => {
    const { authReqId, requestId } = await ask(tested, auth);
    const response = await back({ auth_req_id: authReqId });
    expect([response.status, await response.text()]).toEqual([204, '']);
    expect(await poll(authReqId)).toBe('access_denied');
    expect((await phone.call('GET', `/requests/${requestId}`)).status).toBe(409);
    const { requests } = (await (await phone.call('GET', '/requests')).json()) as { requests: { request_id: string }[] };
    expect(requests.map(({ request_id }) => request_id)).not.toContain(requestId);
    expect(await reasonOf(requestId)).toBe('cancelled_by_client');
  });

  test('is told in the story of the consent that was lodged', async () => {
    const openbanking_intent_id = await lodge(tested, auth);
    const { authReqId, requestId } = await ask(tested, auth, { openbanking_intent_id });
    await back({ auth_req_id: authReqId });
    expect(await recorded(tested, 'CibaRequestCancelled', `cibaRequest-${requestId}`)).toMatchObject({
      correlationId: openbanking_intent_id,
    });
  });

  test('again is once', async () => {
    const { authReqId, requestId } = await ask(tested, auth);
    const responses = await Promise.all(Array.from({ length: 8 }, () => back({ auth_req_id: authReqId })));
    expect(responses.map(({ status }) => status)).toEqual(Array(8).fill(204));
    expect(await story(requestId)).toEqual(['CibaRequestReceived', 'CibaRequestCancelled']);
  });

  test.each<[string, () => Promise<Form>, string, number]>([
    ['without auth_req_id', async () => ({}), 'invalid_request', 400],
    ['for one that nobody was given', async () => ({ auth_req_id: 'x'.repeat(43) }), 'invalid_grant', 400],
    ['for one of another client', async () => ({ auth_req_id: (await ask(tested, other)).authReqId }), 'invalid_grant', 400],
    ['with a wrong secret', async () => ({ auth_req_id: 'x', client_secret: 'wrong' }), 'invalid_client', 401],
  ])('is refused %s', async (_name, form, error, status) => {
    const given = await form();
    await expectRefusal(tested, () => back(given), status, error);
  });

  test.each(['approved', 'denied'] as const)('is refused once the PSU has %s', async (verdict) => {
    const { authReqId, requestId } = await ask(tested, auth);
    await phone.decide(requestId, verdict);
    await expectRefusal(tested, () => back({ auth_req_id: authReqId }), 400, 'invalid_grant');
  });

  test('is refused when the request has expired', async () => {
    const { authReqId } = await ask(tested, auth, { requested_expiry: '10' });
    time.pass(10);
    await expectRefusal(tested, () => back({ auth_req_id: authReqId }), 400, 'expired_token');
  });
});

describe('a request that supersedes another', () => {
  test('takes its place: the old one is over, the new one waits', async () => {
    const old = await ask(tested, auth);
    const next = await ask(tested, auth, { supersedes: old.authReqId });
    expect([await poll(old.authReqId), await poll(next.authReqId)]).toEqual(['access_denied', 'authorization_pending']);
    expect(await reasonOf(old.requestId)).toBe('superseded');
    const log = await tested.log();
    const [first] = log.filter(({ stream }) => stream === `cibaRequest-${next.requestId}`);
    const last = log.findLast(({ stream }) => stream === `cibaRequest-${old.requestId}`);
    expect(JSON.parse(first?.data ?? '{}').supersedes).toBe(old.requestId);
    expect(last?.causationId).toBe(first?.id);
    await phone.decide(next.requestId, 'approved');
  });

  test('may be about the same lodged consent', async () => {
    const openbanking_intent_id = await lodge(tested, auth);
    const old = await ask(tested, auth, { openbanking_intent_id });
    const next = await ask(tested, auth, { openbanking_intent_id, supersedes: old.authReqId });
    await phone.decide(next.requestId, 'approved');
    expect(await poll(old.authReqId)).toBe('access_denied');
    expect(await poll(next.authReqId)).toBeUndefined();
  });

  test.each<[string, () => Promise<string>]>([
    ['that nobody was given', async () => 'x'.repeat(43)],
    ['of another client', async () => (await ask(tested, other)).authReqId],
    ['that was answered', async () => answered()],
    ['that was superseded', async () => superseded()],
    ['that has expired', async () => over()],
  ])('is refused for one %s', async (_name, old) => {
    const supersedes = await old();
    const form = { ...auth, scope: 'openid', login_hint: 'alice', supersedes };
    await expectRefusal(tested, () => sendForm(tested, '/oauth2/ciba', form), 400, 'invalid_request');
  });

  const answered = async () => {
    const { authReqId, requestId } = await ask(tested, auth);
    await phone.decide(requestId, 'denied');
    return authReqId;
  };
  const superseded = async () => {
    const { authReqId } = await ask(tested, auth);
    await ask(tested, auth, { supersedes: authReqId });
    return authReqId;
  };
  const over = async () => {
    const { authReqId } = await ask(tested, auth, { requested_expiry: '10' });
    time.pass(10);
    return authReqId;
  };

  describe('at the limit', () => {
    let full: TestEngine;
    let client: Form;
    beforeEach(async () => {
      full = await testEngine(
        {},
        { COUNTERSIGN_LIMITS_PENDING_REQUESTS_PER_CLIENT: '3', COUNTERSIGN_LIMITS_PENDING_REQUESTS_PER_PSU: '2' },
      );
      client = await secretTpp(full);
    });
    afterEach(() => full.close());
    const statusOf = async (form: Form) => (await sendForm(full, '/oauth2/ciba', { ...client, scope: 'openid', ...form })).status;

    test('has the room of the one whose place it takes, and no more', async () => {
      const [old] = [await ask(full, client), await ask(full, client)];
      const next = await ask(full, client, { supersedes: old.authReqId });
      expect(await statusOf({ login_hint: 'alice' })).toBe(403);
      const bobs = await ask(full, client, { login_hint: 'bob' });
      // What Bob's request leaves is room of the client, not of Alice.
      expect(await statusOf({ login_hint: 'alice', supersedes: bobs.authReqId })).toBe(403);
      expect(await statusOf({ login_hint: 'bob', supersedes: next.authReqId })).toBe(200);
      expect(await statusOf({ login_hint: 'bob' })).toBe(403);
    });

    test('many at once share one room', async () => {
      const [old] = [await ask(full, client), await ask(full, client)];
      const both = await Promise.all(Array.from({ length: 20 }, () => statusOf({ login_hint: 'alice', supersedes: old.authReqId })));
      expect(both.filter((status) => status === 200)).toHaveLength(1);
    });
  });

  test('ends the old one also when the process died in between', async () => {
    const old = await ask(tested, auth);
    const requestId = systemIds.secret();
    const times = { at: time.clock(), expiresAt: time.clock() + 300 };
    const consentOrigin = 'request' as const;
    const data = {
      ...received.data,
      ...times,
      clientId: String(auth['client_id']),
      psuId: 'psu-alice',
      consentId: requestId,
      consentOrigin,
    };
    const actor = { kind: 'client', id: 'test' } as const;
    const command = { id: systemIds.uuid(), actor, correlationId: requestId, causationId: null };
    const asking = receive({ ...data, supersedes: old.requestId }, askedWith(null));
    const { eventIds } = await tested.engine.decide(cibaRequest, requestId, asking, command);
    const cancelled = await recorded(tested, 'CibaRequestCancelled', `cibaRequest-${old.requestId}`);
    expect(cancelled).toMatchObject({
      causationId: eventIds[0],
      id: systemIds.derived(`${systemIds.derived(`supersede/${eventIds[0]}`)}/0`),
    });
    expect(JSON.parse(cancelled.data)).toMatchObject({ reason: 'superseded' });
  });

  test('ends none of another client, whatever the log says', async () => {
    const foreign = await ask(tested, other);
    const requestId = systemIds.secret();
    const data = { ...received.data, at: time.clock(), expiresAt: time.clock() + 300, psuId: 'psu-alice', supersedes: foreign.requestId };
    const command = { id: systemIds.uuid(), actor: { kind: 'engine', id: 'test' } as const, correlationId: 'c', causationId: null };
    const { position } = await tested.engine.decide(cibaRequest, requestId, receive(data, askedWith(null)), command);
    await tested.engine.readModels.reached(position);
    await phone.decide(foreign.requestId, 'approved');
  });
});

describe('approve, supersede and cancel at once', () => {
  const orders = [
    ['approve', 'supersede', 'cancel'],
    ['approve', 'cancel', 'supersede'],
    ['supersede', 'approve', 'cancel'],
    ['supersede', 'cancel', 'approve'],
    ['cancel', 'approve', 'supersede'],
    ['cancel', 'supersede', 'approve'],
  ] as const;

  test.each(orders)('in the order %s, %s, %s: the first is recorded, and nothing else', async (...order) => {
    const store = racingStore(inMemoryEventStore());
    const decide = makeDecide({ store, sealer: psuKeys(':memory:', Buffer.alloc(32, 3)), ids: systemIds });
    const at = systemClock();
    const command = () => ({ id: systemIds.uuid(), actor: { kind: 'engine', id: 'test' } as const, correlationId: 'c', causationId: null });
    for (let round = 0; round < 50; round += 1) {
      const id = systemIds.secret();
      const noConsent = { status: 'absent', revision: -1 } as const;
      await decide(cibaRequest, id, receive({ ...received.data, at, expiresAt: at + 60 }, askedWith(null)), command());
      await decide(cibaRequest, id, retrieve({ ...retrieved.data, consentRevision: -1, at }, 'shown'), command());
      const { psuId, digest, nonce } = retrieved.data;
      const signed = {
        psuId,
        deviceId: 'phone',
        digest,
        nonce,
        keyThumbprint: 'key',
        accountIds: [],
        authorizationDetails: null,
        jws: 'jws',
        at,
      };
      const decisions = {
        approve: answer({ ...signed, verdict: 'approved' }, noConsent, accounts([], []), detailTypes),
        supersede: cancel({ reason: 'superseded', at }),
        cancel: cancelOwn({ clientId: 'tpp', at }),
      };
      store.gather(`cibaRequest-${id}`, order.length);
      const outcomes = await Promise.allSettled(order.map((name) => decide(cibaRequest, id, decisions[name], command())));
      expect(outcomes.map((outcome) => outcome.status === 'fulfilled' && outcome.value.eventIds.length > 0)).toEqual([true, false, false]);
      const types = (await store.read(`cibaRequest-${id}`)).map((event) => event.type);
      expect(types.slice(2)).toEqual([order[0] === 'approve' ? 'CibaRequestApproved' : 'CibaRequestCancelled']);
    }
  });

  test('over HTTP: the PSU has answered, or the request is over, and never both', async () => {
    for (let round = 0; round < 20; round += 1) {
      const old = await ask(tested, auth);
      const shown = await phone.retrieve(old.requestId);
      const signed = await phone.answer(shown, 'approved', accountsIn(shown));
      const calls = [
        () => sendForm(tested, '/oauth2/ciba/cancel', { ...auth, auth_req_id: old.authReqId }),
        () => sendForm(tested, '/oauth2/ciba', { ...auth, scope: 'openid', login_hint: 'alice', supersedes: old.authReqId }),
        () => sendAnswer(tested, old.requestId, signed),
      ];
      const responses = await Promise.all(calls.map((_, index) => calls[(index + round) % calls.length]?.() as Promise<Response>));
      for (const { status } of responses) expect([200, 204, 400, 409]).toContain(status);
      const ends = (await story(old.requestId)).slice(2);
      expect([['CibaRequestApproved'], ['CibaRequestCancelled']]).toContainEqual(ends);
    }
  });
});
