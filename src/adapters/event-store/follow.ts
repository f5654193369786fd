import { Observable } from 'rxjs';
import type { Page, StoredEvent } from '../../domain/ports/event-store.ts';

const PAGE_SIZE = 1000;

/** The position of the last of these events, which stand right behind that position; throws where one is missing. */
export const lastOf = (events: readonly StoredEvent[], afterPosition: number): number => {
  let at = afterPosition;
  for (const { position } of events) {
    if (position !== at + 1) throw new Error(`the log shows event ${position} behind event ${at}`);
    at = position;
  }
  return at;
};

/**
 * Follows a log that lives in this process: pages of the past, then what is committed. It ends and fails as `commits` does.
 * `read` must work synchronously and `commits` tell at once; then nothing can be committed between the last page of the past and the first
 * commit.
 */
export const followLog = (
  afterPosition: number,
  read: (afterPosition: number, limit: number) => readonly StoredEvent[],
  commits: Observable<readonly StoredEvent[]>,
): Observable<Page> =>
  new Observable((subscriber) => {
    let at = afterPosition;
    let live = false;
    const pass = (events: readonly StoredEvent[]) => {
      at = lastOf(events, at);
      subscriber.next({ events, position: at, caughtUp: live });
    };
    const failing = (act: () => void) => {
      try {
        act();
      } catch (error) {
        subscriber.error(error);
      }
    };
    const catchUp = () => {
      if (subscriber.closed) return;
      failing(() => {
        const events = read(at, PAGE_SIZE);
        live = events.length < PAGE_SIZE;
        pass(events);
      });
      if (!live) setImmediate(catchUp);
    };
    subscriber.add(
      commits.subscribe({
        next: (events) => live && failing(() => pass(events)),
        error: (error) => subscriber.error(error),
        complete: () => subscriber.complete(),
      }),
    );
    catchUp();
  });
