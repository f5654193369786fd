import { type EventStore, RevisionConflict } from '../../domain/ports/event-store.ts';
import { type Described, emptyCounts, emptyTally } from './registry.ts';

// Seconds and numbers of appends.
const SECONDS = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10];
const APPENDS = [1, 2, 4, 8, 16, 32, 64, 128, 256, 512];

/** One commit of a store that commits by itself: how many appends shared it, and how long the disk took. */
export type Committed = (appends: number, ms: number) => void;

/** Counts what is appended by this process, and how long that takes. */
export const storeMetrics = (): { observed(store: EventStore): EventStore; onCommit: Committed; metrics: Described[] } => {
  const [seconds, commitSeconds, commitAppends] = [emptyTally(SECONDS), emptyTally(SECONDS), emptyTally(APPENDS)];
  const events = emptyCounts<string>();
  const refused = emptyCounts<'conflict' | 'failed'>('conflict', 'failed');
  let pressure: (() => number) | undefined;
  const tallied = (name: string, help: string, tally: typeof seconds): Described => ({
    ...{ name, help, type: 'histogram' },
    samples: () => tally.samples(name),
  });
  return {
    observed(store) {
      pressure = store.pressure;
      return {
        ...store,
        append(stream, appended, expectedRevision) {
          const began = performance.now();
          const kept = store.append(stream, appended, expectedRevision);
          kept.then(
            () => {
              seconds.add((performance.now() - began) / 1000);
              for (const { type } of appended) events.add(type);
            },
            (error) => refused.add(error instanceof RevisionConflict ? 'conflict' : 'failed'),
          );
          return kept;
        },
      };
    },
    onCommit(appends, ms) {
      commitSeconds.add(ms / 1000);
      commitAppends.add(appends);
    },
    metrics: [
      tallied('countersign_append_seconds', 'Time until an append was durable.', seconds),
      tallied('countersign_commit_seconds', 'Time that a commit of the log file took, with its fsync.', commitSeconds),
      tallied('countersign_commit_appends', 'Appends that shared a commit of the log file.', commitAppends),
      {
        name: 'countersign_appends_refused_total',
        help: 'Appends that were not kept: the stream had moved on (conflict), or the store could not (failed).',
        type: 'counter',
        samples: () => refused.samples('reason'),
      },
      {
        name: 'countersign_events_total',
        help: 'Events that this process appended, by type.',
        type: 'counter',
        samples: () => events.samples('type'),
      },
      {
        name: 'countersign_store_pressure',
        help: 'Calls of the store under way and waiting, as a share of those that may be under way at once.',
        type: 'gauge',
        aggregator: 'max',
        samples: () => [{ value: pressure?.() ?? 0 }],
      },
    ],
  };
};
