import { generateKeyPairSync, type KeyObject } from 'node:crypto';
import { type CompactJWSHeaderParameters, CompactSign } from 'jose';

/** A key of a test's own; the public part is the JWK that gets registered. */
export interface TestKey {
  alg: string;
  kid: string;
  privateKey: KeyObject;
  publicKey: KeyObject;
  publicJwk: { kty: 'EC' | 'RSA' | 'OKP'; [member: string]: unknown };
}

export const testKey = (alg: 'ES256' | 'PS256' | 'EdDSA', kid: string = alg): TestKey => {
  const { privateKey, publicKey } = pairFor(alg);
  return { alg, kid, privateKey, publicKey, publicJwk: { ...publicKey.export({ format: 'jwk' }), kty: KTY[alg], kid } };
};

const KTY = { ES256: 'EC', PS256: 'RSA', EdDSA: 'OKP' } as const;

const pairFor = (alg: 'ES256' | 'PS256' | 'EdDSA') => {
  if (alg === 'ES256') return generateKeyPairSync('ec', { namedCurve: 'P-256' });
  return alg === 'PS256' ? generateKeyPairSync('rsa', { modulusLength: 2048 }) : generateKeyPairSync('ed25519');
};

/** A compact JWS over the claims. A claim or a header that is `undefined` is left out. */
export const signJws = (key: TestKey, claims: object, header: object = {}): Promise<string> => {
  const { alg, kid, privateKey } = key;
  const given: CompactJWSHeaderParameters = JSON.parse(JSON.stringify({ alg, kid, ...header }));
  return new CompactSign(Buffer.from(JSON.stringify(claims))).setProtectedHeader(given).sign(privateKey);
};

/** A compact JWS that no library would make: the signature is whatever `sign` says. */
export const forgeJws = (header: object, claims: object, sign: (signed: string) => Buffer): string => {
  const signed = [header, claims].map((part) => Buffer.from(JSON.stringify(part)).toString('base64url')).join('.');
  return `${signed}.${sign(signed).toString('base64url')}`;
};

/** The same JWS with another signature of the same length. */
export const corrupted = (jws: string): string => {
  const signature = jws.lastIndexOf('.') + 1;
  return jws.slice(0, signature) + (jws[signature] === 'A' ? 'B' : 'A') + jws.slice(signature + 1);
};

/** The same JWS with other claims and the signature that was made for the first ones. */
export const withClaims = (jws: string, change: (claims: Record<string, unknown>) => object): string => {
  const [header, claims = '', signature] = jws.split('.');
  const changed = change(JSON.parse(Buffer.from(claims, 'base64url').toString()));
  return [header, Buffer.from(JSON.stringify(changed)).toString('base64url'), signature].join('.');
};
