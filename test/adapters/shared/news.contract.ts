import { randomUUID } from 'node:crypto';
import { describe, expect, test } from '@jest/globals';
import type { News } from '../../../src/domain/ports/news.ts';

/** What one node hears: before the border, and in all. */
export interface Heard {
  before: readonly unknown[] | null;
  all: readonly unknown[];
  ended: boolean;
  failure: unknown;
}

/** Begins to listen. */
export const hearing = (news: News): Heard => {
  const all: unknown[] = [];
  const heard: Heard = { before: null, all, ended: false, failure: null };
  news.follow().subscribe({
    next({ news: some, caughtUp }) {
      all.push(...some);
      if (caughtUp) heard.before ??= [...all];
    },
    error(failure) {
      heard.failure = failure;
    },
    complete() {
      heard.ended = true;
    },
  });
  return heard;
};

export const until = async (holds: () => boolean): Promise<void> => {
  while (!holds()) await new Promise((resolve) => setTimeout(resolve, 5));
};

/**
 * What nodes count on, wherever their news are told. `open` gives one node's view of news that it shares with all that it gave before, and that
 * are kept for 60 or 600 seconds; there may be news of others among them.
 */
export const newsContract = (kind: string, open: () => News | Promise<News>): void => {
  /** Numbers that are told under a name of their own, whatever else is told there. */
  const numbers = () => {
    const of = randomUUID();
    return {
      told: (n: number) => ({ of, n }),
      in: (heard: readonly unknown[] | null) =>
        (heard as readonly { of?: string; n: number }[] | null)?.flatMap((one) => (one.of === of ? [one.n] : [])),
    };
  };

  describe(`${kind}: news`, () => {
    test('are heard by everybody, and by those who start later', async () => {
      const { told, in: own } = numbers();
      const nodes = [await open(), await open()] as const;
      const heard = nodes.map(hearing);
      await until(() => heard.every(({ before }) => before !== null));
      expect(heard.map(({ before }) => own(before))).toEqual([[], []]);
      await nodes[0].publish(told(1), 60);
      await nodes[1].publish(told(2), 600);
      await nodes[0].publish(told(3), 60);
      await until(() => heard.every(({ all }) => own(all)?.length === 3));
      const late = hearing(await open());
      await until(() => late.before !== null);
      expect(own(late.before)?.toSorted()).toEqual([1, 2, 3]);
    });

    test('are all heard by one that starts while others tell, however many there are', async () => {
      const { told, in: own } = numbers();
      const news = await open();
      const tell = (n: number) => news.publish(told(n), n % 2 === 0 ? 60 : 600);
      for (let n = 0; n < 2100; n += 100) await Promise.all(Array.from({ length: 100 }, (_, more) => tell(n + more)));
      const heard = hearing(await open());
      for (let n = 2100; n < 2200; n += 1) await tell(n);
      await until(() => heard.failure !== null || new Set(own(heard.all)).size === 2200);
      expect(heard.failure).toBeNull();
      expect((own(heard.before)?.length ?? 0) >= 2100).toBe(true);
    }, 60_000);
  });
};
