import type { DatabaseSync } from 'node:sqlite';
import { OAuthError } from '../../domain/oauth-error.ts';
import type { Clock } from '../../domain/ports/clock.ts';
import type { Told } from './told.ts';

// About 500 MB: from here on what is new is refused, for nothing may be forgotten before its time.
const MOST_USED = 5_000_000;

// What is looked through in one turn of the event loop.
const SLICE = 10_000;

interface Waiting {
  expiresAt: number;
  resolve(first: boolean): void;
  reject(error: unknown): void;
}

interface Deps {
  clock: Clock;
  tell: Told['used'];
  most?: number;
}

/**
 * Identifiers in the file, and in memory, about 100 bytes each until they expire. Uses that arrive in one turn of the event loop share a
 * commit, which has reached the operating system before anybody is told: it outlives a killed process. A power cut may forget the last uses
 * (docs/decisions).
 */
export const usedOnce = (db: DatabaseSync, { clock, tell, most = MOST_USED }: Deps) => {
  // Without a key: one over random texts would touch another page of the file with every use.
  db.exec('create table if not exists use (identifier text not null, expires_at integer not null) strict');
  const insert = db.prepare('insert into use values (?, ?)');
  const endOfSlice = db.prepare('select max(rowid) as last from (select rowid from use where rowid > ? order by rowid limit ?)');
  const removeExpired = db.prepare('delete from use where rowid > ? and rowid <= ? and expires_at <= ?');
  const [begin, commit] = [db.prepare('begin immediate'), db.prepare('commit')];
  const rows = db.prepare('select identifier, expires_at from use');
  rows.setReturnArrays(true);
  const used = new Map(rows.iterate() as unknown as Iterable<[string, number]>);
  // Not used before they are in the file.
  let waiting = new Map<string, Waiting>();

  const flush = () => {
    const batch = waiting;
    waiting = new Map();
    if (batch.size === 0) return;
    try {
      begin.run();
      for (const [identifier, { expiresAt }] of batch) insert.run(identifier, expiresAt);
      commit.run();
    } catch (error) {
      if (db.isOpen && db.isTransaction) db.exec('rollback');
      for (const { reject } of batch.values()) reject(error);
      return;
    }
    for (const [identifier, { expiresAt, resolve }] of batch) {
      used.set(identifier, expiresAt);
      tell(identifier, expiresAt);
      resolve(true);
    }
  };

  /** Removes what has expired, slice by slice: rows in the order in which they came. */
  function* pruning(at: number): Generator<void> {
    let looked = 0;
    for (const [identifier, expiresAt] of used) {
      if (expiresAt <= at) used.delete(identifier);
      looked += 1;
      if (looked % SLICE === 0) yield;
    }
    let last = 0;
    for (;;) {
      const next = endOfSlice.get(last, SLICE)?.['last'] as number | null;
      if (next === null) return;
      removeExpired.run(last, next, at);
      last = next;
      yield;
    }
  }

  return {
    flush,
    firstUse: (identifier: string, expiresAt: number) =>
      new Promise<boolean>((resolve, reject) => {
        if (used.has(identifier) || waiting.has(identifier)) return resolve(false);
        if (used.size + waiting.size >= most)
          return reject(new OAuthError('temporarily_unavailable', 'too much is to be remembered at the moment'));
        waiting.set(identifier, { expiresAt, resolve, reject });
        if (waiting.size === 1) setImmediate(flush);
      }),
    /** Takes over what another process has seen used, also beyond what is remembered at most. That one keeps it. */
    hear(identifier: string, expiresAt: number): void {
      if (expiresAt > clock() && !used.has(identifier)) used.set(identifier, expiresAt);
    },
    /** Begins to forget what has expired. What cannot be removed stays for the next time. */
    prune(at: number): void {
      const slices = pruning(at);
      const step = () => {
        try {
          if (slices.next().done !== true) setImmediate(step);
        } catch {
          // The file is locked, or closed.
        }
      };
      step();
    },
  };
};
