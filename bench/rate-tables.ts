import { median, percent, spread, sum, table } from './figures.ts';
import type { Sample } from './measure.ts';
import { type Contender, LIMIT, OUTSTANDING, PEERS, type Row } from './rows.ts';

/** A row's windows in the order of the rounds; a contender that did not take part has none. */
export interface Measured {
  row: Row;
  samples: Partial<Record<Contender, Sample[]>>;
}

/** A rate of a load that was this busy says more about the load than about the server. */
const BOUND_BY_LOAD = 0.9;

/** What was measured beside the peer, and then what was measured beside the limit, in Markdown. */
export const renderRates = (measured: Measured[]): string => {
  const besidePeers = measured.filter(({ row }) => row.filling === null);
  const besideLimit = measured.filter(({ row }) => row.filling !== null);
  return [...tables(besidePeers, PEERS), ...tables(besideLimit, LIMIT)].filter((part) => part !== '').join('\n\n');
};

const tables = (measured: Measured[], contenders: readonly Contender[]): string[] =>
  measured.length === 0
    ? []
    : [rates(measured, contenders), cpu(measured, contenders), latencies(measured, contenders), notes(measured, contenders)];

const perContender = (title: string, measured: Measured[], contenders: readonly Contender[], cell: (samples: Sample[]) => string): string =>
  table(
    [title, ...contenders],
    measured.map(({ row, samples }) => [row.name, ...contenders.map((contender) => (samples[contender] ? cell(samples[contender]) : '–'))]),
  );

const rates = (measured: Measured[], contenders: readonly Contender[]): string => {
  const others = contenders.filter((contender) => contender !== 'ours');
  return table(
    ['operations per second', ...contenders, ...others.map((other) => `ours ÷ ${other} (to reach)`)],
    measured.map(({ row, samples }) => [
      row.name,
      ...contenders.map((contender) => spread(samples[contender]?.map(({ perSecond }) => perSecond))),
      ...others.map((other) => ratioTo({ row, samples }, other)),
    ]),
  );
};

const ratioTo = ({ row, samples }: Measured, peer: Exclude<Contender, 'ours'>): string => {
  const toReach = row.toReach[peer];
  return ratio(samples.ours, samples[peer], 'perSecond') + (toReach === undefined ? '' : ` (${toReach}×)`);
};

/** The median of the ratios of each round: the windows of one round lie close together on a machine whose speed drifts. */
const ratio = (these: Sample[] = [], those: Sample[] = [], figure: 'perSecond' | 'cpuMicros'): string =>
  these.length === 0 || those.length === 0
    ? '–'
    : `${median(these.map((sample, round) => sample[figure] / (those[round]?.[figure] ?? Number.NaN))).toFixed(2)}×`;

const cpu = (measured: Measured[], contenders: readonly Contender[]): string =>
  perContender('server CPU, µs per operation', measured, contenders, (samples) => spread(samples.map(({ cpuMicros }) => cpuMicros)));

const latencies = (measured: Measured[], contenders: readonly Contender[]): string =>
  perContender('latency, ms: p50 / p99', measured, contenders, (samples) => {
    const p50 = median(samples.map(({ p50Ms }) => p50Ms));
    const p99 = median(samples.map(({ p99Ms }) => p99Ms));
    return `${p50.toFixed(1)} / ${p99.toFixed(1)}`;
  });

const notes = (measured: Measured[], contenders: readonly Contender[]): string => {
  const each = measured.flatMap(({ row, samples }) =>
    contenders.flatMap((contender) => remarks(samples[contender] ?? []).map((remark) => `${row.name}, ${contender}: ${remark}`)),
  );
  return [...flatness(measured), ...each].map((note) => `- ${note}`).join('\n');
};

/** How much more CPU a poll takes with the most requests outstanding than with the fewest, per kind of client. */
const flatness = (measured: Measured[]): string[] => {
  const polls = (outstanding: number): Measured[] =>
    measured.filter(({ row }) => row.scenario === 'pendingPoll' && row.outstanding === outstanding);
  const most = polls(Math.max(...OUTSTANDING));
  return polls(Math.min(...OUTSTANDING)).flatMap((few) => {
    const many = most.find(({ row }) => row.client === few.row.client);
    if (!many) return [];
    const ratios = PEERS.map((contender) => `${contender} ${ratio(many.samples[contender], few.samples[contender], 'cpuMicros')}`);
    return [`CPU of ${many.row.name} ÷ CPU of ${few.row.name} (to reach: 0.8× to 1.2×): ${ratios.join('; ')}`];
  });
};

const remarks = (samples: Sample[]): string[] => {
  const operations = sum(samples.map((sample) => sample.operations));
  const slowedDown = sum(samples.map(({ outcomes: { slow_down = 0 } }) => slow_down));
  const busy = Math.max(0, ...samples.map((sample) => sample.busy));
  return [
    ...(slowedDown > 0 ? [`${percent(slowedDown / operations)} of the answers were \`slow_down\``] : []),
    ...(busy > BOUND_BY_LOAD ? [`the load used ${percent(busy)} of its core and was the bottleneck`] : []),
  ];
};
