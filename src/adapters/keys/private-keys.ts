import { createPrivateKey, createPublicKey, createSecretKey, type KeyObject } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { createDurably } from '../durable-files.ts';
import { thumbprintOf } from '../jose/imported-key.ts';
import { decrypt, encrypt } from './aes-gcm.ts';

/** Where the private parts of signing keys are kept, by their kid. */
export interface PrivateKeys {
  all(): ReadonlyMap<string, KeyObject>;
  /** Looks again: another process may have kept it. */
  find(kid: string): KeyObject | null;
  /** Makes those that another node has kept known to `find`, where that takes waiting. */
  load?(kids: readonly string[]): Promise<void>;
  /** Durable when it returns, or resolves. */
  keep(key: KeyObject): Promise<void> | void;
  erase(kid: string): void;
}

/** The kid of a key: the thumbprint of its public part. */
export const kidOf = (key: KeyObject): string => thumbprintOf(createPublicKey(key));

/** Private keys for the life of the process. */
export const privateKeysInMemory = (given: readonly KeyObject[]): PrivateKeys => {
  const keys = new Map(given.map((key) => [kidOf(key), key]));
  return {
    all: () => keys,
    find: (kid) => keys.get(kid) ?? null,
    keep: (key) => void keys.set(kidOf(key), key),
    erase: (kid) => void keys.delete(kid),
  };
};

const NAME = /^signing-(?<kid>[\w-]{43})\.key$/;

/** Private keys in a directory: each in a file of its own, encrypted under the master key. Takes over those of older versions. */
export const privateKeyFiles = (dir: string, master: Buffer): PrivateKeys => {
  mkdirSync(dir, { recursive: true, mode: 0o700 });
  const masterKey = createSecretKey(master);
  const keys = new Map<string, KeyObject>();
  const fileOf = (kid: string) => join(dir, `signing-${kid}.key`);

  const find = (kid: string): KeyObject | null => {
    const known = keys.get(kid);
    if (known !== undefined || !existsSync(fileOf(kid))) return known ?? null;
    const key = opened(kid);
    keys.set(kid, key);
    return key;
  };

  const opened = (kid: string): KeyObject => {
    try {
      return unwrappedPrivateKey(masterKey, kid, readFileSync(fileOf(kid), 'utf8'));
    } catch (cause) {
      throw new Error(`${fileOf(kid)} cannot be opened with this master key`, { cause });
    }
  };

  const keep = (key: KeyObject) => {
    const kid = kidOf(key);
    createDurably(fileOf(kid), wrappedPrivateKey(masterKey, key));
    keys.set(kid, key);
  };

  takeOver(join(dir, 'signing.json'), keep);
  for (const file of readdirSync(dir)) {
    const { kid } = NAME.exec(file)?.groups ?? {};
    if (kid !== undefined) find(kid);
  }
  return {
    all: () => keys,
    find,
    keep,
    erase(kid) {
      rmSync(fileOf(kid), { force: true });
      keys.delete(kid);
    },
  };
};

/** A private key, encrypted under the master key: the text that is kept of it. */
export const wrappedPrivateKey = (masterKey: KeyObject, key: KeyObject): string =>
  encrypt(masterKey, key.export({ format: 'der', type: 'pkcs8' }), contextOf(kidOf(key))).toString('base64url');

/** The private key in such a text; throws when it is another one, or was encrypted under another master key. */
export const unwrappedPrivateKey = (masterKey: KeyObject, kid: string, text: string): KeyObject => {
  const der = decrypt(masterKey, Buffer.from(text, 'base64url'), contextOf(kid));
  return createPrivateKey({ key: der, format: 'der', type: 'pkcs8' });
};

const contextOf = (kid: string): string => `countersign/signing-key\n${kid}`;

/** Version 0.1 had its private keys as plain JWKs in one file: it goes when each of them has been kept. */
const takeOver = (file: string, keep: (key: KeyObject) => void): void => {
  if (!existsSync(file)) return;
  const { keys } = JSON.parse(readFileSync(file, 'utf8')) as { keys: Record<string, string>[] };
  for (const jwk of keys) keep(createPrivateKey({ key: jwk, format: 'jwk' }));
  rmSync(file);
};
