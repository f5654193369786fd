import { join } from 'node:path';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { expect, test } from '@jest/globals';
import { sqliteEventStore } from '../../../src/adapters/event-store/sqlite.ts';
import { temporaryFolder } from '../../support/served.ts';
import { covered, keepLog, record } from './keeping.ts';

const LOAD_MS = 5000;
const CHECKPOINT_MS = 1000;
// Other tests run beside this one.
const BOUND_MS = 2 * CHECKPOINT_MS;

test('under load without a pause, a checkpoint is published every second, and covers what was recorded a second before', async () => {
  const store = sqliteEventStore(join(temporaryFolder(), 'log.sqlite'));
  const published: { size: number; at: number }[] = [];
  const kept = keepLog(store, {
    checkpointMs: CHECKPOINT_MS,
    through: (chain) => ({
      ...chain,
      async write(next, seen) {
        const written = await chain.write(next, seen);
        if (written !== null) published.push({ size: next.newest.size, at: performance.now() });
        return written;
      },
    }),
  });
  const began = performance.now();
  const recorded = [{ size: 0, at: began }];
  while (performance.now() - began < LOAD_MS) {
    await record(store, 5);
    recorded.push({ size: (recorded.at(-1)?.size ?? 0) + 5, at: performance.now() });
    await nextTurn();
  }
  const ended = performance.now();
  expect(published.length).toBeGreaterThanOrEqual(Math.floor(LOAD_MS / BOUND_MS));
  const moments = [began, ...published.map(({ at }) => at), ended];
  expect(Math.max(...moments.slice(1).map((at, index) => at - (moments[index] as number)))).toBeLessThan(BOUND_MS);
  for (const { size, at } of published) expect(size).toBeGreaterThanOrEqual(recorded.findLast((one) => one.at <= at - BOUND_MS)?.size ?? 0);
  await covered(kept, recorded.at(-1)?.size ?? 0);
  expect(kept.faults).toEqual([]);
  await kept.stop();
  await store.close();
}, 30_000);
