import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { inMemoryEventStore } from '../../src/adapters/event-store/in-memory.ts';
import { accountsIn } from '../../src/demo/phone.ts';
import { CIBA_GRANT } from '../../src/domain/client/metadata.ts';
import { sendAnswer, type TestDevice, testDevice } from '../support/device.ts';
import { type TestEngine, testEngine } from '../support/engine.ts';
import { type RacingStore, racingStore } from '../support/racing-store.ts';
import { ask, secretTpp } from '../support/tpp.ts';
import { amendAs, lodgeAs } from '../wso2/support/officer.ts';

type Verdict = 'approved' | 'denied';

let tested: TestEngine;
let store: RacingStore;
let tpp: { client_id: string; client_secret: string };
let phones: Record<'alice' | 'bob', TestDevice>;
beforeAll(async () => {
  store = racingStore(inMemoryEventStore());
  tested = await testEngine({ store });
  tpp = await secretTpp(tested);
  phones = { alice: await testDevice(tested, 'alice'), bob: await testDevice(tested, 'bob') };
});
afterAll(() => tested.close());

/** A consent that Alice and Bob must agree to, and a request to each of them. */
const joint = async () => {
  const consentId = await lodgeAs(tested, tpp.client_id, { authorisers: ['psu-alice', 'psu-bob'] });
  const of = (login_hint: string) => ask(tested, tpp, { openbanking_intent_id: consentId, login_hint });
  return { consentId, alice: await of('alice'), bob: await of('bob') };
};
type Joint = Awaited<ReturnType<typeof joint>>;

const signed = async (who: 'alice' | 'bob', { requestId }: { requestId: string }, verdict: Verdict) => {
  const shown = await phones[who].retrieve(requestId);
  const answer = await phones[who].answer(shown, verdict, accountsIn(shown));
  return async () => (await sendAnswer(tested, requestId, answer)).status;
};
const poll = async ({ authReqId }: { authReqId: string }) => {
  const { body } = await tested.post('/oauth2/token', { ...tpp, grant_type: CIBA_GRANT, auth_req_id: authReqId });
  return body['error'] ?? 'tokens';
};
const polls = async ({ alice, bob }: Joint) => [await poll(alice), await poll(bob)];
const factsOf = async (consentId: string) =>
  (await tested.log()).filter(({ stream }) => stream === `consent-${consentId}`).map(({ type }) => type);

const AGREED = ['ConsentLodged', 'ConsentAuthorisationGiven', 'ConsentAuthorised'];

describe('a consent that two must agree to', () => {
  test('gives its tokens once both have, to either of their requests', async () => {
    const asked = await joint();
    expect(await (await signed('alice', asked.alice, 'approved'))()).toBe(200);
    expect(await poll(asked.alice)).toBe('authorization_pending');
    expect(await (await signed('bob', asked.bob, 'approved'))()).toBe(200);
    expect(await polls(asked)).toEqual(['tokens', 'tokens']);
    expect(await factsOf(asked.consentId)).toEqual(AGREED);
  });

  test('does so when both agree at once', async () => {
    const asked = await joint();
    const answers = [await signed('alice', asked.alice, 'approved'), await signed('bob', asked.bob, 'approved')];
    // Both are decided, and then both are made the consent's, on the same state of it.
    store.gather(`consent-${asked.consentId}`, 2);
    expect(await Promise.all(answers.map((send) => send()))).toEqual([200, 200]);
    expect(await polls(asked)).toEqual(['tokens', 'tokens']);
    expect(await factsOf(asked.consentId)).toEqual(AGREED);
  });

  test('is rejected when one agrees and the other refuses at once', async () => {
    const asked = await joint();
    const answers = [await signed('alice', asked.alice, 'approved'), await signed('bob', asked.bob, 'denied')];
    store.gather(`consent-${asked.consentId}`, 2);
    expect(await Promise.all(answers.map((send) => send()))).toEqual([200, 200]);
    expect(await polls(asked)).toEqual(['access_denied', 'access_denied']);
    expect((await factsOf(asked.consentId)).at(-1)).toBe('ConsentRejected');
  });

  test('what one was shown stands after the other has agreed', async () => {
    const asked = await joint();
    const ofBob = await signed('bob', asked.bob, 'approved');
    expect(await (await signed('alice', asked.alice, 'approved'))()).toBe(200);
    expect(await ofBob()).toBe(200);
    expect(await polls(asked)).toEqual(['tokens', 'tokens']);
  });

  test('asks nobody else, nor anybody twice', async () => {
    const consentId = await lodgeAs(tested, tpp.client_id, { authorisers: ['psu-bob', 'psu-carol'] });
    const of = (login_hint: string) =>
      tested.post('/oauth2/ciba', { ...tpp, scope: 'openid accounts', openbanking_intent_id: consentId, login_hint });
    expect(await of('alice')).toMatchObject({ status: 400, body: { error: 'invalid_request' } });
    await phones.bob.decide((await ask(tested, tpp, { openbanking_intent_id: consentId, login_hint: 'bob' })).requestId, 'approved');
    expect(await of('bob')).toMatchObject({ status: 400, body: { error: 'invalid_request' } });
  });
});

describe('the polls of one who has agreed, while another has not', () => {
  /** What the polls of an engine with these streams read of them. */
  const counted = async () => {
    const streams = inMemoryEventStore();
    const read: string[] = [];
    const time = { ms: 1_000_000 };
    const engine = await testEngine({
      store: {
        ...streams,
        read(stream, fromRevision) {
          read.push(stream);
          return streams.read(stream, fromRevision);
        },
      },
      nowMs: () => time.ms,
    });
    const client = await secretTpp(engine);
    const devices = { alice: await testDevice(engine, 'alice'), bob: await testDevice(engine, 'bob') };
    const consentId = await lodgeAs(engine, client.client_id, { authorisers: ['psu-alice', 'psu-bob'] });
    const of = (login_hint: string) => ask(engine, client, { openbanking_intent_id: consentId, login_hint });
    const requests = { alice: await of('alice'), bob: await of('bob') };
    return {
      engine,
      requests,
      decide: (who: 'alice' | 'bob', verdict: Verdict) => devices[who].decide(requests[who].requestId, verdict),
      /** The answer to a poll of Alice's request so many seconds later, and the streams of requests and consents that it read. */
      async pollAfter(seconds: number) {
        time.ms += seconds * 1000;
        read.length = 0;
        const form = { ...client, grant_type: CIBA_GRANT, auth_req_id: requests.alice.authReqId };
        const { body } = await engine.post('/oauth2/token', form);
        return [body['error'] ?? 'tokens', read.filter((stream) => /^(cibaRequest|consent)-/.test(stream)).length];
      },
    };
  };

  test.each(['approved', 'denied'] as const)('open no stream and are told to slow down, until the other has %s', async (verdict) => {
    const { engine, decide, pollAfter } = await counted();
    expect(await pollAfter(0)).toEqual(['authorization_pending', 0]);
    await decide('alice', 'approved');
    expect(await pollAfter(5)).toEqual(['authorization_pending', 0]);
    expect(await pollAfter(1)).toEqual(['slow_down', 0]);
    expect(await pollAfter(10)).toEqual(['authorization_pending', 0]);
    await decide('bob', verdict);
    expect(await pollAfter(0)).toEqual([verdict === 'approved' ? 'tokens' : 'access_denied', expect.any(Number)]);
    expect(await pollAfter(0)).toEqual([verdict === 'approved' ? 'invalid_grant' : 'access_denied', expect.any(Number)]);
    await engine.close();
  });

  test('wait for the other where they ask to', async () => {
    const asked = await joint();
    expect(await (await signed('alice', asked.alice, 'approved'))()).toBe(200);
    const form = { ...tpp, grant_type: CIBA_GRANT, auth_req_id: asked.alice.authReqId };
    const waiting = tested.post('/oauth2/token', form, { prefer: 'wait=20' });
    expect(await (await signed('bob', asked.bob, 'approved'))()).toBe(200);
    expect((await waiting).status).toBe(200);
  });
});

describe('a request that is still pending', () => {
  /** What a poll is told once the request has ended. */
  const atItsEnd = async ({ authReqId }: { authReqId: string }) => {
    const form = { ...tpp, grant_type: CIBA_GRANT, auth_req_id: authReqId };
    return (await tested.post('/oauth2/token', form, { prefer: 'wait=20' })).body['error'];
  };
  const isShown = async (who: 'alice' | 'bob', { requestId }: { requestId: string }) => {
    const listed = await (await phones[who].call('GET', '/requests')).text();
    return [listed.includes(requestId), (await phones[who].call('GET', `/requests/${requestId}`)).status];
  };

  test('ends when another PSU rejects the consent', async () => {
    const asked = await joint();
    expect(await isShown('bob', asked.bob)).toEqual([true, 200]);
    await (await signed('alice', asked.alice, 'denied'))();
    expect(await atItsEnd(asked.bob)).toBe('access_denied');
    expect(await isShown('bob', asked.bob)).toEqual([false, 409]);
  });

  test('ends when another request authorises the consent', async () => {
    const consentId = await lodgeAs(tested, tpp.client_id);
    const of = () => ask(tested, tpp, { openbanking_intent_id: consentId });
    const [first, second] = [await of(), await of()];
    await (await signed('alice', first, 'approved'))();
    expect(await atItsEnd(second)).toBe('access_denied');
    expect(await isShown('alice', second)).toEqual([false, 409]);
    expect(await poll(first)).toBe('tokens');
  });

  test('goes on while one of several has agreed', async () => {
    const asked = await joint();
    await (await signed('alice', asked.alice, 'approved'))();
    expect(await isShown('bob', asked.bob)).toEqual([true, 200]);
  });
});

describe('a consent that is amended', () => {
  const amended = (consentId: string) => amendAs(tested, tpp.client_id, consentId);
  const asked = async () => {
    const consentId = await lodgeAs(tested, tpp.client_id);
    return { consentId, ...(await ask(tested, tpp, { openbanking_intent_id: consentId })) };
  };

  test('between showing and answering takes no answer to what it was', async () => {
    const { consentId, ...request } = await asked();
    const stale = await signed('alice', request, 'approved');
    await amended(consentId);
    expect(await stale()).toBe(409);
    expect(await (await signed('alice', request, 'approved'))()).toBe(200);
    expect(await poll(request)).toBe('tokens');
  });

  test('while an answer is on its way gives no tokens for it', async () => {
    const { consentId, ...request } = await asked();
    const answer = await signed('alice', request, 'approved');
    // The answer is decided on the consent as it was, and gets there after the amendment.
    store.gather(`consent-${consentId}`, 2);
    const sent = answer();
    await amended(consentId);
    expect(await sent).toBe(200);
    expect(await poll(request)).toBe('access_denied');
    expect(await factsOf(consentId)).toEqual(['ConsentLodged', 'ConsentAmended']);
  });

  test('after it was agreed gives no tokens for what was agreed', async () => {
    const { consentId, ...request } = await asked();
    expect(await (await signed('alice', request, 'approved'))()).toBe(200);
    await amended(consentId);
    expect(await poll(request)).toBe('access_denied');
    const again = await ask(tested, tpp, { openbanking_intent_id: consentId });
    await phones.alice.decide(again.requestId, 'approved');
    expect([await poll(again), await poll(request)]).toEqual(['tokens', 'access_denied']);
  });

  test('after it was agreed asks nobody but who had agreed', async () => {
    const { consentId, ...request } = await asked();
    expect(await (await signed('alice', request, 'approved'))()).toBe(200);
    await amended(consentId);
    const toBob = { ...tpp, scope: 'openid accounts', openbanking_intent_id: consentId, login_hint: 'bob' };
    expect(await tested.post('/oauth2/ciba', toBob)).toMatchObject({ status: 400, body: { error: 'invalid_request' } });
  });

  test('after it was agreed takes no answer of another PSU who was asked before', async () => {
    const { consentId, ...request } = await asked();
    const ofBob = await ask(tested, tpp, { openbanking_intent_id: consentId, login_hint: 'bob' });
    const late = await signed('bob', ofBob, 'approved');
    expect(await (await signed('alice', request, 'approved'))()).toBe(200);
    await amended(consentId);
    expect(await late()).toBe(409);
    expect(await factsOf(consentId)).toEqual(['ConsentLodged', 'ConsentAuthorised', 'ConsentAmended']);
  });
});
