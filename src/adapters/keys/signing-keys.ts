import { constants, createPrivateKey, createPublicKey, generateKeyPairSync, type KeyObject, sign } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { promisify } from 'node:util';
import type { PublicKey } from '../../domain/ports/jws.ts';
import type { Signer } from '../../domain/ports/signer.ts';
import { joseFromDer } from '../jose/ecdsa-format.ts';
import { jwsReader, thumbprintOf } from '../jose/jws-reader.ts';

type Alg = 'ES256' | 'PS256';
const ALGS: readonly Alg[] = ['ES256', 'PS256'];
const RSA_BITS = 2048;

/** The engine's signing keys from a file of private JWKs, one for each algorithm; the file is made when it is missing. */
export const signingKeys = (file: string): Signer => {
  if (!existsSync(file)) writeKeys(file);
  const { keys } = JSON.parse(readFileSync(file, 'utf8')) as { keys: Record<string, string>[] };
  return signerOf(keys.map((jwk) => createPrivateKey({ key: jwk, format: 'jwk' })));
};

/** Fresh signing keys for the life of the process. */
export const temporarySigningKeys = (): Signer => signerOf(ALGS.map(generate));

const generate = (alg: Alg): KeyObject =>
  alg === 'ES256'
    ? generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey
    : generateKeyPairSync('rsa', { modulusLength: RSA_BITS }).privateKey;

const writeKeys = (file: string): void => {
  mkdirSync(dirname(file), { recursive: true });
  const keys = ALGS.map((alg) => ({ ...generate(alg).export({ format: 'jwk' }), alg, use: 'sig' }));
  writeFileSync(`${file}.new`, JSON.stringify({ keys }, null, 2), { mode: 0o600, flush: true });
  renameSync(`${file}.new`, file);
};

interface SigningKey {
  alg: Alg;
  kid: string;
  key: KeyObject;
  publicJwk: Record<string, unknown>;
  publicKey: PublicKey;
}

const toSigningKey = (key: KeyObject): SigningKey => {
  const publicPart = createPublicKey(key);
  const kid = thumbprintOf(publicPart);
  const alg = key.asymmetricKeyType === 'rsa' ? 'PS256' : 'ES256';
  const publicJwk = { ...publicPart.export({ format: 'jwk' }), kid, alg, use: 'sig' };
  return { alg, kid, key, publicJwk, publicKey: jwsReader.publicKey(publicJwk) };
};

const signInPool = promisify(sign) as (algorithm: string, data: Buffer, key: object) => Promise<Buffer>;

const signerOf = (privateKeys: readonly KeyObject[]): Signer => {
  const keys = privateKeys.map(toSigningKey);
  const headers = new Map<string, string>();

  const headerFor = ({ alg, kid }: SigningKey, typ: string): string => {
    const known = headers.get(`${kid} ${typ}`);
    if (known !== undefined) return known;
    const header = Buffer.from(JSON.stringify({ alg, typ, kid })).toString('base64url');
    headers.set(`${kid} ${typ}`, header);
    return header;
  };

  return {
    jwks: () => ({ keys: keys.map(({ publicJwk }) => publicJwk) }),
    async sign(alg, typ, claims) {
      const signing = keys.find((key) => key.alg === alg);
      if (signing === undefined) throw new Error(`there is no signing key for ${alg}`);
      const signed = `${headerFor(signing, typ)}.${Buffer.from(JSON.stringify(claims)).toString('base64url')}`;
      const signature =
        alg === 'ES256' ? joseFromDer(sign('sha256', Buffer.from(signed), signing.key)) : await signPs256(signed, signing.key);
      return `${signed}.${signature.toString('base64url')}`;
    },
    async verify(jws, typ) {
      const decoded = jwsReader.decode(jws);
      const signing = keys.find(({ kid }) => kid === decoded?.header.kid);
      if (decoded === null || signing === undefined || decoded.header.typ !== typ) return null;
      return decoded.verify(signing.publicKey) ? { ...decoded.claims } : null;
    },
  };
};

// An RSA signature takes a quarter of a millisecond: on the thread pool it does not hold up the event loop.
const signPs256 = (signed: string, key: KeyObject): Promise<Buffer> =>
  signInPool('sha256', Buffer.from(signed), {
    key,
    padding: constants.RSA_PKCS1_PSS_PADDING,
    saltLength: constants.RSA_PSS_SALTLEN_DIGEST,
  });
