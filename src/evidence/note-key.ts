import { createPrivateKey, createPublicKey, hash, type KeyObject, sign, verify } from 'node:crypto';
import { Malformed } from './malformed.ts';
import { bytesIn } from './text.ts';

/** What a key signs: the text of a note, or what a witness says of it at a moment (C2SP signed-note and tlog-cosignature). */
export const NOTE = 0x01;
export const COSIGNATURE = 0x04;
export type SignatureType = typeof NOTE | typeof COSIGNATURE;

const OWNERS = { [NOTE]: "a log's", [COSIGNATURE]: "a witness's" };

const KEY_BYTES = 32;
const TIME_BYTES = 8;

/** A key that notes are checked with. Its name and id together are its identity. */
export interface VerifierKey {
  name: string;
  keyId: number;
  type: SignatureType;
  publicKey: KeyObject;
  /** As it is written in settings: `name+hex key id+base64(type ‖ key)`. */
  text: string;
}

/** A key that signs notes. */
export interface NoteSigner {
  verifierKey: VerifierKey;
  /** What stands behind the key id in its line of signature. */
  sign(text: string): Buffer;
}

/** The signer of a log. */
export const logSigner = (name: string, privateKey: KeyObject): NoteSigner => ({
  verifierKey: verifierKey(name, NOTE, createPublicKey(privateKey)),
  sign: (text) => sign(null, Buffer.from(text), privateKey),
});

/** The signer of a witness: it says when it signs, in epoch seconds. */
export const witnessSigner = (name: string, privateKey: KeyObject, now: () => number): NoteSigner => ({
  verifierKey: verifierKey(name, COSIGNATURE, createPublicKey(privateKey)),
  sign: (text) => {
    const at = now();
    const time = Buffer.alloc(TIME_BYTES);
    time.writeBigUInt64BE(BigInt(at));
    return Buffer.concat([time, sign(null, cosigned(text, at), privateKey)]);
  },
});

/** Whether a key made the signature; that of a witness says when. */
export const verified = (key: VerifierKey, text: string, signature: Buffer): { at: number | null } | null => {
  if (key.type === NOTE) return verify(null, Buffer.from(text), key.publicKey, signature) ? { at: null } : null;
  if (signature.length < TIME_BYTES) return null;
  const at = Number(signature.readBigUInt64BE());
  return Number.isSafeInteger(at) && verify(null, cosigned(text, at), key.publicKey, signature.subarray(TIME_BYTES)) ? { at } : null;
};

const cosigned = (text: string, at: number): Buffer => Buffer.from(`cosignature/v1\ntime ${at}\n${text}`);

/** The key in its written form; throws where the id is not that of the name and the key, or the key is not of the type that is wanted. */
export const parseVerifierKey = (text: string, wanted?: SignatureType): VerifierKey => {
  const { name, keyId, type, material } = partsOf(text);
  if (wanted !== undefined && type !== wanted) throw new Malformed(`a key of type ${wanted} is expected: ${OWNERS[wanted]}`);
  const jwk = { kty: 'OKP', crv: 'Ed25519', x: material.toString('base64url') };
  return withId(keyId, verifierKey(name, type, createPublicKey({ key: jwk, format: 'jwk' })));
};

const SECRET = 'PRIVATE+KEY+';
// What stands in front of the 32 bytes in PKCS #8 (RFC 8410, section 7).
const PKCS8 = Buffer.from('302e020100300506032b657004220420', 'hex');

/** A private key as text, in the same form with words in front: for a file that nobody else reads. */
export const signerKeyText = (name: string, type: SignatureType, privateKey: KeyObject): string => {
  const { keyId } = verifierKey(name, type, createPublicKey(privateKey));
  const { d = '' } = privateKey.export({ format: 'jwk' });
  return `${SECRET}${written(name, keyId, type, Buffer.from(d, 'base64url'))}`;
};

/** The private key in such a text, which no error repeats. */
export const parseSignerKey = (text: string): { name: string; type: SignatureType; privateKey: KeyObject } => {
  if (!text.startsWith(SECRET)) throw new Malformed('a private key for notes is expected');
  const { name, keyId, type, material } = partsOf(text.slice(SECRET.length));
  const privateKey = createPrivateKey({ key: Buffer.concat([PKCS8, material]), format: 'der', type: 'pkcs8' });
  withId(keyId, verifierKey(name, type, createPublicKey(privateKey)));
  return { name, type, privateKey };
};

/** Whether keys may have this name: it stands between spaces in a note, and in front of a plus in a written key. */
export const isKeyName = (name: string): boolean => name.isWellFormed() && /^[^\s\p{Cc}+]+$/u.test(name);

const verifierKey = (name: string, type: SignatureType, publicKey: KeyObject): VerifierKey => {
  if (!isKeyName(name)) throw new Malformed('a key for notes has a name without spaces and plus');
  const { crv, x = '' } = publicKey.export({ format: 'jwk' });
  if (crv !== 'Ed25519') throw new Malformed('a key for notes is an Ed25519 key');
  const material = Buffer.from(x, 'base64url');
  const keyId = hash('sha256', Buffer.concat([Buffer.from(`${name}\n`), Buffer.of(type), material]), 'buffer').readUInt32BE();
  return { name, keyId, type, publicKey, text: written(name, keyId, type, material) };
};

const withId = (keyId: number, key: VerifierKey): VerifierKey => {
  if (key.keyId !== keyId) throw new Malformed('a key for notes has the id of another');
  return key;
};

const written = (name: string, keyId: number, type: SignatureType, material: Buffer): string =>
  `${name}+${keyId.toString(16).padStart(8, '0')}+${Buffer.concat([Buffer.of(type), material]).toString('base64')}`;

const partsOf = (text: string): { name: string; keyId: number; type: SignatureType; material: Buffer } => {
  const [, name = '', id = '', base64 = ''] = /^([^+]+)\+([0-9a-f]{8})\+(.+)$/.exec(text) ?? [];
  const [type, ...material] = bytesIn(base64, 1 + KEY_BYTES);
  if (type !== NOTE && type !== COSIGNATURE) throw new Malformed("a key for notes is of type 1, or of type 4 if it is a witness's");
  return { name, keyId: Number.parseInt(id, 16), type, material: Buffer.from(material) };
};
