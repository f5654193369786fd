import { bar } from './catch-up.ts';
import type { ImportOutput } from './import-devices.ts';

const TELL_MS = 1000;

/** Tells every second how many of so many events are done: a bar with what is left on a terminal, a JSON line elsewhere. */
export const progressOf = (what: string, total: number, { print, progress }: ImportOutput): ((done: number) => void) => {
  const began = performance.now();
  let told = began;
  return (done) => {
    const now = performance.now();
    if (now - told < TELL_MS) return;
    told = now;
    const eventsPerSecond = Math.round((done * 1000) / (now - began));
    const state = { done, total, eventsPerSecond, secondsLeft: Math.round((total - done) / Math.max(eventsPerSecond, 1)) };
    if (progress === null) print(JSON.stringify({ [what]: state }));
    else progress(bar(state, what));
  };
};
