import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { inMemoryEventStore } from '../../src/adapters/event-store/in-memory.ts';
import { psuKeys } from '../../src/adapters/keys/psu-keys.ts';
import { temporarySigningKeys } from '../../src/adapters/keys/signing-keys.ts';
import { gossipingLimits } from '../../src/adapters/limits/gossip.ts';
import { localLimits } from '../../src/adapters/limits/local.ts';
import { CIBA_GRANT } from '../../src/domain/client/metadata.ts';
import { standingClock } from '../support/clock.ts';
import { nodesOwn, type TestEngine, testEngine } from '../support/engine.ts';
import { signJws, testKey } from '../support/jws.ts';
import { newsBus } from '../support/news.ts';
import { ask, secretTpp, signingTpp } from '../support/tpp.ts';

const time = standingClock();
const bus = newsBus();
let one: TestEngine;
let two: TestEngine;

beforeAll(async () => {
  const store = inMemoryEventStore();
  const shared = { sealer: psuKeys(':memory:', Buffer.alloc(32, 2)), signer: temporarySigningKeys(), clock: time.clock };
  const settings = { clock: time.clock, secret: Buffer.alloc(32, 2), nowMs: time.nowMs };
  const onFault = (_what: string, error: unknown) => {
    throw error;
  };
  const node = async (log = store) =>
    testEngine({ ...shared, store: log, limits: await gossipingLimits(localLimits(':memory:', settings), bus.news, { ...time, onFault }) });
  one = await node(nodesOwn(store));
  two = await node();
});
afterAll(async () => {
  await one.close();
  await two.close();
});

const until = async (isSo: () => boolean) => {
  while (!isSo()) await new Promise((resolve) => setTimeout(resolve, 10));
};
/** Resolves when everybody has heard what was told since. */
const heard = (published: number) => until(() => bus.published.length > published);
/** How many have been spent of a budget, as everybody has heard. */
const spentOf = (budget: string): number => {
  const spent = bus.published.flatMap(({ text }) => {
    const { origin, spent } = JSON.parse(text) as { origin: string; spent: [string, string, number, number, number][] };
    return spent.flatMap(([name, , , count]) => (name === budget ? [[origin, count] as const] : []));
  });
  return [...new Map(spent).values()].reduce((sum, count) => sum + count, 0);
};
const known = async () => two.engine.readModels.reached(await one.ports.store.head());

describe('two nodes', () => {
  test('take an assertion once', async () => {
    const key = testKey('ES256');
    const tpp = await signingTpp(one, {}, key);
    await known();
    const claims = { iss: tpp.clientId, sub: tpp.clientId, aud: [one.url, two.url], jti: 'once', exp: time.clock() + 60 };
    const form = { ...tpp.authenticatedBy(await signJws(key, claims)), grant_type: 'client_credentials' };
    const before = bus.published.length;
    expect((await one.post('/oauth2/token', form)).status).toBe(200);
    await heard(before);
    expect((await two.post('/oauth2/token', form)).body['error']).toBe('invalid_client');
  });

  test('tell a client that polls both in turn to slow down', async () => {
    const tpp = await secretTpp(one);
    const { authReqId } = await ask(one, tpp);
    await known();
    const poll = async (at: TestEngine) => {
      const before = bus.published.length;
      const { body } = await at.post('/oauth2/token', { ...tpp, grant_type: CIBA_GRANT, auth_req_id: authReqId });
      await heard(before);
      return body['error'];
    };
    expect([await poll(one), await poll(two)]).toEqual(['authorization_pending', 'slow_down']);
    // As told: the interval, and five seconds more.
    time.pass(10);
    expect([await poll(one), await poll(two)]).toEqual(['authorization_pending', 'slow_down']);
  });

  test('look at so many wrong passwords of one PSU, and not twice as many', async () => {
    const enrolAt = (at: TestEngine) =>
      fetch(`${at.url}/approver/v1/enrolments`, { method: 'POST', headers: { authorization: `Basic ${btoa('alice:wrong')}` } });
    const statuses: number[] = [];
    for (const at of [one, two, one, two, one, two, one]) {
      const { status } = await enrolAt(at);
      statuses.push(status);
      await until(() => spentOf('wrong passwords') === Math.min(statuses.length, 5));
    }
    expect(statuses).toEqual([401, 401, 401, 401, 401, 503, 503]);
  });
});
