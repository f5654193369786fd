import { createHash } from 'node:crypto';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { createLocalJWKSet, type JSONWebKeySet, jwtVerify } from 'jose';
import { CONSENTS } from '../support/tpp.ts';
import { expectNoCode, type Flow, given, redirecting, startFlow } from './support/redirecting.ts';
import { good, type Tpp } from './support/tpp.ts';
import { type Answer, expectError, openWire, partsOf, shannonBits, type Wire } from './support/wire.ts';

const FAPI = redirecting({ profile: 'fapi1-advanced', response_types: ['code', 'code id_token'] });

let wire: Wire;
let hybrid: Flow;
let jarm: Flow;
beforeAll(async () => {
  wire = await openWire();
  hybrid = await startFlow(wire, FAPI, { response_type: 'code id_token', code_challenge: undefined, code_challenge_method: undefined });
  jarm = await startFlow(wire, FAPI, { response_mode: 'jwt' });
});
afterAll(() => wire.close());

const REFUSED = ['unsupported_response_type', 'invalid_request', 'unauthorized_client'];
const leftHalf = (text: string) => createHash('sha256').update(text).digest().subarray(0, 16).toString('base64url');
const jwks = async () => createLocalJWKSet((await wire.send(wire.metadata['jwks_uri'])).body as unknown as JSONWebKeySet);
const codeOf = async (flow: Flow): Promise<string> => {
  const answer = given(await flow.openPushed(await flow.pushSigned()));
  return String(answer['code'] ?? partsOf(String(answer['response'])).claims['code']);
};
/** The code grant without a code verifier, for requests that came without PKCE. */
const withoutPkce = { code_verifier: undefined };

test('A1 a bare code is refused; code id_token and JARM are not', async () => {
  expectNoCode(await hybrid.openSigned({ response_type: 'code' }), ...REFUSED);
  const inQuery = await hybrid.openSigned({ response_mode: 'query' });
  if (inQuery.at === 'client') expect(inQuery.query.get('code')).toBeNull();
  const inFragment = await hybrid.openSigned();
  expect(given(inFragment)).toMatchObject({ code: expect.any(String), id_token: expect.any(String) });
  if (inFragment.at === 'client') expect(inFragment.url.search).toBe('');
  expect(given(await jarm.openSigned())).toEqual({ response: expect.any(String) });
});

test('A2 the ID token of the front channel has c_hash and s_hash, and the sub of the other one', async () => {
  const { code = '', id_token: front = '', state } = given(await hybrid.openSigned());
  const { payload, protectedHeader } = await jwtVerify(front, await jwks(), { issuer: wire.issuer, audience: hybrid.tpp.clientId });
  expect(protectedHeader.kid).toEqual(expect.any(String));
  expect(['PS256', 'ES256']).toContain(protectedHeader.alg);
  expect(state).toBe(hybrid.usual['state']);
  expect(payload).toMatchObject({ c_hash: leftHalf(code), s_hash: leftHalf(state ?? ''), nonce: hybrid.usual['nonce'] });
  const { body } = good(await hybrid.redeem(code, withoutPkce));
  expect(partsOf(body['id_token']).claims).toMatchObject({ sub: payload.sub, nonce: hybrid.usual['nonce'] });
});

test('A3 only what stands in the signed request object counts', async () => {
  const answer = given(await hybrid.openSigned({ state: undefined }, {}, { state: 'from-outside', nonce: 'from-outside' }));
  expect(answer['state']).toBeUndefined();
  const { claims } = partsOf(String(answer['id_token']));
  expect(claims['s_hash']).toBeUndefined();
  expect(claims['nonce']).toBe(hybrid.usual['nonce']);
  expectNoCode(await hybrid.open(hybrid.usual), 'invalid_request', 'invalid_request_object');
});

test('A4 a request object has its times, its audience, scope, redirect_uri and nonce', async () => {
  const at = wire.now();
  const wrong = [
    ...[{ exp: undefined }, { nbf: undefined }, { aud: undefined }, { aud: 'https://other.example' }, { exp: at - 3600 }],
    ...[{ exp: at + 70 * 60 }, { nbf: at - 70 * 60, iat: at - 70 * 60 }, { nbf: at + 600 }],
  ];
  for (const claims of wrong) expectError(await jarm.pushSigned(claims), [400, 'invalid_request_object']);
  for (const claims of [{ scope: undefined }, { redirect_uri: undefined }, { nonce: undefined }]) {
    const { status, body } = await hybrid.pushSigned(claims);
    expect({ claims, status }).toEqual({ claims, status: 400 });
    expect(['invalid_request', 'invalid_request_object', 'invalid_scope']).toContain(body['error']);
  }
  for (const claims of wrong) expectNoCode(await hybrid.openSigned(claims), 'invalid_request', 'invalid_request_object');
  expect((await jarm.pushSigned({ aud: [wire.issuer, 'https://other.example'] })).status).toBe(201);
});

test('A5 errors go to registered redirect URIs only, with known parameters only', async () => {
  const denied = await hybrid.openSigned({}, { verdict: 'denied' });
  const { error, state } = given(denied);
  expect({ error, state }).toEqual({ error: 'access_denied', state: hybrid.usual['state'] });
  const KNOWN = ['error', 'error_description', 'error_uri', 'state', 'iss', 'session_state'];
  expect(Object.keys(given(denied)).filter((name) => !KNOWN.includes(name))).toEqual([]);
  for (const uri of [
    'https://evil.example/callback',
    'https://tpp.example/callback/',
    'https://tpp.example/callback?x=1',
    'https://tpp.example/Callback',
  ])
    expect((await hybrid.openSigned({ redirect_uri: uri })).at).toBe('page');
});

test('A6 what is pushed gets a request_uri of its own', async () => {
  const pushed = await jarm.pushSigned();
  expect(pushed.status).toBe(201);
  expect(pushed.body['expires_in']).toBeGreaterThanOrEqual(5);
  const uri: string = pushed.body['request_uri'];
  expect(shannonBits(uri.split(':').at(-1) ?? '')).toBeGreaterThan(96);
  expect(pushed.headers['cache-control']).toMatch(/no-store|no-cache/);
  expectError(await jarm.push({ request: await jarm.tpp.request(jarm.usual), request_uri: uri }), [400, 'invalid_request']);
  expectError(await jarm.pushSigned({ request_uri: uri }), [400, 'invalid_request'], [400, 'invalid_request_object']);
  for (const method of ['GET', 'PUT', 'DELETE']) {
    const { status } = await wire.send(wire.endpoint('pushed_authorization_request_endpoint'), { method, identity: jarm.tpp.identity });
    expect(status).toBeGreaterThanOrEqual(400);
    expect(status).toBeLessThan(500);
  }
  // Neither another client's nor one whose time is over.
  expectNoCode(await jarm.open({ client_id: hybrid.tpp.clientId, request_uri: uri }), 'invalid_request', 'invalid_request_uri');
  await wire.later(pushed.body['expires_in'] + 1, async () =>
    expectNoCode(await jarm.openPushed(pushed), 'invalid_request', 'invalid_request_uri'),
  );
});

test('A7 a request_uri is used up by the end of its authorization, not by a visit', async () => {
  const pushed = await jarm.pushSigned();
  expect(await jarm.openPushed(pushed, { onlyLooks: true })).toMatchObject({ at: 'page', status: 200 });
  expect(given(await jarm.openPushed(pushed))).toEqual({ response: expect.any(String) });
  expectNoCode(await jarm.openPushed(pushed), 'invalid_request', 'invalid_request_uri');
});

test('A8 a pushed request needs PKCE with S256, and its code the verifier', async () => {
  const plain = { code_challenge: jarm.pkce.verifier, code_challenge_method: 'plain' };
  for (const pkce of [{ code_challenge: undefined, code_challenge_method: undefined }, plain])
    expectError(await jarm.pushSigned(pkce), [400, 'invalid_request']);
  expectError(await jarm.redeem(await codeOf(jarm), { code_verifier: undefined }), [400, 'invalid_grant']);
  expectError(await jarm.redeem(await codeOf(jarm), { code_verifier: 'x'.repeat(43) }), [400, 'invalid_grant']);
  good(await jarm.redeem(await codeOf(jarm)));
  // By value it may be there too.
  const { challenge: code_challenge } = hybrid.pkce;
  const { code = '' } = given(await hybrid.openSigned({ code_challenge, code_challenge_method: 'S256' }));
  good(await hybrid.redeem(code));
});

test('A9 a code is good once, for its client, and cannot be guessed', async () => {
  const code = await codeOf(jarm);
  expect(shannonBits(code)).toBeGreaterThan(96);
  expectError(await hybrid.redeem(code, { code_verifier: jarm.pkce.verifier }), [400, 'invalid_grant']);
  const again = await codeOf(jarm);
  const { body } = good(await jarm.redeem(again));
  expectError(await jarm.redeem(again), [400, 'invalid_grant']);
  // Whoever comes with it later has it from somewhere else: what was issued for it is revoked.
  await wire.later(30, async () => expectError(await jarm.redeem(again), [400, 'invalid_grant']));
  expectError(await jarm.tpp.token({ grant_type: 'refresh_token', refresh_token: body['refresh_token'] }), [400, 'invalid_grant']);
});

test('A10 a JARM answer is a signed JWT, alone', async () => {
  expect(wire.metadata['response_modes_supported']).toContain('jwt');
  expect(wire.metadata['authorization_signing_alg_values_supported']).toEqual(expect.arrayContaining(['PS256', 'ES256']));
  for (const conduct of ['approved', 'denied'] as const) {
    const answer = given(await jarm.openSigned({}, { verdict: conduct }));
    expect(Object.keys(answer)).toEqual(['response']);
    const { payload, protectedHeader } = await jwtVerify(String(answer['response']), await jwks(), {
      issuer: wire.issuer,
      audience: jarm.tpp.clientId,
      algorithms: ['PS256', 'ES256'],
    });
    expect(protectedHeader.kid).toEqual(expect.any(String));
    expect((payload.exp ?? Number.POSITIVE_INFINITY) - wire.now()).toBeLessThanOrEqual(600);
    expect(payload['state']).toBe(jarm.usual['state']);
    expect(payload[conduct === 'approved' ? 'code' : 'error']).toEqual(expect.any(String));
  }
});

const lodge = async (tpp: Tpp): Promise<string> => {
  const base = wire.endpoint('token_endpoint').replace('/oauth2/token', '');
  const lodged: Answer = await wire.send(base + CONSENTS, {
    json: { Data: { Permissions: ['ReadBalances'] }, Risk: {} },
    headers: { authorization: `Bearer ${await tpp.own()}` },
    identity: tpp.identity,
  });
  return good(lodged).body['Data'].ConsentId;
};

test('A11 openbanking_intent_id names the consent, and none of another client', async () => {
  expect(wire.metadata).toMatchObject({
    claims_parameter_supported: true,
    claims_supported: expect.arrayContaining(['acr', 'openbanking_intent_id']),
    grant_types_supported: expect.arrayContaining(['authorization_code', 'client_credentials']),
    scopes_supported: expect.arrayContaining(['openid', 'accounts']),
  });
  const asking = (value: string) => ({ claims: { id_token: { openbanking_intent_id: { value, essential: true } } } });
  const consentId = await lodge(hybrid.tpp);
  const { code = '', id_token: front = '' } = given(await hybrid.openSigned(asking(consentId)));
  expect(partsOf(front).claims['openbanking_intent_id']).toBe(consentId);
  const { body } = good(await hybrid.redeem(code, withoutPkce));
  expect(partsOf(body['id_token']).claims['openbanking_intent_id']).toBe(consentId);
  expectNoCode(await hybrid.openSigned(asking(await lodge(jarm.tpp))), 'invalid_request', 'access_denied', 'invalid_request_object');
});

test('A12 long nonces and states come back intact or are refused', async () => {
  const answer = given(await hybrid.openSigned({ nonce: 'n'.repeat(64) }));
  expect(partsOf(String(answer['id_token'])).claims['nonce']).toBe('n'.repeat(64));
  for (const claims of [{ nonce: 'n'.repeat(384) }, { state: 's'.repeat(1000) }]) {
    const arrival = await hybrid.openSigned(claims);
    if (arrival.at === 'page' || 'error' in given(arrival)) expectNoCode(arrival, 'invalid_request');
    else if ('nonce' in claims) expect(partsOf(String(given(arrival)['id_token'])).claims['nonce']).toBe(claims.nonce);
    else expect(given(arrival)['state']).toBe(claims.state);
  }
});
