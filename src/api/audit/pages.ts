import type { EventStore, StoredEvent } from '../../domain/ports/event-store.ts';

// A file of payments is one event: so many at once stay within what a process can hold.
const PAGE_SIZE = 100;

/** The facts behind a position and up to another one, a page at a time: the next one is read when this one was taken. */
export async function* pagesOf(store: EventStore, after: number, until: number): AsyncGenerator<readonly StoredEvent[]> {
  for (let at = after; at < until; ) {
    const events = await store.readAll(at, PAGE_SIZE);
    yield events.filter(({ position }) => position <= until);
    at = events.at(-1)?.position ?? until;
  }
}
