import Database from 'better-sqlite3';
import type { EventStore, NewEvent } from '../src/domain/ports/event-store.ts';

/**
 * The event table that one writes first: on better-sqlite3, a transaction for each append, a unique (stream, revision) that keeps two writers
 * apart, and nothing else: no batches, no positions without gaps, no followers.
 */
export const plainStore = (file: string, committed: () => void): Pick<EventStore, 'append' | 'read' | 'close'> => {
  const db = new Database(file);
  db.exec(`pragma journal_mode=wal; pragma synchronous=full;
    create table event (
      position integer primary key, stream text not null, revision integer not null, id text not null, type text not null,
      data text not null, metadata text not null, recorded_at integer not null, unique (stream, revision)
    ) strict`);
  const insert = db.prepare('insert into event values (null, ?, ?, ?, ?, ?, ?, ?)');
  const select = db.prepare('select * from event where stream = ? order by revision');
  const write = db.transaction((stream: string, events: readonly NewEvent[], revision: number) => {
    const at = Date.now();
    for (const [n, { id, type, data, ...metadata }] of events.entries())
      insert.run(stream, revision + 1 + n, id, type, data, JSON.stringify(metadata), at);
  });
  return {
    async append(stream, events, expectedRevision) {
      write.immediate(stream, events, expectedRevision);
      committed();
      return { revision: expectedRevision + events.length, position: 0 };
    },
    read: async (stream) => {
      const rows = select.all(stream) as { metadata: string }[];
      return rows.map(({ metadata, ...row }) => ({ ...row, ...JSON.parse(metadata) }));
    },
    close: async () => void db.close(),
  };
};
