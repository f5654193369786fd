import { type Metric, Registry } from 'prom-client';

/** One line of a metric; `name` where it is another than the metric's own. */
export interface Sample {
  labels?: Readonly<Record<string, string>>;
  value: number;
  metricName?: string;
}

/** A metric that is read when somebody asks: what counts writes numbers into memory of its own and knows nothing of metrics. */
export interface Described {
  name: string;
  help: string;
  type: 'counter' | 'gauge' | 'histogram';
  samples(): readonly Sample[] | Promise<readonly Sample[]>;
  /** How the numbers of several processes become one; their sum if not given. */
  aggregator?: 'sum' | 'max';
}

/** A registry of its own: several engines may be in one process. */
export const makeRegistry = (): { add(...metrics: readonly Described[]): void; registry: Registry } => {
  const registry = new Registry();
  return {
    registry,
    add(...metrics) {
      for (const { name, help, type, aggregator = 'sum', samples } of metrics) {
        const values = async () => (await samples()).map((sample) => ({ labels: {}, ...sample }));
        const get = async () => ({ name, help, type, aggregator, values: await values() });
        // The registry asks a metric for no more than this; its own classes keep their numbers in maps, at a cost for each request.
        registry.registerMetric({ name, get } as unknown as Metric);
      }
    },
  };
};

/** How many values came, and how large they were: below each bound, and in all. */
export interface Tally {
  add(value: number): void;
  samples(name: string, labels?: Readonly<Record<string, string>>): Sample[];
}

/** Nothing yet. Adding costs no more than finding the bound. */
export const emptyTally = (bounds: readonly number[]): Tally => {
  const counts = new Float64Array(bounds.length + 1);
  let sum = 0;
  return {
    add(value) {
      let at = 0;
      while (at < bounds.length && value > (bounds[at] as number)) at += 1;
      counts[at] = (counts[at] as number) + 1;
      sum += value;
    },
    samples(name, labels = {}) {
      let below = 0;
      const buckets = [...counts].map((count, at) => {
        below += count;
        return { metricName: `${name}_bucket`, labels: { ...labels, le: String(bounds[at] ?? '+Inf') }, value: below };
      });
      return [...buckets, { metricName: `${name}_sum`, labels, value: sum }, { metricName: `${name}_count`, labels, value: below }];
    },
  };
};

/** What happened how often, by what it was. The keys must be few: they become labels. */
export interface Counts<Key extends string> {
  add(key: Key, count?: number): void;
  samples(label: string): Sample[];
}

/** Nothing yet; keys that are named here are shown with 0. */
export const emptyCounts = <Key extends string>(...keys: readonly Key[]): Counts<Key> => {
  const counts = new Map<Key, number>(keys.map((key) => [key, 0]));
  return {
    add: (key, count = 1) => void counts.set(key, (counts.get(key) ?? 0) + count),
    samples: (label) => [...counts].map(([key, value]) => ({ labels: { [label]: key }, value })),
  };
};
