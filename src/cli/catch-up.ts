import type { CatchUp } from '../projections/catch-up.ts';
import type { ImportOutput } from './import-devices.ts';

const WIDTH = 30;

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
  ({ print, progress }: ImportOutput) =>
  (catchUp: CatchUp): void => {
    if (progress === null) print(JSON.stringify({ catchUp }));
    else progress(catchUp.done < catchUp.total ? bar(catchUp) : `${bar(catchUp)}\n`);
  };
