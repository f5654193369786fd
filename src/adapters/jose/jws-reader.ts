import { constants, createPublicKey, hash, type KeyObject, verify } from 'node:crypto';
import type { DecodedJws, JwsAlg, JwsReader, PublicKey } from '../../domain/ports/jws.ts';
import { derFromJose } from './ecdsa-format.ts';

const MAX_LENGTH = 16_384;
const COMPACT = /^[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+$/;
// A key or an extension that the sender chose has no say here (RFC 7515, section 4.1; RFC 8725, section 3).
const REFUSED_HEADERS = ['jwk', 'jku', 'x5u', 'x5c', 'crit', 'b64', 'zip'];
const RSA_BITS = { least: 2048, most: 4096 };
// FIPS 186-5, section 5.4. With an exponent of 1 everybody can sign.
const LEAST_RSA_EXPONENT = 65_537n;

interface ImportedKey extends PublicKey {
  key: KeyObject;
}

/** Checks signatures with node:crypto in its cheapest form: jose goes through WebCrypto, at 1.6 times the CPU (docs/decisions). */
export const jwsReader: JwsReader = {
  decode(jws) {
    if (jws.length > MAX_LENGTH || !COMPACT.test(jws)) return null;
    const [first, second] = [jws.indexOf('.'), jws.lastIndexOf('.')];
    const header = jsonObject(jws.slice(0, first));
    const claims = jsonObject(jws.slice(first + 1, second));
    if (header === null || claims === null || REFUSED_HEADERS.some((name) => name in header)) return null;
    const { alg, kid = null, typ = null } = header;
    if (typeof alg !== 'string' || !optionalText(kid) || !optionalText(typ)) return null;
    return {
      header: { alg, kid, typ },
      claims,
      verify: (key) => alg === key.alg && signatureFits(key as ImportedKey, jws.slice(0, second), jws.slice(second + 1)),
    } satisfies DecodedJws;
  },

  publicKey(jwk): ImportedKey {
    if ('d' in jwk || 'k' in jwk) throw new TypeError('the key is not public');
    const key = createPublicKey({ key: jwk as Record<string, string>, format: 'jwk' });
    const alg = algorithmOf(key);
    if (typeof jwk['alg'] === 'string' && jwk['alg'] !== alg)
      throw new TypeError(`a key of this type is used with ${alg}, not ${jwk['alg']}`);
    return { key, alg, kid: typeof jwk['kid'] === 'string' ? jwk['kid'] : null, thumbprint: thumbprintOf(key) };
  },
};

/** The RFC 7638 thumbprint (SHA-256) of a public key. */
export const thumbprintOf = (key: KeyObject): string => {
  const { crv, e, kty, n, x, y } = key.export({ format: 'jwk' });
  // JSON.stringify leaves out what a key type does not have; the order is the lexicographic one that the RFC asks for.
  return hash('sha256', JSON.stringify({ crv, e, kty, n, x, y }), 'base64url');
};

const algorithmOf = (key: KeyObject): JwsAlg => {
  const { namedCurve, modulusLength = 0, publicExponent = 0n } = key.asymmetricKeyDetails ?? {};
  if (key.asymmetricKeyType === 'ed25519') return 'EdDSA';
  if (key.asymmetricKeyType === 'ec' && namedCurve === 'prime256v1') return 'ES256';
  const strongRsa = modulusLength >= RSA_BITS.least && modulusLength <= RSA_BITS.most && publicExponent >= LEAST_RSA_EXPONENT;
  if (key.asymmetricKeyType === 'rsa' && strongRsa) return 'PS256';
  throw new TypeError('the key must be RSA of 2048 to 4096 bits with an exponent of at least 65537, P-256 or Ed25519');
};

const signatureFits = ({ alg, key }: ImportedKey, signed: string, signature: string): boolean => {
  const data = Buffer.from(signed);
  const bytes = Buffer.from(signature, 'base64url');
  switch (alg) {
    case 'ES256': {
      const der = derFromJose(bytes);
      return der !== null && verify('sha256', data, key, der);
    }
    case 'PS256':
      return verify('sha256', data, { key, padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: constants.RSA_PSS_SALTLEN_DIGEST }, bytes);
    case 'EdDSA':
      return verify(null, data, key, bytes);
  }
};

const optionalText = (value: unknown): value is string | null => value === null || typeof value === 'string';

const jsonObject = (part: string): Record<string, unknown> | null => {
  try {
    const value: unknown = JSON.parse(Buffer.from(part, 'base64url').toString());
    return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Record<string, unknown>) : null;
  } catch {
    return null;
  }
};
