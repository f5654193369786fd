import { createHmac } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { type StandingClock, standingClock } from '../../support/clock.ts';
import { type TestEngine, testEngine } from '../../support/engine.ts';
import { expectRefusal, sendForm } from '../../support/http.ts';
import { corrupted, forgeJws, testKey, withClaims } from '../../support/jws.ts';
import { certificate, lodge, type SigningTpp, secretTpp, signingTpp, withCertificate } from '../../support/tpp.ts';

const fapi = { profile: 'fapi-ciba', tls_client_certificate_bound_access_tokens: true } as const;
const es256 = testKey('ES256');
const ps256 = testKey('PS256');

let time: StandingClock;
let tested: TestEngine;
let tpp: SigningTpp;
let psTpp: SigningTpp;
let other: SigningTpp;

beforeAll(async () => {
  time = standingClock();
  tested = await testEngine({ clock: time.clock }, { COUNTERSIGN_LIMITS_PENDING_REQUESTS_PER_PSU: '1000000' });
  tpp = await signingTpp(tested, fapi, es256);
  psTpp = await signingTpp(tested, fapi, ps256);
  other = await signingTpp(tested, fapi);
});
afterAll(() => tested.close());

const in_ = (seconds: number) => time.clock() + seconds;
const send = async (client: SigningTpp, request: string, outer: Record<string, string> = {}) =>
  sendForm(tested, '/oauth2/ciba', { ...(await client.authentication()), ...outer, request }, withCertificate(certificate()));
const accepts = async (client: SigningTpp, request: string, outer?: Record<string, string>) =>
  expect((await send(client, request, outer)).status).toBe(200);
const refuses = (client: SigningTpp, request: string, error = 'invalid_request', outer: Record<string, string> = {}) =>
  expectRefusal(tested, () => send(client, request, outer), 400, error);
const lastReceived = async () =>
  JSON.parse((await tested.log()).findLast(({ type }) => type === 'CibaRequestReceived')?.data ?? '{}') as Record<string, unknown>;

describe('a request object is accepted', () => {
  test.each<[string, () => SigningTpp]>([
    ['ES256', () => tpp],
    ['PS256', () => psTpp],
  ])('by %s', async (_alg, client) => accepts(client(), await client().requestObject()));

  test.each([undefined, 'oauth-authz-req+jwt', 'OAuth-Authz-Req+JWT', 'JWT', 'jwt'])('with typ %s', async (typ) =>
    accepts(tpp, await tpp.requestObject({}, { typ })),
  );

  test.each<[string, () => object]>([
    ['for an audience of several', () => ({ aud: ['https://other.example', tested.url] })],
    ['that lives for an hour', () => ({ nbf: in_(0), exp: in_(3600) })],
    ['that is almost an hour old', () => ({ nbf: in_(-3599), iat: in_(-3599), exp: in_(1) })],
    ['by a clock that is ahead', () => ({ nbf: in_(60), iat: in_(60) })],
    ['with requested_expiry as a number', () => ({ requested_expiry: 30 })],
    ['with requested_expiry as digits', () => ({ requested_expiry: '30' })],
    ['with binding_message', () => ({ binding_message: '1234' })],
    [
      'with parameters of other specifications',
      () => ({ request_context: { a: 1 }, client_notification_token: 'x', transaction_context: {} }),
    ],
  ])('%s', async (_name, claims) => accepts(tpp, await tpp.requestObject(claims())));

  test('without a kid', async () => accepts(tpp, await tpp.requestObject({}, { kid: undefined })));

  test('from a client of another profile that has a key', async () => {
    const plain = await signingTpp(tested, {}, es256);
    await accepts(plain, await plain.requestObject());
  });

  test('with a consent under claims, as an object', async () => {
    const auth = await secretTpp(tested, { jwks: { keys: [es256.publicJwk] } });
    const consentId = await lodge(tested, auth);
    const claims = { iss: auth.client_id, claims: { id_token: { openbanking_intent_id: { value: consentId, essential: true } } } };
    const response = await sendForm(tested, '/oauth2/ciba', { ...auth, request: await tpp.requestObject(claims) });
    expect([response.status, await lastReceived()]).toEqual([200, expect.objectContaining({ consentId })]);
  });

  test('alone: what stands beside it counts for nothing', async () => {
    const outer = { login_hint: 'bob', login_hint_token: 'x', scope: 'payments', requested_expiry: '599', binding_message: '\u202e' };
    await accepts(tpp, await tpp.requestObject({ scope: 'openid', requested_expiry: 30 }), outer);
    expect(await lastReceived()).toMatchObject({ psuId: 'psu-alice', scope: 'openid', expiresAt: in_(30) });
    await refuses(tpp, await tpp.requestObject({ login_hint: undefined }), 'invalid_request', outer);
    await refuses(tpp, await tpp.requestObject({ scope: undefined }), 'invalid_request', { scope: 'openid' });
  });
});

describe('a request object is refused', () => {
  test.each(['iss', 'aud', 'exp', 'iat', 'nbf', 'jti'])('without %s', async (claim) =>
    refuses(tpp, await tpp.requestObject({ [claim]: undefined })),
  );

  test.each<[string, () => object]>([
    ['issued by another client', () => ({ iss: other.clientId })],
    ['meant for another server', () => ({ aud: 'https://other.example' })],
    ['meant for an endpoint', () => ({ aud: `${tested.url}/oauth2/ciba` })],
    ['meant for an empty list', () => ({ aud: [] })],
    ['that expired an hour ago', () => ({ nbf: in_(-3700), iat: in_(-3700), exp: in_(-3600) })],
    ['that expires now', () => ({ exp: in_(0) })],
    ['that lives longer than an hour', () => ({ exp: in_(3601) })],
    ['that lives for 70 minutes', () => ({ exp: in_(4200) })],
    ['that is 70 minutes old', () => ({ nbf: in_(-4200), iat: in_(-4200), exp: in_(60) })],
    ['that begins in ten minutes', () => ({ nbf: in_(600) })],
    ['that begins in 61 seconds', () => ({ nbf: in_(61) })],
    ['that was made in the future', () => ({ iat: in_(61) })],
    ['whose exp is a text', () => ({ exp: String(in_(60)) })],
    ['with an empty jti', () => ({ jti: '' })],
    ['with a jti without end', () => ({ jti: 'x'.repeat(257) })],
    ['longer than 16 KiB', () => ({ padding: 'x'.repeat(16_384) })],
    ['with two hints', () => ({ id_token_hint: 'x' })],
    ['without a hint', () => ({ login_hint: undefined })],
    ['whose login_hint is no text', () => ({ login_hint: { $ne: null } })],
    ['whose scope is a list', () => ({ scope: ['openid'] })],
    ['whose claims are a text', () => ({ claims: '{}' })],
    ['whose requested_expiry is a fraction', () => ({ requested_expiry: 30.5 })],
    ['whose requested_expiry is 0', () => ({ requested_expiry: 0 })],
  ])('%s', async (_name, claims) => refuses(tpp, await tpp.requestObject(claims())));

  test.each<[string, string, object]>([
    ['a scope without openid', 'invalid_scope', { scope: 'accounts' }],
    ['a foreign scope', 'invalid_scope', { scope: 'openid payments' }],
    ['an unknown user', 'unknown_user_id', { login_hint: 'nobody' }],
    ['a binding_message that cannot be shown', 'invalid_binding_message', { binding_message: 'a\u202eb' }],
  ])('with %s', async (_name, error, claims) => refuses(tpp, await tpp.requestObject(claims), error));

  test.each<[string, object]>([
    ['typ at+jwt', { typ: 'at+jwt' }],
    ['typ of a device proof', { typ: 'device-proof+jwt' }],
    ['an empty typ', { typ: '' }],
    ['jwk', { jwk: es256.publicJwk }],
    ['jku', { jku: 'https://attacker.example' }],
    ['x5c', { x5c: ['MIIB'] }],
    ['an unknown kid', { kid: 'nobody' }],
  ])('with %s in its header', async (_name, header) => refuses(tpp, await tpp.requestObject({}, header)));

  const hmac = (signed: string) =>
    createHmac('sha256', String(es256.publicKey.export({ type: 'spki', format: 'pem' })))
      .update(signed)
      .digest();
  const claimsOf = async (jws: Promise<string>) =>
    JSON.parse(Buffer.from((await jws).split('.')[1] ?? '', 'base64url').toString()) as object;
  test.each<[string, () => SigningTpp, () => string | Promise<string>]>([
    ['alg none', () => tpp, async () => forgeJws({ alg: 'none' }, await claimsOf(tpp.requestObject()), () => Buffer.alloc(0))],
    ['HS256 by the public key', () => tpp, async () => forgeJws({ alg: 'HS256', kid: 'ES256' }, await claimsOf(tpp.requestObject()), hmac)],
    ['RS256', () => psTpp, () => psTpp.requestObject({}, { alg: 'RS256' })],
    ['the key of another client', () => tpp, () => tpp.requestObject({}, {}, other.key)],
    ['a corrupted signature', () => tpp, async () => corrupted(await tpp.requestObject())],
    [
      'claims changed after the signature',
      () => tpp,
      async () => withClaims(await tpp.requestObject(), (claims) => ({ ...claims, login_hint: 'bob' })),
    ],
    ['only the parameters of an assertion', () => tpp, () => tpp.assertion({ iat: in_(0), nbf: in_(0) })],
    ['no JWT inside', () => tpp, () => 'garbage'],
    ['five parts', () => tpp, () => 'e30.e30.e30.e30.e30'],
  ])('with %s', async (_name, client, request) => refuses(client(), await request()));

  test('by an algorithm other than the registered one', async () => {
    const keys = [es256.publicJwk, ps256.publicJwk];
    const strict = await signingTpp(tested, { ...fapi, backchannel_authentication_request_signing_alg: 'PS256', jwks: { keys } }, ps256);
    await accepts(strict, await strict.requestObject());
    await refuses(strict, await strict.requestObject({}, {}, es256));
  });

  test('by EdDSA, which the profile does not have', async () => {
    const client = await signingTpp(tested, {}, testKey('EdDSA'));
    const auth = await secretTpp(tested, { jwks: { keys: [client.key.publicJwk] } });
    const request = await client.requestObject({ iss: auth.client_id });
    await expectRefusal(tested, () => sendForm(tested, '/oauth2/ciba', { ...auth, request }), 400, 'invalid_request');
  });

  test('of a client without a key', async () => {
    const auth = await secretTpp(tested);
    const request = await tpp.requestObject({ iss: auth.client_id });
    await expectRefusal(tested, () => sendForm(tested, '/oauth2/ciba', { ...auth, request }), 400, 'invalid_request');
  });

  test('the second time, and by all but one of 16 calls at once', async () => {
    const request = await tpp.requestObject();
    const replies = await Promise.all(Array.from({ length: 16 }, () => send(tpp, request)));
    expect(replies.map(({ status }) => status).sort()).toEqual([200, ...Array(15).fill(400)]);
    await refuses(tpp, request);
  });

  test('whose jti another one of the client had', async () => {
    await accepts(tpp, await tpp.requestObject({ jti: 'once' }));
    await refuses(tpp, await tpp.requestObject({ jti: 'once', login_hint: 'bob' }));
    await accepts(other, await other.requestObject({ jti: 'once' }));
  });

  test('without spending its jti', async () => {
    await refuses(tpp, corrupted(await tpp.requestObject({ jti: 'kept' })));
    await accepts(tpp, await tpp.requestObject({ jti: 'kept' }));
  });
});

test('a request that was refused because of its client is not looked at', async () => {
  const request = await tpp.requestObject({ jti: 'untouched' });
  await expectRefusal(tested, () => sendForm(tested, '/oauth2/ciba', { client_id: tpp.clientId, request }), 401, 'invalid_client');
  await accepts(tpp, request);
});
