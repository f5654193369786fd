import { availableParallelism } from 'node:os';
import { median, percent, spread, table } from './figures.ts';
import type { Job } from './load.ts';
import { type How, type Measurement, type Sample, serving, withStarted } from './measure.ts';

const WORKERS = 2;
const OUTSTANDING = 10_000;
const QUICK_OUTSTANDING = 1000;

const OPERATIONS: readonly { name: string; scenario: Job['scenario'] }[] = [
  { name: 'pending poll', scenario: 'pendingPoll' },
  { name: 'CIBA request', scenario: 'cibaRequest' },
  { name: 'ceremony', scenario: 'ceremony' },
];

/** One operation, by one process and by workers: their windows in the order of the rounds. */
interface Working {
  operation: string;
  alone: readonly Sample[];
  together: readonly Sample[];
}

/** Measures an operation without workers and with two, window after window. No process is held on a core: there are more of them than cores. */
const measure = ({ name, scenario }: (typeof OPERATIONS)[number], how: How): Promise<Working> =>
  withStarted(async (started) => {
    const work = { scenario, outstanding: how.quick ? QUICK_OUTSTANDING : OUTSTANDING };
    const servedBy = (count: number) => serving(started, how, { file: 'served.ts', args: ['--workers', `${count}`], pinned: false }, work);
    const [measureAlone, measureTogether] = [await servedBy(1), await servedBy(WORKERS)];
    const [alone, together]: [Sample[], Sample[]] = [[], []];
    for (let round = 0; round < how.rounds; round += 1) {
      alone.push(await measureAlone());
      together.push(await measureTogether());
    }
    return { operation: name, alone, together };
  });

const row = (name: string, samples: readonly Sample[]): string[] => [
  name,
  spread(samples.map(({ perSecond }) => perSecond)),
  median(samples.map(({ p99Ms }) => p99Ms)).toFixed(1),
  spread(samples.map(({ cpuMicros }) => cpuMicros)),
  percent(median(samples.map(({ busy }) => busy))),
];

/** The median over the rounds: the windows of one lie close together on a machine whose speed drifts. */
const scaling = ({ alone, together }: Working, ratio: (one: Sample, many: Sample) => number): string =>
  `${median(alone.flatMap((one, round) => (together[round] ? ratio(one, together[round]) : []))).toFixed(2)}×`;

/** What was measured, and how it scales. */
const render = (found: readonly Working[]): string =>
  [
    table(
      ['over TLS, client_secret_post', 'per second', 'p99, ms', 'CPU of all processes, µs', "load's share of a core"],
      found.flatMap(({ operation, alone, together }) => [
        row(`${operation}, 1 process`, alone),
        row(`${operation}, ${WORKERS} workers`, together),
      ]),
    ),
    table(
      [`${WORKERS} workers ÷ 1 process (to reach: 1.7×)`, 'rate, as measured', `${WORKERS} × CPU of 1 process ÷ CPU of ${WORKERS} workers`],
      found.map((working) => [
        working.operation,
        scaling(working, (one, many) => many.perSecond / one.perSecond),
        scaling(working, (one, many) => (WORKERS * one.cpuMicros) / many.cpuMicros),
      ]),
    ),
    [
      `- No process is held on a core: the load shares the ${availableParallelism()} cores of this machine with the engine. The rate says what the load leaves of them;`,
      `the CPU says what ${WORKERS} cores that do nothing else would give, if they were busy to the full.`,
    ].join(' '),
  ].join('\n\n');

export const workers: Measurement = {
  name: 'workers',
  async run(how) {
    // The CPU time of their processes is counted as only Linux does.
    if (process.platform !== 'linux') return '';
    const found: Working[] = [];
    for (const operation of OPERATIONS) found.push(await measure(operation, how));
    return render(found);
  },
};
