import { hash, type KeyObject } from 'node:crypto';
import type { JwsAlg, PublicKey } from '../../domain/ports/jws.ts';

/** A public key as node:crypto has it, behind the one of the port. */
export interface ImportedKey<Alg = JwsAlg> extends PublicKey<Alg> {
  key: KeyObject;
  /** The length of an RSA key, which all its signatures have; null for the others. */
  rsaBytes: number | null;
}

const MOST_RSA_BITS = 4096;
// FIPS 186-5, section 5.4. With an exponent of 1 everybody can sign; with one as long as the modulus a check takes milliseconds.
const RSA_EXPONENT = { least: 65_537n, below: 2n ** 256n };

/** Whether a key is RSA, long enough, and cheap and safe to check with. */
export const isSoundRsa = (key: KeyObject, leastBits: number): boolean => {
  if (key.asymmetricKeyType !== 'rsa') return false;
  const { modulusLength = 0, publicExponent = 0n } = key.asymmetricKeyDetails ?? {};
  const fitExponent = publicExponent >= RSA_EXPONENT.least && publicExponent < RSA_EXPONENT.below;
  return fitExponent && modulusLength >= leastBits && modulusLength <= MOST_RSA_BITS;
};

/** The length of an RSA key in bytes. */
export const rsaBytesOf = ({ asymmetricKeyDetails }: KeyObject): number => Math.ceil((asymmetricKeyDetails?.modulusLength ?? 0) / 8);

/** The RFC 7638 thumbprint (SHA-256) of a public key. */
export const thumbprintOf = (key: KeyObject): string => {
  const { crv, e, kty, n, x, y } = key.export({ format: 'jwk' });
  // JSON.stringify leaves out what a key type does not have; the order is the lexicographic one that the RFC asks for.
  return hash('sha256', JSON.stringify({ crv, e, kty, n, x, y }), 'base64url');
};
