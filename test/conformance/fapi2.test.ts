import { createHash, randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { issueClientCertificate } from '../../src/adapters/tls/certificates.ts';
import { signJws, type TestKey, testKey } from '../support/jws.ts';
import { expectNoCode, type Flow, given, redirecting, startFlow } from './support/redirecting.ts';
import { good } from './support/tpp.ts';
import { type Answer, expectError, openWire, partsOf, type Wire } from './support/wire.ts';

const FAPI_2 = redirecting({ profile: 'fapi2' });
const BY_DPOP = { ...FAPI_2, tls_client_certificate_bound_access_tokens: false, dpop_bound_access_tokens: true };

let wire: Wire;
/** Bound by DPoP. */
let dpop: Flow;
/** Bound to the certificate. */
let mtls: Flow;
const key = testKey('ES256');
beforeAll(async () => {
  wire = await openWire();
  dpop = await startFlow(wire, BY_DPOP);
  mtls = await startFlow(wire, FAPI_2);
});
afterAll(() => wire.close());

/** A proof for a call; claims and headers that are given replace the right ones. */
const proof = (method: string, url: string, claims: object = {}, header: object = {}, signer: TestKey = key): Promise<string> => {
  const { kty, crv, x, y, n, e } = signer.publicJwk;
  const stated = { jti: randomUUID(), htm: method, htu: url, iat: wire.now(), ...claims };
  return signJws(signer, stated, { typ: 'dpop+jwt', kid: undefined, jwk: { kty, crv, x, y, n, e }, ...header });
};
const tokenUrl = () => wire.endpoint('token_endpoint');
const withProof = async (...how: [claims?: object, header?: object, signer?: TestKey]) => ({
  headers: { dpop: await proof('POST', tokenUrl(), ...how) },
});
const ath = (token: string) => createHash('sha256').update(token).digest('base64url');

const codeOf = async (flow: Flow, more: Record<string, unknown> = {}): Promise<string> =>
  String(given(await flow.openPushed(await flow.push({ ...flow.usual, ...more })))['code']);
const tokensOf = async (flow: Flow, more = {}): Promise<Answer> =>
  good(await flow.redeem(await codeOf(flow, more), {}, flow === dpop ? await withProof() : {}));

test('B1 the metadata tells of PAR, S256, code, iss and DPoP', () => {
  expect(wire.metadata).toMatchObject({
    pushed_authorization_request_endpoint: expect.stringMatching(/^https:/),
    code_challenge_methods_supported: expect.arrayContaining(['S256']),
    response_types_supported: expect.arrayContaining(['code']),
    authorization_response_iss_parameter_supported: true,
    dpop_signing_alg_values_supported: expect.arrayContaining(['ES256']),
    tls_client_certificate_bound_access_tokens: true,
  });
  expect(['boolean', 'undefined']).toContain(typeof wire.metadata['require_pushed_authorization_requests']);
});

test('B2 only pushed requests for a code are taken', async () => {
  expectNoCode(await dpop.open(dpop.usual), 'invalid_request');
  expectNoCode(await dpop.openSigned(), 'invalid_request');
  for (const response_type of ['code id_token', 'token', 'id_token']) {
    const pushed = await dpop.push({ ...dpop.usual, response_type });
    expectError(pushed, [400, 'unsupported_response_type'], [400, 'invalid_request'], [400, 'unauthorized_client']);
  }
  expect(given(await dpop.openPushed(await dpop.push(dpop.usual)))['code']).toEqual(expect.any(String));
});

describe('B3 an assertion', () => {
  const pushWith = async (...how: Parameters<Flow['tpp']['auth']>) => dpop.push(dpop.usual, { auth: await dpop.tpp.auth(...how) });
  const wrongClient = (answer: Answer) => expectError(answer, [401, 'invalid_client'], [400, 'invalid_client'], [400, 'invalid_request']);

  test('B3 is for exactly the issuer', async () => {
    expect((await pushWith({ aud: wire.issuer })).status).toBe(201);
    const { token_endpoint: token, pushed_authorization_request_endpoint: par } = wire.metadata;
    for (const aud of [[wire.issuer], token, par, [wire.issuer, token]]) wrongClient(await pushWith({ aud }));
  });

  test('B3 may be a few seconds ahead, and no more', async () => {
    const at = wire.now();
    for (const claims of [{ nbf: at + 8 }, { iat: at + 8 }]) expect((await pushWith(claims)).status).toBe(201);
    for (const claims of [{ nbf: at + 70 }, { iat: at + 70 }, { exp: at - 60 }, { sub: undefined }]) wrongClient(await pushWith(claims));
  });

  test('B3 is signed with PS256, ES256 or EdDSA', async () => {
    for (const alg of ['PS256', 'ES256', 'EdDSA'] as const) {
      const flow = await startFlow(wire, BY_DPOP).then((made) => made);
      const own = testKey(alg);
      const other = await startFlow(wire, { ...BY_DPOP, jwks: { keys: [own.publicJwk] } });
      expect((await other.push(other.usual, { auth: await other.tpp.auth({}, {}, own) })).status).toBe(201);
      wrongClient(await flow.push(flow.usual, { auth: await flow.tpp.auth({}, {}, own) }));
    }
  });
});

test('B4 a code lives for at most 60 seconds and is good once', async () => {
  const code = await codeOf(mtls);
  await wire.later(62, async () => expectError(await mtls.redeem(code), [400, 'invalid_grant']));
  const other = await codeOf(mtls);
  good(await mtls.redeem(other));
  expectError(await mtls.redeem(other), [400, 'invalid_grant']);
});

test('B5 tokens are bound, at the token endpoint and at resources', async () => {
  const userinfo = wire.endpoint('userinfo_endpoint');
  const { body } = await tokensOf(mtls);
  const headers = { authorization: `Bearer ${body['access_token']}` };
  expect((await wire.send(userinfo, { headers, identity: mtls.tpp.identity })).status).toBe(200);
  const stranger = await issueClientCertificate(wire.authority, { commonName: 'stranger' }, wire.now());
  for (const identity of [stranger, null]) expect((await wire.send(userinfo, { headers, identity })).status).toBe(401);
  const unproven: [number, string][] = [
    [400, 'invalid_request'],
    [400, 'invalid_grant'],
    [401, 'invalid_client'],
    [400, 'invalid_dpop_proof'],
  ];
  expectError(await mtls.redeem(await codeOf(mtls), {}, { identity: null }), ...unproven);
  expectError(await dpop.redeem(await codeOf(dpop)), ...unproven);
});

describe('B6 a DPoP proof', () => {
  test('B6 is for this call, now, by an allowed key', async () => {
    const at = wire.now();
    const goodOnes: [object?, object?, TestKey?][] = [
      [],
      [{ iat: at - 10 }],
      [{ iat: at + 10 }],
      [{ further: { member: 1 } }],
      [{ htu: `${tokenUrl()}?query#fragment` }],
      [{}, {}, testKey('PS256')],
      [{}, {}, testKey('EdDSA')],
    ];
    for (const how of goodOnes) good(await dpop.redeem(await codeOf(dpop), {}, await withProof(...how)));
    const rsa = testKey('PS256');
    const privateJwk = key.privateKey.export({ format: 'jwk' });
    const bad: [object?, object?, TestKey?][] = [
      [{ iat: at - 3600 }],
      [{ iat: at + 3600 }],
      [{ iat: undefined }],
      [{ jti: undefined }],
      [{ htm: 'GET' }],
      [{ htm: undefined }],
      [{ htu: 'https://other.example/token' }],
      [{ htu: undefined }],
      [{}, { typ: 'JWT' }],
      [{}, { typ: undefined }],
      [{}, { jwk: undefined }],
      [{}, { jwk: privateJwk }],
      [{}, {}, { ...rsa, alg: 'RS256' }],
      [{}, { jwk: testKey('ES256').publicJwk }],
    ];
    const code = await codeOf(dpop);
    for (const how of bad)
      expectError(await dpop.redeem(code, {}, await withProof(...how)), [400, 'invalid_dpop_proof'], [400, 'invalid_request']);
    expectError(await dpop.redeem(code, {}, { headers: { dpop: 'e30.e30.' } }), [400, 'invalid_dpop_proof']);
    good(await dpop.redeem(code, {}, await withProof()));
  });

  test('B6 has the key that the request named', async () => {
    const { kty, crv, x, y } = key.publicJwk;
    const dpop_jkt = createHash('sha256').update(JSON.stringify({ crv, kty, x, y })).digest('base64url');
    const code = await codeOf(dpop, { dpop_jkt });
    expectError(
      await dpop.redeem(code, {}, await withProof({}, {}, testKey('ES256'))),
      [400, 'invalid_grant'],
      [400, 'invalid_dpop_proof'],
    );
    good(await dpop.redeem(await codeOf(dpop, { dpop_jkt }), {}, await withProof()));
    const par = wire.endpoint('pushed_authorization_request_endpoint');
    const pushed = await dpop.push(dpop.usual, { headers: { dpop: await proof('POST', par) } });
    const bound = String(given(await dpop.openPushed(pushed))['code']);
    expectError(
      await dpop.redeem(bound, {}, await withProof({}, {}, testKey('ES256'))),
      [400, 'invalid_grant'],
      [400, 'invalid_dpop_proof'],
    );
    const other = await dpop.push({ ...dpop.usual, dpop_jkt: 'x'.repeat(43) }, { headers: { dpop: await proof('POST', par) } });
    expectError(other, [400, 'invalid_request'], [400, 'invalid_dpop_proof']);
  });

  test('B6 comes with the token at a resource', async () => {
    const { body } = await tokensOf(dpop);
    expect(body['token_type']).toBe('DPoP');
    const token: string = body['access_token'];
    const userinfo = wire.endpoint('userinfo_endpoint', 'plain');
    const call = async (scheme: string, ...how: [claims?: object, header?: object, signer?: TestKey]) =>
      wire.send(userinfo, { headers: { authorization: `${scheme} ${token}`, dpop: await proof('GET', userinfo, ...how) } });
    expect((await call('DPoP', { ath: ath(token) })).status).toBe(200);
    expect((await call('dpop', { ath: ath(token), iat: wire.now() - 10 })).status).toBe(200);
    const refused = [
      await call('Bearer', { ath: ath(token) }),
      await call('DPoP'),
      await call('DPoP', { ath: ath('another') }),
      await call('DPoP', { ath: ath(token) }, {}, testKey('ES256')),
      await call('DPoP', { ath: ath(token), htm: 'POST' }),
      await wire.send(userinfo, { headers: { authorization: `DPoP ${token}` } }),
      await wire.send(userinfo, { headers: { authorization: `Bearer ${token}` } }),
    ];
    expect(refused.map(({ status }) => [400, 401].includes(status))).toEqual(refused.map(() => true));
  });
});

test('B7 a proof counts once, and its URI is normalised', async () => {
  const once = await withProof();
  good(await dpop.redeem(await codeOf(dpop), {}, once));
  expectError(await dpop.redeem(await codeOf(dpop), {}, once), [400, 'invalid_dpop_proof']);
  const upper = tokenUrl().replace('https://localhost', 'HTTPS://LOCALHOST');
  good(await dpop.redeem(await codeOf(dpop), {}, await withProof({ htu: upper })));
  good(await dpop.redeem(await codeOf(dpop), {}, { headers: { DPOP: (await withProof()).headers.dpop } }));
});

test('B8 a refresh needs the authenticated client, and the refresh token stays', async () => {
  const { body } = await tokensOf(dpop);
  const form = { grant_type: 'refresh_token', refresh_token: body['refresh_token'] };
  expectError(
    await dpop.tpp.token(form, { ...(await withProof()), auth: { client_id: dpop.tpp.clientId } }),
    [401, 'invalid_client'],
    [400, 'invalid_client'],
  );
  for (let n = 0; n < 2; n += 1) {
    const refreshed = good(await dpop.tpp.token(form, await withProof()));
    expect([undefined, body['refresh_token']]).toContain(refreshed.body['refresh_token']);
    expect(refreshed.body['token_type']).toBe('DPoP');
  }
});

test('B9 a nonce of 64 characters works, and every answer names its issuer', async () => {
  const nonce = 'n'.repeat(64);
  const answer = given(await mtls.openPushed(await mtls.push({ ...mtls.usual, nonce })));
  expect(answer).toEqual({ code: expect.any(String), state: mtls.usual['state'], iss: wire.issuer });
  const { body } = good(await mtls.redeem(String(answer['code'])));
  expect(partsOf(body['id_token']).claims['nonce']).toBe(nonce);
  expect(given(await mtls.openPushed(await mtls.push(mtls.usual), { verdict: 'denied' }))).toMatchObject({
    error: 'access_denied',
    iss: wire.issuer,
  });
});

test('B10 signed pushed requests keep to the rules of request objects', async () => {
  const signing = await startFlow(
    wire,
    { ...FAPI_2, require_signed_request_object: true, authorization_signed_response_alg: 'PS256' },
    { response_mode: 'jwt' },
  );
  const at = wire.now();
  expectError(await signing.push(signing.usual), [400, 'invalid_request'], [400, 'invalid_request_object']);
  for (const claims of [{}, { nbf: at + 8 }]) expect((await signing.pushSigned(claims)).status).toBe(201);
  for (const claims of [{ exp: undefined }, { nbf: undefined }, { aud: 'x' }, { nbf: at - 4200 }, { exp: at + 4200 }, { exp: at - 60 }])
    expectError(await signing.pushSigned(claims), [400, 'invalid_request_object']);
  const { response = '' } = given(await signing.openPushed(await signing.pushSigned()));
  expect(partsOf(response)).toMatchObject({
    header: { alg: 'PS256' },
    claims: { iss: wire.issuer, aud: signing.tpp.clientId, code: expect.any(String) },
  });
});

test('B11 authorization details are taken, and returned with the tokens', async () => {
  const types = ['account_information', 'payment_initiation'];
  expect(wire.metadata['authorization_details_types_supported']).toEqual(expect.arrayContaining(types));
  const flow = await startFlow(wire, { ...FAPI_2, authorization_details_types: types });
  const details = [
    { type: 'account_information', actions: ['list_accounts', 'read_balances'] },
    {
      type: 'payment_initiation',
      instructedAmount: { currency: 'EUR', amount: '123.50' },
      creditorName: 'Merchant A',
      creditorAccount: { iban: 'DE02100100109307118603' },
    },
  ];
  const { body } = await tokensOf(flow, { authorization_details: details });
  expect(body['authorization_details'].map(({ type }: { type: string }) => type)).toEqual(types);
  for (const wrong of [[{ type: 'unknown' }], [{ actions: [] }], [], 'nonsense'])
    expectError(await flow.push({ ...flow.usual, authorization_details: wrong }), [400, 'invalid_authorization_details']);
});

test('B12 a token of the client itself is bound in the same way', async () => {
  const own = { grant_type: 'client_credentials', scope: 'accounts' };
  const { body } = good(await dpop.tpp.token(own, await withProof()));
  expect(body).toMatchObject({ token_type: 'DPoP', access_token: expect.any(String) });
  expect(body['refresh_token']).toBeUndefined();
  expectError(await dpop.tpp.token(own), [400, 'invalid_dpop_proof'], [400, 'invalid_request'], [401, 'invalid_client']);
  expect(good(await mtls.tpp.token(own)).body['refresh_token']).toBeUndefined();
  expectError(await mtls.tpp.token(own, { identity: null }), [400, 'invalid_request'], [401, 'invalid_client']);
});
