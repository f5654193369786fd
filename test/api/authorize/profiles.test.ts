import { createHash } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { answerIn, browser, decide, fieldsOf, signIn } from '../../support/browser.ts';
import { standingClock } from '../../support/clock.ts';
import { type TestEngine, testEngine } from '../../support/engine.ts';
import { signJws, testKey } from '../../support/jws.ts';
import { facts } from '../../support/log.ts';
import { answered, authorizeUrl, CALLBACK, pkce, redirecting, redirectTpp } from '../../support/redirecting.ts';
import { certificate, type SigningTpp, signingTpp, withCertificate } from '../../support/tpp.ts';

const time = standingClock();
const key = testKey('ES256');
const mtls = withCertificate(certificate());
const { verifier, parameters: challenge } = pkce();
let tested: TestEngine;
let fapi1: SigningTpp;
let fapi2: SigningTpp;

const registered = (profile: 'fapi1-advanced' | 'fapi2', more: object = {}) =>
  signingTpp(
    tested,
    { ...redirecting, profile, tls_client_certificate_bound_access_tokens: true, ...more } as Parameters<typeof signingTpp>[1],
    key,
  );

beforeAll(async () => {
  tested = await testEngine({ clock: time.clock });
  fapi1 = await registered('fapi1-advanced');
  fapi2 = await registered('fapi2', { response_types: ['code'] });
});
afterAll(() => tested.close());

const claimsIn = (jwt: unknown): Record<string, unknown> =>
  JSON.parse(Buffer.from(String(jwt).split('.')[1] ?? '', 'base64url').toString());
const headerIn = (jwt: unknown): Record<string, unknown> =>
  JSON.parse(Buffer.from(String(jwt).split('.')[0] ?? '', 'base64url').toString());
const leftHalf = (text: string) => createHash('sha256').update(text).digest().subarray(0, 16).toString('base64url');

const asked = { response_type: 'code id_token', redirect_uri: CALLBACK, scope: 'openid accounts', state: 'inside', nonce: 'nonce' };
/** A request object for the authorization endpoint: not the one of CIBA. */
const object = (tpp: SigningTpp, claims: object = {}, header: object = {}, signer = tpp.key) => {
  const at = time.clock();
  const required = { iss: tpp.clientId, client_id: tpp.clientId, aud: tested.url, nbf: at, exp: at + 300 };
  return signJws(signer, { ...required, ...asked, ...claims }, header);
};
const brought = async (tpp: SigningTpp, claims: object = {}, outside: object = {}) => ({
  client_id: tpp.clientId,
  request: await object(tpp, claims),
  ...outside,
});
const push = async (tpp: SigningTpp, form: Record<string, string>) =>
  tested.post('/oauth2/par', { ...(await tpp.authentication()), client_id: tpp.clientId, ...form }, mtls);
const redeem = async (tpp: SigningTpp, code: string | undefined, form: Record<string, string> = {}) =>
  tested.post(
    '/oauth2/token',
    { ...(await tpp.authentication()), grant_type: 'authorization_code', code: code ?? '', redirect_uri: CALLBACK, ...form },
    mtls,
  );

describe('a client of FAPI 1 Advanced', () => {
  test('gets code and ID token in the fragment, each vouching for the other (A2)', async () => {
    const done = await answered(tested, await brought(fapi1));
    expect(done.goesTo).toMatch(`${CALLBACK}#`);
    const { code = '', id_token: idToken, ...rest } = answerIn(done.goesTo);
    expect(rest).toEqual({ state: 'inside', iss: tested.url });
    expect(headerIn(idToken)).toMatchObject({ alg: 'ES256', kid: expect.any(String) });
    expect(claimsIn(idToken)).toMatchObject({ sub: 'psu-alice', nonce: 'nonce', c_hash: leftHalf(code), s_hash: leftHalf('inside') });
    const { status, body } = await redeem(fapi1, code);
    expect(status).toBe(200);
    const second = claimsIn(body['id_token']);
    expect(second).toMatchObject({
      sub: 'psu-alice',
      nonce: 'nonce',
      aud: fapi1.clientId,
      at_hash: leftHalf(String(body['access_token'])),
    });
    expect(claimsIn(body['access_token'])['cnf']).toEqual({ 'x5t#S256': 'certificate-1' });
  });

  test('gets one signed response with response_mode jwt (A10)', async () => {
    const done = await answered(tested, await brought(fapi1, { response_type: 'code', response_mode: 'jwt' }));
    expect(done.goesTo).toMatch(`${CALLBACK}?`);
    const { response, ...rest } = answerIn(done.goesTo);
    expect(rest).toEqual({});
    expect(headerIn(response)).toMatchObject({ alg: 'ES256', kid: expect.any(String) });
    const { code, ...said } = claimsIn(response);
    expect(said).toEqual({ iss: tested.url, aud: fapi1.clientId, exp: time.clock() + 120, state: 'inside' });
    expect((await redeem(fapi1, String(code))).status).toBe(200);
  });

  test('gets a refusal signed too', async () => {
    const done = await answered(tested, await brought(fapi1, { response_mode: 'jwt' }), { verdict: 'denied' });
    expect(done.goesTo).toMatch(`${CALLBACK}#response=`);
    expect(claimsIn(answerIn(done.goesTo)['response'])).toMatchObject({ error: 'access_denied', state: 'inside', aud: fapi1.clientId });
    const { goesTo } = await browser(tested.url).get(
      authorizeUrl(await brought(fapi1, { response_type: 'code', response_mode: 'jwt', scope: 'other' })),
    );
    expect(claimsIn(answerIn(goesTo)['response'])).toMatchObject({ error: 'invalid_scope' });
  });

  test('is believed nothing that stands outside of the request object (A3)', async () => {
    const done = await answered(tested, await brought(fapi1, { state: undefined }, { state: 'outside', nonce: 'other', scope: 'openid' }));
    const { id_token: idToken, ...answer } = answerIn(done.goesTo);
    expect(answer).toEqual({ code: expect.any(String), iss: tested.url });
    expect(claimsIn(idToken)).not.toHaveProperty('s_hash');
    expect(claimsIn(idToken)['nonce']).toBe('nonce');
  });

  test('may send its browser again with the same object, until it is answered', async () => {
    const parameters = await brought(fapi1);
    const before = await tested.ports.store.head();
    const at = browser(tested.url);
    const first = await at.get(authorizeUrl(parameters));
    const again = await at.get(authorizeUrl(parameters));
    expect(fieldsOf(again)).toEqual(fieldsOf(first));
    expect((await facts(tested, before)).map(({ type }) => type)).toEqual(['AuthorizationRequested']);
    expect((await decide(at, await signIn(at, first, 'alice'), 'approved')).goesTo).toMatch(CALLBACK);
    expect((await at.get(authorizeUrl(parameters))).status).toBe(410);
  });

  test.each<[string, object, object, string]>([
    ['code without JARM', { response_type: 'code' }, {}, 'unsupported_response_type'],
    ['code with response_mode query', { response_type: 'code', response_mode: 'query' }, {}, 'unsupported_response_type'],
    ['code with response_mode fragment', { response_type: 'code', response_mode: 'fragment' }, {}, 'unsupported_response_type'],
    ['code id_token with response_mode query', { response_mode: 'query' }, {}, 'invalid_request'],
    ['code id_token with response_mode query.jwt', { response_mode: 'query.jwt' }, {}, 'invalid_request'],
    ['response_mode form_post', { response_mode: 'form_post' }, {}, 'invalid_request'],
    ['response_type token', { response_type: 'token' }, {}, 'unsupported_response_type'],
    ['no nonce', { nonce: undefined }, {}, 'invalid_request'],
    ['code id_token without openid', { scope: 'accounts' }, {}, 'invalid_scope'],
    [
      'an essential acr that cannot be reached',
      { claims: { id_token: { acr: { essential: true, values: ['x'] } } } },
      {},
      'unmet_authentication_requirements',
    ],
    ['prompt none and login', { prompt: 'none login' }, {}, 'invalid_request'],
    ['PKCE plain', { code_challenge: 'x'.repeat(43), code_challenge_method: 'plain' }, {}, 'invalid_request'],
  ])('is refused at its redirect URI: %s', async (_, claims, outside, error) => {
    const before = await tested.ports.store.head();
    const { status, goesTo } = await browser(tested.url).get(authorizeUrl(await brought(fapi1, claims, outside)));
    const answer = answerIn(goesTo);
    expect([status, answer['error'] ?? claimsIn(answer['response'])['error']]).toEqual([303, error]);
    expect((await facts(tested, before)).map(({ type }) => type)).toEqual([]);
  });

  test('must sign its request (A3)', async () => {
    const { goesTo } = await browser(tested.url).get(authorizeUrl({ client_id: fapi1.clientId, ...asked }));
    expect(answerIn(goesTo)).toMatchObject({ error: 'invalid_request', state: 'inside' });
    const { status, body } = await push(fapi1, { ...asked, ...challenge });
    expect([status, body['error']]).toEqual([400, 'invalid_request']);
  });

  const wrong: [string, () => Promise<string>][] = [
    ['without exp', () => object(fapi1, { exp: undefined })],
    ['without nbf', () => object(fapi1, { nbf: undefined })],
    ['without aud', () => object(fapi1, { aud: undefined })],
    ['for another aud', () => object(fapi1, { aud: 'https://other.example' })],
    ['that has expired', () => object(fapi1, { exp: time.clock() })],
    ['that is not valid yet', () => object(fapi1, { nbf: time.clock() + 61, exp: time.clock() + 300 })],
    ['that lives for more than an hour', () => object(fapi1, { exp: time.clock() + 4200 })],
    ['that is more than an hour old', () => object(fapi1, { nbf: time.clock() - 4200, exp: time.clock() + 100 })],
    ['of another client', () => object(fapi1, { client_id: fapi2.clientId })],
    ['issued by another client', () => object(fapi1, { iss: fapi2.clientId })],
    ['signed by a stranger', () => object(fapi1, {}, {}, testKey('ES256'))],
    ['with another typ', () => object(fapi1, {}, { typ: 'at+jwt' })],
    ['in a request object', () => object(fapi1, { request: 'x' })],
    ['that holds a request_uri', () => object(fapi1, { request_uri: 'https://tpp.example/r' })],
    ['that is none', async () => 'x.y.z'],
  ];
  test.each(wrong)('is refused a request object %s (A4)', async (_, make) => {
    const request = await make();
    const before = await tested.ports.store.head();
    const page = await browser(tested.url).get(authorizeUrl({ client_id: fapi1.clientId, request }));
    expect([page.status, page.goesTo]).toEqual([400, null]);
    expect(page.alert).toContain('(invalid_request_object)');
    const { status, body } = await push(fapi1, { request });
    expect([status, body['error']]).toEqual([400, 'invalid_request_object']);
    expect((await facts(tested, before)).map(({ type }) => type)).toEqual([]);
  });

  test('may push its request object, and then needs PKCE (A8)', async () => {
    expect((await push(fapi1, { request: await object(fapi1) })).body['error']).toBe('invalid_request');
    const { status, body } = await push(fapi1, { request: await object(fapi1, { ...challenge, nbf: time.clock() + 8 }) });
    expect(status).toBe(201);
    const done = await answered(tested, { client_id: fapi1.clientId, request_uri: String(body['request_uri']) });
    expect((await redeem(fapi1, answerIn(done.goesTo)['code'], { code_verifier: verifier })).status).toBe(200);
  });

  test('without PAR may use PKCE too (A8)', async () => {
    const done = await answered(tested, await brought(fapi1, challenge));
    expect((await redeem(fapi1, answerIn(done.goesTo)['code'], { code_verifier: verifier })).status).toBe(200);
  });
});

describe('a client of FAPI 2', () => {
  const pushed = async (change: Record<string, string> = {}) => {
    const { status, body } = await push(fapi2, { ...asked, response_type: 'code', ...challenge, ...change });
    return { status, error: body['error'], parameters: { client_id: fapi2.clientId, request_uri: String(body['request_uri']) } };
  };

  test('pushes, and gets a code with iss (B2, B9)', async () => {
    const done = await answered(tested, (await pushed()).parameters);
    expect(done.goesTo).toMatch(`${CALLBACK}?`);
    const { code, ...rest } = answerIn(done.goesTo);
    expect(rest).toEqual({ state: 'inside', iss: tested.url });
    const { status, body } = await redeem(fapi2, code, { code_verifier: verifier });
    expect([status, body['token_type']]).toEqual([200, 'Bearer']);
  });

  test('must push (B2)', async () => {
    const unpushed = { client_id: fapi2.clientId, ...asked, response_type: 'code', ...challenge };
    const { goesTo } = await browser(tested.url).get(authorizeUrl(unpushed));
    expect(answerIn(goesTo)).toMatchObject({ error: 'invalid_request', state: 'inside', iss: tested.url });
    const signed = await browser(tested.url).get(authorizeUrl(await brought(fapi2, { response_type: 'code', ...challenge })));
    expect(answerIn(signed.goesTo)).toMatchObject({ error: 'invalid_request' });
  });

  test.each([
    ['code id_token', { response_type: 'code id_token' }, 'unauthorized_client'],
    ['token', { response_type: 'token' }, 'unsupported_response_type'],
    ['no challenge', { code_challenge: '', code_challenge_method: '' }, 'invalid_request'],
    ['a DPoP key that is none', { dpop_jkt: 'x' }, 'invalid_request'],
    ['authorization_details that are none', { authorization_details: '{}' }, 'invalid_authorization_details'],
  ])('is refused %s', async (_, change, error) => {
    expect(await pushed(change as Record<string, string>)).toMatchObject({ status: 400, error });
  });

  test('that signs must sign (B10)', async () => {
    const signer = await registered('fapi2', { response_types: ['code'], require_signed_request_object: true });
    const plain = await push(signer, { ...asked, response_type: 'code', ...challenge });
    expect([plain.status, plain.body['error']]).toEqual([400, 'invalid_request']);
    const request = await object(signer, { response_type: 'code', response_mode: 'jwt', ...challenge, nbf: time.clock() + 8 });
    const { status, body } = await push(signer, { request });
    expect(status).toBe(201);
    const done = await answered(tested, { client_id: signer.clientId, request_uri: String(body['request_uri']) });
    const code = String(claimsIn(answerIn(done.goesTo)['response'])['code']);
    expect((await redeem(signer, code, { code_verifier: verifier })).status).toBe(200);
    const unsigned = await push(signer, { request: await object(signer, { response_type: 'code', ...challenge, nbf: undefined }) });
    expect(unsigned.body['error']).toBe('invalid_request_object');
  });

  test('gets what was approved of its authorization details (B11)', async () => {
    const payment = {
      type: 'payment_initiation',
      instructedAmount: { currency: 'EUR', amount: '123.50' },
      creditorName: 'Merchant A',
      creditorAccount: { iban: 'DE02100100109307118603' },
    };
    const rich = await registered('fapi2', { response_types: ['code'], authorization_details_types: ['payment_initiation'] });
    const { status, body } = await push(rich, {
      ...asked,
      response_type: 'code',
      ...challenge,
      authorization_details: JSON.stringify([payment]),
    });
    expect([status, body]).toEqual([201, expect.anything()]);
    const at = browser(tested.url);
    const login = await at.get(authorizeUrl({ client_id: rich.clientId, request_uri: String(body['request_uri']) }));
    const page = await signIn(at, login, 'alice');
    expect(page.text).toContain('123.50');
    const redeemed = await redeem(rich, answerIn((await decide(at, page, 'approved')).goesTo)['code'], { code_verifier: verifier });
    expect(redeemed.body['authorization_details']).toEqual([payment]);
    expect(claimsIn(redeemed.body['access_token'])['authorization_details']).toEqual([payment]);
  });
});

describe('any client', () => {
  test('is told that a request_uri of its own is not fetched (C3)', async () => {
    const { request } = await redirectTpp(tested);
    const { goesTo } = await browser(tested.url).get(authorizeUrl({ ...request, request_uri: 'https://tpp.example/request.jwt' }));
    expect(answerIn(goesTo)).toMatchObject({ error: 'request_uri_not_supported', state: 'a-state', iss: tested.url });
  });

  test('of the plain profile may use parameters that we do not know, and those that change nothing (C2)', async () => {
    const { request } = await redirectTpp(tested);
    const more = {
      display: 'page',
      ui_locales: 'de',
      claims_locales: 'se',
      max_age: '1',
      prompt: 'login',
      unknown: 'x',
      acr_values: 'a b',
    };
    expect((await browser(tested.url).get(authorizeUrl({ ...request, ...more }))).heading).toBe('Sign in');
  });

  test('may not use the redirect flow unless it is registered for it', async () => {
    const own = await tested.client({}, 's3cret');
    const page = await browser(tested.url).get(authorizeUrl({ client_id: own, ...asked }));
    expect([page.status, page.goesTo]).toEqual([400, null]);
    const { body } = await tested.post('/oauth2/par', { client_id: own, client_secret: 's3cret', ...asked });
    expect(body['error']).toBe('unauthorized_client');
  });

  test('leaves no more than so many requests a minute behind', async () => {
    const { request } = await redirectTpp(tested);
    const arrive = () => browser(tested.url).get(authorizeUrl(request));
    const before = await tested.ports.store.head();
    for (let call = 0; call < 600; call += 1) await arrive();
    expect(answerIn((await arrive()).goesTo)).toMatchObject({ error: 'temporarily_unavailable' });
    expect(await facts(tested, before)).toHaveLength(600);
    time.pass(60);
    expect((await arrive()).heading).toBe('Sign in');
  });
});
