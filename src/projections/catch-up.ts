import type { Projections } from './runner.ts';

/** How far read models that are behind the log have come. */
export interface CatchUp {
  /** Positions of the log: how far they are, and how far it was when they began. In a log of one machine that is how many events. */
  done: number;
  total: number;
  eventsPerSecond: number;
  secondsLeft: number;
}

const TELL_MS = 1000;

/** Tells every second how far they are until they have caught up with `head`, and then once more; nothing where that takes less than a second. */
export const tellCatchUp = (projections: Projections, head: number, tell: (progress: CatchUp) => void): void => {
  const from = projections.position();
  const began = performance.now();
  let told = began;
  let events = 0;
  const telling = projections.applied.subscribe({
    next(page) {
      events += page.events.length;
      const now = performance.now();
      if (page.position >= head || now - told < TELL_MS) return;
      told = now;
      tell(progressAt(page.position));
    },
    error: () => undefined,
  });
  const progressAt = (done: number): CatchUp => {
    const seconds = (performance.now() - began) / 1000;
    const share = (head - done) / Math.max(done - from, 1);
    return { done, total: head, eventsPerSecond: Math.round(events / seconds), secondsLeft: Math.max(0, Math.round(seconds * share)) };
  };
  projections.caughtUp
    .then(() => performance.now() - began >= TELL_MS && tell(progressAt(projections.position())))
    .catch(() => undefined)
    .finally(() => telling.unsubscribe());
};
