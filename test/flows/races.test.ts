import { join } from 'node:path';
import { afterEach, describe, expect, test } from '@jest/globals';
import { systemClock, systemIds } from '../../src/adapters/clock.ts';
import { inMemoryEventStore } from '../../src/adapters/event-store/in-memory.ts';
import { sqliteEventStore } from '../../src/adapters/event-store/sqlite.ts';
import { psuKeys } from '../../src/adapters/keys/psu-keys.ts';
import { temporarySigningKeys } from '../../src/adapters/keys/signing-keys.ts';
import { accountsIn, askForEnrolment, enrol, type Phone } from '../../src/demo/phone.ts';
import { detailTypes } from '../../src/domain/authorization-details/registered.ts';
import { answer, cibaRequest, expire, receive, redeem, retrieve, type SignedAnswer } from '../../src/domain/ciba-request/decider.ts';
import { requestIdOf } from '../../src/domain/ciba-request/id.ts';
import { CIBA_GRANT } from '../../src/domain/client/metadata.ts';
import { makeDecide } from '../../src/domain/decide.ts';
import { OAuthError } from '../../src/domain/oauth-error.ts';
import type { Ports } from '../../src/engine.ts';
import { accounts, askedWith } from '../support/ceremony-facts.ts';
import { type TestEngine, testEngine } from '../support/engine.ts';
import { racingStore } from '../support/racing-store.ts';
import { temporaryFolder } from '../support/served.ts';
import { expectNoDoubt } from '../support/verified-log.ts';

const noConsent = { status: 'absent', revision: -1 } as const;

const ROUNDS = 200;
const CALLS = 64;

const open: TestEngine[] = [];
const started = async (ports: Partial<Ports>): Promise<TestEngine> => {
  const engine = await testEngine(ports, { COUNTERSIGN_LIMITS_PENDING_REQUESTS_PER_PSU: '1000' });
  open.push(engine);
  return engine;
};
afterEach(async () => {
  for (const engine of open.splice(0)) await engine.close();
});

/** One approved request after another; each is redeemed by 64 calls at once, spread over the engines. */
const redeemInParallel = async (engines: readonly TestEngine[]) => {
  const [first] = engines as [TestEngine];
  const auth = { client_id: await first.client({}, 's3cret'), client_secret: 's3cret' };
  for (const { engine } of engines) await engine.readModels.reached(await first.ports.store.head());
  const phone = await enrol(fetch, await askForEnrolment(fetch, first.url, { username: 'alice', password: 'alice' }));
  for (let round = 0; round < ROUNDS; round += 1) {
    const authReqId = await approvedRequest(first, auth, phone);
    const poll = { ...auth, grant_type: CIBA_GRANT, auth_req_id: authReqId };
    const answers = await Promise.all(
      Array.from({ length: CALLS }, (_, call) => (engines[call % engines.length] as TestEngine).post('/oauth2/token', poll)),
    );
    const winners = answers.filter(({ status }) => status === 200);
    expect(winners).toHaveLength(1);
    for (const { status, body } of answers) if (status !== 200) expect([status, body['error']]).toEqual([400, 'invalid_grant']);
    const { body } = await first.post('/oauth2/introspect', { ...auth, token: String(winners[0]?.body['access_token']) });
    expect(body['active']).toBe(true);
  }
  const log = await first.log();
  for (const type of ['CibaRequestRedeemed', 'GrantOpened', 'AccessTokenIssued', 'RefreshTokenIssued'])
    expect(log.filter((event) => event.type === type)).toHaveLength(ROUNDS);
  expectNoDoubt(log, first.ports.sealer);
};

const approvedRequest = async ({ post }: TestEngine, auth: Record<string, string>, phone: Phone): Promise<string> => {
  const asked = await post('/oauth2/ciba', { ...auth, scope: 'openid accounts', login_hint: 'alice' });
  const authReqId = String(asked.body['auth_req_id']);
  const shown = await phone.retrieve(requestIdOf(authReqId, systemIds));
  await phone.send(shown.request_id, await phone.sign(shown, 'approved', accountsIn(shown)));
  return authReqId;
};

describe('64 redemptions at once, 200 rounds', () => {
  test('yield one token set each, which stays active, on the embedded store', async () => {
    await redeemInParallel([await started({ store: sqliteEventStore(join(temporaryFolder(), 'log.sqlite')) })]);
  }, 120_000);

  test('yield one token set each with two engines deciding on one store', async () => {
    const shared = { store: inMemoryEventStore(), sealer: psuKeys(':memory:', Buffer.alloc(32, 2)), signer: temporarySigningKeys() };
    await redeemInParallel([await started(shared), await started(shared)]);
  }, 120_000);
});

describe.each([
  ['in memory', () => inMemoryEventStore()],
  ['in SQLite', () => sqliteEventStore(join(temporaryFolder(), 'log.sqlite'))],
] as const)('approve, deny and expire at once, %s,', (_name, makeStore) => {
  const orders = [
    ['approve', 'deny', 'expire'],
    ['approve', 'expire', 'deny'],
    ['deny', 'approve', 'expire'],
    ['deny', 'expire', 'approve'],
    ['expire', 'approve', 'deny'],
    ['expire', 'deny', 'approve'],
  ] as const;

  test.each(orders)('in the order %s, %s, %s: the first is recorded, the others learn of it', async (...order) => {
    const store = racingStore(makeStore());
    const decide = makeDecide({ store, sealer: psuKeys(':memory:', Buffer.alloc(32, 3)), ids: systemIds });
    const at = systemClock();
    const expiresAt = at + 60;
    const command = () => ({ id: systemIds.uuid(), actor: { kind: 'engine', id: 'test' } as const, correlationId: 'c', causationId: null });
    const by: SignedAnswer = {
      verdict: 'approved',
      psuId: 'psu',
      deviceId: 'phone',
      keyThumbprint: 'key',
      digest: 'digest',
      nonce: 'nonce',
      accountIds: [],
      authorizationDetails: null,
      jws: 'jws',
      at: expiresAt - 1,
    };
    for (let round = 0; round < 50; round += 1) {
      const id = systemIds.secret();
      const received = {
        clientId: 'tpp',
        psuId: 'psu',
        consentId: 'c',
        consentOrigin: 'request' as const,
        scope: 'openid',
        acr: null,
        certificateThumbprint: null,
        intervalSeconds: 5,
        at,
        expiresAt,
        deliveryMode: 'poll' as const,
        dpopKeyThumbprint: null,
        supersedes: null,
      };
      await decide(cibaRequest, id, receive(received, askedWith(null)), command());
      const shown = { psuId: 'psu', deviceId: 'phone', sessionId: null, digest: 'digest', nonce: 'nonce', consentRevision: -1, at };
      await decide(cibaRequest, id, retrieve(shown, 'shown'), command());
      // The clocks of two nodes differ by a second: for one the request lives, for the other it is over.
      const decisions = {
        approve: answer(by, noConsent, accounts([], []), detailTypes),
        deny: answer({ ...by, verdict: 'denied' }, noConsent, accounts([], []), detailTypes),
        expire: expire(expiresAt),
      };
      store.gather(`cibaRequest-${id}`, order.length);
      const outcomes = await Promise.allSettled(order.map((name) => decide(cibaRequest, id, decisions[name], command())));
      const recorded = outcomes.map((outcome) => outcome.status === 'fulfilled' && outcome.value.eventIds.length > 0);
      expect(recorded).toEqual([true, false, false]);
      const refusals = outcomes.flatMap((outcome) => (outcome.status === 'rejected' ? [outcome.reason] : []));
      for (const refusal of refusals) expect(refusal).toBeInstanceOf(OAuthError);
      const types = (await store.read(`cibaRequest-${id}`)).map((event) => event.type);
      const first = { approve: 'CibaRequestApproved', deny: 'CibaRequestDenied', expire: 'CibaRequestExpired' }[order[0]];
      expect(types).toEqual(['CibaRequestReceived', 'ConsentRetrieved', first]);
      const redemption = { clientId: 'tpp', certificateThumbprint: null, consent: noConsent, grantId: 'g', at };
      const polled = { approve: 'authorization_pending', deny: 'access_denied', expire: 'expired_token' }[order[0]];
      await expect(decide(cibaRequest, id, redeem(redemption), command())).rejects.toMatchObject({ error: polled });
    }
    await store.close();
  });
});
