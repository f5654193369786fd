import { setImmediate as nextTurn } from 'node:timers/promises';

const AT_ONCE = 50;

/** Gives others their turn at every fiftieth call: who goes through many facts calls it behind each. */
export const makeTurns = (): (() => Promise<void>) => {
  let calls = 0;
  return async () => {
    calls += 1;
    if (calls % AT_ONCE === 0) await nextTurn();
  };
};
