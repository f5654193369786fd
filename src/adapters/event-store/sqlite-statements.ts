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
  compatible_from integer,
  unique (stream, revision)
) strict`;

// In the order in which they are written and read.
const FIRST_COLUMNS =
  'position, stream, revision, id, type, version, recorded_at, actor_kind, actor_id, correlation_id, causation_id, data, sealed';
const COLUMNS = `${FIRST_COLUMNS}, compatible_from`;

/** Makes the table, or brings one that was made earlier up to date. */
export const makeTable = (db: DatabaseSync): void => {
  db.exec(SCHEMA);
  if (!isUpToDate(db)) db.exec('alter table event add column compatible_from integer');
};

const isUpToDate = (db: DatabaseSync): boolean =>
  db.prepare("select 1 from pragma_table_info('event') where name = 'compatible_from'").get() !== undefined;

/** What is read from a log. All lists are in order. */
export interface Reads {
  stream(name: string, fromRevision: number): StoredEvent[];
  /** At most `limit` events behind a position; only those up to another one, if it is given. */
  after(position: number, limit: number, upTo?: number): StoredEvent[];
  last(): StoredEvent | undefined;
  /** The revision of the last event of a stream; -1 where there is none. */
  lastRevision(name: string): number;
}

/** What is read from one file. */
export interface FileReads extends Reads {
  /** The first events of a stream that stand in the file, at most `limit`. */
  first(name: string, limit: number): StoredEvent[];
}

/** What is read from one file, prepared once. */
export const statements = (db: DatabaseSync): FileReads => {
  // Who only reads a file leaves it as it was made.
  const columns = isUpToDate(db) ? COLUMNS : `${FIRST_COLUMNS}, null`;
  const stream = db.prepare(`select ${columns} from event where stream = ? and revision >= ? order by revision`);
  const first = db.prepare(`select ${columns} from event where stream = ? order by revision limit ?`);
  const after = db.prepare(`select ${columns} from event where position > ? and position <= ? order by position limit ?`);
  const last = db.prepare(`select ${columns} from event order by position desc limit 1`);
  const lastRevision = db.prepare('select revision from event where stream = ? order by revision desc limit 1');
  for (const statement of [stream, first, after, last]) statement.setReturnArrays(true);
  // With setReturnArrays a row is an array, which the types of node:sqlite do not say.
  const rows = (found: unknown): StoredEvent[] => (found as SQLOutputValue[][]).map(toEvent);
  return {
    stream: (name, fromRevision) => rows(stream.all(name, fromRevision)),
    first: (name, limit) => rows(first.all(name, limit)),
    after: (position, limit, upTo = Number.MAX_SAFE_INTEGER) => rows(after.all(position, upTo, limit)),
    last: () => rows(last.all())[0],
    lastRevision: (name) => (lastRevision.get(name)?.['revision'] as number | undefined) ?? -1,
  };
};

/** Writes an event as it is to be read. */
export const insertInto = (db: DatabaseSync, verb: 'insert' | 'insert or ignore' = 'insert'): ((event: StoredEvent) => void) => {
  const insert = db.prepare(`${verb} into event (${COLUMNS}) values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`);
  return (event) => {
    const { position, stream, revision, id, type, version, compatibleFrom = null, recordedAt, data, sealed } = event;
    const { actor, correlationId, causationId } = event;
    const who = [actor.kind, actor.id, correlationId, causationId];
    insert.run(position, stream, revision, id, type, version, recordedAt, ...who, data, sealed, compatibleFrom);
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
  compatibleFrom: (row[13] as number | null) ?? undefined,
});
