import { afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { jwsReader } from '../../../src/adapters/jose/jws-reader.ts';
import { outboundClient } from '../../../src/adapters/outbound/outbound.ts';
import type { Identity } from '../../../src/adapters/tls/servers.ts';
import { type ClientKeys, makeClientKeys } from '../../../src/api/tpp/client-keys.ts';
import { clientMetadata } from '../../../src/domain/client/metadata.ts';
import type { DecodedJws } from '../../../src/domain/ports/jws.ts';
import { type Host, startHttps, testIdentity } from '../../adapters/outbound/hosts.ts';
import { type StandingClock, standingClock } from '../../support/clock.ts';
import { signJws, type TestKey, testKey } from '../../support/jws.ts';

const first = testKey('ES256', 'first');
const second = testKey('ES256', 'second');
const DAY = 24 * 3600;

let identity: Identity & { ca: string };
let host: Host;
let asked: number;
/** What the TPP's server answers. */
let answer: { status: number; body: string };
let time: StandingClock;
let keys: ClientKeys;

const publishes = (...published: unknown[]) => {
  answer = { status: 200, body: JSON.stringify({ keys: published }) };
};

beforeAll(async () => {
  identity = await testIdentity();
});
beforeEach(async () => {
  asked = 0;
  host = await startHttps(identity, (_req, res) => {
    asked += 1;
    res.writeHead(answer.status, { 'content-type': 'application/json' }).end(answer.body);
  });
  time = standingClock();
  const outbound = outboundClient({ development: true, allowedHosts: [`localhost:${host.port}`], ca: identity.ca });
  keys = makeClientKeys({ outbound, jws: jwsReader, clock: time.clock });
  publishes(first.publicJwk);
});
afterEach(() => host.close());

const tpp = (given: object = { jwks_uri: `https://localhost:${host.port}/jwks` }, clientId = 'tpp') => ({
  clientId,
  metadata: clientMetadata.parse({ client_name: 'A TPP', token_endpoint_auth_method: 'private_key_jwt', ...given }),
});
const signedBy = async (key: TestKey, header: object = {}): Promise<DecodedJws> =>
  jwsReader.decode(await signJws(key, { sub: 'tpp' }, header)) as DecodedJws;
const isSigned = async (key: TestKey, client = tpp(), header: object = {}) => keys.signed(client, await signedBy(key, header));

describe('RS256', () => {
  const rsa = testKey('PS256', 'rsa');
  const RS256 = { alg: 'RS256' };
  const makes = async (jwk: object, header: object, rs256: boolean) => {
    const outbound = outboundClient({ development: true, allowedHosts: [], ca: identity.ca });
    const those = makeClientKeys({ outbound, jws: jwsReader, clock: time.clock, rs256 });
    return those.signed(tpp({ jwks: { keys: [jwk] } }), await signedBy(rsa, header));
  };

  test.each<[string, object, boolean, boolean]>([
    ['a key that names no algorithm', {}, true, true],
    ['a key for RS256', { alg: 'RS256' }, true, false],
    ['a key for PS256', { alg: 'PS256' }, false, true],
  ])('is made by %s as far as the key says, and only where it is allowed', async (_, named, byRs256, byPs256) => {
    const jwk = { ...rsa.publicJwk, ...named };
    expect([await makes(jwk, RS256, true), await makes(jwk, {}, true)]).toEqual([byRs256, byPs256]);
    expect([await makes(jwk, RS256, false), await makes(jwk, {}, false)]).toEqual([false, byPs256]);
  });

  test('is made by RSA keys alone', async () => {
    const { publicJwk } = first;
    expect(() => jwsReader.rs256Key(publicJwk)).toThrow(TypeError);
    expect(() => jwsReader.rs256Key({ ...rsa.privateKey.export({ format: 'jwk' }) })).toThrow(TypeError);
  });
});

describe('keys by reference', () => {
  test('are fetched once and kept for a quarter of an hour', async () => {
    const client = tpp();
    expect(await isSigned(first, client)).toBe(true);
    time.pass(15 * 60);
    expect(await isSigned(first, client)).toBe(true);
    expect(asked).toBe(1);
    time.pass(1);
    expect(await isSigned(first, client)).toBe(true);
    expect(asked).toBe(2);
  });

  test('are fetched once for many calls at once', async () => {
    const client = tpp();
    expect(await Promise.all(Array.from({ length: 64 }, () => isSigned(first, client)))).toEqual(Array(64).fill(true));
    expect(asked).toBe(1);
  });

  test('may rotate: a kid that is not there is asked for', async () => {
    expect(await isSigned(first)).toBe(true);
    publishes(first.publicJwk, second.publicJwk);
    time.pass(60);
    expect(await isSigned(second)).toBe(true);
    expect(await isSigned(first)).toBe(true);
    expect(asked).toBe(2);
  });

  test('may rotate without any kid', async () => {
    const { kid: _first, ...one } = first.publicJwk;
    const { kid: _second, ...other } = second.publicJwk;
    publishes(one);
    expect(await isSigned(first, tpp(), { kid: undefined })).toBe(true);
    publishes(other);
    time.pass(60);
    expect(await isSigned(second, tpp(), { kid: undefined })).toBe(true);
  });

  test('are no longer good once they are gone from the set', async () => {
    expect(await isSigned(first)).toBe(true);
    publishes(second.publicJwk);
    time.pass(15 * 60 + 1);
    expect(await isSigned(first)).toBe(false);
  });

  test('are asked for once a minute, however many unknown kids come', async () => {
    expect(await isSigned(first)).toBe(true);
    for (let minute = 1; minute <= 3; minute += 1) {
      time.pass(60);
      const storm = Array.from({ length: 100 }, (_, n) => isSigned(second, tpp(), { kid: `unknown-${n}` }));
      expect(new Set(await Promise.all(storm))).toEqual(new Set([false]));
      expect(asked).toBe(1 + minute);
    }
  });

  test('are not asked for because of a signature that a known kid did not make', async () => {
    expect(await isSigned(first)).toBe(true);
    time.pass(60);
    expect(await isSigned(second, tpp(), { kid: 'first' })).toBe(false);
    expect(asked).toBe(1);
  });

  test('are those of the URL that is registered now, and of one client', async () => {
    expect(await isSigned(first)).toBe(true);
    expect(await isSigned(first, tpp({ jwks_uri: `https://localhost:${host.port}/other` }))).toBe(true);
    expect(await isSigned(first, tpp(undefined, 'another'))).toBe(true);
    expect(asked).toBe(3);
  });

  test('are found by their thumbprint, for certificates', async () => {
    const thumbprint = (key: TestKey) => jwsReader.publicKey(key.publicJwk).thumbprint;
    expect(await keys.include(tpp(), thumbprint(first))).toBe(true);
    publishes(second.publicJwk);
    expect(await keys.include(tpp(), thumbprint(second))).toBe(false);
    time.pass(60);
    expect(await keys.include(tpp(), thumbprint(second))).toBe(true);
  });

  test('are read past those that cannot be used', async () => {
    const encryption = { ...second.publicJwk, use: 'enc' };
    publishes(null, 'key', [], {}, { kty: 'oct', k: 'AAAA' }, { kty: 'EC', crv: 'P-256', x: '', y: '' }, encryption, first.publicJwk);
    expect(await isSigned(first)).toBe(true);
    expect(await isSigned(second)).toBe(false);
  });

  test('are the first 20 of a set', async () => {
    publishes(...Array<unknown>(20).fill(second.publicJwk), first.publicJwk);
    expect(await isSigned(first)).toBe(false);
    expect(await isSigned(second)).toBe(true);
  });
});

describe('a set that cannot be had', () => {
  const failures: [string, () => void][] = [
    ['with an error', () => Object.assign(answer, { status: 500 })],
    ['with a redirect', () => Object.assign(answer, { status: 302 })],
    ['without JSON', () => Object.assign(answer, { body: '<html>' })],
    ['without keys', () => Object.assign(answer, { body: '{}' })],
    ['with more than 64 KiB', () => Object.assign(answer, { body: JSON.stringify({ keys: [first.publicJwk], more: 'x'.repeat(65_536) }) })],
  ];

  test.each(failures)('%s leaves no key', async (_name, fails) => {
    fails();
    expect(await isSigned(first)).toBe(false);
    expect(asked).toBe(1);
  });

  test.each(failures)('%s leaves the last keys for a day, and is asked for again each minute', async (_name, fails) => {
    expect(await isSigned(first)).toBe(true);
    fails();
    time.pass(15 * 60 + 1);
    expect(await isSigned(first)).toBe(true);
    expect(await isSigned(first)).toBe(true);
    expect(asked).toBe(2);
    time.pass(60);
    expect(await isSigned(first)).toBe(true);
    expect(asked).toBe(3);
    time.pass(DAY);
    expect(await isSigned(first)).toBe(false);
    publishes(first.publicJwk);
    time.pass(60);
    expect(await isSigned(first)).toBe(true);
  });

  test('stands on a host that the engine does not call: no key', async () => {
    expect(await isSigned(first, tpp({ jwks_uri: 'https://127.0.0.1/jwks' }))).toBe(false);
    expect(asked).toBe(0);
  });
});

describe('keys by value', () => {
  test('need no call', async () => {
    const client = tpp({ jwks: { keys: [{ kty: 'EC', use: 'enc' }, first.publicJwk] } });
    expect(await isSigned(first, client)).toBe(true);
    expect(await isSigned(second, client)).toBe(false);
    expect(await isSigned(second, client, { kid: 'first' })).toBe(false);
    expect(await isSigned(first, client, { kid: 'second' })).toBe(false);
    expect(asked).toBe(0);
  });
  test('are none for a client without any', async () => {
    expect(await isSigned(first, tpp({}))).toBe(false);
  });
});
