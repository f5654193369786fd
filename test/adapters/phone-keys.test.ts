import { constants, generateKeyPairSync, type KeyObject, sign } from 'node:crypto';
import { describe, expect, test } from '@jest/globals';
import { jwsReader } from '../../src/adapters/jose/jws-reader.ts';
import type { PhoneKey } from '../../src/domain/ports/jws.ts';
import { corrupted, forgeJws } from '../support/jws.ts';

const pair = (modulusLength: number, publicExponent = 0x10001) => generateKeyPairSync('rsa', { modulusLength, publicExponent });
const spkiOf = (key: KeyObject) => key.export({ format: 'der', type: 'spki' }).toString('base64');
const jwkOf = (key: KeyObject) => key.export({ format: 'jwk' }) as Record<string, unknown>;

const { publicKey, privateKey } = pair(2048);
const phone = jwsReader.phoneKey(spkiOf(publicKey), 2048) as PhoneKey;
const signs = (padding: number) => (text: string) => sign('sha256', Buffer.from(text), { key: privateKey, padding });
const pkcs1 = signs(constants.RSA_PKCS1_PADDING);

describe('the key of a phone of the reference', () => {
  test('is read from SPKI, also in lines, and from the JWK that is kept of it', () => {
    const inLines = spkiOf(publicKey).replaceAll(/.{76}/g, '$&\n');
    const { n, e } = jwkOf(publicKey);
    expect(phone.jwk).toEqual({ kty: 'RSA', n, e });
    for (const given of [inLines, phone.jwk]) expect(jwsReader.phoneKey(given, 2048)?.thumbprint).toBe(phone.thumbprint);
  });

  test('has 2048 bits, or 1024 while phones move over', () => {
    const old = spkiOf(pair(1024).publicKey);
    expect(jwsReader.phoneKey(old, 2048)).toBeNull();
    expect(jwsReader.phoneKey(old, 1024)?.alg).toBe('RS256');
    expect(jwsReader.phoneKey(spkiOf(pair(768).publicKey), 1024)).toBeNull();
  });

  test('is none of another type, nor with an exponent of 3, nor what cannot be read', () => {
    const elliptic = generateKeyPairSync('ec', { namedCurve: 'P-256' }).publicKey;
    for (const given of [spkiOf(elliptic), jwkOf(elliptic), spkiOf(pair(2048, 3).publicKey), '', 'AAAA', {}, { kty: 'oct', k: 'k' }])
      expect(jwsReader.phoneKey(given, 2048)).toBeNull();
  });

  test('signs texts by PKCS #1 v1.5 alone', () => {
    const signature = pkcs1('challenge.push').toString('base64');
    expect(jwsReader.phoneSigned(phone, 'challenge.push', signature)).toBe(true);
    for (const [text, wrong] of [
      ['challenge.other', signature],
      ['challenge.push', signs(constants.RSA_PKCS1_PSS_PADDING)('challenge.push').toString('base64')],
      ['challenge.push', signature.slice(4)],
      ['challenge.push', ''],
    ] as const)
      expect(jwsReader.phoneSigned(phone, text, wrong)).toBe(false);
  });
});

describe('a statement of a phone of the reference', () => {
  const header = { alg: 'RS256', did: 'device-1' };
  const statement = (alg = 'RS256', by = pkcs1) => forgeJws({ ...header, alg }, { sid: 'session' }, by);

  test('is signed by RS256 and nothing else', () => {
    expect(jwsReader.decode(statement())?.verify(phone)).toBe(true);
    expect(jwsReader.decode(corrupted(statement()))?.verify(phone)).toBe(false);
    expect(jwsReader.decode(statement('PS256', signs(constants.RSA_PKCS1_PSS_PADDING)))?.verify(phone)).toBe(false);
  });

  test('is none of the same key read for another algorithm', () =>
    expect(jwsReader.decode(statement())?.verify(jwsReader.publicKey(jwkOf(publicKey)))).toBe(false));

  test('names its device in its header', () => {
    expect(jwsReader.headerText(statement(), 'did')).toBe('device-1');
    for (const [jws, name] of [
      [statement(), 'deviceId'],
      ['x.y.z', 'did'],
      ['', 'did'],
    ] as const)
      expect(jwsReader.headerText(jws, name)).toBeNull();
  });
});
