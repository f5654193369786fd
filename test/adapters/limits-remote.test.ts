import { expect, test } from '@jest/globals';
import { localLimits } from '../../src/adapters/limits/local.ts';
import { answerLimits, remoteLimits } from '../../src/adapters/limits/remote.ts';
import { OAuthError } from '../../src/domain/oauth-error.ts';
import { StoreBusy } from '../../src/domain/ports/event-store.ts';
import { answerTo, makeAsking } from '../../src/serve/workers/asking.ts';
import { standingClock } from '../support/clock.ts';

const PACE = { intervalSeconds: 5, slowDownSeconds: 5 };
const TERMS = { count: 2, seconds: 60 };

/** Two processes whose limits a third one keeps; everything between them is JSON. */
const workers = () => {
  const time = standingClock();
  const answer = answerLimits(localLimits(':memory:', time));
  const plain = (value: unknown) => (value === undefined ? undefined : JSON.parse(JSON.stringify(value)));
  const worker = () => remoteLimits(async (method, args) => plain(await answer(method, plain(args))));
  return { time, answer, one: worker(), two: worker() };
};

test('what one process has used, another cannot use', async () => {
  const { time, one, two } = workers();
  const uses = Array.from({ length: 64 }, (_, n) => (n % 2 === 0 ? one : two).firstUse('jti', time.clock() + 100));
  expect((await Promise.all(uses)).filter((first) => first)).toHaveLength(1);
});

test('the polls of a request count, wherever they arrive', async () => {
  const { time, one, two } = workers();
  const poll = (at: typeof one) => at.tooSoon('request', PACE, time.clock() + 100);
  expect([await poll(one), await poll(two)]).toEqual([false, true]);
  time.pass(10);
  expect([await two.stillTooSoon('request'), await one.stillTooSoon('request'), await one.stillTooSoon('unknown')]).toEqual([
    ...[false, true, false],
  ]);
});

test('a budget of one name is one', async () => {
  const { one, two } = workers();
  const [here, there, other] = [one.budget('tries', TERMS), two.budget('tries', TERMS), two.budget('others', TERMS)];
  const tries = [here, there, here, there].map((budget) => budget.spend('alice'));
  expect(await Promise.all(tries)).toEqual([true, true, false, false]);
  await there.refund('alice');
  expect([await other.spend('alice'), await here.spend('alice'), await there.spend('alice')]).toEqual([true, true, false]);
});

test('what the limits refuse is refused to who asks from elsewhere, and what is a fault stays one', async () => {
  const refusing = async (method: string) => {
    if (method === 'firstUse') throw new OAuthError('temporarily_unavailable', 'too much is to be remembered at the moment');
    throw method === 'spend' ? new StoreBusy() : new TypeError('no');
  };
  const { ask, answered } = makeAsking(async (asks) =>
    answered(JSON.parse(JSON.stringify(await Promise.all(asks.map((one) => answerTo(one, refusing)))))),
  );
  const limits = remoteLimits(ask);
  const refusals = [limits.firstUse('jti', 100), limits.budget('tries', TERMS).spend('alice'), limits.stillTooSoon('request')];
  const [used, spent, polled] = (await Promise.allSettled(refusals)).map((one) => (one as PromiseRejectedResult).reason);
  expect(used).toBeInstanceOf(OAuthError);
  expect(used).toMatchObject({ error: 'temporarily_unavailable', message: 'too much is to be remembered at the moment' });
  expect(spent).toBeInstanceOf(StoreBusy);
  expect(polled).toMatchObject({ name: 'TypeError', message: 'no' });
});

test('what cannot be asked is refused', async () => {
  const { answer } = workers();
  for (const method of ['close', 'constructor', '']) await expect(answer(method, [])).rejects.toThrow('limits have no');
});
