import { createHmac, randomUUID, sign } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { systemClock } from '../../../src/adapters/clock.ts';
import { sqliteEventStore } from '../../../src/adapters/event-store/sqlite.ts';
import { temporarySigningKeys } from '../../../src/adapters/keys/signing-keys.ts';
import { localLimits } from '../../../src/adapters/limits/local.ts';
import { type StandingClock, standingClock } from '../../support/clock.ts';
import { type TestEngine, testEngine } from '../../support/engine.ts';
import { expectRefusal, sendForm } from '../../support/http.ts';
import { corrupted, forgeJws, signJws, testKey, withClaims } from '../../support/jws.ts';
import { ASSERTION_TYPE, type SigningTpp, signingTpp } from '../../support/tpp.ts';

type Form = Record<string, string>;

const es256 = testKey('ES256');
const ps256 = testKey('PS256');
const ed25519 = testKey('EdDSA');

let time: StandingClock;
let tested: TestEngine;
let tpp: SigningTpp;
let psTpp: SigningTpp;
let edTpp: SigningTpp;
let otherTpp: SigningTpp;

beforeAll(async () => {
  time = standingClock();
  tested = await testEngine({ clock: time.clock });
  tpp = await signingTpp(tested, {}, es256);
  psTpp = await signingTpp(tested, {}, ps256);
  edTpp = await signingTpp(tested, {}, ed25519);
  otherTpp = await signingTpp(tested);
});
afterAll(() => tested.close());

const in_ = (seconds: number) => time.clock() + seconds;
const ownToken = (authentication: Form) => sendForm(tested, '/oauth2/token', { ...authentication, grant_type: 'client_credentials' });
const accepts = async (client: SigningTpp, assertion: string) =>
  expect((await ownToken(client.authenticatedBy(assertion))).status).toBe(200);
const refuses = (authentication: () => Form | Promise<Form>) =>
  expectRefusal(tested, async () => ownToken(await authentication()), 401, 'invalid_client');

describe('an assertion', () => {
  test.each<[string, () => SigningTpp]>([
    ['ES256', () => tpp],
    ['PS256', () => psTpp],
  ])('by %s is accepted', async (_alg, client) => accepts(client(), await client().assertion()));

  test.each<[string, () => string | string[]]>([
    ['the issuer', () => tested.url],
    ['the issuer with a slash', () => `${tested.url}/`],
    ['the token endpoint', () => `${tested.url}/oauth2/token`],
    ['the token endpoint of the mTLS listener', () => `${tested.engine.surface.mtlsBase}/oauth2/token`],
    ['the backchannel authentication endpoint', () => `${tested.url}/oauth2/ciba`],
    ['the pushed authorization request endpoint', () => `${tested.url}/oauth2/par`],
    ['an array with one of them', () => ['https://other.example', tested.url]],
  ])('may be meant for %s', async (_name, aud) => {
    await accepts(tpp, await tpp.assertion({ aud: aud() }));
    const form = { ...tpp.authenticatedBy(await tpp.assertion({ aud: aud() })), scope: 'openid', login_hint: 'alice' };
    expect((await sendForm(tested, '/oauth2/ciba', form)).status).toBe(200);
  });

  test.each<[string, () => object]>([
    ['expires in a moment', () => ({ exp: in_(1) })],
    ['expires at the limit', () => ({ exp: in_(360) })],
    ['was made by a clock that is ahead', () => ({ nbf: in_(60), iat: in_(60) })],
    ['brings further claims', () => ({ scope: 'all', ['__proto__']: 1, constructor: { prototype: 1 } })],
  ])('may be one that %s', async (_name, claims) => accepts(tpp, await tpp.assertion(claims())));

  test('may come without a kid', async () => accepts(tpp, await tpp.assertion({}, { kid: undefined })));
});

describe('an assertion is refused', () => {
  test.each<[string, () => object]>([
    ['that has expired', () => ({ exp: in_(-1) })],
    ['that expires now', () => ({ exp: in_(0) })],
    ['that lives too long', () => ({ exp: in_(361) })],
    ['without exp', () => ({ exp: undefined })],
    ['whose exp is a text', () => ({ exp: String(in_(60)) })],
    ['with nbf in the future', () => ({ nbf: in_(61) })],
    ['with iat in the future', () => ({ iat: in_(61) })],
    ['meant for somebody else', () => ({ aud: 'https://other.example' })],
    ['meant for a longer name than ours', () => ({ aud: `${tested.url}.example` })],
    ['meant for another path', () => ({ aud: `${tested.url}/oauth2/authorize` })],
    ['meant for nobody', () => ({ aud: undefined })],
    ['meant for an empty list', () => ({ aud: [] })],
    ['issued by another client', () => ({ iss: otherTpp.clientId })],
    ['about another client', () => ({ sub: otherTpp.clientId })],
    ['about another client that issued it', () => ({ iss: otherTpp.clientId, sub: otherTpp.clientId })],
    ['about an unknown client', () => ({ iss: 'nobody', sub: 'nobody' })],
    ['without iss', () => ({ iss: undefined })],
    ['without sub', () => ({ sub: undefined })],
    ['whose sub is no text', () => ({ sub: ['a'] })],
    ['without jti', () => ({ jti: undefined })],
    ['with an empty jti', () => ({ jti: '' })],
    ['with a jti without end', () => ({ jti: 'x'.repeat(257) })],
    ['whose jti is no text', () => ({ jti: 1 })],
    ['longer than 16 KiB', () => ({ padding: 'x'.repeat(16_384) })],
  ])('%s', (_name, claims) => refuses(async () => tpp.authenticatedBy(await tpp.assertion(claims()))));

  test.each<[string, object]>([
    ['jwk', { jwk: es256.publicJwk }],
    ['jku', { jku: 'https://attacker.example/jwks' }],
    ['x5u', { x5u: 'https://attacker.example/x5c' }],
    ['x5c', { x5c: ['MIIB'] }],
    ['zip', { zip: 'DEF' }],
    ['an unknown kid', { kid: 'nobody' }],
  ])('with %s in its header', (_name, header) => refuses(async () => tpp.authenticatedBy(await tpp.assertion({}, header))));

  const hmac = (secret: string) => (signed: string) => createHmac('sha256', secret).update(signed).digest();
  const ecdsa = (dsaEncoding: 'der' | 'ieee-p1363') => (signed: string) =>
    sign('sha256', Buffer.from(signed), { key: es256.privateKey, dsaEncoding });
  const nothing = () => Buffer.alloc(0);
  const asIfBy = ({ clientId }: SigningTpp) => ({ iss: clientId, sub: clientId, aud: tested.url, jti: randomUUID(), exp: in_(60) });
  const pem = (key: typeof es256) => String(key.publicKey.export({ type: 'spki', format: 'pem' }));
  test.each<[string, () => string | Promise<string>]>([
    ['alg none without a signature', () => forgeJws({ alg: 'none' }, asIfBy(tpp), nothing)],
    ['alg none with a signature', () => forgeJws({ alg: 'none' }, asIfBy(tpp), () => Buffer.alloc(64))],
    ['alg None', () => forgeJws({ alg: 'None' }, asIfBy(tpp), () => Buffer.alloc(64))],
    ['no alg', () => forgeJws({}, asIfBy(tpp), () => Buffer.alloc(64))],
    ['an alg that is a list', () => forgeJws({ alg: ['ES256'] }, asIfBy(tpp), () => Buffer.alloc(64))],
    ['HS256 by the public key as PEM', () => forgeJws({ alg: 'HS256', kid: 'ES256' }, asIfBy(tpp), hmac(pem(es256)))],
    [
      'HS256 by the public key as JWK',
      () => forgeJws({ alg: 'HS256', kid: 'PS256' }, asIfBy(psTpp), hmac(JSON.stringify(ps256.publicJwk))),
    ],
    ['a signature of zeros', () => forgeJws({ alg: 'ES256', kid: 'ES256' }, asIfBy(tpp), () => Buffer.alloc(64))],
    ['a signature in DER', () => forgeJws({ alg: 'ES256', kid: 'ES256' }, asIfBy(tpp), ecdsa('der'))],
    ['crit', () => forgeJws({ alg: 'ES256', kid: 'ES256', crit: ['exp'] }, asIfBy(tpp), ecdsa('ieee-p1363'))],
    ['b64', () => forgeJws({ alg: 'ES256', kid: 'ES256', b64: true }, asIfBy(tpp), ecdsa('ieee-p1363'))],
    ['RS256', () => psTpp.assertion({}, { alg: 'RS256' })],
    ['EdDSA, which its profile does not have', () => edTpp.assertion()],
    ['ES256 by an RSA key', async () => withHeader(await psTpp.assertion(), { alg: 'ES256' })],
    ['the key of another client', () => tpp.assertion({}, {}, otherTpp.key)],
    ['a corrupted signature', async () => corrupted(await tpp.assertion())],
    ['claims changed after the signature', async () => withClaims(await tpp.assertion(), (claims) => ({ ...claims, jti: 'another' }))],
  ])('with %s', (_name, assertion) => refuses(async () => tpp.authenticatedBy(await assertion())));

  test.each<[string, string]>([
    ['garbage', 'garbage'],
    ['two parts', 'eyJhbGciOiJFUzI1NiJ9.e30'],
    ['five parts', 'eyJhbGciOiJFUzI1NiJ9.e30.e30.e30.e30'],
    ['claims that are a list', 'eyJhbGciOiJFUzI1NiJ9.W10.AAAA'],
    ['claims that are no JSON', 'eyJhbGciOiJFUzI1NiJ9.AAAA.AAAA'],
  ])('that is %s', (_name, assertion) => refuses(() => tpp.authenticatedBy(assertion)));

  test.each<[string, () => Form | Promise<Form>]>([
    ['without client_assertion_type', async () => ({ client_assertion: await tpp.assertion() })],
    ['with another client_assertion_type', async () => ({ client_assertion_type: 'jwt', client_assertion: await tpp.assertion() })],
    ['beside another client_id', async () => ({ ...(await tpp.authentication()), client_id: otherTpp.clientId })],
    ['that is missing: a client_id proves nothing', () => ({ client_id: tpp.clientId })],
    ['that is missing beside its type', () => ({ client_id: tpp.clientId, client_assertion_type: ASSERTION_TYPE })],
  ])('%s', (_name, form) => refuses(form));

  test('by an algorithm other than the registered one', async () => {
    const keys = [es256.publicJwk, ps256.publicJwk];
    const strict = await signingTpp(tested, { token_endpoint_auth_signing_alg: 'PS256', jwks: { keys } }, ps256);
    await accepts(strict, await strict.assertion());
    await refuses(async () => strict.authenticatedBy(await strict.assertion({}, {}, es256)));
  });

  test('by a key that the client has for encryption', async () => {
    const client = await signingTpp(tested, { jwks: { keys: [{ ...es256.publicJwk, use: 'enc' } as never] } }, es256);
    await refuses(() => client.authentication());
  });

  test('that is a request object of the client', () => refuses(async () => tpp.authenticatedBy(await tpp.requestObject())));

  test.each(['/oauth2/ciba', '/oauth2/introspect', '/oauth2/revoke'])('at %s too', async (path) => {
    const form = { scope: 'openid', login_hint: 'alice', token: 'x' };
    for (const assertion of [await tpp.assertion({ aud: 'https://other.example' }), await psTpp.assertion({}, { alg: 'RS256' })])
      await expectRefusal(tested, () => sendForm(tested, path, { ...form, ...tpp.authenticatedBy(assertion) }), 401, 'invalid_client');
  });
});

describe('an assertion of a FAPI 2 client', () => {
  let fapi2: SigningTpp;
  let edFapi2: SigningTpp;
  const path = '/oauth2/introspect';
  const introspects = async (client: SigningTpp, claims: object = {}) =>
    sendForm(tested, path, { token: 'x', ...client.authenticatedBy(await client.assertion(claims)) });
  beforeAll(async () => {
    const metadata = { profile: 'fapi2', tls_client_certificate_bound_access_tokens: true } as const;
    fapi2 = await signingTpp(tested, metadata, es256);
    edFapi2 = await signingTpp(tested, metadata, ed25519);
  });

  test.each<[string, () => SigningTpp, () => object]>([
    ['by ES256', () => fapi2, () => ({})],
    ['by EdDSA', () => edFapi2, () => ({})],
    ['by a clock that is 8 s ahead', () => fapi2, () => ({ nbf: in_(8), iat: in_(8) })],
  ])('is accepted %s', async (_name, client, claims) => expect((await introspects(client(), claims())).status).toBe(200));

  test.each<[string, () => object]>([
    ['for the issuer with a slash', () => ({ aud: `${tested.url}/` })],
    ['for the issuer in a list', () => ({ aud: [tested.url] })],
    ['for the token endpoint', () => ({ aud: `${tested.url}/oauth2/token` })],
    ['for the endpoint itself', () => ({ aud: tested.url + path })],
    ['for the pushed authorization request endpoint', () => ({ aud: `${tested.url}/oauth2/par` })],
    ['by a clock that is more than a minute ahead', () => ({ nbf: in_(61) })],
    ['without sub', () => ({ sub: undefined })],
  ])('is refused %s', (_name, claims) => expectRefusal(tested, () => introspects(fapi2, claims()), 401, 'invalid_client'));
});

describe('a jti', () => {
  test('counts once for a client, in whatever assertion', async () => {
    await accepts(tpp, await tpp.assertion({ jti: 'once' }));
    await refuses(async () => tpp.authenticatedBy(await tpp.assertion({ jti: 'once', exp: in_(30) })));
    await accepts(otherTpp, await otherTpp.assertion({ jti: 'once' }));
  });

  test('is not spent by an assertion that was refused', async () => {
    await refuses(async () => tpp.authenticatedBy(corrupted(await tpp.assertion({ jti: 'kept' }))));
    await accepts(tpp, await tpp.assertion({ jti: 'kept' }));
  });

  test('counts for one of 16 calls at once', async () => {
    const form = await tpp.authentication();
    const statuses = await Promise.all(Array.from({ length: 16 }, async () => (await ownToken(form)).status));
    expect(statuses.sort()).toEqual([200, ...Array(15).fill(401)]);
  });

  test('counts once for all endpoints', async () => {
    const form = { ...(await tpp.authentication()), scope: 'openid', login_hint: 'alice', token: 'x' };
    expect((await sendForm(tested, '/oauth2/ciba', form)).status).toBe(200);
    for (const path of ['/oauth2/ciba', '/oauth2/token', '/oauth2/introspect', '/oauth2/revoke'])
      await expectRefusal(tested, () => sendForm(tested, path, form), 401, 'invalid_client');
  });
});

describe('a jti across a restart', () => {
  const folder = mkdtempSync(join(tmpdir(), 'countersign-'));
  const stops: (() => Promise<void>)[] = [];
  const signer = temporarySigningKeys();
  afterAll(async () => {
    for (const stop of stops) await stop();
    rmSync(folder, { recursive: true });
  });

  const start = async () => {
    const limits = localLimits(join(folder, 'replay.sqlite'), { clock: systemClock });
    const engine = await testEngine({ store: sqliteEventStore(join(folder, 'log.sqlite')), limits, signer });
    stops.push(() => engine.close().then(limits.close));
    return engine;
  };
  const statusOf = async (engine: TestEngine, clientId: string, jti: string) => {
    const claims = { iss: clientId, sub: clientId, aud: engine.url, jti, exp: systemClock() + 60 };
    const form = { ...tpp.authenticatedBy(await signJws(es256, claims)), grant_type: 'client_credentials' };
    return (await engine.post('/oauth2/token', form)).status;
  };

  test('counts once', async () => {
    const first = await start();
    const { clientId } = await signingTpp(first, {}, es256);
    expect(await statusOf(first, clientId, 'before')).toBe(200);
    await stops.pop()?.();
    const second = await start();
    expect([await statusOf(second, clientId, 'before'), await statusOf(second, clientId, 'after')]).toEqual([401, 200]);
  });
});

const withHeader = (jws: string, change: object): string => {
  const [header = '', ...rest] = jws.split('.');
  const changed = { ...JSON.parse(Buffer.from(header, 'base64url').toString()), ...change };
  return [Buffer.from(JSON.stringify(changed)).toString('base64url'), ...rest].join('.');
};
