import { mkdtempSync } from 'node:fs';
import { join } from 'node:path';
import { count, spread, table } from './figures.ts';
import { withStarted } from './measure.ts';

export const VERIFY_ROW = 'verify';

/** Seconds that one core takes to verify a log: with the keys to what is sealed, and without. */
export interface Verifying {
  facts: number;
  opened: number[];
  sealed: number[];
}

/** verify.ts is ours alone: it makes a log, and verifies it whenever it is asked to. */
export const measureVerify = ({
  folder,
  rounds,
  quick,
  core,
}: {
  folder: string;
  rounds: number;
  quick: boolean;
  core: number;
}): Promise<Verifying> =>
  withStarted(async (start) => {
    const runner = await start('verify.ts', ['--data', mkdtempSync(join(folder, 'verify-')), ...(quick ? ['--quick'] : [])], core);
    const { facts } = await runner.ask<{ facts: number }>('prepare');
    const found: Verifying = { facts, opened: [], sealed: [] };
    for (let round = 0; round < rounds; round += 1) {
      found.opened.push(await runner.ask<number>('verify', { opened: true }));
      found.sealed.push(await runner.ask<number>('verify', { opened: false }));
    }
    return found;
  });

export const renderVerify = ({ facts, opened, sealed }: Verifying): string =>
  table(
    [`verify ${count(facts)} facts on one core, seconds (to reach: 30 for a million)`, 'ours'],
    [
      ['every sealed part opened, every signature of a device verified', spread(opened)],
      ['sealed parts left sealed', spread(sealed)],
    ],
  );
