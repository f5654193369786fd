import type { DatabaseSync, SQLOutputValue } from 'node:sqlite';
import type { Actor, StoredEvent } from '../../domain/ports/event-store.ts';

/** The one table of the log. */
export const SCHEMA = `create table if not exists event (
  position integer primary key,
  stream text not null,
  revision integer not null,
  id text not null,
  type text not null,
  version integer not null,
  recorded_at integer not null,
  actor_kind text not null,
  actor_id text not null,
  correlation_id text not null,
  causation_id text,
  data text not null,
  sealed text,
  unique (stream, revision)
) strict`;

/** Its columns, in the order in which they are written and read. */
export const COLUMNS =
  'position, stream, revision, id, type, version, recorded_at, actor_kind, actor_id, correlation_id, causation_id, data, sealed';

/** What is read from the log, prepared once. */
export const statements = (db: DatabaseSync) => {
  const stream = db.prepare(`select ${COLUMNS} from event where stream = ? and revision >= ? order by revision`);
  const after = db.prepare(`select ${COLUMNS} from event where position > ? order by position limit ?`);
  const last = db.prepare(`select ${COLUMNS} from event order by position desc limit 1`);
  for (const statement of [stream, after, last]) statement.setReturnArrays(true);
  // With setReturnArrays a row is an array, which the types of node:sqlite do not say.
  const rows = (found: unknown): StoredEvent[] => (found as SQLOutputValue[][]).map(toEvent);
  return {
    stream: (name: string, fromRevision: number) => rows(stream.all(name, fromRevision)),
    after: (position: number, limit: number) => rows(after.all(position, limit)),
    last: () => rows(last.all())[0],
  };
};

const toEvent = (row: SQLOutputValue[]): StoredEvent => ({
  position: row[0] as number,
  stream: row[1] as string,
  revision: row[2] as number,
  id: row[3] as string,
  type: row[4] as string,
  version: row[5] as number,
  recordedAt: row[6] as number,
  actor: { kind: row[7] as Actor['kind'], id: row[8] as string },
  correlationId: row[9] as string,
  causationId: row[10] as string | null,
  data: row[11] as string,
  sealed: row[12] as string | null,
});
