import { mkdtempSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { median, percent, spread, table } from './figures.ts';
import type { Job } from './load.ts';
import { measureWindow, type Sample, withStarted } from './measure.ts';
import { targetOf } from './target.ts';

/** What `--only` names these rows by. */
export const WORKERS_ROW = 'workers';

const WORKERS = 2;
const OUTSTANDING = 10_000;
const QUICK_OUTSTANDING = 1000;

const OPERATIONS: readonly { name: string; scenario: Job['scenario'] }[] = [
  { name: 'pending poll', scenario: 'pendingPoll' },
  { name: 'CIBA request', scenario: 'cibaRequest' },
  { name: 'ceremony', scenario: 'ceremony' },
];

/** One operation, by one process and by workers: their windows in the order of the rounds. */
export interface Working {
  operation: string;
  alone: readonly Sample[];
  together: readonly Sample[];
}

interface Measuring {
  folder: string;
  rounds: number;
  seconds: number;
  warmUpSeconds: number;
  connections: number;
  quick: boolean;
}

/** Measures the engine without workers and with two, window after window. No process is held on a core: there are more of them than cores. */
export const measureWorkers = async (how: Measuring): Promise<readonly Working[]> => {
  const found: Working[] = [];
  for (const operation of OPERATIONS) found.push(await measureOperation(operation, how));
  return found;
};

const measureOperation = (
  { name, scenario }: (typeof OPERATIONS)[number],
  { folder, rounds, seconds, warmUpSeconds, connections, quick }: Measuring,
): Promise<Working> =>
  withStarted(async (started) => {
    const servedBy = async (workers: number) => {
      const server = await started('served.ts', ['--data', mkdtempSync(join(folder, 'data-')), '--workers', `${workers}`], null);
      const load = await started('load.ts', [], null);
      await load.ask('prepare', {
        ...{ scenario, client: 'secret', connections, target: targetOf(server.ready), notification: null, filled: 0 },
        outstanding: quick ? QUICK_OUTSTANDING : OUTSTANDING,
      } satisfies Job);
      await load.ask('run', { seconds: warmUpSeconds });
      return () => measureWindow(server, load, seconds);
    };
    const [measureAlone, measureTogether] = [await servedBy(1), await servedBy(WORKERS)];
    const [alone, together]: [Sample[], Sample[]] = [[], []];
    for (let round = 0; round < rounds; round += 1) {
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
export const renderWorkers = (found: readonly Working[]): string =>
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
