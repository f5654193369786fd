import { createSecretKey, type KeyObject } from 'node:crypto';
import { kidOf, type PrivateKeys, unwrappedPrivateKey, wrappedPrivateKey } from '../keys/private-keys.ts';
import type { SharedRecords } from './records.ts';

const nameOf = (kid: string): string => `signing-key-${kid}`;

/** The private parts of signing keys in shared records, encrypted under the master key, which every node has. */
export const sharedPrivateKeys = (
  records: SharedRecords,
  { master, onFault }: { master: Buffer; onFault(error: unknown): void },
): PrivateKeys => {
  const masterKey = createSecretKey(master);
  const here = new Map<string, KeyObject>();
  const erased = new Set<string>();
  return {
    all: () => here,
    find: (kid) => here.get(kid) ?? null,
    async load(kids) {
      for (const kid of kids) {
        const record = await records.read(nameOf(kid));
        if (record !== null) here.set(kid, unwrappedPrivateKey(masterKey, kid, record.text));
      }
    },
    async keep(key) {
      const kid = kidOf(key);
      await records.write(nameOf(kid), wrappedPrivateKey(masterKey, key), -1);
      here.set(kid, key);
    },
    erase(kid) {
      here.delete(kid);
      // It is told of again at every start and with every change of the keys: what could not be erased now is erased then.
      if (erased.has(kid)) return;
      erased.add(kid);
      records.erase(nameOf(kid)).catch((error) => {
        erased.delete(kid);
        onFault(error);
      });
    },
  };
};
