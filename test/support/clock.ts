import { systemClock } from '../../src/adapters/clock.ts';
import type { Clock } from '../../src/domain/ports/clock.ts';

/** A clock that stands still, from now on, until the test moves it. */
export interface StandingClock {
  clock: Clock;
  nowMs(): number;
  pass(seconds: number): void;
}

export const standingClock = (): StandingClock => {
  let at = systemClock();
  return {
    clock: () => at,
    nowMs: () => at * 1000,
    pass: (seconds) => {
      at += seconds;
    },
  };
};
