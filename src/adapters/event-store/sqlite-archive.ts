import { hash } from 'node:crypto';
import { existsSync, mkdirSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import type { StoredEvent } from '../../domain/ports/event-store.ts';
import { orClosed } from '../sqlite-file.ts';
import { insertInto, makeTable, type Reads, statements } from './sqlite-statements.ts';

// How far the log was looked through, and the streams in what was looked through that were not over yet, with when they will be.
const PROGRESS = `create table if not exists looked_through (one integer primary key check (one = 1), position integer not null) strict;
  insert or ignore into looked_through values (1, 0);
  create table if not exists waiting (stream text primary key, from_when integer not null) strict, without rowid;
  create index if not exists waiting_from on waiting (from_when)`;
// In the log: one event of what was taken out of it last. It is written in the commit that takes them out.
const TAKEN_OUT = `create table if not exists taken_out (
  one integer primary key check (one = 1), position integer not null, id text not null
) strict`;
const LOCKED_MS = 2000;

type TakenOut = Pick<StoredEvent, 'position' | 'id'>;

/** What was copied to the archive is not what stands in the log: nothing was taken out of the log. */
export class ArchiveDiffers extends Error {
  constructor(file: string) {
    super(`${file} does not hold what was copied to it: it was changed by somebody, or the disk has failed`);
    this.name = 'ArchiveDiffers';
  }
}

/** The archive of a log is not there, or older than the log: what was taken out of the log is not in it. */
export class ArchiveMissing extends Error {
  constructor(file: string) {
    super(`${file} does not hold what was taken out of the log; put back the archive that belongs to this log, or a newer one`);
    this.name = 'ArchiveMissing';
  }
}

/** Where the streams that were taken out of a log are kept. */
export const archiveFileOf = (file: string): string => join(dirname(file), 'archive', basename(file));

/** The archive of a log, for the process that writes the log. */
export type Archive = ReturnType<typeof openArchive>;

/** For the process that writes the log: notes, inside the commit that takes events out, one of them. */
export const takingOut = (log: DatabaseSync): ((event: TakenOut) => void) => {
  log.exec(TAKEN_OUT);
  const note = log.prepare('insert or replace into taken_out values (1, ?, ?)');
  return ({ position, id }) => void note.run(position, id);
};

const takenOutOf = (log: DatabaseSync): TakenOut | undefined => {
  // Who only reads a file leaves it as it was made.
  const isNoted = log.prepare("select 1 from sqlite_schema where name = 'taken_out'").get() !== undefined;
  return isNoted ? (log.prepare('select position, id from taken_out').get() as TakenOut | undefined) : undefined;
};

const mustHold = (file: string, archive: DatabaseSync, taken: TakenOut | undefined): void => {
  if (taken === undefined) return;
  const held = archive.prepare('select 1 from event where position = ? and id = ?').get(taken.position, taken.id);
  if (held === undefined) throw new ArchiveMissing(file);
};

/** Opens the archive of a log, which begins empty. Throws `ArchiveMissing` where it does not hold what was taken out of the log. */
export const openArchive = (log: DatabaseSync, logFile: string) => {
  const file = archiveFileOf(logFile);
  const taken = takenOutOf(log);
  if (taken !== undefined && !existsSync(file)) throw new ArchiveMissing(file);
  mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
  const db = new DatabaseSync(file, { timeout: LOCKED_MS });
  orClosed(db, () => {
    db.exec(`pragma journal_mode=wal; pragma synchronous=full; ${PROGRESS}`);
    makeTable(db);
    mustHold(file, db, taken);
  });
  const reads = statements(db);
  const insert = insertInto(db, 'insert or ignore');
  const any = db.prepare('select 1 from event where stream = ? limit 1');
  const lookedThrough = db.prepare('select position from looked_through');
  const setLookedThrough = db.prepare('update looked_through set position = ?');
  const wait = db.prepare('insert or replace into waiting values (?, ?)');
  const waitNoMore = db.prepare('delete from waiting where stream = ?');
  const waits = db.prepare('select 1 from waiting where stream = ?');
  const due = db.prepare('select stream from waiting where from_when <= ? order by from_when, stream limit ?');
  const [beginReading, begin] = [db.prepare('begin'), db.prepare('begin immediate')];
  const [commit, rollback] = [db.prepare('commit'), db.prepare('rollback')];
  let isEmpty = reads.last() === undefined;

  const together = (act: () => void) => {
    if (db.isTransaction) commit.run();
    begin.run();
    try {
      act();
      commit.run();
    } catch (error) {
      if (db.isTransaction) rollback.run();
      throw error;
    }
  };

  return {
    reads,
    /** Whether it has events of a stream. */
    holds(stream: string): boolean {
      if (isEmpty) return false;
      // Asked for each new stream: a lone select takes and frees the locks of the file, which costs more than the select.
      if (!db.isTransaction) beginReading.run();
      return any.get(stream) !== undefined;
    },
    /** Keeps these events, and has read them again from the file when it returns. To keep them again is to keep them once. */
    keep(events: readonly StoredEvent[]) {
      if (events.length === 0) return;
      together(() => {
        for (const event of events) insert(event);
      });
      isEmpty = false;
      const positions = new Set(events.map(({ position }) => position));
      const kept = [...firstRevisions(events)]
        .flatMap(([stream, revision]) => reads.stream(stream, revision))
        .filter(({ position }) => positions.has(position));
      if (digestOf(kept) !== digestOf(events)) throw new ArchiveDiffers(file);
    },
    /** The position up to which the log was looked through. */
    lookedThrough: (): number => lookedThrough.get()?.['position'] as number,
    isWaiting: (stream: string): boolean => waits.get(stream) !== undefined,
    /** The streams whose time has come, the longest due first. */
    due: (at: number, limit: number): string[] => due.all(at, limit).map((row) => row['stream'] as string),
    /** Records what a look has found: streams that wait, with from when on they need not; streams that do not wait any more; how far it got. */
    record(found: { waiting: ReadonlyMap<string, number>; done: Iterable<string>; position: number }) {
      together(() => {
        for (const stream of found.done) waitNoMore.run(stream);
        for (const [stream, from] of found.waiting) wait.run(stream, from);
        setLookedThrough.run(found.position);
      });
    },
    close: () => db.close(),
  };
};

/** Where each stream begins in these events, which are in the order of their streams. */
const firstRevisions = (events: readonly StoredEvent[]): ReadonlyMap<string, number> => {
  const first = new Map<string, number>();
  for (const { stream, revision } of events) if (!first.has(stream)) first.set(stream, revision);
  return first;
};

const digestOf = (events: readonly StoredEvent[]): string =>
  hash('sha256', JSON.stringify(events.toSorted((one, other) => one.position - other.position)));

/** The same for those who only read; null where there is none and nothing was taken out of the log. */
const archiveBeside = (log: DatabaseSync, logFile: string): DatabaseSync | null => {
  const file = archiveFileOf(logFile);
  const taken = takenOutOf(log);
  if (!existsSync(file)) {
    if (taken === undefined) return null;
    throw new ArchiveMissing(file);
  }
  const db = new DatabaseSync(file, { readOnly: true, timeout: LOCKED_MS });
  return orClosed(db, () => {
    mustHold(file, db, taken);
    return db;
  });
};

/** Opens a log that another process may write, with its archive, for reading. Throws `ArchiveMissing`. */
export const openBeside = (file: string): { db: DatabaseSync; reads: Reads; close(): void } => {
  const db = new DatabaseSync(file, { readOnly: true, timeout: LOCKED_MS });
  return orClosed(db, () => {
    const own = statements(db);
    const archive = archiveBeside(db, file);
    const reads = archive === null ? own : joined(own, statements(archive));
    const close = () => {
      archive?.close();
      db.close();
    };
    return { db, reads, close };
  });
};

/**
 * A log and its archive as the one log that they were. The log is asked first: what is taken out of it meanwhile stands in the archive
 * already, so that an event may be found in both, and never in none.
 */
export const joined = (log: Reads, archive: Reads): Reads => ({
  stream(name, fromRevision) {
    const own = log.stream(name, fromRevision);
    const first = own[0]?.revision;
    if (first === fromRevision) return own;
    const archived = archive.stream(name, fromRevision);
    return first === undefined ? archived : [...archived.filter(({ revision }) => revision < first), ...own];
  },
  after(position, limit, upTo) {
    const between = (end?: number) => inOrder(log.after(position, limit, end), archive.after(position, limit, end), limit);
    if (upTo !== undefined) return between(upTo);
    // Positions leave no gap, so that a page ends here. One that is not full stands at the end of the log, or at a gap, which is shown.
    const page = between(position + limit);
    return page.length === limit ? page : between();
  },
  last() {
    const [own, archived] = [log.last(), archive.last()];
    return (archived?.position ?? 0) > (own?.position ?? 0) ? archived : own;
  },
  lastRevision(name) {
    const own = log.lastRevision(name);
    return own === -1 ? archive.lastRevision(name) : own;
  },
});

/** Two lists in the order of their positions, as one, without what is in both. */
const inOrder = (one: readonly StoredEvent[], other: readonly StoredEvent[], limit: number): StoredEvent[] => {
  if (other.length === 0) return one as StoredEvent[];
  const both: StoredEvent[] = [];
  for (let i = 0, j = 0; both.length < limit && (i < one.length || j < other.length); ) {
    const [mine, theirs] = [one[i], other[j]];
    const isMine = theirs === undefined || (mine !== undefined && mine.position <= theirs.position);
    both.push((isMine ? mine : theirs) as StoredEvent);
    if (mine !== undefined && mine.position === both.at(-1)?.position) i += 1;
    if (theirs !== undefined && theirs.position === both.at(-1)?.position) j += 1;
  }
  return both;
};
