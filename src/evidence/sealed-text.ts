import { createDecipheriv, createSecretKey, timingSafeEqual } from 'node:crypto';
import { keyNameIn, ONLY_KEY } from '../domain/psu/retention.ts';
import { Malformed } from './malformed.ts';
import { sha256 } from './sha256.ts';

const COMMITMENT = Buffer.from('countersign/commitment\n');
const COMMITMENT_BYTES = 32;
const NONCE_BYTES = 12;
const TAG_BYTES = 16;

/** What a sealed text is made of: the name of the key that its own key is derived from, and its bytes. */
export interface SealedText {
  name: string;
  bytes: Buffer;
}

/** `2.<retention>.<period>.<base64url>`; null for a text of the time before each event had a key. */
export const readSealedText = (text: string): SealedText | null => {
  const name = keyNameIn(text);
  return name === ONLY_KEY ? null : { name, bytes: Buffer.from(text.slice(`2.${name}.`.length), 'base64url') };
};

/** The text of something that was encrypted with the key of its event: `commitment ‖ nonce ‖ ciphertext ‖ tag`. */
export const sealedText = (name: string, key: Buffer, context: string, encrypted: Buffer): string =>
  `2.${name}.${Buffer.concat([commitment(key, context), encrypted]).toString('base64url')}`;

/** What a text says to whoever was given the key of its event, in base64url, and no other; throws when any of the three was changed. */
export const openWithEventKey = (text: string, context: string, key: string): string => {
  const sealed = readSealedText(text);
  if (sealed === null) throw new Malformed('a text that was sealed under the key of its event is expected');
  return openSealed(sealed, context, Buffer.from(key, 'base64url'));
};

/** The plaintext; throws when the text, its context or the key is another. */
export const openSealed = ({ bytes }: SealedText, context: string, key: Buffer): string => {
  const committed = bytes.subarray(0, COMMITMENT_BYTES);
  if (committed.length !== COMMITMENT_BYTES || !timingSafeEqual(committed, commitment(key, context)))
    throw new Error('the text was sealed with another key or in another place');
  const encrypted = bytes.subarray(COMMITMENT_BYTES);
  // Node takes four times as long with a key that is a plain Buffer.
  const decipher = createDecipheriv('aes-256-gcm', createSecretKey(key), encrypted.subarray(0, NONCE_BYTES), { authTagLength: TAG_BYTES });
  decipher.setAAD(Buffer.from(context));
  decipher.setAuthTag(encrypted.subarray(-TAG_BYTES));
  const plaintext = decipher.update(encrypted.subarray(NONCE_BYTES, -TAG_BYTES));
  // Gives no more of it in this mode, but throws when the tag is another.
  decipher.final();
  return plaintext.toString();
};

/** Binds a text to one key, which GCM alone does not; it tells nothing about the key. */
const commitment = (key: Buffer, context: string): Buffer => sha256(Buffer.concat([COMMITMENT, key, Buffer.from(context)]));
