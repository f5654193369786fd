import { createSecretKey } from 'node:crypto';
import { DatabaseSync } from 'node:sqlite';
import { LRUCache } from 'lru-cache';
import type { Sealer } from '../../domain/ports/sealer.ts';
import { newWrappedKey, openWith, type PsuKey, sealWith, unwrapped } from './psu-key.ts';

/** The PSUs' keys, each wrapped under the master key, in a file of their own that is never part of the log. */
interface PsuKeys extends Sealer {
  close(): void;
}

/** Keys in a SQLite file; `:memory:` keeps them for the life of the process. */
export const psuKeys = (file: string, master: Buffer): PsuKeys => {
  const db = new DatabaseSync(file);
  db.exec(`pragma journal_mode=wal; pragma synchronous=full; pragma secure_delete=on;
    create table if not exists psu_key (psu_id text primary key, wrapped text not null) strict, without rowid`);
  const select = db.prepare('select wrapped from psu_key where psu_id = ?');
  const insert = db.prepare('insert into psu_key values (?, ?)');
  const masterKey = createSecretKey(master);
  const cache = new LRUCache<string, PsuKey>({ max: 10_000 });

  const find = (psuId: string): PsuKey | null => {
    const cached = cache.get(psuId);
    if (cached !== undefined) return cached;
    const row = select.get(psuId);
    return row === undefined ? null : keep(psuId, row['wrapped'] as string);
  };

  const create = (psuId: string): PsuKey => {
    const wrapped = newWrappedKey(masterKey, psuId);
    insert.run(psuId, wrapped);
    return keep(psuId, wrapped);
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
