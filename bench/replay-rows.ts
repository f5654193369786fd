import { count, spread, table } from './figures.ts';
import { type How, type Measurement, newFolder, SERVER_CORE, withStarted } from './measure.ts';

/** Events per second into all projections, and into each alone. */
interface Replay {
  events: number;
  perSecond: number[];
  alone: Record<string, number>;
}

/** replay.ts is ours alone: it builds a log, and replays it whenever it is asked to. */
const measure = (how: How): Promise<Replay> =>
  withStarted(async (started) => {
    const runner = await started('replay.ts', ['--data', newFolder(how), ...(how.quick ? ['--quick'] : [])], SERVER_CORE);
    const { events, projections } = await runner.ask<{ events: number; projections: string[] }>('prepare');
    const found: Replay = { events, perSecond: [], alone: {} };
    for (let round = 0; round < how.rounds; round += 1) found.perSecond.push(await runner.ask<number>('replay', null));
    for (const name of projections) found.alone[name] = await runner.ask<number>('replay', name);
    return found;
  });

const render = ({ events, perSecond, alone }: Replay): string =>
  table(
    ['replay, events per second (to reach: 100,000)', 'ours'],
    [
      [`${count(events)} events into all projections`, spread(perSecond)],
      ...Object.entries(alone).map(([name, rate]) => [`into \`${name}\` alone`, count(rate)]),
    ],
  );

export const replay: Measurement = { name: 'replay', run: async (how) => render(await measure(how)) };
