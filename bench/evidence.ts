import { mkdtempSync } from 'node:fs';
import { join } from 'node:path';
import { median, spread, table } from './figures.ts';
import type { Job } from './load.ts';
import { measureWindow, type Sample, withStarted } from './measure.ts';
import { targetOf } from './target.ts';

/** What `--only` names this row by. */
export const EVIDENCE_ROW = 'evidence log';

/** Ceremonies with the evidence log and without it: their windows in the order of the rounds. */
export interface EvidenceCost {
  kept: readonly Sample[];
  without: readonly Sample[];
}

interface Measuring {
  folder: string;
  rounds: number;
  seconds: number;
  warmUpSeconds: number;
  connections: number;
  cores: { server: number; load: number };
}

/** Measures the ceremony with the evidence log and without it, window after window. */
export const measureEvidence = ({ folder, rounds, seconds, warmUpSeconds, connections, cores }: Measuring): Promise<EvidenceCost> =>
  withStarted(async (started) => {
    const serving = async (option: '--evidence' | '--no-evidence') => {
      const server = await started('ours.ts', ['--data', mkdtempSync(join(folder, 'data-')), option], cores.server);
      const load = await started('load.ts', [], cores.load);
      await load.ask('prepare', {
        ...{ scenario: 'ceremony', client: 'secret', outstanding: 0, connections, target: targetOf(server.ready), notification: null },
        filled: 0,
      } satisfies Job);
      await load.ask('run', { seconds: warmUpSeconds });
      return () => measureWindow(server, load, seconds);
    };
    const [measureKept, measureWithout] = [await serving('--evidence'), await serving('--no-evidence')];
    const [kept, without]: [Sample[], Sample[]] = [[], []];
    for (let round = 0; round < rounds; round += 1) {
      // Whoever comes second in a round would have the same advantage in all of them.
      const inOrder = [async () => kept.push(await measureKept()), async () => without.push(await measureWithout())];
      for (const measure of round % 2 === 0 ? inOrder : inOrder.reverse()) await measure();
    }
    return { kept, without };
  });

const row = (name: string, samples: readonly Sample[]): string[] => [
  name,
  spread(samples.map(({ perSecond }) => perSecond)),
  spread(samples.map(({ cpuMicros }) => cpuMicros)),
  median(samples.map(({ p99Ms }) => p99Ms)).toFixed(1),
];

/** What was measured, and what the evidence log takes: the median over the rounds, whose windows lie close together. */
export const renderEvidence = ({ kept, without }: EvidenceCost): string => {
  const ratio = (figure: 'perSecond' | 'cpuMicros') =>
    `${median(kept.map((sample, round) => sample[figure] / (without[round]?.[figure] ?? Number.NaN))).toFixed(2)}×`;
  return table(
    ['ceremony ES256, client_secret_post', 'per second', 'server CPU, µs', 'p99, ms'],
    [
      row('with the evidence log', kept),
      row('without it', without),
      ['with ÷ without (rate to reach: 0.85×)', ratio('perSecond'), ratio('cpuMicros'), ''],
    ],
  );
};
