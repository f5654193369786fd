import { count, spread, table } from './figures.ts';
import { type How, type Measurement, newFolder, SERVER_CORE, withStarted } from './measure.ts';

/** Seconds that one core takes to verify a log: with the keys to what is sealed, and without. */
interface Verifying {
  facts: number;
  opened: number[];
  sealed: number[];
}

/** verify.ts is ours alone: it makes a log, and verifies it whenever it is asked to. */
const measure = (how: How): Promise<Verifying> =>
  withStarted(async (started) => {
    const runner = await started('verify.ts', ['--data', newFolder(how), ...(how.quick ? ['--quick'] : [])], SERVER_CORE);
    const { facts } = await runner.ask<{ facts: number }>('prepare');
    const found: Verifying = { facts, opened: [], sealed: [] };
    for (let round = 0; round < how.rounds; round += 1) {
      found.opened.push(await runner.ask<number>('verify', { opened: true }));
      found.sealed.push(await runner.ask<number>('verify', { opened: false }));
    }
    return found;
  });

const render = ({ facts, opened, sealed }: Verifying): string =>
  table(
    [`verify ${count(facts)} facts on one core, seconds (to reach: 30 for a million)`, 'ours'],
    [
      ['every sealed part opened, every signature of a device verified', spread(opened)],
      ['sealed parts left sealed', spread(sealed)],
    ],
  );

export const verify: Measurement = { name: 'verify', run: async (how) => render(await measure(how)) };
