import { LRUCache } from 'lru-cache';
import { filter, type Observable, of, withLatestFrom } from 'rxjs';
import type { Applied } from '../../projections/runner.ts';
import { type Described, emptyCounts, emptyTally } from './registry.ts';

type AppliedEvent = Applied['events'][number];

// Seconds: a PSU takes a phone out of a pocket.
const BOUNDS = [1, 2, 5, 10, 20, 30, 60, 120, 300, 600];
// As many requests are looked after at once: the one that came first is forgotten for the next.
const MOST = 100_000;

/**
 * From a push to its answer. Counted by the process that is on duty, from what everybody records: the numbers of several nodes can be added
 * up. What happened before this process came up is not counted.
 */
export const funnelMetrics = (): { follow(applied: Observable<Applied>, onDuty?: Observable<boolean>): void; metrics: Described[] } => {
  const stages = emptyCounts<'received' | 'pushed' | 'retrieved' | 'answered'>('received', 'pushed', 'retrieved', 'answered');
  const [untilRetrieved, untilAnswered] = [emptyTally(BOUNDS), emptyTally(BOUNDS)];
  const waiting = new LRUCache<string, { since: number; retrieved: boolean }>({ max: MOST });

  const answered = ({ stream, recordedAt }: AppliedEvent) => {
    const request = waiting.get(stream);
    if (request === undefined) return;
    waiting.delete(stream);
    stages.add('answered');
    untilAnswered.add((recordedAt - request.since) / 1000);
  };
  const over = ({ stream }: AppliedEvent) => void waiting.delete(stream);
  const on: Readonly<Record<string, (event: AppliedEvent) => void>> = {
    CibaRequestReceived({ stream, recordedAt }) {
      stages.add('received');
      waiting.set(stream, { since: recordedAt, retrieved: false });
    },
    DevicePushAccepted: () => stages.add('pushed'),
    ConsentRetrieved({ stream, recordedAt }) {
      const request = waiting.get(stream);
      if (request === undefined || request.retrieved) return;
      request.retrieved = true;
      stages.add('retrieved');
      untilRetrieved.add((recordedAt - request.since) / 1000);
    },
    CibaRequestApproved: answered,
    CibaRequestDenied: answered,
    CibaRequestCancelled: over,
    CibaRequestExpired: over,
  };

  const tallied = (name: string, help: string, tally: typeof untilAnswered): Described => ({
    ...{ name, help, type: 'histogram' },
    samples: () => tally.samples(name),
  });
  return {
    follow(applied, onDuty = of(true)) {
      const ours = applied.pipe(
        withLatestFrom(onDuty),
        filter(([, isOurs]) => isOurs),
      );
      // That the read models have stopped is told by others.
      ours.subscribe({
        next([{ events }]) {
          for (const event of events) on[event.type]?.(event);
        },
        error: () => undefined,
      });
    },
    metrics: [
      {
        name: 'countersign_funnel_total',
        help: 'CIBA requests that were received, shown to their PSU and answered, and pushes that the push service accepted.',
        type: 'counter',
        samples: () => stages.samples('stage'),
      },
      tallied('countersign_time_to_retrieve_seconds', 'Time from a CIBA request until its PSU saw it.', untilRetrieved),
      tallied('countersign_time_to_answer_seconds', 'Time from a CIBA request to the answer of its PSU.', untilAnswered),
    ],
  };
};
