import { createSecretKey } from 'node:crypto';
import { DatabaseSync } from 'node:sqlite';
import { LRUCache } from 'lru-cache';
import type { Sealer } from '../../domain/ports/sealer.ts';
import { newWrappedKey, openWith, type PsuKey, sealWith, unwrapped } from './psu-key.ts';

/** The PSUs' keys, each wrapped under the master key, in a file of their own that is never part of the log. */
interface PsuKeys extends Sealer {
  close(): void;
}

const LOCKED_MS = 5000;
// A key that another process has erased is used no longer than this.
const KNOWN_MS = 10_000;

/** Keys in a SQLite file, which many processes may have; `:memory:` keeps them for the life of the process. */
export const psuKeys = (file: string, master: Buffer, clock: { now(): number } = performance): PsuKeys => {
  const db = new DatabaseSync(file, { timeout: LOCKED_MS });
  db.exec(`pragma journal_mode=wal; pragma synchronous=full; pragma secure_delete=on;
    create table if not exists psu_key (psu_id text primary key, wrapped text not null) strict, without rowid`);
  const select = db.prepare('select wrapped from psu_key where psu_id = ?');
  const insert = db.prepare('insert or ignore into psu_key values (?, ?)');
  const masterKey = createSecretKey(master);
  const cache = new LRUCache<string, PsuKey>({ max: 10_000, ttl: KNOWN_MS, perf: clock });

  const find = (psuId: string): PsuKey | null => {
    const cached = cache.get(psuId);
    if (cached !== undefined) return cached;
    const row = select.get(psuId);
    return row === undefined ? null : keep(psuId, row['wrapped'] as string);
  };

  const create = (psuId: string): PsuKey => {
    insert.run(psuId, newWrappedKey(masterKey, psuId));
    // Another process may have been first: its key is the PSU's.
    const key = find(psuId);
    if (key === null) throw new Error('the key of a PSU was erased while it was being made');
    return key;
  };

  const keep = (psuId: string, wrapped: string): PsuKey => {
    const key = unwrapped(masterKey, psuId, wrapped);
    cache.set(psuId, key);
    return key;
  };

  return {
    seal: (psuId, plaintext, context) => sealWith(find(psuId) ?? create(psuId), plaintext, context),
    open({ psuId, text, context }) {
      const key = find(psuId);
      return key === null ? null : openWith(key, text, context);
    },
    close: () => db.close(),
  };
};

/** The ids of the PSUs who have a key in such a file, each with the text that is kept of it. */
export const wrappedPsuKeys = (file: string): readonly (readonly [string, string])[] => {
  const db = new DatabaseSync(file, { readOnly: true });
  try {
    return db
      .prepare('select psu_id, wrapped from psu_key')
      .all()
      .map((row) => [row['psu_id'], row['wrapped']] as [string, string]);
  } finally {
    db.close();
  }
};
