import { constants, createHmac, createPublicKey, generateKeyPairSync, type KeyObject, sign } from 'node:crypto';
import { beforeAll, describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { CompactSign, calculateJwkThumbprint, compactVerify, importJWK, type JWK } from 'jose';
import { jwsReader } from '../../src/adapters/jose/jws-reader.ts';
import { temporarySigningKeys } from '../../src/adapters/keys/signing-keys.ts';
import type { JwsAlg, PublicKey } from '../../src/domain/ports/jws.ts';

interface Pair {
  privateKey: KeyObject;
  jwk: JWK;
  imported: PublicKey;
}
const pairs = new Map<JwsAlg, Pair>();
const pairOf = (alg: JwsAlg): Pair => pairs.get(alg) as Pair;
const pair = ({ privateKey, publicKey }: { privateKey: KeyObject; publicKey: KeyObject }): Pair => {
  const jwk = publicKey.export({ format: 'jwk' }) as JWK;
  return { privateKey, jwk, imported: jwsReader.publicKey(jwk as Record<string, unknown>) };
};
beforeAll(() => {
  pairs.set('ES256', pair(generateKeyPairSync('ec', { namedCurve: 'P-256' })));
  pairs.set('PS256', pair(generateKeyPairSync('rsa', { modulusLength: 2048 })));
  pairs.set('EdDSA', pair(generateKeyPairSync('ed25519')));
});
const ALGS = ['ES256', 'PS256', 'EdDSA'] as const;

const part = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64url');
const joseSigns = (alg: JwsAlg, header: object, claims: object): Promise<string> =>
  new CompactSign(Buffer.from(JSON.stringify(claims))).setProtectedHeader({ ...header, alg }).sign(pairOf(alg).privateKey);

/** A JWS with any header, signed as `alg` says, whatever the header says. */
const forge = (alg: JwsAlg, header: object, payload = part({ sub: 'psu-1' })): string => {
  const signed = `${part(header)}.${payload}`;
  const { privateKey } = pairOf(alg);
  const data = Buffer.from(signed);
  const signature = {
    ES256: () => sign('sha256', data, { key: privateKey, dsaEncoding: 'ieee-p1363' }),
    PS256: () => sign('sha256', data, { key: privateKey, padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: 32 }),
    EdDSA: () => sign(null, data, privateKey),
  }[alg]();
  return `${signed}.${signature.toString('base64url')}`;
};
const accepted = (jws: string, key: PublicKey): boolean => jwsReader.decode(jws)?.verify(key) ?? false;

const anyClaims = fc.dictionary(fc.string({ unit: 'binary' }), fc.jsonValue(), { maxKeys: 5 });
const asJson = (value: unknown): unknown => JSON.parse(JSON.stringify(value));

describe('our reader and jose', () => {
  test.each(ALGS)('agree on what jose signs with %s', async (alg) => {
    const property = fc.asyncProperty(anyClaims, fc.option(fc.string()), async (claims, kid) => {
      const jws = await joseSigns(alg, { ...(kid !== null && { kid }), typ: 'test+jwt' }, claims);
      const decoded = jwsReader.decode(jws);
      expect(decoded?.header).toEqual({ alg, kid, typ: 'test+jwt' });
      expect(decoded?.claims).toEqual(asJson(claims));
      expect(decoded?.verify(pairOf(alg).imported)).toBe(true);
    });
    await fc.assert(property, { numRuns: alg === 'PS256' ? 60 : 300 });
  });

  test.each(['ES256', 'PS256'] as const)('agree on what our signer signs with %s', async (alg) => {
    const signer = temporarySigningKeys();
    const published = signer.jwks().keys.find((key) => key['alg'] === alg) as Record<string, string>;
    const key = await importJWK(published as JWK, alg);
    const imported = jwsReader.publicKey(published);
    const property = fc.asyncProperty(anyClaims, async (claims) => {
      const jws = await signer.sign(alg, 'at+jwt', claims);
      const { payload, protectedHeader } = await compactVerify(jws, key, { algorithms: [alg] });
      expect(protectedHeader).toEqual({ alg, typ: 'at+jwt', kid: published['kid'] });
      expect(JSON.parse(Buffer.from(payload).toString())).toEqual(asJson(claims));
      expect(accepted(jws, imported)).toBe(true);
      expect(await signer.verify(jws, 'at+jwt')).toEqual(asJson(claims));
      expect(await signer.verify(jws, 'other+jwt')).toBeNull();
    });
    // One in 128 signatures of ES256 has a short r or s: a few of them are among these.
    await fc.assert(property, { numRuns: alg === 'PS256' ? 40 : 1000 });
  });

  test.each(ALGS)('agree that no changed bit of a signature of %s is good', async (alg) => {
    const jws = await joseSigns(alg, {}, { sub: 'psu-1' });
    const end = jws.lastIndexOf('.') + 1;
    const bytes = Buffer.from(jws.slice(end), 'base64url');
    const { imported } = pairOf(alg);
    const property = fc.asyncProperty(fc.nat(bytes.length * 8 - 1), async (bit) => {
      const changed = Buffer.from(bytes);
      changed[bit >> 3] = (changed[bit >> 3] as number) ^ (1 << (bit & 7));
      const forged = jws.slice(0, end) + changed.toString('base64url');
      expect(accepted(forged, imported)).toBe(false);
      await expect(compactVerify(forged, await importJWK(pairOf(alg).jwk, alg))).rejects.toThrow();
    });
    await fc.assert(property, { numRuns: 50 });
    expect(accepted(jws, imported)).toBe(true);
  });

  test.each(ALGS)('name a key of %s by the same thumbprint', async (alg) => {
    const { jwk, imported } = pairOf(alg);
    expect(imported).toMatchObject({ alg, kid: null, thumbprint: await calculateJwkThumbprint(jwk) });
    expect(jwsReader.publicKey({ ...jwk, kid: 'k-1', use: 'sig', alg }).kid).toBe('k-1');
  });
});

describe('a statement is not accepted', () => {
  test.each(ALGS)('with its payload exchanged (%s)', async (alg) => {
    const [header, , signature] = (await joseSigns(alg, {}, { sub: 'psu-1' })).split('.');
    expect(accepted([header, part({ sub: 'psu-2' }), signature].join('.'), pairOf(alg).imported)).toBe(false);
  });

  test.each(ALGS)('with a key of another kind than its header names (%s)', async (alg) => {
    for (const other of ALGS) if (other !== alg) expect(accepted(forge(alg, { alg }), pairOf(other).imported)).toBe(false);
    for (const named of ['none', 'None', 'HS256', 'RS256', 'ES384', 'PS384', ...ALGS.filter((known) => known !== alg)])
      expect(accepted(forge(alg, { alg: named }), pairOf(alg).imported)).toBe(false);
  });

  test('without a signature', () => {
    const unsigned = `${part({ alg: 'none' })}.${part({ sub: 'psu-1' })}`;
    for (const jws of [`${unsigned}.`, unsigned, `${unsigned}.AA`])
      for (const alg of ALGS) expect(accepted(jws, pairOf(alg).imported)).toBe(false);
  });

  test.each(ALGS)('with the public key as a secret (%s)', (alg) => {
    const { imported, jwk } = pairOf(alg);
    const pem = createPublicKey(pairOf(alg).privateKey).export({ type: 'spki', format: 'pem' });
    const secrets = [pem, JSON.stringify(jwk), Buffer.from(jwk.n ?? jwk.x ?? '', 'base64url')];
    for (const secret of secrets)
      for (const named of ['HS256', alg]) {
        const signed = `${part({ alg: named })}.${part({ sub: 'psu-1' })}`;
        expect(accepted(`${signed}.${createHmac('sha256', secret).update(signed).digest('base64url')}`, imported)).toBe(false);
      }
  });

  test.each([
    ['a key', { jwk: {} }],
    ['the address of keys', { jku: 'https://attacker.example/jwks' }],
    ['a certificate', { x5c: ['MIIB'] }],
    ['the address of a certificate', { x5u: 'https://attacker.example/cert' }],
    ['an extension', { crit: ['exp'], exp: 1 }],
    ['an empty list of extensions', { crit: [] }],
    ['an unencoded payload', { crit: ['b64'], b64: false }],
    ['an unencoded payload that it does not announce', { b64: false }],
    ['a compressed payload', { zip: 'DEF' }],
    ['null for a key', { jwk: null }],
  ])('when it brings %s in its header', (_, header) => {
    for (const alg of ALGS) {
      const own = 'jwk' in header && header.jwk !== null ? { jwk: pairOf(alg).jwk } : header;
      expect(jwsReader.decode(forge(alg, { alg, ...own }))).toBeNull();
    }
  });

  test.each<[string, unknown]>([
    ['no algorithm', {}],
    ['an algorithm that is no text', { alg: ['ES256'] }],
    ['a kid that is no text', { alg: 'ES256', kid: 7 }],
    ['a typ that is no text', { alg: 'ES256', typ: {} }],
    ['no object', ['ES256']],
    ['null', null],
    ['a text', 'ES256'],
  ])('when its header has %s', (_, header) => expect(jwsReader.decode(forge('ES256', header as object))).toBeNull());

  test.each<[string, string]>([
    ['no object', part(['sub'])],
    ['null', part(null)],
    ['a text', part('sub')],
    ['no JSON', Buffer.from('{"sub":').toString('base64url')],
    ['JSON and more', Buffer.from('{"sub":"psu-1"} {}').toString('base64url')],
  ])('when its payload is %s', (_, payload) => expect(jwsReader.decode(forge('ES256', { alg: 'ES256' }, payload))).toBeNull());

  test.each<[string, (jws: string) => string]>([
    ['one part', (jws) => jws.split('.')[0] as string],
    ['two parts', (jws) => jws.split('.').slice(0, 2).join('.')],
    ['four parts', (jws) => `${jws}.AA`],
    ['five parts, as if it were encrypted', (jws) => `${jws}.AA.AA`],
    ['an empty header', (jws) => jws.replace(/^[^.]+/, '')],
    ['an empty payload', (jws) => jws.replace(/\.[^.]+\./, '..')],
    ['a line break at its end', (jws) => `${jws}\n`],
    ['a space at its start', (jws) => ` ${jws}`],
    ['padding', (jws) => `${jws}=`],
    ['the other alphabet', (jws) => jws.replace(/^./, '+')],
    ['no text at all', () => ''],
  ])('when it has %s', (_, change) => expect(jwsReader.decode(change(forge('ES256', { alg: 'ES256' })))).toBeNull());

  test('when it is longer than 16 KiB', () => {
    const long = (claims: number) => forge('ES256', { alg: 'ES256' }, part({ text: 'x'.repeat(claims) }));
    const room = Math.floor(((16_384 - long(0).length) * 3) / 4);
    expect(accepted(long(room - 2), pairOf('ES256').imported)).toBe(true);
    expect(jwsReader.decode(long(room + 2))).toBeNull();
  });

  test.each(ALGS)('with bytes added to its signature, or taken from it (%s)', (alg) => {
    const jws = forge(alg, { alg });
    const end = jws.lastIndexOf('.') + 1;
    const bytes = Buffer.from(jws.slice(end), 'base64url');
    const others = [
      Buffer.concat([bytes.subarray(0, 32), Buffer.alloc(1), bytes.subarray(32)]),
      Buffer.concat([bytes, Buffer.alloc(1)]),
      Buffer.concat([Buffer.alloc(1), bytes]),
      bytes.subarray(1),
      bytes.subarray(0, -1),
    ];
    for (const other of others) expect(accepted(jws.slice(0, end) + other.toString('base64url'), pairOf(alg).imported)).toBe(false);
  });

  const N = Buffer.from('ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551', 'hex');
  const zero = Buffer.alloc(32);
  const one = Buffer.concat([Buffer.alloc(31), Buffer.of(1)]);
  test.each([
    ['r and s zero', zero, zero],
    ['r zero', zero, one],
    ['s zero', one, zero],
    ['r the order of the group', N, one],
    ['s the order of the group', one, N],
    ['r and s the order of the group', N, N],
    ['r and s beyond it', Buffer.alloc(32, 255), Buffer.alloc(32, 255)],
  ])('with %s', (_, r, s) => {
    const signed = `${part({ alg: 'ES256' })}.${part({ sub: 'psu-1' })}`;
    expect(accepted(`${signed}.${Buffer.concat([r, s]).toString('base64url')}`, pairOf('ES256').imported)).toBe(false);
  });

  test('with a signature of ES256 in DER', () => {
    const signed = `${part({ alg: 'ES256' })}.${part({ sub: 'psu-1' })}`;
    const der = sign('sha256', Buffer.from(signed), pairOf('ES256').privateKey);
    expect(accepted(`${signed}.${der.toString('base64url')}`, pairOf('ES256').imported)).toBe(false);
  });

  test('with PKCS#1 v1.5, or with a salt of another length', () => {
    const signed = `${part({ alg: 'PS256' })}.${part({ sub: 'psu-1' })}`;
    const { privateKey, imported } = pairOf('PS256');
    for (const options of [{ padding: constants.RSA_PKCS1_PADDING }, { padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: 0 }]) {
      const signature = sign('sha256', Buffer.from(signed), { key: privateKey, ...options });
      expect(accepted(`${signed}.${signature.toString('base64url')}`, imported)).toBe(false);
    }
  });
});

describe('a key is not imported', () => {
  const jwkOf = (key: KeyObject): Record<string, unknown> => key.export({ format: 'jwk' }) as Record<string, unknown>;

  test.each<[string, () => Record<string, unknown>]>([
    ['RSA of 1024 bits', () => jwkOf(generateKeyPairSync('rsa', { modulusLength: 1024 }).publicKey)],
    ['RSA of 8192 bits', () => ({ ...pairOf('PS256').jwk, n: Buffer.alloc(1024, 255).toString('base64url') })],
    ['RSA with the exponent 1', () => ({ ...pairOf('PS256').jwk, e: 'AQ' })],
    ['RSA with the exponent 3', () => ({ ...pairOf('PS256').jwk, e: 'Aw' })],
    ['P-384', () => jwkOf(generateKeyPairSync('ec', { namedCurve: 'P-384' }).publicKey)],
    ['secp256k1', () => jwkOf(generateKeyPairSync('ec', { namedCurve: 'secp256k1' }).publicKey)],
    ['Ed448', () => jwkOf(generateKeyPairSync('ed448').publicKey)],
    ['X25519', () => jwkOf(generateKeyPairSync('x25519').publicKey)],
    ['a private key of ES256', () => jwkOf(pairOf('ES256').privateKey)],
    ['a private key of PS256', () => jwkOf(pairOf('PS256').privateKey)],
    ['a private key of EdDSA', () => jwkOf(pairOf('EdDSA').privateKey)],
    ['a secret', () => ({ kty: 'oct', k: 'AAAA' })],
    ['a secret without its value', () => ({ kty: 'oct' })],
    ['a point that is not on its curve', () => ({ ...pairOf('ES256').jwk, x: zeros(32), y: zeros(32) })],
    ['a coordinate too short', () => ({ ...pairOf('ES256').jwk, x: zeros(5) })],
    ['one of another algorithm than it says', () => ({ ...pairOf('PS256').jwk, alg: 'RS256' })],
    ['nothing', () => ({})],
    ['an unknown kind', () => ({ kty: 'AKP', pub: 'AAAA' })],
  ])('when it is %s', (_, jwk) => expect(() => jwsReader.publicKey(jwk())).toThrow());
});

const zeros = (bytes: number): string => Buffer.alloc(bytes).toString('base64url');
