import { createPublicKey, type KeyObject, verify } from 'node:crypto';
import type { JwsReader, PhoneKey } from '../../domain/ports/jws.ts';
import { type ImportedKey, isSoundRsa, rsaBytesOf, thumbprintOf } from './imported-key.ts';

type ImportedPhoneKey = PhoneKey & ImportedKey<'RS256'>;

/** The key of a phone of the reference's wire, which signs by RS256 alone. */
export const phoneKey: JwsReader['phoneKey'] = (given, leastBits): ImportedPhoneKey | null => {
  const key = readable(given);
  if (key === null || !isSoundRsa(key, leastBits)) return null;
  const { n = '', e = '' } = key.export({ format: 'jwk' });
  return { key, alg: 'RS256', rsaBytes: rsaBytesOf(key), kid: null, thumbprint: thumbprintOf(key), jwk: { kty: 'RSA', n, e } };
};

/** Whether it made a signature of a text. */
export const phoneSigned: JwsReader['phoneSigned'] = (phone, text, signature) => {
  const { key, rsaBytes } = phone as ImportedPhoneKey;
  const bytes = Buffer.from(signature, 'base64');
  return bytes.length === rsaBytes && verify('sha256', Buffer.from(text), key, bytes);
};

// Whatever is wrong with a key that a stranger sent, it is no key.
const readable = (given: Parameters<JwsReader['phoneKey']>[0]): KeyObject | null => {
  try {
    return typeof given === 'string'
      ? createPublicKey({ key: Buffer.from(given, 'base64'), format: 'der', type: 'spki' })
      : createPublicKey({ key: given as Record<string, string>, format: 'jwk' });
  } catch {
    return null;
  }
};
