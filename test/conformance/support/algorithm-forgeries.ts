import { constants, generateKeyPairSync, hash } from 'node:crypto';
import { type TestKey, testKey } from '../../support/jws.ts';
import { by, bytes, ecdsa, type Forge, type Forgeries, type Honest, hmac, jws, pkcs1, pss, resigned } from './forging.ts';

const NOTHING = Buffer.alloc(0);
const curve = (namedCurve: string) => generateKeyPairSync('ec', { namedCurve }).privateKey;
const [p384, p521, secp256k1] = [curve('P-384'), curve('P-521'), curve('secp256k1')];
const foreign = { ES256: testKey('ES256'), PS256: testKey('PS256'), EdDSA: testKey('EdDSA') };

/** Under another `alg`, with whatever signature is made for it. */
const under =
  (alg: unknown, made: (honest: Honest) => (signed: string) => Buffer): Forge =>
  (honest) =>
    jws({ ...honest.header, alg }, honest.claims, made(honest));

const spki = ({ publicKey }: TestKey, format: 'pem' | 'der') => publicKey.export({ type: 'spki', format } as never) as string | Buffer;
const pem = (key: TestKey) => String(spki(key, 'pem'));
const member = ({ publicJwk }: TestKey, name: string) => Buffer.from(String(publicJwk[name] ?? ''), 'base64url');
const required = ({ kty, crv, x, y, n, e }: TestKey['publicJwk']) => JSON.stringify({ crv, e, kty, n, x, y });

const none: Forgeries = Object.fromEntries(
  ['none', 'None', 'NONE', 'nOnE', 'none ', ' none', 'none\u0000', 'n\u043ene', 'null', 'undefined', ''].flatMap((alg) => [
    [`alg ${JSON.stringify(alg)} with the right signature`, under(alg, ({ key }) => by(key))],
    [`alg ${JSON.stringify(alg)} without a signature`, under(alg, () => bytes(NOTHING))],
  ]),
);

const odd: Forgeries = Object.fromEntries(
  [undefined, null, 0, 256, true, [], ['ES256'], {}, { name: 'ES256' }].map((alg) => [
    `alg ${alg === undefined ? 'left out' : JSON.stringify(alg)}`,
    under(alg, ({ key }) => by(key)),
  ]),
);

/** The right alg in another spelling, with the right signature. */
const misspelt: Forgeries = {
  'alg in lower case': (honest) => under(honest.key.alg.toLowerCase(), ({ key }) => by(key))(honest),
  'alg with a space behind it': (honest) => under(`${honest.key.alg} `, ({ key }) => by(key))(honest),
  'alg with a NUL behind it': (honest) => under(`${honest.key.alg}\u0000`, ({ key }) => by(key))(honest),
  'alg as the name of the digest': under('SHA256', ({ key }) => by(key)),
  'alg as a name of an object': under('__proto__', ({ key }) => by(key)),
  'alg as the name of a function': under('constructor', ({ key }) => by(key)),
};

const secrets: Readonly<Record<string, (honest: Honest) => string | Buffer>> = {
  'the public key in PEM': ({ key }) => pem(key),
  'the public key in PEM without its last line break': ({ key }) => pem(key).trimEnd(),
  'the public key in PEM with CRLF': ({ key }) => pem(key).replaceAll('\n', '\r\n'),
  'the body of the PEM': ({ key }) => pem(key).replaceAll(/-----.*?-----|\n/g, ''),
  'the public key in DER': ({ key }) => spki(key, 'der'),
  'the public JWK': ({ key }) => JSON.stringify(key.publicJwk),
  'the required members of the JWK': ({ key }) => required(key.publicJwk),
  'the JWKS': ({ key }) => JSON.stringify({ keys: [key.publicJwk] }),
  'the thumbprint': ({ key }) => hash('sha256', required(key.publicJwk), 'base64url'),
  'the first coordinate or the modulus': ({ key }) => (key.publicJwk.kty === 'RSA' ? member(key, 'n') : member(key, 'x')),
  'the coordinate or the modulus as text': ({ key }) => String(key.publicJwk['n'] ?? key.publicJwk['x']),
  'the uncompressed point': ({ key }) => Buffer.concat([Buffer.of(4), member(key, 'x'), member(key, 'y')]),
  'an empty secret': () => '',
  'the kid': ({ header }) => String(header['kid']),
};

const hmacs: Forgeries = {
  ...Object.fromEntries(
    Object.entries(secrets).map(([name, secret]) => [`HS256 with ${name}`, under('HS256', (one) => hmac(secret(one)))]),
  ),
  'HS384 with the public key in PEM': under('HS384', ({ key }) => hmac(pem(key), 'sha384')),
  'HS512 with the public key in PEM': under('HS512', ({ key }) => hmac(pem(key), 'sha512')),
  'an HMAC with the public key in PEM under the right alg': ({ header, claims, key }) => jws(header, claims, hmac(pem(key))),
};

/** Keys that nobody has registered. */
const strangers: Forgeries = {
  'a P-256 key of a stranger as ES256': under('ES256', () => by(foreign.ES256)),
  'an RSA key of a stranger as PS256': under('PS256', () => by(foreign.PS256)),
  'an Ed25519 key of a stranger as EdDSA': under('EdDSA', () => by(foreign.EdDSA)),
  'an Ed25519 key of a stranger as Ed25519': under('Ed25519', () => by(foreign.EdDSA)),
  'an RSA key of a stranger as RS256': under('RS256', () => pkcs1('sha256', foreign.PS256.privateKey)),
  'a P-384 key as ES384': under('ES384', () => ecdsa('sha384', p384)),
  'a P-384 key as ES256': under('ES256', () => ecdsa('sha256', p384)),
  'a P-521 key as ES512': under('ES512', () => ecdsa('sha512', p521)),
  'a P-521 key as ES256': under('ES256', () => ecdsa('sha256', p521)),
  'a secp256k1 key as ES256K': under('ES256K', () => ecdsa('sha256', secp256k1)),
  'a secp256k1 key as ES256': under('ES256', () => ecdsa('sha256', secp256k1)),
};

/** Against a key of any type. */
export const algorithmForgeries: Forgeries = { ...none, ...odd, ...misspelt, ...hmacs, ...strangers };

const N = Buffer.from('ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551', 'hex');
const P = Buffer.from('ffffffff00000001000000000000000000000000ffffffffffffffffffffffff', 'hex');
const [zero, full] = [Buffer.alloc(32), Buffer.alloc(32, 255)];
const one = Buffer.concat([Buffer.alloc(31), Buffer.of(1)]);
const next = Buffer.concat([N.subarray(0, 31), Buffer.of((N[31] as number) + 1)]);
const before = Buffer.concat([N.subarray(0, 31), Buffer.of((N[31] as number) - 1)]);

const pairs: Readonly<Record<string, readonly [Buffer | null, Buffer | null]>> = {
  'r = s = 0': [zero, zero],
  'r = 0': [zero, null],
  's = 0': [null, zero],
  'r = 0 and s = 1': [zero, one],
  'r = 1 and s = 0': [one, zero],
  'r = s = 1': [one, one],
  'r = n': [N, null],
  's = n': [null, N],
  'r = s = n': [N, N],
  'r = n and s = 0': [N, zero],
  'r = n + 1': [next, null],
  's = n + 1': [null, next],
  'r = s = n + 1': [next, next],
  'r = n - 1': [before, null],
  's = n - 1': [null, before],
  'r = p': [P, null],
  'r = s = 2^256 - 1': [full, full],
};

/** Against a P-256 key. */
export const es256Forgeries: Forgeries = {
  ...Object.fromEntries(
    Object.entries(pairs).map(([name, [r, s]]) => [
      `a signature with ${name}`,
      resigned((good) => Buffer.concat([r ?? good.subarray(0, 32), s ?? good.subarray(32)])),
    ]),
  ),
  'a signature with r and s exchanged': resigned((good) => Buffer.concat([good.subarray(32), good.subarray(0, 32)])),
  'a signature in DER': ({ header, claims, key }) => jws(header, claims, (signed) => der(key, signed)),
  'a signature in DER with a byte behind it': ({ header, claims, key }) =>
    jws(header, claims, (signed) => Buffer.concat([der(key, signed), Buffer.alloc(1)])),
  'r and s each with a zero before it': resigned((good) =>
    Buffer.concat([Buffer.alloc(1), good.subarray(0, 32), Buffer.alloc(1), good.subarray(32)]),
  ),
  'r and s each in 48 bytes': resigned((good) =>
    Buffer.concat([Buffer.alloc(16), good.subarray(0, 32), Buffer.alloc(16), good.subarray(32)]),
  ),
  'ES384 by the right key': under('ES384', ({ key }) => ecdsa('sha384', key.privateKey)),
  'ES512 by the right key': under('ES512', ({ key }) => ecdsa('sha512', key.privateKey)),
  'ES256K by the right key': under('ES256K', ({ key }) => ecdsa('sha256', key.privateKey)),
  'ESP256 by the right key': under('ESP256', ({ key }) => ecdsa('sha256', key.privateKey)),
  'PS256 over an ECDSA signature': under('PS256', ({ key }) => by(key)),
  'RS256 over an ECDSA signature': under('RS256', ({ key }) => by(key)),
  'EdDSA over an ECDSA signature': under('EdDSA', ({ key }) => by(key)),
  'HS256 over an ECDSA signature': under('HS256', ({ key }) => by(key)),
  'ES256 over SHA-1': ({ header, claims, key }) => jws(header, claims, ecdsa('sha1', key.privateKey)),
  'ES256 over SHA-384': ({ header, claims, key }) => jws(header, claims, ecdsa('sha384', key.privateKey)),
  'ES256 over SHA-512': ({ header, claims, key }) => jws(header, claims, ecdsa('sha512', key.privateKey)),
};

const der = (key: TestKey, signed: string): Buffer => {
  const [r = zero, s = zero] = [0, 32].map((start) => by(key)(signed).subarray(start, start + 32));
  const integer = (digits: Buffer) => {
    const padded = (digits[0] as number) >= 0x80 ? Buffer.concat([Buffer.alloc(1), digits]) : digits;
    return Buffer.concat([Buffer.of(2, padded.length), padded]);
  };
  const body = Buffer.concat([integer(r), integer(s)]);
  return Buffer.concat([Buffer.of(0x30, body.length), body]);
};

const minusOne = (number: Buffer): Buffer => Buffer.concat([number.subarray(0, -1), Buffer.of((number.at(-1) as number) - 1)]);

/** Against an RSA key. */
export const ps256Forgeries: Forgeries = {
  'RS256 by the right key': under('RS256', ({ key }) => pkcs1('sha256', key.privateKey)),
  'RS384 by the right key': under('RS384', ({ key }) => pkcs1('sha384', key.privateKey)),
  'RS512 by the right key': under('RS512', ({ key }) => pkcs1('sha512', key.privateKey)),
  'PS384 by the right key': under('PS384', ({ key }) => pss('sha384', key.privateKey, constants.RSA_PSS_SALTLEN_DIGEST)),
  'PS512 by the right key': under('PS512', ({ key }) => pss('sha512', key.privateKey, constants.RSA_PSS_SALTLEN_DIGEST)),
  'RS256 over a PSS signature': under('RS256', ({ key }) => by(key)),
  'PS256 over a PKCS#1 v1.5 signature': ({ header, claims, key }) => jws(header, claims, pkcs1('sha256', key.privateKey)),
  'PS256 without a salt': ({ header, claims, key }) => jws(header, claims, pss('sha256', key.privateKey, 0)),
  'PS256 with the longest salt': ({ header, claims, key }) =>
    jws(header, claims, pss('sha256', key.privateKey, constants.RSA_PSS_SALTLEN_MAX_SIGN)),
  'PS256 over SHA-1': ({ header, claims, key }) => jws(header, claims, pss('sha1', key.privateKey, constants.RSA_PSS_SALTLEN_DIGEST)),
  'PS256 over SHA-512': ({ header, claims, key }) => jws(header, claims, pss('sha512', key.privateKey, constants.RSA_PSS_SALTLEN_DIGEST)),
  'ES256 over a PSS signature': under('ES256', ({ key }) => by(key)),
  'EdDSA over a PSS signature': under('EdDSA', ({ key }) => by(key)),
  'an RSA signature of 0': resigned((good) => Buffer.alloc(good.length)),
  'an RSA signature of 1': resigned((good) => Buffer.concat([Buffer.alloc(good.length - 1), Buffer.of(1)])),
  'an RSA signature of n': resigned((_good, { key }) => member(key, 'n')),
  'an RSA signature of n - 1': resigned((_good, { key }) => minusOne(member(key, 'n'))),
  'an RSA signature of all ones': resigned((good) => Buffer.alloc(good.length, 255)),
};

const ORDER = Buffer.from('edd3f55c1a631258d69cf7a2def9de1400000000000000000000000000000010', 'hex');

/** Adds the order of the group, so that the equation still holds for who does not check the range (RFC 8032, section 5.1.7). */
const plusOrder = (s: Buffer): Buffer => {
  const sum = Buffer.alloc(32);
  let carry = 0;
  for (let index = 0; index < 32; index += 1) {
    const digit = (s[index] as number) + (ORDER[index] as number) + carry;
    sum[index] = digit & 255;
    carry = digit >> 8;
  }
  return sum;
};

/** Against an Ed25519 key. */
export const edDsaForgeries: Forgeries = {
  'ES256 over an EdDSA signature': under('ES256', ({ key }) => by(key)),
  'PS256 over an EdDSA signature': under('PS256', ({ key }) => by(key)),
  'Ed25519 by the right key': under('Ed25519', ({ key }) => by(key)),
  'Ed448 by the right key': under('Ed448', ({ key }) => by(key)),
  'Ed25519ph by the right key': under('Ed25519ph', ({ key }) => by(key)),
  'an EdDSA signature of zeros': resigned(() => Buffer.alloc(64)),
  'an EdDSA signature with R the neutral point and S = 0': resigned(() => Buffer.concat([Buffer.of(1), Buffer.alloc(63)])),
  'an EdDSA signature with S = 0': resigned((good) => Buffer.concat([good.subarray(0, 32), zero])),
  'an EdDSA signature with S = L': resigned((good) => Buffer.concat([good.subarray(0, 32), ORDER])),
  'an EdDSA signature with S + L': resigned((good) => Buffer.concat([good.subarray(0, 32), plusOrder(good.subarray(32))])),
  'an EdDSA signature over the digest': ({ header, claims, key }) =>
    jws(header, claims, (signed) => by(key)(hash('sha512', signed, 'hex'))),
};
