// One event store, driven by itself. What run.ts asks of it: `fill` writes streams of ten events, `append` and `read` measure a window.
import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { inMemoryEventStore } from '../src/adapters/event-store/in-memory.ts';
import { kurrentdbEventStore } from '../src/adapters/event-store/kurrentdb.ts';
import { sqliteEventStore } from '../src/adapters/event-store/sqlite.ts';
import type { EventStore, NewEvent } from '../src/domain/ports/event-store.ts';
import { quantile } from './figures.ts';
import { fillWith } from './filling.ts';
import { answerRunner } from './measure.ts';
import { plainStore } from './plain-store.ts';

const { values: given } = parseArgs({
  options: {
    store: { type: 'string', default: 'memory' },
    'commit-ms': { type: 'string', default: '0' },
    'connection-string': { type: 'string', default: '' },
    data: { type: 'string', default: '.' },
  },
});

/** What a window came to. */
export interface StoreRun {
  perSecond: number;
  p50Ms: number;
  p99Ms: number;
  cpuMicros: number;
}

// A slower disk: the thread that commits stands still for as long, after each commit and before anybody is told of it.
const standstill = new Int32Array(new SharedArrayBuffer(4));
const commitMs = Number(given['commit-ms']);
const committed = () => {
  if (commitMs > 0) Atomics.wait(standstill, 0, 0, commitMs);
};

const file = join(given.data, 'log.sqlite');
const STORES: Record<string, () => Pick<EventStore, 'append' | 'read'>> = {
  memory: inMemoryEventStore,
  sqlite: () => sqliteEventStore(file, { onCommit: committed }),
  plain: () => plainStore(file, committed),
  kurrentdb: () =>
    kurrentdbEventStore({
      connectionString: given['connection-string'],
      ca: null,
      credentials: null,
      requireTls: false,
      deadlineMs: 10_000,
      maxInFlight: 512,
      categories: ['bench'],
    }),
};
const store = (STORES[given.store] as (typeof STORES)[string])();

// About as long as the request of a TPP, with its personal part.
const DATA = JSON.stringify({ clientId: 'tpp', scope: 'openid accounts', expiresAt: 1_700_000_000, reference: 'r'.repeat(300) });
const SEALED = 's'.repeat(400);
const event = (): NewEvent => ({
  id: randomUUID(),
  type: 'BenchRecorded',
  version: 1,
  actor: { kind: 'client', id: 'tpp' },
  correlationId: 'bench',
  causationId: null,
  data: DATA,
  sealed: SEALED,
});

const TEN = 10;
let filled = 0;
const fill = async ({ streams }: { streams: number }): Promise<void> => {
  await fillWith(streams, (n) => store.append(`bench-ten-${n}`, Array.from({ length: TEN }, event), -1));
  filled = streams;
};

let appended = 0;
const appendOne = () => {
  appended += 1;
  return store.append(`bench-${Date.now().toString(36)}-${appended}`, [event()], -1);
};

const readTen = async () => {
  const events = await store.read(`bench-ten-${Math.floor(Math.random() * filled)}`);
  if (events.length !== TEN) throw new Error(`${events.length} events, not ${TEN}`);
};

interface Window {
  seconds: number;
  operations: number;
  writers: number;
}

/** Each of the writers does one after another, until the time or the operations are over. */
const drive = async (act: () => Promise<unknown>, { seconds, operations, writers }: Window): Promise<StoreRun> => {
  const latencies: number[] = [];
  let left = operations;
  const before = process.cpuUsage();
  const begin = performance.now();
  const end = begin + seconds * 1000;
  const work = async () => {
    for (let now = begin; left > 0 && now < end; ) {
      left -= 1;
      now = performance.now();
      await act();
      latencies.push(performance.now() - now);
    }
  };
  await Promise.all(Array.from({ length: writers }, work));
  const elapsedMs = performance.now() - begin;
  const { user, system } = process.cpuUsage(before);
  const sorted = Float64Array.from(latencies).sort();
  return {
    perSecond: (sorted.length * 1000) / elapsedMs,
    p50Ms: quantile(sorted, 0.5),
    p99Ms: quantile(sorted, 0.99),
    cpuMicros: (user + system) / sorted.length,
  };
};

answerRunner({ fill, append: (window: Window) => drive(appendOne, window), read: (window: Window) => drive(readTen, window) });
console.log('ready');
