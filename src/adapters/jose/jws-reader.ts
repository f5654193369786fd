import { isUtf8 } from 'node:buffer';
import { constants, createPublicKey, type KeyObject, verify } from 'node:crypto';
import type { DecodedJws, JwsAlg, JwsReader, PublicKey } from '../../domain/ports/jws.ts';
import { derFromJose } from './ecdsa-format.ts';
import { type ImportedKey, isSoundRsa, rsaBytesOf, thumbprintOf } from './imported-key.ts';
import { phoneKey, phoneSigned } from './phone-keys.ts';

const MAX_LENGTH = 16_384;
const COMPACT = /^[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+$/;
// A key or an extension that the sender chose has no say here (RFC 7515, section 4.1; RFC 8725, section 3); `jwk` has in `decodeWithJwk`.
const REFUSED_HEADERS = ['jku', 'x5u', 'x5c', 'crit', 'b64', 'zip'];
const PRIVATE_MEMBERS = ['d', 'p', 'q', 'dp', 'dq', 'qi', 'oth', 'k'];

const LEAST_RSA_BITS = 2048;

/** Checks signatures with node:crypto in its cheapest form: jose goes through WebCrypto, at 1.6 times the CPU (docs/decisions). */
export const jwsReader: JwsReader = {
  decode(jws) {
    const read = partsOf(jws);
    return read === null || read.jwk !== undefined ? null : read.decoded;
  },

  decodeWithJwk(jws) {
    const read = partsOf(jws);
    const key = read === null ? null : importable(read.jwk);
    if (read === null || key === null || !read.decoded.verify(key)) return null;
    const { header, claims } = read.decoded;
    if (header.kid !== null && key.kid !== null && header.kid !== key.kid) return null;
    return { header: { alg: key.alg, typ: header.typ }, claims, key };
  },

  headerText(jws, name) {
    const header = jsonObject(jws.slice(0, jws.indexOf('.')));
    return typeof header?.[name] === 'string' ? header[name] : null;
  },

  phoneKey,
  phoneSigned,

  publicKey(jwk): ImportedKey {
    if (PRIVATE_MEMBERS.some((member) => member in jwk)) throw new TypeError('the key is not public');
    const key = createPublicKey({ key: jwk as Record<string, string>, format: 'jwk' });
    const alg = algorithmOf(key, jwk['crv']);
    if (typeof jwk['alg'] === 'string' && jwk['alg'] !== alg)
      throw new TypeError(`a key of this type is used with ${alg}, not ${jwk['alg']}`);
    let thumbprint: string | undefined;
    return {
      key,
      alg,
      rsaBytes: alg === 'PS256' ? rsaBytesOf(key) : null,
      kid: typeof jwk['kid'] === 'string' ? jwk['kid'] : null,
      // Costs as much as the import, and few ask for it.
      get thumbprint() {
        thumbprint ??= thumbprintOf(key);
        return thumbprint;
      },
    };
  },

  rs256Key(jwk): ImportedKey<'RS256'> {
    const { alg = 'RS256', ...rsa } = jwk;
    const imported = jwsReader.publicKey(rsa);
    if (alg !== 'RS256' || imported.alg !== 'PS256') throw new TypeError('the key is none for RS256');
    return { ...(imported as ImportedKey), alg };
  },
};

const partsOf = (jws: string): { decoded: DecodedJws; jwk: unknown } | null => {
  if (jws.length > MAX_LENGTH || !COMPACT.test(jws)) return null;
  const [first, second] = [jws.indexOf('.'), jws.lastIndexOf('.')];
  const header = jsonObject(jws.slice(0, first));
  const claims = jsonObject(jws.slice(first + 1, second));
  if (header === null || claims === null || REFUSED_HEADERS.some((name) => name in header)) return null;
  const { alg, kid, typ, jwk } = header;
  if (typeof alg !== 'string' || !optionalText(kid) || !optionalText(typ)) return null;
  const verify: DecodedJws['verify'] = (key) =>
    alg === key.alg && signatureFits(key as ImportedKey<JwsAlg | 'RS256'>, jws.slice(0, second), jws.slice(second + 1));
  return { decoded: { header: { alg, kid: kid ?? null, typ: typ ?? null }, claims, verify }, jwk };
};

// Whatever is wrong with a key that a stranger sent, it is no key.
const importable = (jwk: unknown): PublicKey | null => {
  if (!isObject(jwk)) return null;
  try {
    return jwsReader.publicKey(jwk);
  } catch {
    return null;
  }
};

const algorithmOf = (key: KeyObject, curve: unknown): JwsAlg => {
  if (key.asymmetricKeyType === 'ed25519') return 'EdDSA';
  if (key.asymmetricKeyType === 'ec' && curve === 'P-256') return 'ES256';
  if (isSoundRsa(key, LEAST_RSA_BITS)) return 'PS256';
  throw new TypeError('the key must be RSA of 2048 to 4096 bits with an exponent from 65537 to 2^256, P-256 or Ed25519');
};

const signatureFits = ({ alg, key, rsaBytes }: ImportedKey<JwsAlg | 'RS256'>, signed: string, signature: string): boolean => {
  const data = Buffer.from(signed);
  const bytes = Buffer.from(signature, 'base64url');
  // One signature has one spelling: the bits that decoding throws away are zero (RFC 4648, section 3.5).
  if (bytes.toString('base64url') !== signature) return false;
  switch (alg) {
    case 'ES256': {
      const der = derFromJose(bytes);
      return der !== null && verify('sha256', data, key, der);
    }
    case 'PS256':
      // RFC 8017, section 8.1.2: without this OpenSSL forgives a zero that is missing in front.
      if (bytes.length !== rsaBytes) return false;
      return verify('sha256', data, { key, padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: constants.RSA_PSS_SALTLEN_DIGEST }, bytes);
    case 'RS256':
      // Its padding is PKCS #1 v1.5; a signature of another length is none (RFC 8017, section 8.2.2).
      return bytes.length === rsaBytes && verify('sha256', data, key, bytes);
    case 'EdDSA':
      return verify(null, data, key, bytes);
  }
};

const optionalText = (value: unknown): value is string | undefined => value === undefined || typeof value === 'string';

const jsonObject = (part: string): Record<string, unknown> | null => {
  try {
    const bytes = Buffer.from(part, 'base64url');
    // RFC 7515, section 5.2: valid UTF-8 of a valid JSON object.
    if (!isUtf8(bytes)) return null;
    const text = bytes.toString();
    const value: unknown = JSON.parse(text);
    return isObject(value) && namesOnce(value, text) ? value : null;
  } catch {
    return null;
  }
};

const isObject = (value: unknown): value is Record<string, unknown> => typeof value === 'object' && value !== null && !Array.isArray(value);

// A name that stands twice says one thing here and another elsewhere (RFC 7515, section 4; RFC 7519, section 4).
const namesOnce = (value: object, text: string): boolean =>
  // Most tokens were written as JSON.stringify writes, which is the cheaper question.
  JSON.stringify(value) === text || text.replaceAll(JSON_TEXT, '').split(':').length - 1 === memberCount(value);

const JSON_TEXT = /"(?:[^"\\]|\\.)*"/g;

const memberCount = (value: unknown): number => {
  if (typeof value !== 'object' || value === null) return 0;
  let count = Array.isArray(value) ? 0 : Object.keys(value).length;
  for (const member of Object.values(value)) count += memberCount(member);
  return count;
};
