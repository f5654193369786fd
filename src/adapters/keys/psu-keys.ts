import { createSecretKey, hash, type KeyObject, randomBytes, timingSafeEqual } from 'node:crypto';
import { DatabaseSync } from 'node:sqlite';
import { LRUCache } from 'lru-cache';
import type { Sealer } from '../../domain/ports/sealer.ts';
import { decrypt, encrypt } from './aes-gcm.ts';

const KEY_BYTES = 32;
const COMMITMENT_BYTES = 32;

interface PsuKey {
  object: KeyObject;
  /** What a commitment to this key is made with; it tells nothing about the key. */
  commits: string;
}

/** The PSUs' keys, each wrapped under the master key, in a file of their own that is never part of the log. */
interface PsuKeys extends Sealer {
  close(): void;
}

/**
 * Seals with AES-256-GCM. A sealed text is `commitment ‖ nonce ‖ ciphertext ‖ tag` in base64url; the commitment binds it to one key,
 * which GCM alone does not. A file of `:memory:` keeps the keys for the life of the process.
 */
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
    if (row === undefined) return null;
    return keep(psuId, decrypt(masterKey, Buffer.from(row['wrapped'] as string, 'base64url'), psuId));
  };

  const create = (psuId: string): PsuKey => {
    const bytes = randomBytes(KEY_BYTES);
    insert.run(psuId, encrypt(masterKey, bytes, psuId).toString('base64url'));
    return keep(psuId, bytes);
  };

  const keep = (psuId: string, bytes: Buffer): PsuKey => {
    // As a KeyObject it is prepared once, not for every text.
    const key = {
      object: createSecretKey(bytes),
      commits: hash('sha256', Buffer.concat([Buffer.from('countersign/commitment\n'), bytes]), 'base64url'),
    };
    cache.set(psuId, key);
    return key;
  };

  return {
    seal(psuId, plaintext, context) {
      const key = find(psuId) ?? create(psuId);
      return Buffer.concat([commitment(key, context), encrypt(key.object, Buffer.from(plaintext), context)]).toString('base64url');
    },
    open({ psuId, text, context }) {
      const key = find(psuId);
      if (key === null) return null;
      const bytes = Buffer.from(text, 'base64url');
      if (!timingSafeEqual(bytes.subarray(0, COMMITMENT_BYTES), commitment(key, context)))
        throw new Error('the text was sealed with another key or in another place');
      return decrypt(key.object, bytes.subarray(COMMITMENT_BYTES), context).toString();
    },
    close: () => db.close(),
  };
};

const commitment = ({ commits }: PsuKey, context: string): Buffer => hash('sha256', `${commits}\n${context}`, 'buffer');
