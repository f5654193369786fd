import { constants, createHmac, sign } from 'node:crypto';
import type { TestKey } from '../../support/jws.ts';

/** A token that its place accepts, in parts, before it is signed. */
export interface Honest {
  header: Readonly<Record<string, unknown>>;
  claims: Readonly<Record<string, unknown>>;
  /** The right key. */
  key: TestKey;
}

/** Makes a forgery out of an honest token. */
export type Forge = (honest: Honest) => string | Promise<string>;

/** Forgeries by their names. */
export type Forgeries = Readonly<Record<string, Forge>>;

/** A part of a JWS: an object is written as JSON, a text or bytes stand as they are. */
export type Part = object | string | Buffer;

type Sign = (signed: string) => Buffer;

const bytesOf = (part: Part): Buffer => Buffer.from(typeof part === 'string' || Buffer.isBuffer(part) ? part : JSON.stringify(part));

export const base64url = (part: Part): string => bytesOf(part).toString('base64url');

/** A compact JWS whose signature is whatever `made` says. */
export const jws = (header: Part, claims: Part, made: Sign): string => {
  const signed = `${base64url(header)}.${base64url(claims)}`;
  return `${signed}.${made(signed).toString('base64url')}`;
};

/** Signs with a key, in the way of its own algorithm. */
export const by =
  ({ alg, privateKey: key }: TestKey): Sign =>
  (signed) => {
    const data = Buffer.from(signed);
    if (alg === 'EdDSA') return sign(null, data, key);
    return alg === 'ES256' ? ecdsa('sha256', key)(signed) : pss('sha256', key, constants.RSA_PSS_SALTLEN_DIGEST)(signed);
  };

/** ECDSA as JOSE writes it, r ‖ s. */
export const ecdsa =
  (digest: string, key: TestKey['privateKey']): Sign =>
  (signed) =>
    sign(digest, Buffer.from(signed), { key, dsaEncoding: 'ieee-p1363' });

/** RSASSA-PSS with a salt of the given length. */
export const pss =
  (digest: string, key: TestKey['privateKey'], saltLength: number): Sign =>
  (signed) =>
    sign(digest, Buffer.from(signed), { key, padding: constants.RSA_PKCS1_PSS_PADDING, saltLength });

/** RSASSA-PKCS1-v1_5. */
export const pkcs1 =
  (digest: string, key: TestKey['privateKey']): Sign =>
  (signed) =>
    sign(digest, Buffer.from(signed), { key, padding: constants.RSA_PKCS1_PADDING });

/** HMAC with the given secret. */
export const hmac =
  (secret: string | Buffer, digest = 'sha256'): Sign =>
  (signed) =>
    createHmac(digest, secret).update(signed).digest();

/** The same bytes, whatever is signed. */
export const bytes =
  (signature: Buffer): Sign =>
  () =>
    signature;

/** The honest token itself. */
export const honestly: Forge = ({ header, claims, key }) => jws(header, claims, by(key));

/** Signed by the right key, with members of the header replaced; `undefined` leaves one out. */
export const headed =
  (change: object | ((honest: Honest) => object)): Forge =>
  (honest) =>
    jws({ ...honest.header, ...(typeof change === 'function' ? change(honest) : change) }, honest.claims, by(honest.key));

/** Signed by the right key, with claims replaced; `undefined` leaves one out. */
export const claiming =
  (change: object | ((honest: Honest) => object)): Forge =>
  (honest) =>
    jws(honest.header, { ...honest.claims, ...(typeof change === 'function' ? change(honest) : change) }, by(honest.key));

/** Signed by the right key over another text of the header. */
export const headerText =
  (write: (text: string, honest: Honest) => string | Buffer): Forge =>
  (honest) =>
    jws(write(JSON.stringify(honest.header), honest), honest.claims, by(honest.key));

/** Signed by the right key over another text of the claims. */
export const claimsText =
  (write: (text: string, honest: Honest) => string | Buffer): Forge =>
  (honest) =>
    jws(honest.header, write(JSON.stringify(honest.claims), honest), by(honest.key));

/** The honest token, signed, and then changed as a text. */
export const rewritten =
  (write: (header: string, claims: string, signature: string, honest: Honest) => string | Promise<string>): Forge =>
  async (honest) => {
    const [header = '', claims = '', signature = ''] = (await honestly(honest)).split('.');
    return write(header, claims, signature, honest);
  };

/** The honest token with other bytes for its signature. */
export const resigned = (change: (signature: Buffer, honest: Honest) => Buffer): Forge =>
  rewritten((header, claims, signature, honest) => `${header}.${claims}.${base64url(change(Buffer.from(signature, 'base64url'), honest))}`);
