import { createCipheriv, createDecipheriv, type KeyObject } from 'node:crypto';
import { randomBytesFromPool } from '../random.ts';

const NONCE_BYTES = 12;
const TAG_BYTES = 16;

/** AES-256-GCM: `nonce ‖ ciphertext ‖ tag`, bound to its context. */
export const encrypt = (key: KeyObject, plaintext: Buffer, context: string): Buffer => {
  const nonce = randomBytesFromPool(NONCE_BYTES);
  const cipher = createCipheriv('aes-256-gcm', key, nonce);
  cipher.setAAD(Buffer.from(context));
  return Buffer.concat([nonce, cipher.update(plaintext), cipher.final(), cipher.getAuthTag()]);
};

/** The plaintext; throws when the text, its context or the key is another. */
export const decrypt = (key: KeyObject, bytes: Buffer, context: string): Buffer => {
  const decipher = createDecipheriv('aes-256-gcm', key, bytes.subarray(0, NONCE_BYTES), { authTagLength: TAG_BYTES });
  decipher.setAAD(Buffer.from(context));
  decipher.setAuthTag(bytes.subarray(-TAG_BYTES));
  return Buffer.concat([decipher.update(bytes.subarray(NONCE_BYTES, -TAG_BYTES)), decipher.final()]);
};
