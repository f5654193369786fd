import type { Run } from './load.ts';
import { type How, measureWindow, type Sample, withStarted } from './measure.ts';
import { type Measured, renderRates } from './rate-tables.ts';
import { type Contender, GROUPS, mostOutstanding, type Row } from './rows.ts';
import { setUp } from './stage.ts';

/** Measures the rows that are wanted by their names, and gives the tables of all of them. */
export const measureRates = async (how: How, isWanted: (name: string) => boolean): Promise<string> => {
  const measured: Measured[] = [];
  for (const group of GROUPS) {
    const rows = group.filter(({ name, outstanding }) => isWanted(name) && outstanding <= mostOutstanding(how));
    if (rows.length === 0) continue;
    console.error(`measuring ${rows.map(({ name }) => name).join('; ')} …`);
    measured.push(...(await measureTogether(rows, how)));
  }
  return renderRates(measured);
};

const measureTogether = (rows: readonly Row[], how: How): Promise<Measured[]> =>
  withStarted(async (started) => {
    const stages = await setUp(started, rows, how);
    for (const { load } of stages) await load.ask<Run>('run', { seconds: how.warmUpSeconds });
    const taken: { row: Row; contender: Contender; sample: Sample }[] = [];
    for (let round = 0; round < how.rounds; round += 1) {
      for (const { row, contender, server, load } of stages)
        taken.push({ row, contender, sample: await measureWindow(server, load, how.seconds) });
    }
    return rows.map((row) => {
      const samples: Measured['samples'] = {};
      for (const { contender, sample } of taken.filter((one) => one.row === row)) {
        samples[contender] = [...(samples[contender] ?? []), sample];
      }
      return { row, samples };
    });
  });
