import { createSecretKey } from 'node:crypto';
import { DatabaseSync } from 'node:sqlite';
import { LRUCache } from 'lru-cache';
import type { Sealed, SealingKeys } from '../../domain/ports/sealer.ts';
import { KeyErased } from '../../domain/psu/key-erased.ts';
import { keyNameIn, ONLY_KEY } from '../../domain/psu/retention.ts';
import { type Keyring, keyringOf, type WrappedKeys } from './keyring.ts';
import { newWrappedKey } from './psu-key.ts';

/** The PSUs' keys, each wrapped under the master key, in a file of their own that is never part of the log. */
interface PsuKeys extends SealingKeys {
  close(): void;
}

const LOCKED_MS = 5000;
const TRUNCATED_MS = 100;
// A key that another process has erased, and of which nobody told this one, is used no longer than this.
const KNOWN_MS = 10_000;
// The keyring of a PSU who was erased.
const ERASED = 'erased';

const TABLES = `create table if not exists sealing_key (
    psu_id text, name text, wrapped text, primary key (psu_id, name)
  ) strict, without rowid;
  create table if not exists erased_psu (psu_id text primary key) strict, without rowid`;

/** Keys in a SQLite file, which many processes may have; `:memory:` keeps them for the life of the process. */
export const psuKeys = (file: string, master: Buffer, clock: { now(): number } = performance): PsuKeys => {
  const db = new DatabaseSync(file, { timeout: LOCKED_MS });
  db.exec('pragma journal_mode=wal; pragma synchronous=full; pragma secure_delete=on');
  makeTables(db);
  const select = db.prepare('select name, wrapped from sealing_key where psu_id = ?');
  const insert = db.prepare(
    'insert or ignore into sealing_key select ?1, ?2, ?3 where not exists (select 1 from erased_psu where psu_id = ?1)',
  );
  const selectErased = db.prepare('select 1 from erased_psu where psu_id = ?');
  const insertErased = db.prepare('insert or ignore into erased_psu values (?)');
  const deleteAll = db.prepare('delete from sealing_key where psu_id = ?');
  const destroyOne = db.prepare('update sealing_key set wrapped = null where psu_id = ? and name = ?');
  const truncate = db.prepare('pragma wal_checkpoint(truncate)');
  const masterKey = createSecretKey(master);
  const cache = new LRUCache<string, Keyring | typeof ERASED>({ max: 10_000, ttl: KNOWN_MS, perf: clock });

  const load = (psuId: string): Keyring | typeof ERASED => {
    const wrapped = wrappedIn(select.all(psuId));
    const keyring = wrapped.size === 0 && selectErased.get(psuId) !== undefined ? ERASED : keyringOf(masterKey, psuId, wrapped);
    if (keyring === ERASED || wrapped.size > 0) cache.set(psuId, keyring);
    return keyring;
  };

  const find = (psuId: string): Keyring | typeof ERASED => cache.get(psuId) ?? load(psuId);

  /** The keyring to open a text with: another process may have made the key since this one looked. */
  const findFor = ({ psuId, text }: Sealed): Keyring | typeof ERASED => {
    const keyring = find(psuId);
    return keyring === ERASED || keyring.wrapped.has(keyNameIn(text)) ? keyring : load(psuId);
  };

  const create = (psuId: string, name: string): Keyring => {
    insert.run(psuId, name, newWrappedKey(masterKey, psuId, name));
    // Another process may have been first: its key is the PSU's.
    const keyring = load(psuId);
    if (keyring === ERASED) throw new KeyErased();
    return keyring;
  };

  /** Changes what is kept, so that no trace is left in the file either. */
  const destroying = (change: () => void) => {
    db.exec('begin immediate');
    try {
      change();
      db.exec('commit');
    } catch (error) {
      db.exec('rollback');
      throw error;
    }
    // Who reads for long is not waited for: whoever asked asks again.
    db.exec(`pragma busy_timeout=${TRUNCATED_MS}`);
    const { busy } = truncate.get() as { busy: number };
    db.exec(`pragma busy_timeout=${LOCKED_MS}`);
    if (busy !== 0) throw new Error('the keys are destroyed, and the write-ahead log that still holds them is in use');
  };

  return {
    seal(subject, plaintext, context) {
      const { psuId } = subject;
      const keyring = find(psuId);
      if (keyring === ERASED) throw new KeyErased();
      const name = keyring.nameFor(subject);
      return (keyring.wrapped.has(name) ? keyring : create(psuId, name)).seal(name, plaintext, context);
    },
    open(sealed) {
      const keyring = findFor(sealed);
      return keyring === ERASED ? null : keyring.open(sealed);
    },
    eventKey(sealed) {
      const keyring = findFor(sealed);
      return keyring === ERASED ? null : keyring.eventKey(sealed);
    },
    async erase(psuId) {
      destroying(() => {
        insertErased.run(psuId);
        deleteAll.run(psuId);
      });
      cache.set(psuId, ERASED);
    },
    async destroy(keys) {
      destroying(() => {
        for (const { psuId, name } of keys) destroyOne.run(psuId, name);
      });
      for (const { psuId } of keys) cache.delete(psuId);
    },
    forget(psuId, names) {
      // What stands in the file may be destroyed only after this was told: it is not looked at again.
      if (names === 'all') cache.set(psuId, ERASED, { ttl: 0 });
      else {
        const keyring = find(psuId);
        if (keyring !== ERASED) cache.set(psuId, keyring.without(names));
      }
    },
    close: () => db.close(),
  };
};

/** Versions until 0.2 had one key for each PSU. */
const makeTables = (db: DatabaseSync): void => {
  db.exec('begin immediate');
  db.exec(TABLES);
  if (db.prepare(`select 1 from sqlite_schema where name = 'psu_key'`).get() !== undefined)
    db.exec(`insert or ignore into sealing_key select psu_id, '${ONLY_KEY}', wrapped from psu_key; drop table psu_key`);
  db.exec('commit');
};

const wrappedIn = (rows: readonly Record<string, unknown>[]): WrappedKeys =>
  new Map(rows.map((row) => [row['name'] as string, row['wrapped'] as string | null]));

/** What such a file keeps: the keys of each PSU who has any, and the PSUs who were erased. */
export const wrappedPsuKeys = (file: string): { keyrings: ReadonlyMap<string, WrappedKeys>; erased: readonly string[] } => {
  const db = new DatabaseSync(file);
  try {
    makeTables(db);
    const keyrings = new Map<string, Map<string, string | null>>();
    for (const { psu_id: psuId, name, wrapped } of db
      .prepare('select psu_id, name, wrapped from sealing_key order by psu_id, name')
      .all()) {
      const keyring = keyrings.get(psuId as string) ?? new Map<string, string | null>();
      keyrings.set(psuId as string, keyring.set(name as string, wrapped as string | null));
    }
    return {
      keyrings,
      erased: db
        .prepare('select psu_id from erased_psu')
        .all()
        .map((row) => row['psu_id'] as string),
    };
  } finally {
    db.close();
  }
};
