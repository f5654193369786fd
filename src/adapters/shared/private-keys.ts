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
  return {
    all: () => here,
    find: (kid) => here.get(kid) ?? null,
    async fetch(kids) {
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
      // It is told of again whenever the log is read from here on; what could not be erased now is erased then.
      if (here.delete(kid)) records.erase(nameOf(kid)).catch(onFault);
    },
  };
};
