import { constants, createPublicKey, generateKeyPair, generateKeyPairSync, type KeyObject, sign } from 'node:crypto';
import { promisify } from 'node:util';
import type { PublicKey } from '../../domain/ports/jws.ts';
import type { Signer } from '../../domain/ports/signer.ts';
import { OUR_ALGS, type OurAlg, type SigningKey, type SigningKeys, verifiesHints } from '../../domain/signing-key/decider.ts';
import type { PublicSigningJwk } from '../../domain/signing-key/events.ts';
import { joseFromDer } from '../jose/ecdsa-format.ts';
import { jwsReader } from '../jose/jws-reader.ts';
import { kidOf, type PrivateKeys, privateKeyFiles, privateKeysInMemory } from './private-keys.ts';

const KEY_TYPES = {
  ES256: ['ec', { namedCurve: 'P-256' }],
  PS256: ['rsa', { modulusLength: 2048 }],
} as const;

/** The engine's signing keys, whose private parts are encrypted under the master key in files of a directory. */
export const signingKeys = (dir: string, master: Buffer): Signer => signerOver(privateKeyFiles(dir, master));

/** Signing keys for the life of the process: the given ones, or fresh ones. Before the log says anything, all of them are in use. */
export const temporarySigningKeys = (given: readonly KeyObject[] = OUR_ALGS.map(generateNow)): Signer => {
  const inUse = (alg: OurAlg) => given.filter((key) => algOf(key) === alg).map(unrecorded);
  return signerOver(privateKeysInMemory(given), { ES256: inUse('ES256'), PS256: inUse('PS256') });
};

const generateNow = (alg: OurAlg): KeyObject =>
  alg === 'ES256' ? generateKeyPairSync(...KEY_TYPES.ES256).privateKey : generateKeyPairSync(...KEY_TYPES.PS256).privateKey;

// The search for primes takes long enough to be noticed: on the thread pool it holds up nobody.
const generateInPool = promisify(generateKeyPair) as (type: string, options: object) => Promise<{ privateKey: KeyObject }>;

const algOf = (key: KeyObject): OurAlg => (key.asymmetricKeyType === 'rsa' ? 'PS256' : 'ES256');

const publicJwkOf = (key: KeyObject): PublicSigningJwk => createPublicKey(key).export({ format: 'jwk' }) as PublicSigningJwk;

const unrecorded = (key: KeyObject): SigningKey => ({
  kid: kidOf(key),
  jwk: publicJwkOf(key),
  status: 'active',
  ...{ publishedAt: 0, usableFrom: 0, activatedAt: 0, tokenSeconds: 0, retiredAt: null, publishedUntil: null },
});

type KeysByAlg = Readonly<Record<OurAlg, SigningKeys>>;

/** The key that one algorithm signs with now, and the start of each JWS: its header by `typ`. */
interface Signing {
  kid: string;
  key: KeyObject;
  headers: Map<string, string>;
}

const signInPool = promisify(sign) as (algorithm: string, data: Buffer, key: object) => Promise<Buffer>;

/** A signer whose private keys are kept there. */
export const signerOver = (privateKeys: PrivateKeys, inUse: KeysByAlg = { ES256: [], PS256: [] }): Signer => {
  let published: { keys: readonly Record<string, unknown>[] } = { keys: [] };
  let signing: Partial<Record<OurAlg, Signing>> = {};
  let verifying: ReadonlyMap<string, PublicKey> = new Map();
  let recorded: ReadonlySet<string> = new Set();

  const headerFor = (alg: OurAlg, { kid, headers }: Signing, typ: string): string => {
    const known = headers.get(typ);
    if (known !== undefined) return known;
    const header = Buffer.from(JSON.stringify({ alg, typ, kid })).toString('base64url');
    headers.set(typ, header);
    return header;
  };

  const signingWith = ({ kid }: SigningKey): Signing | undefined => {
    const key = privateKeys.find(kid);
    return key === null ? undefined : { kid, key, headers: new Map() };
  };

  const use = (keys: KeysByAlg, at: number) => {
    const all = OUR_ALGS.flatMap((alg) => keys[alg].map((key) => ({ ...key, alg })));
    const jwkOf = ({ jwk, kid, alg }: (typeof all)[number]) => ({ ...jwk, kid, alg, use: 'sig' });
    signing = {};
    for (const key of all) {
      const current = key.status === 'active' ? signingWith(key) : undefined;
      if (current !== undefined) signing[key.alg] = current;
    }
    published = { keys: all.filter(({ status }) => status !== 'removed').map(jwkOf) };
    verifying = new Map(all.filter((key) => verifiesHints(key, at)).map((key) => [key.kid, jwsReader.publicKey(jwkOf(key))]));
  };

  use(inUse, 0);
  return {
    jwks: () => published,
    async sign(alg, typ, claims) {
      const current = signing[alg];
      if (current === undefined) throw new Error(`there is no signing key for ${alg}`);
      const signed = `${headerFor(alg, current, typ)}.${Buffer.from(JSON.stringify(claims)).toString('base64url')}`;
      const signature =
        alg === 'ES256' ? joseFromDer(sign('sha256', Buffer.from(signed), current.key)) : await signPs256(signed, current.key);
      return `${signed}.${signature.toString('base64url')}`;
    },
    async verify(jws, typ) {
      const decoded = jwsReader.decode(jws);
      const key = verifying.get(decoded?.header.kid ?? '');
      if (decoded === null || key === undefined || decoded.header.typ !== typ) return null;
      return decoded.verify(key) ? { ...decoded.claims } : null;
    },
    async offer(alg) {
      let key = [...privateKeys.all()].find(([kid, key]) => algOf(key) === alg && !recorded.has(kid))?.[1];
      if (key === undefined) {
        const [type, options] = KEY_TYPES[alg];
        ({ privateKey: key } = await generateInPool(type, options));
        await privateKeys.keep(key);
      }
      return { kid: kidOf(key), jwk: publicJwkOf(key) };
    },
    holds: (kid) => privateKeys.find(kid) !== null,
    load: async (kids) => privateKeys.load?.(kids),
    follow(keys, at) {
      use(keys, at);
      const all = OUR_ALGS.flatMap((alg) => keys[alg]);
      recorded = new Set(all.map(({ kid }) => kid));
      for (const { kid, status } of all) if (status === 'removed') privateKeys.erase(kid);
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
