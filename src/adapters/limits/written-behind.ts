import type { DatabaseSync } from 'node:sqlite';
import { MOST_KEYS } from './budgets.ts';
import type { Pace, Share, Told } from './told.ts';

const BEHIND_MS = 1000;

interface Spent {
  budget: string;
  key: string;
  share: Share;
}

/**
 * The requests that were told to slow down, and what was spent of budgets, in the file at most a second later: what changes often within it
 * is written once. A killed process forgets no more than its last second.
 */
export const writtenBehind = (db: DatabaseSync) => {
  db.exec(`create table if not exists pace (
      request_id text primary key, polled_at integer not null, interval_ms integer not null, slowed_ms integer not null,
      expires_at_ms integer not null
    ) strict, without rowid;
    create table if not exists share (
      budget text not null, key text not null, origin text not null, revision integer not null, count integer not null, until integer not null,
      primary key (budget, key, origin)
    ) strict, without rowid`);
  const writePace = db.prepare('insert or replace into pace values (?, ?, ?, ?, ?)');
  const writeShare = db.prepare('insert or replace into share values (?, ?, ?, ?, ?, ?)');
  const selectPaces = db.prepare(`select request_id as requestId, polled_at as polledAt, interval_ms as intervalMs, slowed_ms as slowedMs,
      expires_at_ms as expiresAtMs from pace`);
  // The newest last, so that they are remembered longest.
  const selectShares = db.prepare(`select budget, key, origin, revision, count, until from (
      select *, row_number() over (partition by budget order by until desc) as place from share
    ) where place <= ${MOST_KEYS} order by until`);
  const removePaces = db.prepare('delete from pace where expires_at_ms <= ?');
  const removeShare = db.prepare('delete from share where budget = ? and key = ? and origin = ?');
  const removeShares = db.prepare('delete from share where until <= ?');
  const paces = new Map<string, Pace>();
  const shares = new Map<string, Spent>();
  let timer: NodeJS.Timeout | undefined;

  /** What was given back needs no row: it is as if it had never been spent. */
  const writeOrRemove = (budget: string, key: string, { origin, revision, count, until }: Share) =>
    count === 0 ? removeShare.run(budget, key, origin) : writeShare.run(budget, key, origin, revision, count, until);

  const flush = () => {
    clearTimeout(timer);
    timer = undefined;
    if (paces.size + shares.size === 0) return;
    try {
      db.exec('begin immediate');
      for (const [requestId, { polledAt, intervalMs, slowedMs, expiresAtMs }] of paces)
        writePace.run(requestId, polledAt, intervalMs, slowedMs, expiresAtMs);
      for (const { budget, key, share } of shares.values()) writeOrRemove(budget, key, share);
      db.exec('commit');
      paces.clear();
      shares.clear();
    } catch {
      // The memory holds it: it is written a second later.
      if (!db.isOpen) return;
      if (db.isTransaction) db.exec('rollback');
      later();
    }
  };
  const later = () => {
    timer ??= setTimeout(flush, BEHIND_MS).unref();
  };

  return {
    flush,
    polled(requestId: string, pace: Pace): void {
      if (pace.intervalMs < pace.slowedMs) return;
      paces.set(requestId, pace);
      later();
    },
    spent(budget: string, key: string, share: Share): void {
      shares.set(`${budget}\n${key}`, { budget, key, share });
      later();
    },
    /** Tells all that the file holds. */
    read({ polled, spent }: Pick<Told, 'polled' | 'spent'>): void {
      for (const { requestId, ...pace } of selectPaces.iterate() as Iterable<Pace & { requestId: string }>) polled(requestId, pace);
      for (const { budget, key, ...share } of selectShares.iterate() as Iterable<Share & { budget: string; key: string }>)
        spent(budget, key, share);
    },
    prune(at: number): void {
      for (const [requestId, { expiresAtMs }] of paces) if (expiresAtMs <= at * 1000) paces.delete(requestId);
      for (const [key, { share }] of shares) if (share.until <= at) shares.delete(key);
      try {
        removePaces.run(at * 1000);
        removeShares.run(at);
      } catch {
        // The file is locked: what could not be removed now is removed a minute later.
      }
    },
  };
};
