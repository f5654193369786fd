import type { EventStore } from '../../src/domain/ports/event-store.ts';

/** A store that stands still on command: calls that come then are held until it goes on; all, or the appends only. */
export interface StallingStore extends EventStore {
  stall(calls?: 'all' | 'appends'): void;
  goOn(): void;
}

/** Puts stalls into any store. What it tells its followers is not held. */
export const stallingStore = (store: EventStore): StallingStore => {
  let going: PromiseWithResolvers<void> | null = null;
  let holdsReads = false;
  const appended = async <T>(call: () => Promise<T>): Promise<T> => {
    await going?.promise;
    return call();
  };
  const read = <T>(call: () => Promise<T>): Promise<T> => (holdsReads ? appended(call) : call());
  return {
    append: (...args) => appended(() => store.append(...args)),
    read: (...args) => read(() => store.read(...args)),
    readAll: (...args) => read(() => store.readAll(...args)),
    head: () => read(() => store.head()),
    follow: (afterPosition) => store.follow(afterPosition),
    close: () => store.close(),
    stall(calls = 'all') {
      holdsReads = calls === 'all';
      going ??= Promise.withResolvers();
    },
    goOn() {
      going?.resolve();
      going = null;
      holdsReads = false;
    },
  };
};
