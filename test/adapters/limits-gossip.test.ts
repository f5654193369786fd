import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeEach, describe, expect, jest, test } from '@jest/globals';
import fc from 'fast-check';
import { Observable, of } from 'rxjs';
import { gossipingLimits } from '../../src/adapters/limits/gossip.ts';
import { localLimits } from '../../src/adapters/limits/local.ts';
import { makeTeller } from '../../src/adapters/limits/teller.ts';
import type { Limits } from '../../src/domain/ports/limits.ts';
import { type NewsBus, newsBus } from '../support/news.ts';

const SECRET = Buffer.alloc(32, 7);
const PACE = { intervalSeconds: 5, slowDownSeconds: 5 };
const TERMS = { count: 3, seconds: 900 };
const EVERY_MS = 100;
const EMPTY = { limits: 1, origin: 'elsewhere', used: [], polled: [], spent: [] };

const dir = mkdtempSync(join(tmpdir(), 'countersign-gossip-'));
afterAll(() => rmSync(dir, { recursive: true }));
// The turns of the event loop are real; every time is the test's.
beforeEach(() => {
  jest.useFakeTimers({ doNotFake: ['setImmediate', 'nextTick', 'queueMicrotask'], now: 1_800_000_000_000 });
});
afterEach(() => {
  jest.useRealTimers();
});

const clock = () => Math.floor(Date.now() / 1000);
const pass = (ms: number) => jest.advanceTimersByTimeAsync(ms);
const in100Seconds = () => clock() + 100;

type Node = Limits & { faults: unknown[]; close(): Promise<void> };
const node = async ({ news }: Pick<NewsBus, 'news'>, file = ':memory:'): Promise<Node> => {
  const faults: unknown[] = [];
  const onFault = (_what: string, error: unknown) => faults.push(error);
  return { faults, ...(await gossipingLimits(localLimits(file, { clock, secret: SECRET }), news, { clock, onFault })) };
};
const nodes = async (bus: NewsBus): Promise<[Node, Node, Node]> => [await node(bus), await node(bus), await node(bus)];
/** How many tries of a key are left at a node. */
const left = async (at: Limits, key: string): Promise<number> => {
  const budget = at.budget('tries', TERMS);
  let spent = 0;
  while (await budget.spend(key)) spent += 1;
  for (let n = 0; n < spent; n += 1) await budget.refund(key);
  return spent;
};

describe('what one node has seen, the others know 100 ms and the latency of the news later', () => {
  test('at the latest, and before that each is exact by itself', async () => {
    const bus = newsBus();
    const all = await nodes(bus);
    bus.latencyMs = 40;
    // A round has just begun.
    await all[0].firstUse('before', in100Seconds());
    await pass(1);
    const uses = await Promise.all(all.flatMap((one) => Array.from({ length: 20 }, () => one.firstUse('jti', in100Seconds()))));
    expect(uses.filter((first) => first)).toHaveLength(3);

    expect(await all[0].firstUse('late', in100Seconds())).toBe(true);
    expect(await all[0].tooSoon('request', PACE, in100Seconds())).toBe(false);
    expect(await all[0].budget('tries', TERMS).spend('alice')).toBe(true);
    await pass(EVERY_MS + bus.latencyMs - 10);
    expect([await left(all[1], 'alice'), await left(all[0], 'alice')]).toEqual([3, 2]);
    await pass(10);
    expect(await all[1].firstUse('late', in100Seconds())).toBe(false);
    expect(await all[2].firstUse('late', in100Seconds())).toBe(false);
    expect([await all[1].tooSoon('request', PACE, in100Seconds()), await left(all[2], 'alice')]).toEqual([true, 2]);
    expect(await all[2].stillTooSoon('request')).toBe(true);
  });

  test('at once after a while without news', async () => {
    const bus = newsBus();
    const [one, two] = await nodes(bus);
    await one.firstUse('jti', in100Seconds());
    await pass(1);
    expect(await two.firstUse('jti', in100Seconds())).toBe(false);
  });

  test('and a request that was slowed by one is slowed by all', async () => {
    const [one, two] = await nodes(newsBus());
    const poll = (at: Node) => at.tooSoon('request', PACE, in100Seconds());
    expect([await poll(one), await poll(one)]).toEqual([false, true]);
    await pass(9000);
    expect(await poll(two)).toBe(true);
    await pass(9600);
    expect(await poll(one)).toBe(false);
  });

  test('and what was given back is there for all, and all of it when the time is over', async () => {
    const [one, two] = await nodes(newsBus());
    const [here, there] = [one.budget('tries', TERMS), two.budget('tries', TERMS)];
    for (const budget of [here, here, there]) expect(await budget.spend('alice')).toBe(true);
    await pass(EVERY_MS);
    expect([await here.spend('alice'), await there.spend('alice')]).toEqual([false, false]);
    await here.refund('alice');
    await pass(EVERY_MS);
    expect([await left(one, 'alice'), await left(two, 'alice')]).toEqual([1, 1]);
    await pass(900_000);
    expect([await left(one, 'alice'), await left(two, 'alice')]).toEqual([3, 3]);
  });
});

test('a clock that is ahead puts nobody off', async () => {
  const bus = newsBus();
  const one = await node(bus);
  bus.say(JSON.stringify({ ...EMPTY, polled: [['request', Date.now() + 60_000, 5000, 10_000, Date.now() + 100_000]] }));
  await pass(5000);
  expect(await one.tooSoon('request', PACE, in100Seconds())).toBe(false);
});

describe('a node that starts', () => {
  test('knows all that still counts before it serves', async () => {
    const bus = newsBus();
    const [one] = await nodes(bus);
    await one.firstUse('jti', in100Seconds());
    await one.tooSoon('request', PACE, in100Seconds());
    await one.budget('tries', TERMS).spend('alice');
    await pass(EVERY_MS);
    const late = await node(bus);
    expect([await late.firstUse('jti', in100Seconds()), await late.tooSoon('request', PACE, in100Seconds())]).toEqual([false, true]);
    expect(await left(late, 'alice')).toBe(2);
  });

  test('does not serve where the store is closed before', async () => {
    const bus = newsBus();
    await expect(node({ news: { ...bus.news, follow: () => of({ news: [], caughtUp: false }) } })).rejects.toThrow('ended before');
  });

  test('again counts what it spent before once, with its file and without', async () => {
    const bus = newsBus();
    const file = join(dir, 'again.sqlite');
    const before = await node(bus, file);
    await before.budget('tries', TERMS).spend('alice');
    await before.close();
    const [again, elsewhere] = [await node(bus, file), await node(bus)];
    expect([await left(again, 'alice'), await left(elsewhere, 'alice')]).toEqual([2, 2]);
    await again.close();
  });
});

describe('news', () => {
  test('are told at most every 100 ms, in batches of 2000, and are kept for as long as they count', async () => {
    const bus = newsBus();
    const one = await node(bus);
    const published = () =>
      bus.published.splice(0).map(({ text, seconds }) => [seconds, JSON.parse(text).used.length, JSON.parse(text).polled.length]);
    await one.firstUse('first', in100Seconds());
    await pass(1);
    expect(published()).toEqual([[600, 1, 0]]);
    await Promise.all(Array.from({ length: 4500 }, (_, n) => one.firstUse(`jti-${n}`, in100Seconds())));
    await one.firstUse('an-hour', clock() + 3600);
    await one.firstUse('a-month', clock() + 30 * 86_400);
    for (let n = 0; n < 3; n += 1) await one.tooSoon('request', PACE, in100Seconds());
    await pass(EVERY_MS - 2);
    expect(published()).toEqual([]);
    await pass(1);
    expect(published()).toEqual([
      ...[
        [600, 2000, 0],
        [600, 2000, 0],
        [600, 500, 0],
      ],
      ...[
        [7200, 1, 0],
        [91 * 86_400, 1, 0],
        [60, 0, 1],
      ],
    ]);
  });

  test('that could not be told are told when they can be, and it is said once', async () => {
    const bus = newsBus();
    const [one, two] = await nodes(bus);
    bus.down = true;
    await one.firstUse('jti', in100Seconds());
    for (let n = 0; n < 3; n += 1) await one.budget('tries', TERMS).spend('alice');
    await pass(5000);
    await one.budget('tries', TERMS).refund('alice');
    expect(one.faults).toHaveLength(1);
    bus.down = false;
    await pass(EVERY_MS);
    expect([await two.firstUse('jti', in100Seconds()), await left(two, 'alice')]).toEqual([false, 1]);
  });

  test('that wait for long are told as far as they still count, and not all at once', async () => {
    const sizes: number[] = [];
    const told = new Set<string>();
    let isDown = true;
    const publish: NewsBus['news']['publish'] = async (batch) => {
      const { used } = batch as { used: [string, number][] };
      if (isDown) throw new Error('the news are down');
      sizes.push(used.length);
      for (const [identifier, expiresAt] of used) told.add(expiresAt > clock() ? identifier : 'over');
    };
    const teller = makeTeller({ origin: 'one', news: { ...newsBus().news, publish }, clock, onFault: () => undefined });
    for (let n = 0; n < 3000; n += 1) teller.used(`over-${n}`, clock() + 60);
    await pass(1000);
    teller.polled('over', { polledAt: Date.now(), intervalMs: 5000, slowedMs: 10_000, expiresAtMs: Date.now() + 60_000 });
    teller.spent('tries', 'over', { origin: 'one', revision: 1, count: 1, until: clock() + 60 });
    await pass(60_000);
    for (let n = 0; n < 25_000; n += 1) teller.used(`live-${n}`, in100Seconds());
    isDown = false;
    await pass(EVERY_MS);
    expect(sizes.splice(0)).toEqual(Array(10).fill(2000));
    await pass(EVERY_MS);
    expect(sizes).toEqual([2000, 2000, 1000]);
    expect([told.size, told.has('over')]).toEqual([25_000, false]);
    sizes.splice(0);
    for (let n = 0; n < 25_000; n += 1) teller.used(`last-${n}`, in100Seconds());
    await teller.stop();
    expect([sizes.length, told.size]).toEqual([13, 50_000]);
  });

  test('that could not be told do not come back over newer ones', async () => {
    const bus = newsBus();
    const [one, two] = await nodes(bus);
    Object.assign(bus, { latencyMs: 40, down: true });
    await one.budget('tries', TERMS).spend('alice');
    await pass(10);
    await one.budget('tries', TERMS).refund('alice');
    await pass(bus.latencyMs);
    bus.down = false;
    await pass(EVERY_MS + bus.latencyMs);
    expect([bus.published.length, await left(two, 'alice')]).toEqual([1, 3]);
  });

  test('are told before a node goes', async () => {
    const bus = newsBus();
    const [one, two] = await nodes(bus);
    await one.firstUse('first', in100Seconds());
    await pass(1);
    await one.firstUse('last', in100Seconds());
    await one.close();
    expect(await two.firstUse('last', in100Seconds())).toBe(false);
  });

  test('that cannot be followed any more are followed again', async () => {
    const bus = newsBus();
    let cut: ((error: Error) => void) | undefined;
    const cutting = {
      ...bus.news,
      follow: () =>
        new Observable<never>((subscriber) => {
          cut = (error) => subscriber.error(error);
          subscriber.add(bus.news.follow().subscribe(subscriber as never));
        }),
    };
    const [one, two] = [await node(bus), await node({ news: cutting })];
    cut?.(new Error('cut'));
    await one.firstUse('jti', in100Seconds());
    await pass(1000);
    expect([two.faults, await two.firstUse('jti', in100Seconds())]).toEqual([[new Error('cut')], false]);
  });

  test('of a node about itself are ignored', async () => {
    const bus = newsBus();
    const one = await node(bus);
    const budget = one.budget('tries', TERMS);
    bus.latencyMs = 40;
    await budget.spend('alice');
    await pass(10);
    await budget.refund('alice');
    await pass(bus.latencyMs);
    expect([bus.published.length, await left(one, 'alice')]).toEqual([1, 3]);
  });
});

describe('what a node hears', () => {
  test('is ignored where it is malformed or too long', async () => {
    const bus = newsBus();
    const one = await node(bus);
    const used = [['jti', in100Seconds()]];
    const bad = [
      ...[null, 1, 'x', [], {}, { ...EMPTY, limits: 2, used }, { ...EMPTY, origin: 1, used }, { ...EMPTY, used: 'jti' }],
      ...[
        { ...EMPTY, used: [['jti']] },
        { ...EMPTY, used: [['jti', '100']] },
        { ...EMPTY, used: [['jti', 1e300]] },
      ],
      ...[
        { ...EMPTY, used: Array(2001).fill(used[0]) },
        { ...EMPTY, used: [['j'.repeat(129), in100Seconds()]] },
      ],
      ...[
        { ...EMPTY, used, polled: [['request', -1, 0, 0, 0]] },
        { ...EMPTY, used, spent: [['tries', 'alice', 1, 1]] },
      ],
    ];
    for (const news of bad) bus.say(JSON.stringify(news));
    fc.assert(
      fc.property(
        fc.oneof(
          fc.jsonValue(),
          fc.jsonValue().map((used) => ({ ...EMPTY, used })),
        ),
        (news) => bus.say(JSON.stringify(news)),
      ),
    );
    expect(await one.firstUse('jti', in100Seconds())).toBe(true);
    bus.say(JSON.stringify({ ...EMPTY, used: [['other', in100Seconds()]], more: 'than we know' }));
    expect([one.faults, await one.firstUse('other', in100Seconds())]).toEqual([[], false]);
  });

  test('of a budget counts for its terms, which come later', async () => {
    const bus = newsBus();
    const one = await node(bus);
    for (const key of ['a', 'b', 'c']) await one.budget('few', { count: 1, seconds: 60 }).spend(key);
    await pass(EVERY_MS);
    const few = (await node(bus)).budget('few', { count: 1, seconds: 60, most: 3 });
    expect([await few.spend('d'), await few.spend('b'), await few.spend('c'), await few.spend('a')]).toEqual([true, false, false, true]);
  });

  test('is the same in any order and however often it comes', async () => {
    const step = fc.record({
      at: fc.constantFrom(0, 1),
      does: fc.constantFrom('use', 'poll', 'spend', 'refund'),
      of: fc.constantFrom('a', 'b', 'c'),
      later: fc.constantFrom(0, 40, 3000),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 25 }), fc.infiniteStream(fc.nat()), async (steps, chance) => {
        // Each tells on a bus of its own: neither hears the other.
        const buses = [newsBus(), newsBus()] as const;
        const tellers = [await node(buses[0]), await node(buses[1])] as const;
        for (const { at, does, of, later } of steps) {
          const one = tellers[at];
          if (does === 'use') await one.firstUse(of, in100Seconds());
          if (does === 'poll') await one.tooSoon(of, PACE, in100Seconds());
          if (does === 'spend') await one.budget('tries', TERMS).spend(of);
          if (does === 'refund') await one.budget('tries', TERMS).refund(of);
          await pass(later);
        }
        await pass(EVERY_MS);
        const told = buses.flatMap((bus) => bus.published.map(({ text }) => text));
        const shuffled = [...told, ...told].map((text) => [chance.next().value, text] as const).sort(([a], [b]) => a - b);
        const [inOrder, mixed] = [newsBus(), newsBus()];
        const hearers = [await node(inOrder), await node(mixed)] as const;
        for (const text of told) inOrder.say(text);
        for (const [, text] of shuffled) mixed.say(text);
        const known = (of: Node) =>
          Promise.all(
            ['a', 'b', 'c'].map(async (key) => [await left(of, key), await of.stillTooSoon(key), await of.firstUse(key, in100Seconds())]),
          );
        const [one, two] = [await known(hearers[0]), await known(hearers[1])];
        expect(two).toEqual(one);
        for (const one of [...tellers, ...hearers]) await one.close();
      }),
      { numRuns: 50 },
    );
  });
});
