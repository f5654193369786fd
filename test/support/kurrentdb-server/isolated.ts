import { randomUUID } from 'node:crypto';
import { map } from 'rxjs';
import type { EventStore, StoredEvent } from '../../../src/domain/ports/event-store.ts';

/** The categories of the contract suite's streams, under names that nothing else in the cluster has. */
export interface Isolated {
  categories: readonly string[];
  /** The store as if its streams were the only ones, and had their short names. */
  wrap(store: EventStore): EventStore;
}

/** A part of a log that begins empty, however much the cluster holds. */
export const isolated = (categories: readonly string[]): Isolated => {
  const prefix = `t${randomUUID().replaceAll('-', '')}`;
  const shortened = (events: readonly StoredEvent[]) => events.map((event) => ({ ...event, stream: event.stream.slice(prefix.length) }));
  return {
    categories: categories.map((category) => prefix + category),
    wrap: (store) => ({
      ...store,
      append: (stream, events, expectedRevision) => store.append(prefix + stream, events, expectedRevision),
      read: async (stream, fromRevision) => shortened(await store.read(prefix + stream, fromRevision)),
      readAll: async (afterPosition, limit) => shortened(await store.readAll(afterPosition, limit)),
      follow: (afterPosition) => store.follow(afterPosition).pipe(map((page) => ({ ...page, events: shortened(page.events) }))),
    }),
  };
};
