import { concat, defer, from, map, type Observable, switchMap } from 'rxjs';
import type { Page, StoredEvent } from '../../domain/ports/event-store.ts';
import type { News, NewsPage } from '../../domain/ports/news.ts';
import { BESIDE_THE_LOG, type Streams } from './kurrentdb-streams.ts';

/** The category of the streams of news, as a filter names it. */
export const NEWS = `${BESIDE_THE_LOG}news`;

const TYPE = 'news';
// What one read brings comes in time, also where the news are large.
const PART = 100;

const streamOf = (seconds: number): string => `${NEWS}-${seconds}`;

interface Deps {
  streams: Streams;
  /** The numbers of seconds that news are kept for. */
  kept: readonly number[];
  /** What comes into the streams of news behind a position of the cluster's log. `head` tells the position of the newest. */
  follow(afterPosition: number, head: () => Promise<number>): Observable<Page>;
}

/** News in the cluster that holds the log: a stream for each time that news are kept for, which all nodes write. */
export const kurrentdbNews = ({ streams, kept, follow }: Deps): News => {
  const begun = new Map<number, Promise<void>>();

  /** Of each stream it is said once by each node how long its events are kept. */
  const begin = (seconds: number): Promise<void> => {
    const known = begun.get(seconds);
    if (known !== undefined) return known;
    const beginning = streams.keepOnly(streamOf(seconds), { $maxAge: seconds });
    begun.set(seconds, beginning);
    beginning.catch(() => begun.delete(seconds));
    return beginning;
  };

  async function* past(): AsyncGenerator<NewsPage> {
    for (const seconds of kept) {
      let events: readonly StoredEvent[];
      let next = 0;
      do {
        events = await streams.read(streamOf(seconds), next, PART);
        next = (events.at(-1)?.revision ?? 0) + 1;
        if (events.length > 0) yield { news: events.map(newsOf), caughtUp: false };
      } while (events.length === PART);
    }
  }

  const head = async (): Promise<number> => {
    const newest = await Promise.all(kept.map((seconds) => streams.newest(streamOf(seconds))));
    return Math.max(0, ...newest.map((event) => event?.position ?? 0));
  };

  return {
    async publish(news, seconds) {
      if (!kept.includes(seconds)) throw new TypeError(`news are not kept for ${seconds} s`);
      await begin(seconds);
      await streams.append(streamOf(seconds), TYPE, news);
    },
    // From the end of the whole log on: to look for news in all of it would take longer with every event.
    follow: () =>
      defer(streams.end).pipe(
        switchMap((end) =>
          concat(from(past()), follow(end, head).pipe(map(({ events, caughtUp }) => ({ news: events.map(newsOf), caughtUp })))),
        ),
      ),
  };
};

const newsOf = ({ data }: StoredEvent): unknown => JSON.parse(data);
