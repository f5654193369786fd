import { concatMap, defer, EMPTY, map, type Observable, of, repeat, retry, takeWhile, tap, throwError, timer } from 'rxjs';
import { type EventStore, type Page, type StoredEvent, StoreUnavailable } from '../../domain/ports/event-store.ts';

const AGAIN_MS = 1000;
// Ten pages of the past.
const MOST_WAITING = 10_000;

/**
 * Follows a store as its port promises, and prepares the events of each page before it is shown; where the store is away, again until it is
 * back. So many events wait for that at most: then the log is left, and followed again from there when all of them have been shown.
 */
export const followPrepared = (
  store: EventStore,
  afterPosition: number,
  prepare: (events: readonly StoredEvent[]) => Promise<void>,
): Observable<Page> =>
  defer(() => {
    let at = afterPosition;
    let waiting = 0;
    let isFull = false;
    const prepared = (page: Page) =>
      defer(() => prepare(page.events)).pipe(
        retry({ delay: (error) => (error instanceof StoreUnavailable ? timer(AGAIN_MS) : throwError(() => error)) }),
        map(() => page),
      );
    return defer(() => store.follow(at)).pipe(
      takeWhile(({ events }) => {
        waiting += events.length;
        isFull = waiting > MOST_WAITING;
        return !isFull;
      }, true),
      concatMap(prepared),
      tap(({ events, position }) => {
        waiting -= events.length;
        at = position;
      }),
      repeat({ delay: () => (isFull ? of(true) : EMPTY) }),
    );
  });
