import type { Archiving } from '../adapters/event-store/archiving.ts';
import { type ArchiveDays, closingAfter } from '../domain/closing.ts';
import type { Clock } from '../domain/ports/clock.ts';

// A step holds the event loop for some milliseconds, and is followed by a rest of so many times what it took: a twentieth goes into archiving.
const RESTS = 19;
const LEAST_REST_MS = 25;
// How often is looked for more, and how long after the start for the first time.
const LOOK_MS = 60_000;

interface Settings extends ArchiveDays {
  clock: Clock;
  onFault(what: string, error: unknown): void;
  /** The least time between two steps, and the time between two looks; as above if not given. */
  pause?: { restMs: number; lookMs: number };
}

/** Archives what is over for as long as the log is open for writing: a little at a time. What fails is reported, and is not tried again. */
export const keepArchiving = (store: Archiving, { clock, onFault, pause, ...days }: Settings): { close(): void } => {
  const { restMs, lookMs } = pause ?? { restMs: LEAST_REST_MS, lookMs: LOOK_MS };
  const closing = closingAfter(days);
  let timer: NodeJS.Timeout | undefined;
  const next = (ms: number) => {
    timer = setTimeout(step, ms).unref();
  };
  const step = () => {
    try {
      const began = performance.now();
      const mayBeMore = store.archiveSome(closing, clock());
      next(mayBeMore ? Math.max(restMs, RESTS * (performance.now() - began)) : lookMs);
    } catch (error) {
      onFault('archive', error);
    }
  };
  next(lookMs);
  return { close: () => clearTimeout(timer) };
};
