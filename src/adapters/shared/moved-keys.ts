import { createSecretKey, type KeyObject } from 'node:crypto';
import { existsSync } from 'node:fs';
import type { WrappedKeys } from '../keys/keyring.ts';
import { privateKeyFiles } from '../keys/private-keys.ts';
import { unwrapped } from '../keys/psu-key.ts';
import { wrappedPsuKeys } from '../keys/psu-keys.ts';
import { sharedPrivateKeys } from './private-keys.ts';
import { recordOfPsuKey, textOf, wrappedIn } from './psu-keys.ts';
import type { SharedRecords } from './records.ts';

const AT_ONCE = 16;

/** A key cannot be moved: it is sealed with another master key, or the records hold another one in its place, or have erased it. */
export class KeyNotMoved extends Error {
  override name = 'KeyNotMoved';
}

/**
 * Copies the keys of PSUs from a file to shared records, as they are: both are wrapped under the same master key. Where this is done again, what
 * has become of them in the file since is copied. Gives how many there are.
 */
export const movePsuKeys = async (file: string, records: SharedRecords, master: Buffer): Promise<number> => {
  const masterKey = createSecretKey(master);
  const move = async ([psuId, wrapped]: readonly [string, WrappedKeys]) => {
    assertOpens(masterKey, psuId, wrapped);
    const name = recordOfPsuKey(psuId);
    const text = textOf(wrapped);
    if (await records.write(name, text, -1)) return;
    const known = await records.read(name);
    if (known?.text === text) return;
    if (known === null || !goesOn(wrapped, wrappedIn(known.text)) || !(await records.write(name, text, known.revision)))
      throw new KeyNotMoved('there is another key of one of the PSUs, or it was erased there');
  };
  const { keyrings, erased } = existsSync(file) ? wrappedPsuKeys(file) : { keyrings: new Map<string, WrappedKeys>(), erased: [] };
  const all = [...keyrings];
  for (let at = 0; at < all.length; at += AT_ONCE) await Promise.all(all.slice(at, at + AT_ONCE).map(move));
  for (const psuId of erased) await records.erase(recordOfPsuKey(psuId));
  return all.reduce((count, [, wrapped]) => count + wrapped.size, 0);
};

/** Whether keys are those that were there before, but for what was destroyed or made since. */
const goesOn = (wrapped: WrappedKeys, before: WrappedKeys): boolean =>
  [...before].every(([name, text]) => wrapped.get(name) === text || wrapped.get(name) === null);

const assertOpens = (masterKey: KeyObject, psuId: string, keyring: WrappedKeys): void => {
  try {
    for (const [name, wrapped] of keyring) if (wrapped !== null) unwrapped(masterKey, psuId, name, wrapped);
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
