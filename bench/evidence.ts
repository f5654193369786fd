import { median, spread, table } from './figures.ts';
import { type How, type Measurement, type Sample, serving, withStarted } from './measure.ts';

/** Ceremonies with the evidence log and without it: their windows in the order of the rounds. */
interface EvidenceCost {
  kept: readonly Sample[];
  without: readonly Sample[];
}

/** Measures the ceremony with the evidence log and without it, window after window. */
const measure = (how: How): Promise<EvidenceCost> =>
  withStarted(async (started) => {
    const servedWith = (option: '--evidence' | '--no-evidence') =>
      serving(started, how, { file: 'ours.ts', args: [option], pinned: true }, { scenario: 'ceremony', outstanding: 0 });
    const [measureKept, measureWithout] = [await servedWith('--evidence'), await servedWith('--no-evidence')];
    const [kept, without]: [Sample[], Sample[]] = [[], []];
    for (let round = 0; round < how.rounds; round += 1) {
      // Whoever comes second in a round would have the same advantage in all of them.
      const inOrder = [async () => kept.push(await measureKept()), async () => without.push(await measureWithout())];
      for (const measureOne of round % 2 === 0 ? inOrder : inOrder.reverse()) await measureOne();
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
const render = ({ kept, without }: EvidenceCost): string => {
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

export const evidence: Measurement = { name: 'evidence log', run: async (how) => render(await measure(how)) };
