import { rmSync } from 'node:fs';
import { count, median, table } from './figures.ts';
import type { Growth } from './growth.ts';
import { type How, type Measurement, newFolder, type Running, SERVER_CORE, withStarted } from './measure.ts';

const FINISHED = [10_000, 100_000, 1_000_000];
// Ten events each.
const STARTED_WITH = 100_000;

/** A start of the engine over a log of so many events, with warm read models. */
interface StartUp {
  events: number;
  seconds: number[];
}

/** growth.ts over the log of so many ceremonies. Its files are gone afterwards: the largest take ten gigabytes. */
const afterCeremonies = async <T>(finished: number, how: How, ask: (runner: Running, events: number) => Promise<T>): Promise<T> => {
  const data = newFolder(how);
  try {
    return await withStarted(async (started) => {
      const runner = await started('growth.ts', ['--data', data], SERVER_CORE);
      const { events } = await runner.ask<{ events: number }>('prepare', finished);
      return ask(runner, events);
    });
  } finally {
    rmSync(data, { recursive: true });
  }
};

/** What a ceremony costs after ten thousand, a hundred thousand and a million. */
const measureGrowth = async (how: How): Promise<readonly Growth[]> => {
  const found: Growth[] = [];
  for (const finished of how.quick ? FINISHED.slice(0, 1) : FINISHED)
    found.push(
      await afterCeremonies(finished, how, async (runner) => {
        // V8 takes one to optimise it.
        await runner.ask<Growth>('measure', finished);
        return runner.ask<Growth>('measure', finished);
      }),
    );
  return found;
};

/** How long a start takes. */
const measureStartUp = (how: How): Promise<StartUp> =>
  afterCeremonies(how.quick ? 1000 : STARTED_WITH, how, async (runner, events) => {
    // The first start makes the certificates and keys of development.
    await runner.ask<number>('startUp');
    const seconds: number[] = [];
    for (let round = 0; round < how.rounds; round += 1) seconds.push(await runner.ask<number>('startUp'));
    return { events, seconds };
  });

const renderGrowth = (found: readonly Growth[]): string =>
  table(
    [
      'CPU after so many ceremonies, µs (to reach: the same)',
      'events',
      'one append',
      'decisions of a ceremony',
      'read models of a ceremony',
    ],
    found.map(({ finished, events, append, decisions, projections }) => [finished, events, append, decisions, projections].map(count)),
  );

const renderStartUp = ({ events, seconds }: StartUp): string =>
  table(
    ['start-up to ready, seconds (to reach: 2)', 'ours'],
    [[`${count(events)} events, warm read models`, `${median(seconds).toFixed(2)} (${Math.max(...seconds).toFixed(2)} at most)`]],
  );

export const growth: Measurement = { name: 'growth', run: async (how) => renderGrowth(await measureGrowth(how)) };
export const startUp: Measurement = { name: 'start-up', run: async (how) => renderStartUp(await measureStartUp(how)) };
