import { join } from 'node:path';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { expect, test } from '@jest/globals';
import { BehaviorSubject } from 'rxjs';
import { kurrentdbEventStore } from '../../../src/adapters/event-store/kurrentdb.ts';
import { sqliteEventStore } from '../../../src/adapters/event-store/sqlite.ts';
import { kurrentdbShared } from '../../../src/adapters/shared/kurrentdb.ts';
import type { SharedRecords } from '../../../src/adapters/shared/records.ts';
import type { EventStore } from '../../../src/domain/ports/event-store.ts';
import { kurrentdbCluster } from '../../support/kurrentdb-server/cluster.ts';
import { settingsFor } from '../../support/kurrentdb-server/settings.ts';
import { temporaryFolder } from '../../support/served.ts';
import { covered, type KeptLog, keepLog, record } from './keeping.ts';

const CHECKPOINT_MS = 1000;
// Other tests run beside this one.
const SLACK_MS = 100;
const BOUND_MS = 2 * CHECKPOINT_MS;

interface Place {
  store: EventStore;
  /** What nodes share. */
  records?: SharedRecords;
  close(): Promise<void>;
}

const inFile = async (): Promise<Place> => {
  const store = sqliteEventStore(join(temporaryFolder(), 'log.sqlite'));
  return { store, close: () => store.close() };
};

const inCluster = async (): Promise<Place> => {
  const cluster = await kurrentdbCluster({ nodes: 3 });
  const settings = settingsFor(cluster.connectionString, { categories: ['note'] });
  const store = kurrentdbEventStore(settings);
  const { records, close } = kurrentdbShared(settings, { kept: [] });
  return {
    ...{ store, records },
    async close() {
      close();
      await store.close();
      cluster.stop();
    },
  };
};

const gapsOf = (moments: readonly number[]): number[] => moments.slice(1).map((at, index) => at - (moments[index] as number));

for (const [where, open, loadMs] of [
  ['in a file', inFile, 5000],
  ['in a cluster, by the node on duty', inCluster, 4000],
] as const)
  test(`${where}, under load without a pause: a checkpoint every second (the median), each within two, of what came two before`, async () => {
    const { store, records, close } = await open();
    const published: { size: number; at: number }[] = [];
    const node = (isOnDuty: boolean): KeptLog =>
      keepLog(store, {
        ...{ checkpointMs: CHECKPOINT_MS, onDuty: new BehaviorSubject(isOnDuty), ...(records !== undefined && { records }) },
        through: (chain) => ({
          ...chain,
          async write(next, seen) {
            const written = await chain.write(next, seen);
            if (written !== null) published.push({ size: next.newest.size, at: performance.now() });
            return written;
          },
        }),
      });
    const nodes = records === undefined ? [node(true)] : [node(true), node(false)];
    const began = performance.now();
    const recorded = [{ size: 0, at: began }];
    while (performance.now() - began < loadMs) {
      await record(store, 5);
      recorded.push({ size: (recorded.at(-1)?.size ?? 0) + 5, at: performance.now() });
      await nextTurn();
    }
    const moments = published.map(({ at }) => at);
    expect(Math.max(...gapsOf([began, ...moments, performance.now()]))).toBeLessThan(BOUND_MS);
    const gaps = gapsOf(moments).sort((one, other) => one - other);
    expect(gaps[Math.floor(gaps.length / 2)]).toBeLessThan(CHECKPOINT_MS + SLACK_MS);
    for (const { size, at } of published)
      expect(size).toBeGreaterThanOrEqual(recorded.findLast((one) => one.at <= at - BOUND_MS)?.size ?? 0);
    await Promise.all(nodes.map((one) => covered(one, recorded.at(-1)?.size ?? 0)));
    for (const one of nodes) {
      expect(one.faults).toEqual([]);
      await one.stop();
    }
    await close();
  }, 30_000);
