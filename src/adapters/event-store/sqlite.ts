import { DatabaseSync } from 'node:sqlite';
import { NEVER, Subject, takeWhile } from 'rxjs';
import {
  type Appended,
  type EventStore,
  type NewEvent,
  RevisionConflict,
  type StoredEvent,
  StoreStopped,
} from '../../domain/ports/event-store.ts';
import { followLog } from './follow.ts';
import { COLUMNS, SCHEMA, statements } from './sqlite-statements.ts';

/** The log is in use by another process: one file has one writer. */
export class LogInUse extends Error {
  constructor(file: string) {
    super(`another Countersign process is writing to ${file}; stop it first, or give this one its own COUNTERSIGN_DATA_DIR`);
    this.name = 'LogInUse';
  }
}

// One commit takes at most this many appends, so that a burst does not hold the event loop for long.
const BATCH = 512;
// The log file is brought up to date from idle time; only a writer that never rests does it within a commit.
const CHECKPOINT_PAGES = 20_000;
const IDLE_MS = 250;
const LOCKED_MS = 2000;
// The streams that were written or read last. There is one writer, this one, so what is kept here is what the file says.
const RECENT_STREAMS = 4096;
const RECENT_EVENTS = 64;
const SQLITE_BUSY = 5;
const SQLITE_CONSTRAINT_UNIQUE = 2067;

interface Pending {
  stream: string;
  events: readonly NewEvent[];
  expectedRevision: number;
  resolve(place: Appended): void;
  reject(error: unknown): void;
}

/**
 * The log in one SQLite file: WAL, `synchronous=FULL`, one writer. Appends that arrive in one turn of the event loop share a commit.
 * The first write error stops it: nothing is acknowledged afterwards. Throws `LogInUse` when another process writes to the file.
 */
export const sqliteEventStore = (file: string, { now = Date.now }: { now?: () => number } = {}): EventStore => {
  const lock = lockFile(file);
  const db = openLog(file, lock);
  const reads = statements(db);
  const insert = db.prepare(`insert into event (${COLUMNS}) values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`);
  const [begin, commit, rollback] = [db.prepare('begin immediate'), db.prepare('commit'), db.prepare('rollback')];

  const commits = new Subject<readonly StoredEvent[]>();
  const last = reads.last();
  let recent = new Map<string, readonly StoredEvent[]>();
  let older: typeof recent = new Map();
  let head = last?.position ?? 0;
  let clock = last?.recordedAt ?? 0;
  let queue: Pending[] = [];
  let scheduled = false;
  let stopped: StoreStopped | null = null;
  let idle: NodeJS.Timeout | undefined;
  let idleSince = 0;

  const keep = (stream: string, events: readonly StoredEvent[]) => {
    if (events.length > RECENT_EVENTS) forget(stream);
    else recent.set(stream, events);
    if (recent.size < RECENT_STREAMS) return;
    older = recent;
    recent = new Map();
  };

  const forget = (stream: string) => {
    recent.delete(stream);
    older.delete(stream);
  };

  const readStream = (stream: string): readonly StoredEvent[] => {
    const known = recent.get(stream) ?? older.get(stream);
    if (known !== undefined) return known;
    const events = reads.stream(stream, 0);
    // A name that nobody wrote to may be any text of any caller: it is not kept.
    if (events.length > 0) keep(stream, events);
    return events;
  };

  const stop = (error: StoreStopped) => {
    stopped = error;
    recent.clear();
    older.clear();
    clearTimeout(idle);
    for (const { reject } of queue.splice(0)) reject(error);
  };

  const fail = (cause: unknown) => {
    // Whether the commit reached the disk is unknown now: only a restart, which reads the file again, can tell.
    const error = new StoreStopped('a write to the log failed', { cause });
    try {
      if (db.isTransaction) rollback.run();
    } finally {
      stop(error);
      commits.error(error);
    }
  };

  /** Writes one append inside the open transaction; the events, or the place where a repeated one already stands. */
  const write = (pending: Pending, position: number): StoredEvent[] | Appended => {
    const { stream, events, expectedRevision } = pending;
    // Most new streams have ids that were just made: whether one is there already, the unique index says for nothing.
    const past = recent.get(stream) ?? older.get(stream) ?? (expectedRevision === -1 ? [] : readStream(stream));
    if (past.length - 1 !== expectedRevision) return repeated(pending, past);
    try {
      const stored = events.map((event, index) => writeEvent(event, stream, past.length + index, position + 1 + index));
      keep(stream, past.length === 0 ? stored : [...past, ...stored]);
      return stored;
    } catch (error) {
      if ((error as { errcode?: number }).errcode !== SQLITE_CONSTRAINT_UNIQUE) throw error;
      return repeated(pending, readStream(stream));
    }
  };

  const writeEvent = (event: NewEvent, stream: string, revision: number, position: number): StoredEvent => {
    const { id, type, version, actor, correlationId, causationId, data, sealed } = event;
    const who = [actor.kind, actor.id, correlationId, causationId];
    insert.run(position, stream, revision, id, type, version, clock, ...who, data, sealed);
    return { id, type, version, actor, correlationId, causationId, data, sealed, stream, revision, position, recordedAt: clock };
  };

  /** The place of an append that stands there already, under the same ids; for any other one the stream has moved on. */
  const repeated = ({ stream, events, expectedRevision }: Pending, past: readonly StoredEvent[]): Appended => {
    const standing = past.slice(expectedRevision + 1, expectedRevision + 1 + events.length);
    const end = standing.at(-1);
    if (end !== undefined && events.every(({ id }, index) => standing[index]?.id === id)) return end;
    throw new RevisionConflict(stream, expectedRevision, past.length - 1);
  };

  const flush = () => {
    scheduled = false;
    if (stopped !== null) return;
    const batch = queue.slice(0, BATCH);
    const stored: StoredEvent[] = [];
    const outcomes: (() => void)[] = [];
    clock = Math.max(now(), clock);
    try {
      begin.run();
      for (const pending of batch) {
        try {
          const written = write(pending, head + stored.length);
          const place = Array.isArray(written) ? (written.at(-1) as StoredEvent) : written;
          if (Array.isArray(written)) stored.push(...written);
          outcomes.push(() => pending.resolve({ revision: place.revision, position: place.position }));
        } catch (error) {
          if (!(error instanceof RevisionConflict)) throw error;
          outcomes.push(() => pending.reject(error));
        }
      }
      (stored.length > 0 ? commit : rollback).run();
    } catch (cause) {
      fail(cause);
      return;
    }
    queue = queue.slice(batch.length);
    head += stored.length;
    if (stored.length > 0) commits.next(stored);
    for (const tell of outcomes) tell();
    if (queue.length > 0) schedule();
    else if (idle === undefined) restUntilIdle();
  };

  const restUntilIdle = () => {
    idleSince = head;
    idle = setTimeout(checkpoint, IDLE_MS).unref();
  };

  const checkpoint = () => {
    idle = undefined;
    if (stopped !== null) return;
    if (head !== idleSince) {
      restUntilIdle();
      return;
    }
    try {
      db.exec('pragma wal_checkpoint(passive)');
    } catch (cause) {
      fail(cause);
    }
  };

  const schedule = () => {
    if (scheduled) return;
    scheduled = true;
    setImmediate(flush);
  };

  return {
    append: (stream, events, expectedRevision) =>
      new Promise((resolve, reject) => {
        if (stopped !== null) return reject(stopped);
        if (events.length === 0) return reject(new TypeError('an append needs an event'));
        queue.push({ stream, events, expectedRevision, resolve, reject });
        schedule();
      }),
    read: async (stream, fromRevision = 0) => {
      const events = readStream(stream);
      return fromRevision === 0 ? events : events.slice(fromRevision);
    },
    readAll: async (afterPosition, limit) => reads.after(afterPosition, limit),
    head: async () => head,
    follow: (afterPosition) => followLog(afterPosition, reads.after, commits),
    async close() {
      if (scheduled) flush();
      if (stopped === null) stop(new StoreStopped('it was closed'));
      commits.complete();
      db.close();
      lock.close();
    },
  };
};

/** The same file for reading, also while an engine writes to it. `follow` ends where the log ended when it got there. */
export const sqliteEventReader = (file: string): EventStore => {
  const db = new DatabaseSync(file, { readOnly: true });
  const reads = statements(db);
  return {
    append: async () => {
      throw new StoreStopped('it was opened for reading');
    },
    read: async (stream, fromRevision = 0) => reads.stream(stream, fromRevision),
    readAll: async (afterPosition, limit) => reads.after(afterPosition, limit),
    head: async () => reads.last()?.position ?? 0,
    follow: (afterPosition) => followLog(afterPosition, reads.after, NEVER).pipe(takeWhile(({ caughtUp }) => !caughtUp, true)),
    close: async () => db.close(),
  };
};

const openLog = (file: string, lock: DatabaseSync): DatabaseSync => {
  try {
    // Who reads the file with other tools may hold its lock for a moment: that is waited for, and is no failed write.
    const db = new DatabaseSync(file, { timeout: LOCKED_MS });
    db.exec(`pragma journal_mode=wal; pragma synchronous=full; pragma wal_autocheckpoint=${CHECKPOINT_PAGES}; ${SCHEMA}`);
    return db;
  } catch (error) {
    lock.close();
    throw error;
  }
};

const lockFile = (file: string): DatabaseSync => {
  // SQLite's exclusive lock lives as long as the process and is freed by the system when it dies, also at kill -9.
  const lock = new DatabaseSync(`${file}.lock`);
  try {
    lock.exec('pragma locking_mode=exclusive; begin exclusive');
  } catch (error) {
    lock.close();
    throw (error as { errcode?: number }).errcode === SQLITE_BUSY ? new LogInUse(file) : error;
  }
  return lock;
};
