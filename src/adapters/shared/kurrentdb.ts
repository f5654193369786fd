import { AsyncSubject, takeUntil } from 'rxjs';
import type { News } from '../../domain/ports/news.ts';
import { connectionTo, type KurrentdbSettings } from '../event-store/kurrentdb.ts';
import { makeFollow } from '../event-store/kurrentdb-follow.ts';
import { ofCategories } from '../event-store/kurrentdb-read.ts';
import { kurrentdbNews, NEWS } from './kurrentdb-news.ts';
import { kurrentdbRecords } from './kurrentdb-records.ts';
import { streamsOver } from './kurrentdb-streams.ts';
import type { SharedRecords } from './records.ts';

/** What nodes share in a cluster beside the log. */
export interface KurrentdbShared {
  records: SharedRecords;
  news: News;
  close(): void;
}

/**
 * Opens it, over a connection of its own: however much the log has to do, who is on duty can say so. `kept` are the numbers of seconds that
 * news may be kept for.
 */
export const kurrentdbShared = (settings: KurrentdbSettings, { kept }: { kept: readonly number[] }): KurrentdbShared => {
  const { deadlineMs } = settings;
  const connection = connectionTo(settings);
  const streams = streamsOver(connection, deadlineMs);
  const closed = new AsyncSubject<void>();
  const filter = ofCategories([NEWS]);
  return {
    records: kurrentdbRecords(streams),
    news: kurrentdbNews({
      ...{ streams, kept },
      follow: (afterPosition, head) => makeFollow({ connection, filter, checkMs: deadlineMs, head })(afterPosition).pipe(takeUntil(closed)),
    }),
    close() {
      closed.next();
      closed.complete();
      connection.close();
    },
  };
};
