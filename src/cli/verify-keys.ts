import { createSecretKey, type KeyObject } from 'node:crypto';
import { existsSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { LRUCache } from 'lru-cache';
import { logKeyIn } from '../adapters/evidence/log-key.ts';
import { type Keyring, keyringOf } from '../adapters/keys/keyring.ts';
import { masterKey } from '../adapters/keys/master-key.ts';
import { ONLY_KEY } from '../domain/psu/retention.ts';
import type { OpenSealed } from '../evidence/sealed-parts.ts';
import { CommandFailed } from './command-failed.ts';

const MOST_KEYRINGS = 10_000;

/** The keys beside a log: what opens sealed parts, and the key of its evidence log, where it has one. */
export interface KeysOfLog {
  open: OpenSealed;
  logKey: KeyObject | null;
  close(): void;
}

/** Opens the keys of a log for reading: those in a directory of keys, or those of a data directory by their master key. */
export const openKeysOfLog = (given: string, dataDir: string): KeysOfLog => {
  if (!existsSync(given)) throw new CommandFailed(`${given} is not there`);
  const isDirectory = statSync(given).isDirectory();
  const directory = isDirectory ? given : join(dataDir, 'keys');
  const master = masterKey(isDirectory ? join(given, 'master.key') : given, { create: false });
  const file = join(directory, 'psu-keys.sqlite');
  if (!existsSync(file)) throw new CommandFailed(`there are no keys of PSUs in ${dirname(file)}`);
  const db = new DatabaseSync(file, { readOnly: true });
  const keyrings = new LRUCache<string, Keyring>({ max: MOST_KEYRINGS });
  const isOlder = db.prepare("select 1 from sqlite_schema where name = 'sealing_key'").get() === undefined;
  const select = db.prepare(
    isOlder
      ? `select '${ONLY_KEY}' as name, wrapped from psu_key where psu_id = ?`
      : 'select name, wrapped from sealing_key where psu_id = ?',
  );
  const secret = createSecretKey(master);
  const readKeyring = (psuId: string): Keyring => {
    const rows = select.all(psuId).map((row) => [row['name'] as string, row['wrapped'] as string | null] as const);
    const keyring = keyringOf(secret, psuId, new Map(rows));
    keyrings.set(psuId, keyring);
    return keyring;
  };
  const logKeyFile = join(directory, 'evidence.key');
  return {
    // An engine may have made the key since.
    open: (part) => keyrings.get(part.psuId)?.open(part) ?? readKeyring(part.psuId).open(part),
    logKey: existsSync(logKeyFile) ? logKeyIn(logKeyFile, master) : null,
    close: () => db.close(),
  };
};
