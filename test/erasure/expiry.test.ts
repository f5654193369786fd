import { setImmediate as nextTurn } from 'node:timers/promises';
import { expect, test } from '@jest/globals';
import { systemIds } from '../../src/adapters/clock.ts';
import { inMemoryEventStore } from '../../src/adapters/event-store/in-memory.ts';
import { psuKeys } from '../../src/adapters/keys/psu-keys.ts';
import { sqliteRows } from '../../src/adapters/rows/sqlite.ts';
import { type Decide, makeDecide } from '../../src/domain/decide.ts';
import type { KeyName } from '../../src/domain/ports/sealer.ts';
import { projectionsOver } from '../../src/projections/all.ts';
import type { ExpiredKey } from '../../src/projections/expired-data.ts';
import { destroyExpired, expireData, recordExpired } from '../../src/projections/reactions/expire-data.ts';
import { runProjections } from '../../src/projections/runner.ts';

const DAY = 86_400;
const DAYS = { requestDays: 400, consentDays: 2557, deviceDays: 90, deliveryDays: 30 };

/** Who destroys what is over, by a clock that the test moves; and what was destroyed, call by call. */
const world = async () => {
  let at = 1_800_000_000;
  const clock = () => at;
  const store = inMemoryEventStore();
  const keys = psuKeys(':memory:', Buffer.alloc(32, 1));
  const rows = sqliteRows(':memory:');
  const running = runProjections(store, rows, projectionsOver(keys), 0);
  const latest = async () => running.reached(await store.head());
  const destroyed: string[][] = [];
  const destroy = async (names: readonly KeyName[]) => void destroyed.push(names.map(({ psuId, name }) => `${psuId} ${name}`));
  const deps = {
    decide: makeDecide({ store, sealer: keys, ids: systemIds }),
    rows,
    sealer: { ...keys, destroy },
    clock,
    ids: systemIds,
    latest,
  };
  return {
    ...{ deps, destroyed },
    pass(seconds: number) {
      at += seconds;
    },
    /** Another process records that these are over, and dies. */
    left: (...over: ExpiredKey[]) => recordExpired(deps, over, { reaction: 'test', causationId: null }),
  };
};

const month = (psuId: string): ExpiredKey => ({ psuId, retention: 'request', period: '2025-01' });

test('what another process has left is destroyed a page at a time, and others have their turn in between', async () => {
  const { deps, destroyed, left } = await world();
  const names = Array.from({ length: 1200 }, (_, index) => `psu-${index}`);
  await left(...names.map(month));
  await deps.latest();
  let [turns, ended] = [0, false];
  const counting = (async () => {
    for (; !ended; turns += 1) await nextTurn();
  })();
  expect(await destroyExpired(deps, DAYS)).toBe(0);
  ended = true;
  await counting;
  expect(destroyed.map((page) => page.length)).toEqual([500, 500, 200]);
  expect(destroyed.flat().toSorted()).toEqual(names.map((name) => `${name} request.2025-01`).toSorted());
  expect(turns).toBeGreaterThanOrEqual(3);
});

test('the keys of months are destroyed once, those that something may have lived under each day', async () => {
  const { deps, destroyed, left, pass } = await world();
  await left(month('alice'), { psuId: 'alice', retention: 'consent', period: '-' });
  const reaction = expireData(deps, DAYS);
  const day = async () => {
    pass(DAY);
    destroyed.length = 0;
    for (const { act } of reaction.due(1)) await act(false);
    return destroyed.flat();
  };
  expect(await day()).toEqual(['alice consent.-', 'alice request.2025-01']);
  expect(await day()).toEqual(['alice consent.-']);
  // Another process was on duty meanwhile, by a clock that is behind.
  pass(-600);
  await left(month('bob'));
  pass(600);
  expect(await day()).toEqual(['alice consent.-', 'bob request.2025-01']);
  expect(await day()).toEqual(['alice consent.-']);
});

test('what is over is recorded a little at a time', async () => {
  const { deps } = await world();
  let [underWay, most] = [0, 0];
  const decide: Decide = async (...asked) => {
    underWay += 1;
    most = Math.max(most, underWay);
    await nextTurn();
    const decided = await deps.decide(...asked);
    underWay -= 1;
    return decided;
  };
  const over = Array.from({ length: 100 }, (_, index) => month(`psu-${index}`));
  await recordExpired({ ...deps, decide }, over, { reaction: 'test', causationId: null });
  expect(most).toBe(32);
  await deps.latest();
  expect(deps.rows.all('select 1 from lately_expired')).toHaveLength(100);
});
