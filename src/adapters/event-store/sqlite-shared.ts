import { Observable } from 'rxjs';
import { type EventStore, StoreStopped } from '../../domain/ports/event-store.ts';
import { sharedReads } from '../sqlite-reading.ts';
import { lastOf } from './follow.ts';
import { openBeside } from './sqlite-archive.ts';

const PAGE_SIZE = 1000;

/** The process that writes the log: takes appends, and tells whenever it has committed some. */
export interface LogWriter {
  append: EventStore['append'];
  /** Tells after every commit. Errors when the log stops; ends when it is closed. */
  commits: Observable<unknown>;
}

/** The log in a SQLite file that another process of this machine writes. What was acknowledged to anybody, here or there, is read. */
export const sharedEventStore = (file: string, { append, commits }: LogWriter): EventStore => {
  const { db, reads, close } = openBeside(file);
  const begin = sharedReads(db);
  const closers = new Set<() => void>();

  const after = (position: number, limit: number) => {
    begin();
    return reads.after(position, limit);
  };

  return {
    append: (stream, events, expectedRevision) =>
      db.isOpen ? append(stream, events, expectedRevision) : Promise.reject(new StoreStopped('it was closed')),
    async read(stream, fromRevision = 0) {
      begin();
      return reads.stream(stream, fromRevision);
    },
    readAll: async (afterPosition, limit) => after(afterPosition, limit),
    async head() {
      begin();
      return reads.last()?.position ?? 0;
    },
    follow: (afterPosition) =>
      new Observable((subscriber) => {
        let at = afterPosition;
        let told = false;
        let behind: NodeJS.Immediate | null = null;
        const look = () => {
          behind = null;
          const events = after(at, PAGE_SIZE);
          const caughtUp = events.length < PAGE_SIZE;
          // Set before anybody is told, who may append at once.
          at = lastOf(events, at);
          if (!caughtUp) behind = setImmediate(lookOrFail);
          if (events.length === 0 && told) return;
          told ||= caughtUp;
          subscriber.next({ events, position: at, caughtUp });
        };
        const lookOrFail = () => {
          try {
            look();
          } catch (error) {
            subscriber.error(error);
          }
        };
        const end = () => subscriber.complete();
        closers.add(end);
        subscriber.add(() => {
          closers.delete(end);
          if (behind !== null) clearImmediate(behind);
        });
        lookOrFail();
        subscriber.add(
          commits.subscribe({ next: () => behind === null && lookOrFail(), error: (error) => subscriber.error(error), complete: end }),
        );
      }),
    async close() {
      for (const end of closers) end();
      close();
    },
  };
};
