import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { median, spread, table } from './figures.ts';
import { type How, LOAD_CORE, type Measurement, type Running, SERVER_CORE, withStarted } from './measure.ts';
import type { StoreRun } from './stores.ts';

/** A store that is measured by itself, how it is started, and which other one is its peer. */
interface Contender {
  name: string;
  args: readonly string[];
  /** How many streams of ten are there to be read: where ours keeps what was read last in memory, far more than that. */
  streams: number;
  peer?: string;
}

const COMMIT_MS = [0, 2, 10];
const MANY = 40_000;
const QUICK_STREAMS = 10_000;

const CONTENDERS: readonly Contender[] = [
  { name: 'ours, in memory', args: ['--store', 'memory'], streams: MANY },
  ...COMMIT_MS.flatMap((ms) => {
    const peer = `plain table, fsync ${ms} ms`;
    return [
      { name: `ours, SQLite, fsync ${ms} ms`, args: ['--store', 'sqlite', '--commit-ms', `${ms}`], streams: MANY, peer },
      { name: peer, args: ['--store', 'plain', '--commit-ms', `${ms}`], streams: MANY },
    ];
  }),
  { name: 'ours, KurrentDB client', args: ['--store', 'kurrentdb'], streams: 1000 },
];

/** What every store is asked to do. */
const OPERATIONS = [
  { name: 'append one event to a new stream, 1 writer', question: 'append', writers: 1 },
  { name: 'append one event to a new stream, 32 writers', question: 'append', writers: 32 },
  { name: 'read a stream of ten', question: 'read', writers: 1 },
] as const;

/** The windows of each operation, by the store. */
type StoreFindings = ReadonlyMap<string, ReadonlyMap<string, StoreRun[]>>;

// Enough for a p99; more would make the files, and the arrays in memory, larger than they need to be.
const MOST_OPERATIONS = 20_000;
// A disk that costs nothing: the fsync is what is injected.
const MEMORY_DISK = '/dev/shm';

/** Measures all stores side by side, each in a process of its own, window after window. */
const measure = async ({ folder, rounds, seconds, quick }: How): Promise<StoreFindings> => {
  const data = mkdtempSync(join(existsSync(MEMORY_DISK) ? MEMORY_DISK : folder, 'countersign-stores-'));
  try {
    return await withStarted(async (started) => {
      const server = await started('kurrentdb-server.ts', [], LOAD_CORE);
      const stores = new Map<string, Running>();
      for (const { name, args, streams } of CONTENDERS) {
        const place = ['--data', mkdtempSync(join(data, 'store-')), '--connection-string', server.ready];
        const store = await started('stores.ts', [...args, ...place], SERVER_CORE);
        await store.ask('fill', { streams: quick ? Math.min(streams, QUICK_STREAMS) : streams });
        stores.set(name, store);
      }
      const window = { seconds, operations: MOST_OPERATIONS };
      const found = new Map(OPERATIONS.map(({ name }) => [name as string, new Map<string, StoreRun[]>()]));
      for (let round = -1; round < rounds; round += 1)
        for (const { name, question, writers } of OPERATIONS)
          for (const [store, asked] of stores) {
            const run = await asked.ask<StoreRun>(question, { ...window, writers });
            // The first round only warms up.
            if (round >= 0) found.get(name)?.set(store, [...(found.get(name)?.get(store) ?? []), run]);
          }
      return found;
    });
  } finally {
    rmSync(data, { recursive: true });
  }
};

/** A table for each operation. */
const render = (found: StoreFindings): string =>
  [...found]
    .map(([operation, runs]) =>
      table(
        [operation, 'per second', 'p50 / p99, ms', 'CPU, µs', '÷ plain table'],
        CONTENDERS.map(({ name, peer }) => row(name, runs.get(name) ?? [], peer === undefined ? [] : (runs.get(peer) ?? []))),
      ),
    )
    .join('\n\n');

const row = (name: string, runs: readonly StoreRun[], peer: readonly StoreRun[]): string[] => [
  name,
  spread(runs.map(({ perSecond }) => perSecond)),
  `${median(runs.map(({ p50Ms }) => p50Ms)).toFixed(3)} / ${median(runs.map(({ p99Ms }) => p99Ms)).toFixed(3)}`,
  median(runs.map(({ cpuMicros }) => cpuMicros)).toFixed(1),
  peer.length === 0 ? '' : `${median(runs.map(({ perSecond }, round) => perSecond / (peer[round]?.perSecond ?? Number.NaN))).toFixed(2)}×`,
];

export const eventStores: Measurement = { name: 'event stores', run: async (how) => render(await measure(how)) };
