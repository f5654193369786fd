import type { Clock } from '../../domain/ports/clock.ts';
import type { News } from '../../domain/ports/news.ts';
import { MOST_IN_BATCH, type NewsBatch, tellEach } from './news-batch.ts';
import type { Pace, Told } from './told.ts';

const EVERY_MS = 100;
// Rounds do not wait for those before them where the store is slow: their order means nothing.
const MOST_UNDER_WAY = 10;
// What has waited while the store was gone does not come all at once.
const MOST_BATCHES = 10;
// While the store is gone. Beyond it nothing new waits; identifiers are as many as the memory holds anyway.
const MOST_POLLS_WAITING = 50_000;
const MOST_SHARES_WAITING = 200_000;

// What is told is kept for as long as it counts, in few classes. A poll counts for little longer than an interval.
export const KEPT_SECONDS = [60, 600, 2 * 3600, 91 * 86_400];
const POLL_SECONDS = 60;
const keptFor = (seconds: number): number => KEPT_SECONDS.find((kept) => seconds <= kept) ?? Math.max(...KEPT_SECONDS);

type Kind = 'used' | 'polled' | 'spent';
type Spent = Parameters<Told['spent']>;

interface Deps {
  origin: string;
  news: News;
  clock: Clock;
  onFault(error: unknown): void;
}

/**
 * Tells as news what it is told, at most every 100 ms, and again until it is kept. Of what changes while it waits the last state is told.
 */
export const makeTeller = ({ origin, news, clock, onFault }: Deps): Told & { stop(): Promise<void> } => {
  const used = new Map<string, number>();
  const polled = new Map<string, Pace>();
  const spent = new Map<string, Spent>();
  const rounds = new Set<Promise<unknown>>();
  let roundAt = Number.NEGATIVE_INFINITY;
  let timer: NodeJS.Timeout | undefined;
  let failing = false;
  let stopped = false;

  const waiting = () => used.size + polled.size + spent.size > 0;

  /** Takes what waits, as far as it still counts, by how long it is to be kept. */
  const takeBatches = (): { seconds: number; batch: NewsBatch }[] => {
    const at = clock();
    const batches: { seconds: number; batch: NewsBatch }[] = [];
    const open = new Map<number, NewsBatch>();
    /** The batch that has room for one more of a kind, if there may be one. */
    const roomFor = (kind: Kind, seconds: number): NewsBatch | null => {
      const known = open.get(seconds);
      if (known !== undefined && known[kind].length < MOST_IN_BATCH) return known;
      if (batches.length === MOST_BATCHES) return null;
      const batch: NewsBatch = { limits: 1, origin, used: [], polled: [], spent: [] };
      open.set(seconds, batch);
      batches.push({ seconds, batch });
      return batch;
    };
    const take = <Key, Value>(
      kind: Kind,
      from: Map<Key, Value>,
      leftOf: (value: Value) => number,
      put: (batch: NewsBatch, key: Key, value: Value) => unknown,
    ) => {
      for (const [key, value] of from) {
        const left = leftOf(value);
        const batch = left > 0 ? roomFor(kind, kind === 'polled' ? POLL_SECONDS : keptFor(left)) : null;
        if (batch !== null) put(batch, key, value);
        else if (left > 0) return;
        from.delete(key);
      }
    };
    const leftOfUse = (expiresAt: number) => expiresAt - at;
    take('used', used, leftOfUse, (batch, identifier, expiresAt) => batch.used.push([identifier, expiresAt]));
    const leftOfPoll = ({ expiresAtMs }: Pace) => expiresAtMs / 1000 - at;
    take('polled', polled, leftOfPoll, (batch, requestId, { polledAt, intervalMs, slowedMs, expiresAtMs }) =>
      batch.polled.push([requestId, polledAt, intervalMs, slowedMs, expiresAtMs]),
    );
    const leftOfShare = ([, , { until }]: Spent) => until - at;
    take('spent', spent, leftOfShare, (batch, _, [budget, key, { revision, count, until }]) =>
      batch.spent.push([budget, key, revision, count, until]),
    );
    return batches;
  };

  const publish = async ({ seconds, batch }: { seconds: number; batch: NewsBatch }): Promise<void> => {
    try {
      await news.publish(batch, seconds);
      failing = false;
    } catch (error) {
      if (!failing) onFault(error);
      failing = true;
      tellEach(batch, again);
    }
  };

  const round = () => {
    timer = undefined;
    roundAt = performance.now();
    const told = Promise.all(takeBatches().map(publish)).finally(() => {
      rounds.delete(told);
      if (waiting()) schedule();
    });
    rounds.add(told);
  };
  const schedule = () => {
    if (stopped || timer !== undefined || rounds.size >= MOST_UNDER_WAY) return;
    timer = setTimeout(round, Math.max(0, roundAt + EVERY_MS - performance.now())).unref();
  };

  /** What could not be told waits again, unless something newer does. */
  const again: Told = {
    used: (identifier, expiresAt) => void used.set(identifier, expiresAt),
    polled: (requestId, pace) => void (polled.has(requestId) || polled.set(requestId, pace)),
    spent: (budget, key, share) => void (spent.has(`${budget}\n${key}`) || spent.set(`${budget}\n${key}`, [budget, key, share])),
  };

  return {
    used(identifier, expiresAt) {
      used.set(identifier, expiresAt);
      schedule();
    },
    polled(requestId, pace) {
      if (polled.size < MOST_POLLS_WAITING || polled.has(requestId)) polled.set(requestId, pace);
      schedule();
    },
    spent(budget, key, share) {
      const name = `${budget}\n${key}`;
      if (spent.size < MOST_SHARES_WAITING || spent.has(name)) spent.set(name, [budget, key, share]);
      schedule();
    },
    /** Tells once more what waits, and then nothing. */
    async stop() {
      stopped = true;
      clearTimeout(timer);
      do {
        round();
        await Promise.all(rounds);
      } while (!failing && waiting());
    },
  };
};
