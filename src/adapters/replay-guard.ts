import { DatabaseSync } from 'node:sqlite';
import type { Clock } from '../domain/ports/clock.ts';
import type { ReplayGuard } from '../domain/ports/replay-guard.ts';

const PRUNE_MS = 60_000;

interface Waiting {
  identifier: string;
  expiresAt: number;
  resolve(first: boolean): void;
  reject(error: unknown): void;
}

/**
 * Identifiers in a small SQLite file beside the log. Uses that arrive in one turn of the event loop share a commit, which has reached
 * the operating system before anybody is told: it outlives a killed process. A power cut may forget the last uses (docs/decisions).
 */
export const sqliteReplayGuard = (file: string, clock: Clock): ReplayGuard & { close(): void } => {
  const db = new DatabaseSync(file);
  db.exec(`pragma journal_mode=wal; pragma synchronous=normal;
    create table if not exists used (identifier text primary key, expires_at integer not null) strict, without rowid`);
  const insert = db.prepare('insert or ignore into used values (?, ?)');
  const prune = db.prepare('delete from used where expires_at <= ?');
  const [begin, commit] = [db.prepare('begin immediate'), db.prepare('commit')];
  let waiting: Waiting[] = [];

  const flush = () => {
    const batch = waiting;
    waiting = [];
    if (batch.length === 0) return;
    try {
      begin.run();
      const first = batch.map(({ identifier, expiresAt }) => insert.run(identifier, expiresAt).changes === 1);
      commit.run();
      batch.forEach(({ resolve }, index) => {
        resolve(first[index] === true);
      });
    } catch (error) {
      if (db.isOpen && db.isTransaction) db.exec('rollback');
      for (const { reject } of batch) reject(error);
    }
  };

  const timer = setInterval(() => prune.run(clock()), PRUNE_MS).unref();
  return {
    firstUse: (identifier, expiresAt) =>
      new Promise((resolve, reject) => {
        if (waiting.push({ identifier, expiresAt, resolve, reject }) === 1) setImmediate(flush);
      }),
    close() {
      clearInterval(timer);
      flush();
      db.close();
    },
  };
};
