import { createSecretKey, hash, type KeyObject, randomBytes, timingSafeEqual } from 'node:crypto';
import { decrypt, encrypt } from './aes-gcm.ts';

const KEY_BYTES = 32;
const COMMITMENT_BYTES = 32;

/** The key of one PSU, ready for use. */
export interface PsuKey {
  object: KeyObject;
  /** What a commitment to this key is made with; it tells nothing about the key. */
  commits: string;
}

const psuKey = (bytes: Buffer): PsuKey => ({
  // As a KeyObject it is prepared once, not for every text.
  object: createSecretKey(bytes),
  commits: hash('sha256', Buffer.concat([Buffer.from('countersign/commitment\n'), bytes]), 'base64url'),
});

/** A new key for a PSU, wrapped under the master key: the text that is kept of it. */
export const newWrappedKey = (master: KeyObject, psuId: string): string =>
  encrypt(master, randomBytes(KEY_BYTES), psuId).toString('base64url');

/** The key in such a text; throws when it is another PSU's, or was wrapped under another master key. */
export const unwrapped = (master: KeyObject, psuId: string, wrapped: string): PsuKey =>
  psuKey(decrypt(master, Buffer.from(wrapped, 'base64url'), psuId));

/** `commitment ‖ nonce ‖ ciphertext ‖ tag` in base64url; the commitment binds it to one key, which GCM alone does not. */
export const sealWith = (key: PsuKey, plaintext: string, context: string): string =>
  Buffer.concat([commitment(key, context), encrypt(key.object, Buffer.from(plaintext), context)]).toString('base64url');

/** The plaintext; throws when the text, its context or the key is another. */
export const openWith = (key: PsuKey, text: string, context: string): string => {
  const bytes = Buffer.from(text, 'base64url');
  if (!timingSafeEqual(bytes.subarray(0, COMMITMENT_BYTES), commitment(key, context)))
    throw new Error('the text was sealed with another key or in another place');
  return decrypt(key.object, bytes.subarray(COMMITMENT_BYTES), context).toString();
};

const commitment = ({ commits }: PsuKey, context: string): Buffer => hash('sha256', `${commits}\n${context}`, 'buffer');
