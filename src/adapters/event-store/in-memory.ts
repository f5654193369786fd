import { Subject } from 'rxjs';
import { type EventStore, type NewEvent, RevisionConflict, type StoredEvent, StoreStopped } from '../../domain/ports/event-store.ts';
import { followLog } from './follow.ts';

/** The log in arrays: for tests and for use as a library. It is gone with the process. */
export const inMemoryEventStore = ({ now = Date.now }: { now?: () => number } = {}): EventStore => {
  const log: StoredEvent[] = [];
  const streams = new Map<string, StoredEvent[]>();
  const commits = new Subject<readonly StoredEvent[]>();
  let closed = false;

  const after = (position: number, limit: number) => log.slice(position, position + limit);

  const place = (stream: string, events: readonly NewEvent[], expectedRevision: number) => {
    const past = streams.get(stream) ?? [];
    if (past.length - 1 !== expectedRevision) {
      const repeated = past.slice(expectedRevision + 1, expectedRevision + 1 + events.length);
      const last = repeated.at(-1);
      if (last !== undefined && events.every(({ id }, index) => repeated[index]?.id === id)) return last;
      throw new RevisionConflict(stream, expectedRevision, past.length - 1);
    }
    const recordedAt = Math.max(now(), log.at(-1)?.recordedAt ?? 0);
    const stored = events.map(
      (event, index): StoredEvent => ({
        ...event,
        stream,
        revision: past.length + index,
        position: log.length + 1 + index,
        recordedAt,
      }),
    );
    streams.set(stream, [...past, ...stored]);
    log.push(...stored);
    commits.next(stored);
    return stored.at(-1);
  };

  return {
    async append(stream, events, expectedRevision) {
      // In a turn of its own: what a follower appends must not overtake what the others are just being told.
      await Promise.resolve();
      if (closed) throw new StoreStopped('it was closed');
      if (events.length === 0) throw new TypeError('an append needs an event');
      const last = place(stream, events, expectedRevision);
      return { revision: last?.revision ?? -1, position: last?.position ?? 0 };
    },
    read: async (stream, fromRevision = 0) => (streams.get(stream) ?? []).slice(fromRevision),
    readAll: async (afterPosition, limit) => after(afterPosition, limit),
    head: async () => log.length,
    follow: (afterPosition) => followLog(afterPosition, after, commits),
    async writable() {
      if (closed) throw new StoreStopped('it was closed');
    },
    async close() {
      await Promise.resolve();
      closed = true;
      commits.complete();
    },
  };
};
