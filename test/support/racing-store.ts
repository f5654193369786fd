import type { EventStore, StoredEvent } from '../../src/domain/ports/event-store.ts';

/** A store for race tests: those who read a stream wait for each other, so that all decide on the same state. */
export interface RacingStore extends EventStore {
  /**
   * The next `readers` reads of the stream return together, when the last of them has read; in so many rounds, one after the other. Reads
   * after these pass.
   */
  gather(stream: string, readers: number, rounds?: number): void;
}

interface Gathering {
  missing: number;
  read: Promise<void>;
  open(): void;
}

/** Puts races into any store; what is not gathered goes through as it is. */
export const racingStore = (store: EventStore): RacingStore => {
  const gatherings = new Map<string, Gathering>();

  const allHaveRead = (stream: string): Promise<void> | undefined => {
    const gathering = gatherings.get(stream);
    if (gathering === undefined) return undefined;
    gathering.missing -= 1;
    if (gathering.missing === 0) {
      gatherings.delete(stream);
      gathering.open();
    }
    return gathering.read;
  };

  const gather: RacingStore['gather'] = (stream, readers, rounds = 1) => {
    const { promise: read, resolve } = Promise.withResolvers<void>();
    const open = () => {
      if (rounds > 1) gather(stream, readers, rounds - 1);
      resolve();
    };
    gatherings.set(stream, { missing: readers, read, open });
  };

  return {
    append: (stream, events, expectedRevision) => store.append(stream, events, expectedRevision),
    async read(stream, fromRevision): Promise<readonly StoredEvent[]> {
      const events = await store.read(stream, fromRevision);
      await allHaveRead(stream);
      return events;
    },
    readAll: (afterPosition, limit) => store.readAll(afterPosition, limit),
    head: () => store.head(),
    follow: (afterPosition) => store.follow(afterPosition),
    close: () => store.close(),
    gather,
  };
};
