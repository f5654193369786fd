import { closeSync, existsSync, fdatasyncSync, openSync, readFileSync, writeFileSync, writeSync } from 'node:fs';
import { cpus, release } from 'node:os';
import { join } from 'node:path';
import type { Run } from './load.ts';
import { CAN_PIN } from './measure.ts';
import { OUTSTANDING, type Row } from './rows.ts';

export const CONTENDERS = ['ours', 'peer, memory', 'peer, sqlite'] as const;
export type Contender = (typeof CONTENDERS)[number];

/** One window of one contender. */
export type Sample = Run & { cpuMicros: number };

/** A row's windows in the order of the rounds; a contender that did not take part has none. */
export interface Measured {
  row: Row;
  samples: Partial<Record<Contender, Sample[]>>;
}

/** Everything that one run of the bench found out. */
export interface Findings {
  measured: Measured[];
  bytesPerRequest: Partial<Record<Contender, { heap: number; rss: number }>> | null;
  replay: { eventsPerSecond: number[]; events: number } | null;
}

/** A rate of a load that was this busy says more about the load than about the server. */
const BOUND_BY_LOAD = 0.9;

export const render = ({ measured, bytesPerRequest, replay }: Findings): string =>
  [
    ...(measured.length > 0 ? [rates(measured), cpu(measured), latencies(measured), flatness(measured), notes(measured)] : []),
    ...(bytesPerRequest ? [memory(bytesPerRequest)] : []),
    ...(replay ? [`Replay: ${spread(replay.eventsPerSecond)} events/s, ${count(replay.events)} events (to reach: 100,000 events/s).`] : []),
  ]
    .filter((part) => part !== '')
    .join('\n\n');

const rates = (measured: Measured[]): string =>
  table(
    ['operations per second', ...CONTENDERS, 'ours ÷ peer, memory (to reach)', 'ours ÷ peer, sqlite (to reach)'],
    measured.map(({ row, samples }) => [
      row.name,
      ...CONTENDERS.map((contender) => spread(samples[contender]?.map(({ perSecond }) => perSecond))),
      ratio({ row, samples }, 'peer, memory'),
      ratio({ row, samples }, 'peer, sqlite'),
    ]),
  );

const ratio = ({ row, samples }: Measured, peer: Exclude<Contender, 'ours'>): string =>
  times(samples.ours, samples[peer], 'perSecond') + (row.toReach[peer] === undefined ? '' : ` (${row.toReach[peer]}×)`);

/** The median of the ratios of each round: the windows of one round lie close together on a machine whose speed drifts. */
const times = (these: Sample[] | undefined, those: Sample[] | undefined, figure: 'perSecond' | 'cpuMicros'): string => {
  if (!these || !those) return '–';
  const ratios = these.map((sample, round) => sample[figure] / (those[round]?.[figure] ?? Number.NaN));
  return `${median(ratios).toFixed(2)}×`;
};

const cpu = (measured: Measured[]): string =>
  table(
    ['server CPU, µs per operation', ...CONTENDERS],
    measured.map(({ row, samples }) => [
      row.name,
      ...CONTENDERS.map((contender) => spread(samples[contender]?.map((sample) => sample.cpuMicros))),
    ]),
  );

const latencies = (measured: Measured[]): string =>
  table(
    ['latency, ms: p50 / p99', ...CONTENDERS],
    measured.map(({ row, samples }) => [
      row.name,
      ...CONTENDERS.map((contender) => {
        const runs = samples[contender];
        return runs ? `${median(runs.map(({ p50Ms }) => p50Ms)).toFixed(1)} / ${median(runs.map(({ p99Ms }) => p99Ms)).toFixed(1)}` : '–';
      }),
    ]),
  );

/** How much more CPU a poll takes with the most requests outstanding than with the fewest, per kind of client. */
const flatness = (measured: Measured[]): string => {
  const polls = measured.filter(({ row }) => row.scenario === 'pendingPoll');
  const fewest = polls.filter(({ row }) => row.outstanding === Math.min(...OUTSTANDING));
  return fewest
    .flatMap((few) => {
      const most = polls.find(({ row }) => row.client === few.row.client && row.outstanding === Math.max(...OUTSTANDING));
      if (!most) return [];
      const ratios = CONTENDERS.map((contender) => `${contender} ${times(most.samples[contender], few.samples[contender], 'cpuMicros')}`);
      return [`- CPU of ${most.row.name} ÷ CPU of ${few.row.name} (to reach: 0.8 to 1.2): ${ratios.join('; ')}.`];
    })
    .join('\n');
};

const notes = (measured: Measured[]): string =>
  measured
    .flatMap(({ row, samples }) =>
      CONTENDERS.flatMap((contender) => {
        const runs = samples[contender] ?? [];
        const total = sum(runs.map(({ operations }) => operations));
        const slowedDown = sum(runs.map(({ outcomes: { slow_down = 0 } }) => slow_down));
        const busy = Math.max(0, ...runs.map((sample) => sample.busy));
        return [
          ...(slowedDown > 0 ? [`- ${row.name}, ${contender}: ${percent(slowedDown / total)} of the answers were \`slow_down\`.`] : []),
          ...(busy > BOUND_BY_LOAD
            ? [`- ${row.name}, ${contender}: the load used ${percent(busy)} of its core and was the bottleneck.`]
            : []),
        ];
      }),
    )
    .join('\n');

const memory = (bytes: NonNullable<Findings['bytesPerRequest']>): string =>
  table(
    ['bytes per outstanding request (to reach: 1,024)', ...CONTENDERS],
    (['heap', 'rss'] as const).map((kind) => [
      kind,
      ...CONTENDERS.map((contender) => (bytes[contender] ? count(bytes[contender][kind]) : '–')),
    ]),
  );

const table = (head: string[], rows: string[][]): string =>
  [head, head.map((_, column) => (column === 0 ? '---' : '---:')), ...rows].map((cells) => `| ${cells.join(' | ')} |`).join('\n');

const spread = (values: number[] | undefined): string =>
  values?.length ? `${count(median(values))} (${count(Math.min(...values))}–${count(Math.max(...values))})` : '–';

const median = (values: number[]): number => {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = (sorted.length - 1) / 2;
  return ((sorted[Math.floor(middle)] ?? 0) + (sorted[Math.ceil(middle)] ?? 0)) / 2;
};

const sum = (values: number[]): number => values.reduce((total, value) => total + value, 0);
const count = (value: number): string => Math.round(value).toLocaleString('en');
const percent = (share: number): string => `${(share * 100).toFixed(0)} %`;

/** Where and how it was measured. `folder` is on the disk that the durable stores wrote to. */
export const conditions = (folder: string, command: string): string =>
  `${new Date().toISOString().slice(0, 10)}, ${cpus()[0]?.model ?? 'unknown CPU'}, ${cpus().length} cores, ${process.platform} ${release()}, ` +
  `Node ${process.version}, one write and fdatasync takes ${Math.round(syncMicros(folder))} µs; ` +
  `server and load ${CAN_PIN ? 'on a core each' : 'not pinned to cores'}. \`${command}\``;

/** The median of a few: what a durable ratio means depends on the disk. */
const syncMicros = (folder: string): number => {
  const block = Buffer.alloc(4096);
  const file = openSync(join(folder, 'sync'), 'w');
  const micros = Array.from({ length: 50 }, () => {
    const begin = performance.now();
    writeSync(file, block);
    fdatasyncSync(file);
    return (performance.now() - begin) * 1000;
  });
  closeSync(file);
  return median(micros);
};

const BEGIN = '<!-- measured:begin -->';
const END = '<!-- measured:end -->';

/** Replaces what stands between the markers; what is written around them stays. */
export const writeResults = (file: string, text: string): void => {
  const before = existsSync(file) ? readFileSync(file, 'utf8') : `# Results\n\n${BEGIN}\n${END}\n`;
  const [begin, end] = [before.indexOf(BEGIN), before.indexOf(END)];
  if (begin === -1 || end < begin) throw new Error(`${file} has lost its markers`);
  writeFileSync(file, `${before.slice(0, begin + BEGIN.length)}\n${text}\n${before.slice(end)}`);
};
