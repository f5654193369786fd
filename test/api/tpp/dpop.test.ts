import { constants, createHmac, generateKeyPairSync, type KeyObject, sign } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { calculateJwkThumbprint, type JWK } from 'jose';
import { systemIds } from '../../../src/adapters/clock.ts';
import { jwsReader } from '../../../src/adapters/jose/jws-reader.ts';
import { localLimits } from '../../../src/adapters/limits/local.ts';
import { DPOP_ALGS, makeDpop } from '../../../src/api/tpp/dpop.ts';
import { standingClock } from '../../support/clock.ts';
import { corrupted, forgeJws, type TestKey, testKey, withClaims } from '../../support/jws.ts';

type Alg = (typeof DPOP_ALGS)[number];
type Parts = { key?: TestKey; header?: object; claims?: object };
type Given = { path?: string; accessToken?: string; proof?: string | string[] };

const time = standingClock();
const limits = localLimits(':memory:', time);
afterAll(() => limits.close());

const ISSUER = 'https://bank.example:9446';
const surface = { issuer: ISSUER, mtlsBase: 'https://bank.example:9447' };
const dpop = makeDpop({ jws: jwsReader, limits, clock: time.clock, ids: systemIds, surface });
// As in production behind a gateway: a base without a port.
const atDefaultPort = makeDpop({
  jws: jwsReader,
  limits,
  clock: time.clock,
  ids: systemIds,
  surface: { issuer: 'https://bank.example', mtlsBase: 'https://mtls.bank.example' },
});

const keys = new Map<Alg, TestKey>();
const keyOf = (alg: Alg): TestKey => keys.get(alg) as TestKey;
beforeAll(() => {
  for (const alg of DPOP_ALGS) keys.set(alg, testKey(alg));
});

const PATH = '/oauth2/token';
const TOKEN = 'an-access-token';

/** Signs as the algorithm of the key says, whatever the header says. */
const signs =
  ({ alg, privateKey }: TestKey) =>
  (signed: string): Buffer => {
    const data = Buffer.from(signed);
    if (alg === 'ES256') return sign('sha256', data, { key: privateKey, dsaEncoding: 'ieee-p1363' });
    if (alg === 'EdDSA') return sign(null, data, privateKey);
    return sign('sha256', data, { key: privateKey, padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: 32 });
  };
const jwkOf = (key: KeyObject): JWK => key.export({ format: 'jwk' }) as JWK;
const headerOf = (key: TestKey): object => ({ alg: key.alg, typ: 'dpop+jwt', jwk: jwkOf(key.publicKey) });
const claimsNow = (): object => ({ jti: systemIds.uuid(), htm: 'POST', htu: ISSUER + PATH, iat: time.clock() });

/** A good proof by the ES256 key, but for what is given; `undefined` leaves a member out. */
const proof = ({ key = keyOf('ES256'), header, claims }: Parts = {}): string =>
  forgeJws({ ...headerOf(key), ...header }, { ...claimsNow(), ...claims }, signs(key));

const proves = ({ path = PATH, proof: given, ...rest }: Given, by = dpop) => by({ proof: given, method: 'POST', path, ...rest });
const jktOf = async (key: TestKey): Promise<{ jkt: string }> => ({ jkt: await calculateJwkThumbprint(jwkOf(key.publicKey)) });

const accepts = async (given: Given, key = keyOf('ES256'), by = dpop) => expect(await proves(given, by)).toEqual(await jktOf(key));
const refuses = (given: Given, reason: RegExp, by = dpop) =>
  expect(proves(given, by)).rejects.toMatchObject({
    name: 'OAuthError',
    error: 'invalid_dpop_proof',
    message: expect.stringMatching(reason),
  });

const UNREADABLE = /is no JWT that the public key in its header has signed/;
const INCOMPLETE = /must hold jti, htm, htu and iat/;

describe('a proof is accepted', () => {
  test.each(DPOP_ALGS)('signed with %s', (alg) => accepts({ proof: proof({ key: keyOf(alg) }) }, keyOf(alg)));
  test('as the only one of a list', () => accepts({ proof: [proof()] }));
  test('for its access token', () => accepts({ proof: proof({ claims: { ath: systemIds.hash(TOKEN) } }), accessToken: TOKEN }));

  test.each<[string, object]>([
    ['the typ in another case', { typ: 'DPoP+JWT' }],
    ['a kid beside a key without one', { kid: 'any' }],
    ['an unknown member', { nobody: 'knows' }],
  ])('with %s in its header', (_name, header) => accepts({ proof: proof({ header }) }));

  test('with the same kid in its header and its key', () =>
    accepts({ proof: proof({ header: { kid: 'ES256', jwk: keyOf('ES256').publicJwk } }) }));
  test('with unknown members in its key', () =>
    accepts({ proof: proof({ header: { jwk: { ...keyOf('ES256').publicJwk, use: 'sig', alg: 'ES256', more: { than: 1 } } } }) }));

  test.each<[string, () => object]>([
    ['10 s old', () => ({ iat: time.clock() - 10 })],
    ['10 s ahead', () => ({ iat: time.clock() + 10 })],
    ['60 s old', () => ({ iat: time.clock() - 60 })],
    ['60 s ahead', () => ({ iat: time.clock() + 60 })],
    ['with a fraction in its iat', () => ({ iat: time.clock() - 0.5 })],
    ['with a jti of 256 characters', () => ({ jti: systemIds.uuid().padEnd(256, 'x') })],
    ['with a nonce that nobody asked for', () => ({ nonce: 'n' })],
    ['with unknown claims', () => ({ iss: 'someone', sub: null, aud: ['anyone'], more: { than: 1 } })],
    ['with an ath where no access token is used', () => ({ ath: 'any' })],
  ])('%s', (_name, claims) => accepts({ proof: proof({ claims: claims() }) }));
});

describe('no proof', () => {
  test('is no refusal', async () => expect(await dpop({ proof: undefined, method: 'POST', path: PATH })).toBeNull());
  test('is not what an empty header is', () => refuses({ proof: '' }, UNREADABLE));
});

describe('two proofs are refused', () => {
  test('as a list', () => refuses({ proof: [proof(), proof()] }, /the only one/));
  test('as one header, the way that Node joins them', () => refuses({ proof: `${proof()}, ${proof()}` }, UNREADABLE));
  test('when they are the same', () => {
    const made = proof();
    return refuses({ proof: [made, made] }, /the only one/);
  });
});

describe('the URI of a proof fits', () => {
  test.each<[string, string, string?]>([
    ['at the other listener', `https://bank.example:9447${PATH}`],
    ['with a query', `${ISSUER}${PATH}?a=b`],
    ['with a fragment', `${ISSUER}${PATH}#there`],
    ['with a query and a fragment', `${ISSUER}${PATH}?a=/b?c#d?e`],
    ['where only the call has a query', ISSUER + PATH, `${PATH}?a=b`],
    ['where the queries differ', `${ISSUER}${PATH}?a=b`, `${PATH}?c=d`],
    ['with the scheme in upper case', `HTTPS://bank.example:9446${PATH}`],
    ['with the host in upper case', `https://BANK.Example:9446${PATH}`],
    ['with a zero before the port', `https://bank.example:09446${PATH}`],
    ['with an unreserved character escaped', `${ISSUER}/oauth2/%74oken`],
    ['with an unreserved character escaped in the call', `${ISSUER}/a~b`, '/a%7Eb'],
    ['with an escape in lower case', `${ISSUER}/a%2fb`, '/a%2Fb'],
    ['with an escape of UTF-8', `${ISSUER}/%c3%a9`, '/%C3%A9'],
    ['with a dot segment', `${ISSUER}/oauth2/./token`],
    ['with two dot segments', `${ISSUER}/oauth2/ciba/../token`],
    ['with escaped dot segments', `${ISSUER}/oauth2/ciba/%2E%2e/token`],
    ['with an escaped character of the host', `https://b%61nk.example:9446${PATH}`],
    ['with no path, at the root', ISSUER, '/'],
  ])('%s', (_name, htu, path = PATH) => accepts({ proof: proof({ claims: { htu } }), path }));

  test.each([
    ['with the default port', `https://bank.example:443${PATH}`],
    ['with an empty port', `https://bank.example:${PATH}`],
    ['without a port', `https://bank.example${PATH}`],
    ['at the other host', `https://mtls.bank.example:443${PATH}`],
  ])('%s where the base has none', (_name, htu) => accepts({ proof: proof({ claims: { htu } }) }, keyOf('ES256'), atDefaultPort));
});

describe('a proof is refused, for its URI is another', () => {
  test.each<[string, string, string?]>([
    ['http', `http://bank.example:9446${PATH}`],
    ['another scheme', `wss://bank.example:9446${PATH}`],
    ['another host', `https://other.example:9446${PATH}`],
    ['a longer host', `https://bank.example.other.example:9446${PATH}`],
    ['a host with a dot at its end', `https://bank.example.:9446${PATH}`],
    ['a sub-domain', `https://www.bank.example:9446${PATH}`],
    ['another port', `https://bank.example:9448${PATH}`],
    ['no port', `https://bank.example${PATH}`],
    ['the default port', `https://bank.example:443${PATH}`],
    ['a port beyond all', `https://bank.example:99999${PATH}`],
    ['another path', `${ISSUER}/oauth2/ciba`],
    ['the path of the issuer', `${ISSUER}/`],
    ['a longer path', `${ISSUER}${PATH}/`],
    ['a shorter path', `${ISSUER}/oauth2`],
    ['the path in another case', `${ISSUER}/OAuth2/token`],
    ['two slashes', `${ISSUER}/${PATH}`],
    ['an escaped slash', `${ISSUER}/oauth2%2Ftoken`],
    ['an escape twice', `${ISSUER}/oauth2/%2574oken`],
    ['the path in the query', `${ISSUER}/?${PATH}`],
    ['the path in the fragment', `${ISSUER}/#${PATH}`],
    ['the path alone', PATH],
    ['without a scheme', `//bank.example:9446${PATH}`],
    ['without slashes', `https:bank.example:9446${PATH}`],
    ['with three slashes', `https:///bank.example:9446${PATH}`],
    ['with backslashes', `https:\\\\bank.example:9446\\oauth2\\token`],
    ['with a user', `https://user@bank.example:9446${PATH}`],
    ['with our host as a user', `https://bank.example:9446@other.example${PATH}`],
    ['with a space before it', ` ${ISSUER}${PATH}`],
    ['with a line break in it', `${ISSUER}/oauth2/\ntoken`],
    ['with a tab in its scheme', `ht\ttps://bank.example:9446${PATH}`],
    ['with an escape that is none', `${ISSUER}${PATH}?%zz`],
    ['with a letter beyond ASCII', `${ISSUER}${PATH}#é`],
    ['with a full-width letter in its host', `https://ｂank.example:9446${PATH}`],
    ['empty', ''],
    ['other than the call, which has the absolute form', ISSUER + PATH, ISSUER + PATH],
    ['other than the call, which has none', ISSUER, '*'],
    ['other than the call, which is no URI', ISSUER + PATH, `${PATH}|`],
  ])('%s', (_name, htu, path = PATH) => refuses({ proof: proof({ claims: { htu } }), path }, /another URI/));

  test.each([
    ['host', 'https://bank.example.other.example/x', '.other.example/x'],
    ['port', 'https://bank.example:8443/x', ':8443/x'],
  ])('other than the call, which would run into the %s', (_name, htu, path) =>
    refuses({ proof: proof({ claims: { htu } }), path }, /another URI/, atDefaultPort),
  );

  test('and long', () => refuses({ proof: proof({ claims: { htu: `${ISSUER}${`/${'%2e'.repeat(3)}`.repeat(700)}!` } }) }, /another URI/));
});

describe('a proof is refused, for its claims', () => {
  test.each<[string, () => object, RegExp]>([
    ['of another method', () => ({ htm: 'GET' }), /another method/],
    ['of a method in lower case', () => ({ htm: 'post' }), /another method/],
    ['of an empty method', () => ({ htm: '' }), /another method/],
    ['of several methods', () => ({ htm: ['POST', 'GET'] }), INCOMPLETE],
    ['of several URIs', () => ({ htu: [ISSUER + PATH] }), INCOMPLETE],
    ['61 s old', () => ({ iat: time.clock() - 61 }), /too old/],
    ['61 s ahead', () => ({ iat: time.clock() + 61 }), /too old/],
    ['an hour old', () => ({ iat: time.clock() - 3600 }), /too old/],
    ['an hour ahead', () => ({ iat: time.clock() + 3600 }), /too old/],
    ['of the beginning of time', () => ({ iat: 0 }), /too old/],
    ['in milliseconds', () => ({ iat: time.nowMs() }), /too old/],
    ['with the largest iat', () => ({ iat: Number.MAX_VALUE }), /too old/],
    ['with an iat that is a text', () => ({ iat: String(time.clock()) }), INCOMPLETE],
    ['with an iat that is null', () => ({ iat: null }), INCOMPLETE],
    ['with an empty jti', () => ({ jti: '' }), INCOMPLETE],
    ['with a jti that is a number', () => ({ jti: 1 }), INCOMPLETE],
    ['with a jti of 257 characters', () => ({ jti: 'x'.repeat(257) }), INCOMPLETE],
    ['with an ath that is a number', () => ({ ath: 1 }), INCOMPLETE],
  ])('%s', (_name, claims, reason) => refuses({ proof: proof({ claims: claims() }) }, reason));

  test.each(['jti', 'htm', 'htu', 'iat'])('without %s', (claim) =>
    refuses({ proof: proof({ claims: { [claim]: undefined } }) }, INCOMPLETE),
  );

  test.each<[string, string | undefined]>([
    ['without one', undefined],
    ['of another', systemIds.hash('another')],
    ['empty', ''],
    ['in clear', TOKEN],
    ['in hex', Buffer.from(systemIds.hash(TOKEN), 'base64url').toString('hex')],
    ['with padding', `${systemIds.hash(TOKEN)}=`],
    ['of nothing', systemIds.hash('')],
  ])('with an access token whose ath is %s', (_name, ath) =>
    refuses({ proof: proof({ claims: { ath } }), accessToken: TOKEN }, /another access token/),
  );
});

describe('a proof is refused, for its header', () => {
  test.each<[string, unknown]>([
    ['missing', undefined],
    ['that of a JWT', 'JWT'],
    ['that of a device', 'device-proof+jwt'],
    ['that of an access token', 'at+jwt'],
    ['another word that begins alike', 'dpop+jwt2'],
    ['empty', ''],
  ])('whose typ is %s', (_name, typ) => refuses({ proof: proof({ header: { typ } }) }, /another typ/));

  test.each<[string, () => object]>([
    ['a typ that is no text', () => ({ typ: ['dpop+jwt'] })],
    ['no alg', () => ({ alg: undefined })],
    ['alg none', () => ({ alg: 'none' })],
    ['alg None', () => ({ alg: 'None' })],
    ['alg RS256', () => ({ alg: 'RS256' })],
    ['alg HS256', () => ({ alg: 'HS256' })],
    ['alg ES384', () => ({ alg: 'ES384' })],
    ['alg es256', () => ({ alg: 'es256' })],
    ['the alg of another kind of key', () => ({ alg: 'PS256' })],
    ['several algs', () => ({ alg: ['ES256'] })],
    ['no jwk', () => ({ jwk: undefined })],
    ['null for a jwk', () => ({ jwk: null })],
    ['a text for a jwk', () => ({ jwk: JSON.stringify(jwkOf(keyOf('ES256').publicKey)) })],
    ['a list for a jwk', () => ({ jwk: [jwkOf(keyOf('ES256').publicKey)] })],
    ['an empty jwk', () => ({ jwk: {} })],
    ['a kid alone', () => ({ jwk: undefined, kid: 'ES256' })],
    ['another kid than its jwk', () => ({ kid: 'another', jwk: keyOf('ES256').publicJwk })],
    ['a kid that is no text', () => ({ kid: 1 })],
    ['the jwk of another key', () => ({ jwk: jwkOf(testKey('ES256').publicKey) })],
    ['the jwk of a key of another kind', () => ({ jwk: jwkOf(keyOf('EdDSA').publicKey) })],
    ['a jwk for another alg', () => ({ jwk: { ...jwkOf(keyOf('ES256').publicKey), alg: 'ES384' } })],
    ['a jwk of an unknown curve', () => ({ jwk: { ...jwkOf(keyOf('ES256').publicKey), crv: 'P-257' } })],
    ['a point off its curve', () => ({ jwk: { ...jwkOf(keyOf('ES256').publicKey), y: Buffer.alloc(32, 1).toString('base64url') } })],
    ['a private jwk', () => ({ jwk: jwkOf(keyOf('ES256').privateKey) })],
    ['a jwk and x5c', () => ({ x5c: ['MIIB'] })],
    ['a jwk and x5u', () => ({ x5u: 'https://attacker.example/cert' })],
    ['a jwk and jku', () => ({ jku: 'https://attacker.example/jwks' })],
    ['x5c without a jwk', () => ({ jwk: undefined, x5c: ['MIIB'] })],
    ['crit', () => ({ crit: ['exp'], exp: 1 })],
    ['an empty crit', () => ({ crit: [] })],
    ['b64', () => ({ crit: ['b64'], b64: false })],
    ['zip', () => ({ zip: 'DEF' })],
  ])('which has %s', (_name, header) => refuses({ proof: proof({ header: header() }) }, UNREADABLE));

  test.each(['d', 'p', 'q', 'dp', 'dq', 'qi', 'oth', 'k'])('whose jwk has the private member %s', (member) => {
    const key = keyOf('PS256');
    return refuses({ proof: proof({ key, header: { jwk: { ...jwkOf(key.publicKey), [member]: 'AQAB' } } }) }, UNREADABLE);
  });

  test.each(DPOP_ALGS)('whose jwk is the private one (%s)', (alg) => {
    const key = keyOf(alg);
    return refuses({ proof: proof({ key, header: { jwk: jwkOf(key.privateKey) } }) }, UNREADABLE);
  });
});

describe('a proof is refused, for its key is weak or of another kind', () => {
  const rsa = (modulusLength: number): TestKey => ({ ...keyOf('PS256'), ...generateKeyPairSync('rsa', { modulusLength }) });
  const ec = (namedCurve: string): TestKey => ({ ...keyOf('ES256'), ...generateKeyPairSync('ec', { namedCurve }) });
  test.each<[string, () => TestKey]>([
    ['RSA of 1024 bits', () => rsa(1024)],
    ['RSA of 4104 bits', () => rsa(4104)],
    ['RSA with the exponent 3', () => ({ ...rsa(2048), ...generateKeyPairSync('rsa', { modulusLength: 2048, publicExponent: 3 }) })],
    ['P-384', () => ec('P-384')],
    ['secp256k1', () => ec('secp256k1')],
    ['Ed448', () => ({ ...keyOf('EdDSA'), ...generateKeyPairSync('ed448') })],
  ])('%s', (_name, key) => refuses({ proof: proof({ key: key() }) }, UNREADABLE));

  test.each<[string, string]>([
    ['1', 'AQ'],
    ['a number as long as the modulus', Buffer.alloc(256, 127).toString('base64url')],
    ['2^256 + 1', Buffer.concat([Buffer.of(1), Buffer.alloc(31), Buffer.of(1)]).toString('base64url')],
  ])('RSA whose exponent is %s', (_name, e) => {
    const key = keyOf('PS256');
    const jwk = { ...jwkOf(key.publicKey), e };
    expect(() => jwsReader.publicKey(jwk)).toThrow('exponent');
    return refuses({ proof: proof({ key, header: { jwk } }) }, UNREADABLE);
  });

  test('a secret, with which it was signed', () => {
    const secret = Buffer.alloc(32, 7);
    const header = { alg: 'HS256', typ: 'dpop+jwt', jwk: { kty: 'oct', k: secret.toString('base64url') } };
    const made = forgeJws(header, claimsNow(), (signed) => createHmac('sha256', secret).update(signed).digest());
    return refuses({ proof: made }, UNREADABLE);
  });

  test('whatever JSON it is', async () => {
    const anyKey = fc.record(
      {
        kty: fc.constantFrom('EC', 'RSA', 'OKP', 'oct', 1, null),
        crv: fc.constantFrom('P-256', 'Ed25519', 'X25519', '', 1),
        x: fc.jsonValue(),
        y: fc.jsonValue(),
        n: fc.jsonValue(),
        e: fc.jsonValue(),
      },
      { requiredKeys: [] },
    );
    const property = fc.asyncProperty(fc.oneof(fc.jsonValue(), anyKey), (jwk) =>
      refuses({ proof: proof({ header: { jwk } }) }, UNREADABLE),
    );
    await fc.assert(property, { numRuns: 300 });
  });
});

describe('a proof is refused, for its signature', () => {
  const order = Buffer.from('ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551', 'hex');
  const one = Buffer.concat([Buffer.alloc(31), Buffer.of(1)]);
  test.each<[string, Buffer]>([
    ['r and s zero', Buffer.alloc(64)],
    ['r zero', Buffer.concat([Buffer.alloc(32), one])],
    ['s zero', Buffer.concat([one, Buffer.alloc(32)])],
    ['r and s the order of the group', Buffer.concat([order, order])],
    ['r and s beyond it', Buffer.alloc(64, 255)],
    ['one byte', Buffer.alloc(1)],
    ['no byte', Buffer.alloc(0)],
  ])('%s', (_name, signature) => refuses({ proof: forgeJws(headerOf(keyOf('ES256')), claimsNow(), () => signature) }, UNREADABLE));

  test.each<[Exclude<Alg, 'ES256'>, number]>([
    ['PS256', 256],
    ['EdDSA', 64],
  ])('zeros with %s', (alg, length) =>
    refuses({ proof: forgeJws(headerOf(keyOf(alg)), claimsNow(), () => Buffer.alloc(length)) }, UNREADABLE),
  );

  const by = (key: TestKey, signer: (data: Buffer) => Buffer) =>
    forgeJws(headerOf(key), claimsNow(), (signed) => signer(Buffer.from(signed)));
  const hmac = (signed: string) =>
    createHmac('sha256', String(keyOf('ES256').publicKey.export({ type: 'spki', format: 'pem' })))
      .update(signed)
      .digest();
  test.each<[string, () => string]>([
    ['which is corrupted', () => corrupted(proof())],
    ['which was made for other claims', () => withClaims(proof({ claims: { htm: 'GET' } }), claimsNow)],
    ['which was made by another key', () => forgeJws(headerOf(keyOf('ES256')), claimsNow(), signs(testKey('ES256')))],
    ['which is in DER', () => by(keyOf('ES256'), (data) => sign('sha256', data, keyOf('ES256').privateKey))],
    ['which is by PKCS#1 v1.5', () => by(keyOf('PS256'), (data) => sign('sha256', data, keyOf('PS256').privateKey))],
    [
      'which is RS256, and says so',
      () =>
        forgeJws({ ...headerOf(keyOf('PS256')), alg: 'RS256' }, claimsNow(), (signed) =>
          sign('sha256', Buffer.from(signed), keyOf('PS256').privateKey),
        ),
    ],
    ['which is HS256 by the public key', () => forgeJws({ ...headerOf(keyOf('ES256')), alg: 'HS256' }, claimsNow(), hmac)],
    ['which is missing', () => proof().replace(/[^.]+$/, '')],
    ['which is missing, with alg none', () => forgeJws({ ...headerOf(keyOf('ES256')), alg: 'none' }, claimsNow(), () => Buffer.alloc(0))],
  ])('%s', (_name, made) => refuses({ proof: made() }, UNREADABLE));
});

describe('a proof is refused, for its form', () => {
  test.each<[string, () => string]>([
    ['garbage', () => 'garbage'],
    ['with two parts', () => proof().split('.').slice(0, 2).join('.')],
    ['with five parts', () => `${proof()}.AA.AA`],
    ['with a space before it', () => ` ${proof()}`],
    ['with padding', () => `${proof()}=`],
    ['over a list', () => forgeJws(headerOf(keyOf('ES256')), [claimsNow()], signs(keyOf('ES256')))],
    ['longer than 16 KiB', () => proof({ claims: { more: 'x'.repeat(13_000) } })],
    ['longer than 16 KiB by its key', () => proof({ header: { jwk: { ...jwkOf(keyOf('ES256').publicKey), more: 'x'.repeat(13_000) } } })],
  ])('%s', (_name, made) => refuses({ proof: made() }, UNREADABLE));

  test('but not for a length below that', () => accepts({ proof: proof({ claims: { more: 'x'.repeat(10_000) } }) }));
});

describe('a proof is good once', () => {
  beforeEach(() => time.pass(1000));
  const USED = /used before/;

  test('and not a second time', async () => {
    const made = proof();
    await accepts({ proof: made });
    await refuses({ proof: made }, USED);
  });
  test('of 16 calls at once', async () => {
    const made = proof();
    const calls = await Promise.allSettled(Array.from({ length: 16 }, () => proves({ proof: made })));
    expect(calls.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
  });
  test('even when its signature is made anew', async () => {
    const claims = { jti: 'anew', iat: time.clock() };
    await accepts({ proof: proof({ claims }) });
    await refuses({ proof: proof({ claims }) }, USED);
  });
  test('and so is its jti, for another URI, at another time or with the key written otherwise', async () => {
    await accepts({ proof: proof({ claims: { jti: 'once' } }) });
    await refuses({ proof: proof({ claims: { jti: 'once', iat: time.clock() + 1 } }) }, USED);
    await refuses({ proof: proof({ claims: { jti: 'once', htu: `${ISSUER}/elsewhere` } }), path: '/elsewhere' }, USED);
    await refuses({ proof: proof({ claims: { jti: 'once' }, header: { jwk: keyOf('ES256').publicJwk } }) }, USED);
  });
  test('but the jti of one key is not that of another', async () => {
    await accepts({ proof: proof({ claims: { jti: 'shared' } }) });
    await accepts({ proof: proof({ claims: { jti: 'shared' }, key: keyOf('EdDSA') }) }, keyOf('EdDSA'));
  });
  test('and a refusal does not spend it', async () => {
    await refuses({ proof: proof({ claims: { jti: 'kept', htm: 'GET' } }) }, /another method/);
    await refuses({ proof: corrupted(proof({ claims: { jti: 'kept' } })) }, UNREADABLE);
    await refuses({ proof: proof({ claims: { jti: 'kept' } }), accessToken: TOKEN }, /another access token/);
    await accepts({ proof: proof({ claims: { jti: 'kept' } }) });
  });
  test('for as long as its time would let it pass', async () => {
    const made = proof({ claims: { iat: time.clock() + 60 } });
    await accepts({ proof: made });
    time.pass(120);
    await refuses({ proof: made }, USED);
    time.pass(1);
    await refuses({ proof: made }, /too old/);
  });
});

describe('the reader of statements', () => {
  test('goes on refusing a key in a header', () => expect(jwsReader.decode(proof())).toBeNull());
  test('says which key signed a proof, and nothing of its kid', async () => {
    const read = jwsReader.decodeWithJwk(proof({ claims: { jti: 'read' } }));
    expect(read?.header).toEqual({ alg: 'ES256', typ: 'dpop+jwt' });
    expect(read?.claims).toMatchObject({ jti: 'read', htm: 'POST' });
    expect(read?.key.thumbprint).toBe((await jktOf(keyOf('ES256'))).jkt);
  });
});
