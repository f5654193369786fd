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
import { lockFile, orClosed } from '../sqlite-file.ts';
import { type Archiving, makeArchiveSome } from './archiving.ts';
import { followLog } from './follow.ts';
import { recentStreams } from './recent-streams.ts';
import { type Archive, joined, openArchive, openBeside, takingOut } from './sqlite-archive.ts';
import { insertInto, makeTable, statements } from './sqlite-statements.ts';

// One commit takes at most this many appends, so that a burst does not hold the event loop for long.
const BATCH = 512;
// The log file is brought up to date from idle time; only a writer that never rests does it within a commit.
const CHECKPOINT_PAGES = 20_000;
const IDLE_MS = 250;
const LOCKED_MS = 2000;
const SQLITE_CONSTRAINT_UNIQUE = 2067;

interface LogSettings {
  now?: () => number;
  /** Is told of every commit: how many appends shared it, and how many milliseconds the disk took. */
  onCommit?: ((appends: number, ms: number) => void) | undefined;
}

interface Pending {
  stream: string;
  events: readonly NewEvent[];
  expectedRevision: number;
  resolve(place: Appended): void;
  reject(error: unknown): void;
}

/**
 * The log in one SQLite file: WAL, `synchronous=FULL`, one writer. Appends that arrive in one turn of the event loop share a commit.
 * The first write error stops it: nothing is acknowledged afterwards. Throws `LogInUse` when another process writes to the file,
 * and `ArchiveMissing` when the archive does not hold what was taken out of it. Streams that were archived are read, and appended to, like all
 * others.
 */
export const sqliteEventStore = (file: string, { now = Date.now, onCommit }: LogSettings = {}): EventStore & Archiving => {
  const lock = lockFile(file);
  const { db, archive } = openLog(file, lock);
  const log = statements(db);
  const reads = joined(log, archive.reads);
  const insert = insertInto(db);
  const removal = db.prepare('delete from event where position = ?');
  const noteTakenOut = takingOut(db);
  const [begin, commit, rollback] = [db.prepare('begin immediate'), db.prepare('commit'), db.prepare('rollback')];

  const commits = new Subject<readonly StoredEvent[]>();
  const last = reads.last();
  const recent = recentStreams();
  let head = last?.position ?? 0;
  let clock = last?.recordedAt ?? 0;
  let queue: Pending[] = [];
  let scheduled = false;
  let stopped: StoreStopped | null = null;
  let idle: NodeJS.Timeout | undefined;
  let idleSince = 0;

  const readStream = (stream: string, fromRevision: number): readonly StoredEvent[] => {
    const known = recent.get(stream);
    if (known !== undefined) return fromRevision === 0 ? known : known.slice(fromRevision);
    const events = reads.stream(stream, fromRevision);
    if (fromRevision > 0) return events;
    // A name that nobody wrote to may be any text of any caller: it is not kept.
    if (events.length > 0) recent.keep(stream, events);
    return events;
  };

  const stop = (error: StoreStopped) => {
    stopped = error;
    recent.clear();
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
    const known = recent.get(stream);
    const mayBeNew = known === undefined && expectedRevision === -1 && !archive.holds(stream);
    const revision = known !== undefined ? known.length - 1 : mayBeNew ? -1 : reads.lastRevision(stream);
    if (revision !== expectedRevision) return repeated(pending, revision);
    try {
      const stored = events.map((event, index) => writeEvent(event, stream, revision + 1 + index, position + 1 + index));
      if (known !== undefined || mayBeNew) recent.keep(stream, [...(known ?? []), ...stored]);
      return stored;
    } catch (error) {
      if ((error as { errcode?: number }).errcode !== SQLITE_CONSTRAINT_UNIQUE) throw error;
      return repeated(pending, reads.lastRevision(stream));
    }
  };

  const writeEvent = (event: NewEvent, stream: string, revision: number, position: number): StoredEvent => {
    const { id, type, version, compatibleFrom, actor, correlationId, causationId, data, sealed } = event;
    const place = { stream, revision, position, recordedAt: clock };
    const stored = { id, type, version, compatibleFrom, actor, correlationId, causationId, data, sealed, ...place };
    insert(stored);
    return stored;
  };

  /** The place of an append that stands there already, under the same ids; for any other one the stream has moved on. */
  const repeated = ({ stream, events, expectedRevision }: Pending, revision: number): Appended => {
    const standing = expectedRevision < -1 ? [] : readStream(stream, expectedRevision + 1).slice(0, events.length);
    const end = standing.at(-1);
    if (end !== undefined && events.every(({ id }, index) => standing[index]?.id === id)) return end;
    throw new RevisionConflict(stream, expectedRevision, revision);
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
          if (Array.isArray(written)) for (const event of written) stored.push(event);
          outcomes.push(() => pending.resolve({ revision: place.revision, position: place.position }));
        } catch (error) {
          if (!(error instanceof RevisionConflict)) throw error;
          outcomes.push(() => pending.reject(error));
        }
      }
      const began = performance.now();
      (stored.length > 0 ? commit : rollback).run();
      if (stored.length > 0) onCommit?.(batch.length, performance.now() - began);
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

  /** Takes events out of the log, all at once. */
  const remove = (events: readonly StoredEvent[]) => {
    const taken = events.at(-1);
    if (taken === undefined) return;
    try {
      begin.run();
      for (const { position } of events) removal.run(position);
      noteTakenOut(taken);
      commit.run();
      if (idle === undefined) restUntilIdle();
    } catch (cause) {
      fail(cause);
      throw cause;
    }
  };
  const archiveSome = makeArchiveSome({ log, archive, remove });

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
    read: async (stream, fromRevision = 0) => readStream(stream, fromRevision),
    readAll: async (afterPosition, limit) => reads.after(afterPosition, limit),
    head: async () => head,
    follow: (afterPosition) => followLog(afterPosition, reads.after, commits),
    archiveSome(closing, at) {
      if (stopped !== null) throw stopped;
      return archiveSome(closing, at);
    },
    async writable() {
      // The first write that fails stops it, so that it takes what comes as long as it has not.
      if (stopped !== null) throw stopped;
    },
    async close() {
      if (scheduled) flush();
      if (stopped === null) stop(new StoreStopped('it was closed'));
      commits.complete();
      archive.close();
      db.close();
      lock.close();
    },
  };
};

/**
 * The same file for reading, also while an engine writes to it. `follow` ends where the log ended when it got there. Throws `ArchiveMissing` as
 * the writer does.
 */
export const sqliteEventReader = (file: string): EventStore => {
  const { reads, close } = openBeside(file);
  return {
    append: async () => {
      throw new StoreStopped('it was opened for reading');
    },
    read: async (stream, fromRevision = 0) => reads.stream(stream, fromRevision),
    readAll: async (afterPosition, limit) => reads.after(afterPosition, limit),
    head: async () => reads.last()?.position ?? 0,
    follow: (afterPosition) => followLog(afterPosition, reads.after, NEVER).pipe(takeWhile(({ caughtUp }) => !caughtUp, true)),
    close: async () => close(),
  };
};

const openLog = (file: string, lock: DatabaseSync): { db: DatabaseSync; archive: Archive } =>
  orClosed(lock, () => {
    // Who reads the file with other tools may hold its lock for a moment: that is waited for, and is no failed write.
    const db = new DatabaseSync(file, { timeout: LOCKED_MS });
    return orClosed(db, () => {
      db.exec(`pragma journal_mode=wal; pragma synchronous=full; pragma wal_autocheckpoint=${CHECKPOINT_PAGES}`);
      makeTable(db);
      return { db, archive: openArchive(db, file) };
    });
  });
