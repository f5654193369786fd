import { Observable } from 'rxjs';
import { type EventStore, type Page, StoreUnavailable } from '../domain/ports/event-store.ts';

const PAGE_SIZE = 100;
// A page is followed by a rest of so many times what it took: at most a twentieth of a busy process goes into following.
const RESTS = 19;
const LEAST_REST_MS = 50;
const AGAIN_SOON_MS = 5;
const AGAIN_MS = 1000;

/** A log that is followed when there is time for it. */
export interface Leisurely {
  follow: EventStore['follow'];
  /** It is followed without a rest for as long as this is waited for. */
  hurried<T>(waited: () => Promise<T>): Promise<T>;
}

/**
 * Follows a log a little at a time, so that who serves is not kept waiting, and goes on when `news` says that there may be more. Where the
 * store cannot be reached it tries again. Ends where it is left.
 */
export const leisurely = (store: Pick<EventStore, 'readAll'>, news: Observable<unknown>): Leisurely => {
  let waiting = 0;
  let begin: () => void = () => undefined;

  return {
    follow: (afterPosition) =>
      new Observable<Page>((subscriber) => {
        let at = afterPosition;
        let reading = false;
        let told = false;
        let timer: NodeJS.Timeout | undefined;

        const readOn = async () => {
          timer = undefined;
          reading = true;
          const began = performance.now();
          let rest = AGAIN_MS;
          told = false;
          try {
            const events = await store.readAll(at, PAGE_SIZE);
            if (subscriber.closed) return;
            at = events.at(-1)?.position ?? at;
            const caughtUp = events.length < PAGE_SIZE;
            subscriber.next({ events, position: at, caughtUp });
            told ||= !caughtUp;
            if (waiting === 0) rest = Math.max(LEAST_REST_MS, RESTS * (performance.now() - began));
            // What is waited for may have been recorded while this was read.
            else rest = caughtUp ? AGAIN_SOON_MS : 0;
          } catch (error) {
            if (!(error instanceof StoreUnavailable)) return subscriber.error(error);
            told = true;
          }
          reading = false;
          if (told || waiting > 0) goOnAfter(rest);
        };

        const goOnAfter = (ms: number) => {
          if (reading || subscriber.closed) return;
          clearTimeout(timer);
          timer = setTimeout(readOn, ms).unref();
        };

        begin = () => goOnAfter(0);
        subscriber.add(
          news.subscribe({
            next() {
              told = true;
              if (timer === undefined) goOnAfter(LEAST_REST_MS);
            },
            error: () => undefined,
          }),
        );
        subscriber.add(() => clearTimeout(timer));
        void readOn();
      }),
    async hurried(waited) {
      waiting += 1;
      begin();
      try {
        return await waited();
      } finally {
        waiting -= 1;
      }
    },
  };
};
