import { mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { count, median, table } from './figures.ts';
import type { Growth } from './growth.ts';
import { type Running, start } from './measure.ts';

export const GROWTH_ROW = 'growth';
export const START_ROW = 'start-up';

const FINISHED = [10_000, 100_000, 1_000_000];
// Ten events each.
const STARTED_WITH = 100_000;

/** A start of the engine over a log of so many events, with warm read models. */
export interface StartUp {
  events: number;
  seconds: number[];
}

interface How {
  folder: string;
  rounds: number;
  quick: boolean;
  core: number;
}

/** growth.ts over the log of so many ceremonies. Its files are gone afterwards: the largest take ten gigabytes. */
const afterCeremonies = async <T>(
  finished: number,
  { folder, core }: How,
  ask: (growth: Running, events: number) => Promise<T>,
): Promise<T> => {
  const data = mkdtempSync(join(folder, 'data-'));
  const growth = await start('growth.ts', ['--data', data], core);
  try {
    const { events } = await growth.ask<{ events: number }>('prepare', finished);
    return await ask(growth, events);
  } finally {
    await growth.stop();
    rmSync(data, { recursive: true });
  }
};

/** What a ceremony costs after ten thousand, a hundred thousand and a million. */
export const measureGrowth = async (how: How): Promise<readonly Growth[]> => {
  const found: Growth[] = [];
  for (const finished of how.quick ? FINISHED.slice(0, 1) : FINISHED)
    found.push(
      await afterCeremonies(finished, how, async (growth) => {
        // V8 takes one to optimise it.
        await growth.ask<Growth>('measure', finished);
        return growth.ask<Growth>('measure', finished);
      }),
    );
  return found;
};

/** How long a start takes. */
export const measureStartUp = (how: How): Promise<StartUp> =>
  afterCeremonies(how.quick ? 1000 : STARTED_WITH, how, async (growth, events) => {
    // The first start makes the certificates and keys of development.
    await growth.ask<number>('startUp');
    const seconds: number[] = [];
    for (let round = 0; round < how.rounds; round += 1) seconds.push(await growth.ask<number>('startUp'));
    return { events, seconds };
  });

export const renderGrowth = (growth: readonly Growth[]): string =>
  table(
    [
      'CPU after so many ceremonies, µs (to reach: the same)',
      'events',
      'one append',
      'decisions of a ceremony',
      'read models of a ceremony',
    ],
    growth.map(({ finished, events, append, decisions, projections }) => [finished, events, append, decisions, projections].map(count)),
  );

export const renderStartUp = ({ events, seconds }: StartUp): string =>
  table(
    ['start-up to ready, seconds (to reach: 2)', 'ours'],
    [[`${count(events)} events, warm read models`, `${median(seconds).toFixed(2)} (${Math.max(...seconds).toFixed(2)} at most)`]],
  );
