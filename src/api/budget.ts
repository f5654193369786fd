import type { Clock } from '../domain/ports/clock.ts';

/** So much of something for each key within a time, in the memory of this process. */
export interface Budget {
  /** Takes one from what a key has left; false when nothing is. */
  spend(key: string): boolean;
  /** Gives back one that was not used up after all. */
  refund(key: string): void;
}

const SWEEP_SIZE = 1024;

interface Limits {
  count: number;
  seconds: number;
  clock: Clock;
  /** As many keys are kept at most: the one that came first is forgotten for the next. */
  most?: number;
}

/** `count` for each key, which are all there again `seconds` after the first of them was spent. */
export const makeBudget = ({ count, seconds, clock, most = Number.POSITIVE_INFINITY }: Limits): Budget => {
  const spent = new Map<string, { count: number; until: number }>();
  let sweepAt = SWEEP_SIZE;

  const sweep = (at: number) => {
    for (const [key, { until }] of spent) if (at >= until) spent.delete(key);
    sweepAt = Math.max(SWEEP_SIZE, spent.size * 2);
  };

  return {
    spend(key) {
      const at = clock();
      if (spent.size >= sweepAt) sweep(at);
      const known = spent.get(key);
      if (known === undefined || at >= known.until) {
        if (known === undefined && spent.size >= most) spent.delete(spent.keys().next().value ?? key);
        spent.set(key, { count: 1, until: at + seconds });
        return count > 0;
      }
      if (known.count >= count) return false;
      known.count += 1;
      return true;
    },
    refund(key) {
      const known = spent.get(key);
      if (known === undefined) return;
      known.count -= 1;
      // Nothing is spent: the time begins anew with what is spent next.
      if (known.count === 0) spent.delete(key);
    },
  };
};
