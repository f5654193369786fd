import type { CatchUp } from '../projections/catch-up.ts';

const WIDTH = 30;
const TELL_MS = 1000;

/** Where a command says what it does: lines for people with their progress on a terminal, or one JSON object per line. */
export interface Output {
  print(line: string): void;
  /** Overwrites the line before; null where there is no terminal. */
  progress: ((line: string) => void) | null;
}

/** Says something in words for people or, where there is no terminal, as a JSON line. */
export type Say = (forPeople: string, forPrograms: object) => void;

export const sayTo =
  ({ print, progress }: Output): Say =>
  (forPeople, forPrograms) =>
    print(progress === null ? JSON.stringify(forPrograms) : forPeople);

/** A bar with what is left to do. */
export const bar = ({ done, total, eventsPerSecond, secondsLeft }: CatchUp, what = 'read models', unit = 'events'): string => {
  const share = total === 0 ? 1 : Math.min(done / total, 1);
  const full = Math.floor(share * WIDTH);
  const drawn = '█'.repeat(full) + '░'.repeat(WIDTH - full);
  const number = (value: number) => value.toLocaleString('en');
  return `${what} ${drawn} ${Math.floor(share * 100)} %, ${number(done)} of ${number(total)}, ${number(eventsPerSecond)} ${unit}/s, ${number(secondsLeft)} s left`;
};

/** Shows how far read models are: a bar on a terminal, a JSON line elsewhere. */
export const showCatchUp =
  ({ print, progress }: Output) =>
  (catchUp: CatchUp): void => {
    if (progress === null) print(JSON.stringify({ catchUp }));
    else progress(catchUp.done < catchUp.total ? bar(catchUp) : `${bar(catchUp)}\n`);
  };

/** Says how many are done or, of positions, how many events stood there. */
export type Tell = (done: number, events?: number) => void;

/**
 * Tells every second how many of so many events are done: a bar with what is left on a terminal, a JSON line elsewhere. Positions will do, too,
 * with the number of events that stood there.
 */
export const progressOf = (what: string, total: number, { print, progress }: Output, unit = 'events'): Tell => {
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
export const progressOfBytes = (what: string, total: number, output: Output): ((done: number) => void) => {
  if (output.progress === null) return () => undefined;
  const tell = progressOf(what, wholeMegabytes(total), output, 'MB');
  return (done) => tell(wholeMegabytes(done));
};

const wholeMegabytes = (bytes: number): number => Math.round(bytes / 1e6);
