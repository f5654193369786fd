import { DatabaseSync } from 'node:sqlite';
import type { Clock } from '../domain/ports/clock.ts';
import type { ReplayGuard } from '../domain/ports/replay-guard.ts';

const PRUNE_MS = 60_000;
const LOCKED_MS = 2000;

interface Waiting {
  identifier: string;
  expiresAt: number;
  resolve(first: boolean): void;
  reject(error: unknown): void;
}

/**
 * Identifiers in a small SQLite file beside the log, and in memory, about 100 bytes each until they expire. Uses that arrive in one turn of
 * the event loop share a commit, which has reached the operating system before anybody is told: it outlives a killed process. A power cut may
 * forget the last uses (docs/decisions). One process uses the file: the lock of the log sees to that.
 */
export const sqliteReplayGuard = (file: string, clock: Clock): ReplayGuard & { close(): void } => {
  const db = new DatabaseSync(file, { timeout: LOCKED_MS });
  // Without a key: one over random texts would touch another page of the file with every use.
  db.exec(`pragma journal_mode=wal; pragma synchronous=normal;
    create table if not exists use (identifier text not null, expires_at integer not null) strict`);
  const insert = db.prepare('insert into use values (?, ?)');
  const removeExpired = db.prepare('delete from use where expires_at <= ?');
  const [begin, commit] = [db.prepare('begin immediate'), db.prepare('commit')];
  const rows = db.prepare('select identifier, expires_at from use').all() as { identifier: string; expires_at: number }[];
  const used = new Map(rows.map((row) => [row.identifier, row.expires_at]));
  let waiting: Waiting[] = [];

  const flush = () => {
    const batch = waiting;
    waiting = [];
    if (batch.length === 0) return;
    try {
      begin.run();
      for (const { identifier, expiresAt } of batch) insert.run(identifier, expiresAt);
      commit.run();
      for (const { resolve } of batch) resolve(true);
    } catch (error) {
      if (db.isOpen && db.isTransaction) db.exec('rollback');
      for (const { identifier, reject } of batch) {
        used.delete(identifier);
        reject(error);
      }
    }
  };

  const prune = () => {
    const at = clock();
    try {
      removeExpired.run(at);
      for (const [identifier, expiresAt] of used) if (expiresAt <= at) used.delete(identifier);
    } catch {
      // What could not be removed now is removed a minute later; a use that cannot be written is told to its caller.
    }
  };

  const timer = setInterval(prune, PRUNE_MS).unref();
  return {
    firstUse: (identifier, expiresAt) =>
      new Promise((resolve, reject) => {
        if (used.has(identifier)) return resolve(false);
        used.set(identifier, expiresAt);
        if (waiting.push({ identifier, expiresAt, resolve, reject }) === 1) setImmediate(flush);
      }),
    close() {
      clearInterval(timer);
      flush();
      db.close();
    },
  };
};
