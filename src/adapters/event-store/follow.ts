import { Observable, type Subject } from 'rxjs';
import type { Page, StoredEvent } from '../../domain/ports/event-store.ts';

const PAGE_SIZE = 1000;

/**
 * Follows a log that lives in this process: pages of the past, then what is committed.
 * `read` and `commits` must work synchronously; then nothing can be committed between the last empty page and the subscription.
 */
export const followLog = (
  afterPosition: number,
  read: (afterPosition: number, limit: number) => readonly StoredEvent[],
  commits: Subject<readonly StoredEvent[]>,
): Observable<Page> =>
  new Observable((subscriber) => {
    let at = afterPosition;
    const pass = (events: readonly StoredEvent[], caughtUp: boolean) => {
      at = events.at(-1)?.position ?? at;
      subscriber.next({ events, caughtUp });
    };
    const catchUp = () => {
      if (subscriber.closed) return;
      let events: readonly StoredEvent[];
      try {
        events = read(at, PAGE_SIZE);
      } catch (error) {
        subscriber.error(error);
        return;
      }
      const caughtUp = events.length < PAGE_SIZE;
      pass(events, caughtUp);
      if (caughtUp) subscriber.add(commits.subscribe({ next: (batch) => pass(batch, true), error: (e) => subscriber.error(e), complete: () => subscriber.complete() }));
      else setImmediate(catchUp);
    };
    catchUp();
  });
