import { generateKeyPairSync, type KeyObject } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { Malformed } from '../../evidence/malformed.ts';
import { parseSignerKey, type SignatureType, signerKeyText } from '../../evidence/note-key.ts';
import { createDurably } from '../durable-files.ts';

/** The private key for notes in a file of its own, and the name that stands in it. Makes both when there is no such file. */
export const noteKeyFile = (file: string, made: { name: string; type: SignatureType }): { name: string; privateKey: KeyObject } => {
  if (!existsSync(file)) {
    const { privateKey } = generateKeyPairSync('ed25519');
    const text = signerKeyText(made.name, made.type, privateKey);
    mkdirSync(dirname(file), { recursive: true });
    createDurably(file, `${text}\n`);
  }
  const { name, type, privateKey } = parseSignerKey(readFileSync(file, 'utf8').trim());
  if (type !== made.type) throw new Malformed('the key is for something else');
  return { name, privateKey };
};
