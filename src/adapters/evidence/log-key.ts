import { createPrivateKey, createSecretKey, generateKeyPairSync, type KeyObject } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { createDurably } from '../durable-files.ts';
import { decrypt, encrypt } from '../keys/aes-gcm.ts';
import { KeyNotMoved } from '../shared/moved-keys.ts';
import type { SharedRecords } from '../shared/records.ts';

const RECORD = 'tlog-key';
const CONTEXT = 'countersign/evidence-log-key';

/** The key of the evidence log in a file of PEM. */
export const logKeyInPem = async (file: string): Promise<KeyObject> => {
  const key = privateKeyIn(await readFile(file));
  if (key?.asymmetricKeyType !== 'ed25519') throw new Error(`${file} must hold an Ed25519 private key in PEM`);
  return key;
};

const privateKeyIn = (pem: Buffer): KeyObject | null => {
  try {
    return createPrivateKey(pem);
  } catch {
    return null; // OpenSSL's words help nobody, and might quote the text
  }
};

/** The key of the evidence log in a file, encrypted under the master key; it is made where there is none yet. */
export const logKeyIn = (file: string, master: Buffer): KeyObject => {
  if (!existsSync(file)) {
    mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
    createDurably(file, newWrapped(master));
  }
  return unwrapped(readFileSync(file, 'utf8'), master, file);
};

/** The same in the record that all nodes share: that of the first one is the key of all. */
export const sharedLogKey = async (records: SharedRecords, master: Buffer): Promise<KeyObject> => {
  if ((await records.read(RECORD)) === null) await records.write(RECORD, newWrapped(master), -1);
  const known = await records.read(RECORD);
  if (known === null) throw new Error('the key of the evidence log was erased');
  return unwrapped(known.text, master, 'the key of the evidence log');
};

/** Copies the key in such a file, where there is one, to the record that all nodes share: both are wrapped under the same master key. */
export const moveLogKey = async (file: string, records: SharedRecords, master: Buffer): Promise<void> => {
  if (!existsSync(file)) return;
  const moved = logKeyIn(file, master);
  await records.write(RECORD, readFileSync(file, 'utf8'), -1);
  if (!(await sharedLogKey(records, master)).equals(moved)) throw new KeyNotMoved('there is another key of the evidence log');
};

const newWrapped = (master: Buffer): string => {
  const der = generateKeyPairSync('ed25519').privateKey.export({ format: 'der', type: 'pkcs8' });
  return encrypt(createSecretKey(master), der, CONTEXT).toString('base64url');
};

const unwrapped = (text: string, master: Buffer, what: string): KeyObject => {
  try {
    const der = decrypt(createSecretKey(master), Buffer.from(text, 'base64url'), CONTEXT);
    return createPrivateKey({ key: der, format: 'der', type: 'pkcs8' });
  } catch (cause) {
    throw new Error(`${what} cannot be opened with this master key`, { cause });
  }
};
