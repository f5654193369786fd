import { randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { createDurably } from '../durable-files.ts';

/** The key that wraps all others: 32 bytes in base64url in a file of its own. `create` makes the file when it is missing. */
export const masterKey = (file: string, { create }: { create: boolean }): Buffer => {
  if (create && !existsSync(file)) {
    mkdirSync(dirname(file), { recursive: true });
    createDurably(file, randomBytes(32).toString('base64url'));
  }
  const key = Buffer.from(readFileSync(file, 'utf8').trim(), 'base64url');
  if (key.length !== 32) throw new Error(`${file} must hold 32 bytes in base64url`);
  return key;
};
