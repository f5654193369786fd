import { join } from 'node:path';
import { afterEach, describe, expect, test } from '@jest/globals';
import { inMemoryEventStore } from '../../src/adapters/event-store/in-memory.ts';
import { sqliteEventStore } from '../../src/adapters/event-store/sqlite.ts';
import { psuKeys } from '../../src/adapters/keys/psu-keys.ts';
import { temporarySigningKeys } from '../../src/adapters/keys/signing-keys.ts';
import type { Ports } from '../../src/engine.ts';
import { answerIn, type Browser, boxesOf, browser, decide, fieldsOf, signIn, type Visited } from '../support/browser.ts';
import { type TestEngine, testEngine } from '../support/engine.ts';
import { racingStore } from '../support/racing-store.ts';
import { answered, authorizeUrl, redirectTpp } from '../support/redirecting.ts';
import { temporaryFolder } from '../support/served.ts';

const ROUNDS = 40;
const CALLS = 64;

const open: TestEngine[] = [];
const started = async (ports: Partial<Ports>): Promise<TestEngine> => {
  const engine = await testEngine(ports);
  open.push(engine);
  return engine;
};
afterEach(async () => {
  for (const engine of open.splice(0)) await engine.close();
});

/** One code after another; each is redeemed by 64 calls at once, spread over the engines. */
const redeemInParallel = async (engines: readonly TestEngine[]) => {
  const [first] = engines as [TestEngine];
  const tpp = await redirectTpp(first);
  for (const { engine } of engines) await engine.readModels.reached(await first.ports.store.head());
  for (let round = 0; round < ROUNDS; round += 1) {
    const { code = '' } = answerIn((await answered(first, tpp.request)).goesTo);
    const form = {
      ...tpp.auth,
      grant_type: 'authorization_code',
      code,
      redirect_uri: tpp.request['redirect_uri'] ?? '',
      code_verifier: tpp.verifier,
    };
    const answers = await Promise.all(
      Array.from({ length: CALLS }, (_, call) => (engines[call % engines.length] as TestEngine).post('/oauth2/token', form)),
    );
    const winners = answers.filter(({ status }) => status === 200);
    expect(winners).toHaveLength(1);
    for (const { status, body } of answers) if (status !== 200) expect([status, body['error']]).toEqual([400, 'invalid_grant']);
    const { body } = await first.post('/oauth2/introspect', { ...tpp.auth, token: String(winners[0]?.body['access_token']) });
    expect(body['active']).toBe(true);
  }
  const log = await first.log();
  for (const type of ['AuthorizationCodeRedeemed', 'GrantOpened', 'AccessTokenIssued', 'RefreshTokenIssued'])
    expect(log.filter((event) => event.type === type)).toHaveLength(ROUNDS);
  expect(log.filter((event) => event.type === 'GrantRevoked')).toEqual([]);
};

describe('64 redemptions of a code at once, 40 rounds', () => {
  test('yield one token set each, which stays active, on the embedded store', async () => {
    await redeemInParallel([await started({ store: sqliteEventStore(join(temporaryFolder(), 'log.sqlite')) })]);
  }, 120_000);

  test('yield one token set each with two engines deciding on one store', async () => {
    const shared = { store: inMemoryEventStore(), sealer: psuKeys(':memory:', Buffer.alloc(32, 2)), signer: temporarySigningKeys() };
    await redeemInParallel([await started(shared), await started(shared)]);
  }, 120_000);
});

describe('approve and deny at once, in two browsers of one PSU', () => {
  test.each([
    ['approved', 'denied'],
    ['denied', 'approved'],
  ] as const)('%s before %s: one is recorded, the other is told that it is over', async (...order) => {
    const store = racingStore(inMemoryEventStore());
    const tested = await started({ store });
    const tpp = await redirectTpp(tested);
    for (let round = 0; round < 20; round += 1) {
      const { body } = await tested.post('/oauth2/par', { ...tpp.auth, ...tpp.request });
      const url = authorizeUrl({ client_id: tpp.auth.client_id, request_uri: String(body['request_uri']) });
      const browsers = [browser(tested.url), browser(tested.url)];
      const pages: Visited[] = [];
      for (const at of browsers) pages.push(await signIn(at, await at.get(url), 'alice'));
      expect(pages.map((page) => boxesOf(page).length)).toEqual([2, 2]);
      const before = await store.head();
      store.gather(`authorization-${fieldsOf(pages[0] as Visited)['interaction_id']}`, 2);
      const done = await Promise.all(order.map((verdict, index) => decide(browsers[index] as Browser, pages[index] as Visited, verdict)));
      const answeredAs = (await store.readAll(before, 100)).filter(({ type }) => /Approved|Denied/.test(type));
      expect(answeredAs).toHaveLength(1);
      expect(done.map(({ status }) => status).toSorted()).toEqual([200, 409]);
    }
  });
});
