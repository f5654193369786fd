import { bar } from './catch-up.ts';
import type { ImportOutput } from './import-devices.ts';

const TELL_MS = 1000;

/**
 * Tells every second how many of so many events are done: a bar with what is left on a terminal, a JSON line elsewhere. Positions will do, too,
 * with the number of events that stood there.
 */
export const progressOf = (
  what: string,
  total: number,
  { print, progress }: ImportOutput,
  unit = 'events',
): ((done: number, events?: number) => void) => {
  const began = performance.now();
  let told = began;
  return (done, events = done) => {
    const now = performance.now();
    if (now - told < TELL_MS) return;
    told = now;
    const seconds = (now - began) / 1000;
    const secondsLeft = Math.round((seconds * (total - done)) / Math.max(done, 1));
    const state = { done, total, eventsPerSecond: Math.round(events / seconds), secondsLeft };
    if (progress === null) print(JSON.stringify({ [what]: state }));
    else progress(bar(state, what, unit));
  };
};

/** Tells the same of so many bytes, on a terminal only. */
export const progressOfBytes = (what: string, total: number, output: ImportOutput): ((done: number) => void) => {
  if (output.progress === null) return () => undefined;
  const tell = progressOf(what, wholeMegabytes(total), output, 'MB');
  return (done) => tell(wholeMegabytes(done));
};

const wholeMegabytes = (bytes: number): number => Math.round(bytes / 1e6);

/** Says something in words for people or, where there is no terminal, as a JSON line. */
export type Say = (forPeople: string, forPrograms: object) => void;

export const sayTo =
  ({ print, progress }: ImportOutput): Say =>
  (forPeople, forPrograms) =>
    print(progress === null ? JSON.stringify(forPrograms) : forPeople);
