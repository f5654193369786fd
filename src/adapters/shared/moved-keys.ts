import { createSecretKey, type KeyObject } from 'node:crypto';
import { existsSync } from 'node:fs';
import { privateKeyFiles } from '../keys/private-keys.ts';
import { unwrapped } from '../keys/psu-key.ts';
import { wrappedPsuKeys } from '../keys/psu-keys.ts';
import { sharedPrivateKeys } from './private-keys.ts';
import { recordOfPsuKey } from './psu-keys.ts';
import type { SharedRecords } from './records.ts';

const AT_ONCE = 16;

/** A key cannot be moved: it is sealed with another master key, or the records hold another one in its place, or have erased it. */
export class KeyNotMoved extends Error {
  override name = 'KeyNotMoved';
}

/** Copies the keys of PSUs from a file to shared records, as they are: both are wrapped under the same master key. Gives how many there are. */
export const movePsuKeys = async (file: string, records: SharedRecords, master: Buffer): Promise<number> => {
  const masterKey = createSecretKey(master);
  const move = async ([psuId, wrapped]: readonly [string, string]) => {
    assertOpens(masterKey, psuId, wrapped);
    const name = recordOfPsuKey(psuId);
    if (await records.write(name, wrapped, -1)) return;
    if ((await records.read(name))?.text !== wrapped)
      throw new KeyNotMoved('there is another key of one of the PSUs, or it was erased there');
  };
  const keys = existsSync(file) ? wrappedPsuKeys(file) : [];
  for (let at = 0; at < keys.length; at += AT_ONCE) await Promise.all(keys.slice(at, at + AT_ONCE).map(move));
  return keys.length;
};

const assertOpens = (masterKey: KeyObject, psuId: string, wrapped: string): void => {
  try {
    unwrapped(masterKey, psuId, wrapped);
  } catch (cause) {
    throw new KeyNotMoved('the keys of PSUs cannot be opened with this master key', { cause });
  }
};

/** Copies the private parts of signing keys from their directory to shared records. Gives how many there are. */
export const movePrivateKeys = async (dir: string, records: SharedRecords, master: Buffer): Promise<number> => {
  const keys = privateKeyFiles(dir, master).all();
  const shared = () => sharedPrivateKeys(records, { master, onFault: console.error });
  const [writing, reading] = [shared(), shared()];
  for (const key of keys.values()) await writing.keep(key);
  await reading.load?.([...keys.keys()]);
  for (const kid of keys.keys()) if (reading.find(kid) === null) throw new KeyNotMoved(`the signing key ${kid} was erased there`);
  return keys.size;
};
