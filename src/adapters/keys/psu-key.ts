import { createHmac, createSecretKey, hash, type KeyObject, randomBytes, timingSafeEqual } from 'node:crypto';
import { ONLY_KEY } from '../../domain/psu/retention.ts';
import { openSealed, type SealedText, sealedText } from '../../evidence/sealed-text.ts';
import { sha256 } from '../../evidence/sha256.ts';
import { decrypt, encrypt } from './aes-gcm.ts';

const KEY_BYTES = 32;
const COMMITMENT_BYTES = 32;

/** One key of a PSU, ready for use. */
export interface PsuKey {
  object: KeyObject;
  /** What a commitment to this key is made with; it tells nothing about the key. */
  commits: string;
}

/** A new key of a PSU, wrapped under the master key: the text that is kept of it. */
export const newWrappedKey = (master: KeyObject, psuId: string, name: string): string =>
  encrypt(master, randomBytes(KEY_BYTES), placeOf(psuId, name)).toString('base64url');

/** The key in such a text; throws when it is another one, another PSU's, or was wrapped under another master key. */
export const unwrapped = (master: KeyObject, psuId: string, name: string, wrapped: string): PsuKey => {
  const bytes = decrypt(master, Buffer.from(wrapped, 'base64url'), placeOf(psuId, name));
  return {
    // As a KeyObject it is prepared once, not for every text.
    object: createSecretKey(bytes),
    commits: hash('sha256', Buffer.concat([Buffer.from('countersign/commitment\n'), bytes]), 'base64url'),
  };
};

const placeOf = (psuId: string, name: string): string => (name === ONLY_KEY ? psuId : `countersign/psu-key\n${name}\n${psuId}`);

/** The key of one event, whose place in the log the context is: it opens that one and tells nothing about others. */
export const eventKeyOf = ({ object }: PsuKey, context: string): Buffer =>
  createHmac('sha256', object).update(`countersign/event\n${context}`).digest();

/** Seals with the key of the event. */
export const sealWith = (key: PsuKey, name: string, plaintext: string, context: string): string => {
  const own = eventKeyOf(key, context);
  return sealedText(name, own, context, encrypt(createSecretKey(own), Buffer.from(plaintext), context));
};

/** The plaintext; throws when the text, its context or the key is another. */
export const openWith = (key: PsuKey, text: SealedText, context: string): string => openSealed(text, context, eventKeyOf(key, context));

/** The same of a text that was sealed with the only key of a PSU: `commitment ‖ nonce ‖ ciphertext ‖ tag` in base64url. */
export const openWithOnlyKey = (key: PsuKey, text: string, context: string): string => {
  const bytes = Buffer.from(text, 'base64url');
  if (!timingSafeEqual(bytes.subarray(0, COMMITMENT_BYTES), sha256(`${key.commits}\n${context}`)))
    throw new Error('the text was sealed with another key or in another place');
  return decrypt(key.object, bytes.subarray(COMMITMENT_BYTES), context).toString();
};
