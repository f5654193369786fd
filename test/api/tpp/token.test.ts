import { createHash } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { createLocalJWKSet, type JSONWebKeySet, jwtVerify } from 'jose';
import { requestIdOf } from '../../../src/domain/ciba-request/id.ts';
import { CIBA_GRANT } from '../../../src/domain/client/metadata.ts';
import { type StandingClock, standingClock } from '../../support/clock.ts';
import { type TestDevice, testDevice } from '../../support/device.ts';
import { type TestEngine, testEngine } from '../../support/engine.ts';
import { expectRefusal, sendForm, sendJson } from '../../support/http.ts';
import { recorded } from '../../support/log.ts';
import { ask, CONSENTS, certificate, lodge, ownToken, type SigningTpp, secretTpp, signingTpp, withCertificate } from '../../support/tpp.ts';

type Form = Record<string, string>;
type Tokens = { access_token: string; refresh_token: string; id_token: string };

const fapi = { profile: 'fapi-ciba', tls_client_certificate_bound_access_tokens: true } as const;
const own = withCertificate(certificate({ thumbprint: 'own' }));
const foreign = withCertificate(certificate({ thumbprint: 'foreign' }));

let time: StandingClock;
let tested: TestEngine;
let auth: Form;
let other: Form;
let bound: SigningTpp;
let phone: TestDevice;

beforeAll(async () => {
  time = standingClock();
  tested = await testEngine({ clock: time.clock, nowMs: time.nowMs }, { COUNTERSIGN_LIMITS_PENDING_REQUESTS_PER_PSU: '1000000' });
  auth = await secretTpp(tested);
  other = await secretTpp(tested);
  bound = await signingTpp(tested, fapi);
  phone = await testDevice(tested, 'alice');
});
afterAll(() => tested.close());

const send = (form: Form, headers: Form = {}) => sendForm(tested, '/oauth2/token', form, headers);
const poll = (authReqId: string, client: Form = auth, headers?: Form) =>
  send({ ...client, grant_type: CIBA_GRANT, auth_req_id: authReqId }, headers);
const refresh = (refreshToken: string, more: Form = {}) =>
  send({ ...auth, grant_type: 'refresh_token', refresh_token: refreshToken, ...more });
const refuses = (call: () => Promise<Response>, error: string, status = 400) => expectRefusal(tested, call, status, error);
const approved = async (client: Form = auth, parameters: Form = {}) => {
  const asked = await ask(tested, client, parameters);
  await phone.decide(asked.requestId, 'approved');
  return asked.authReqId;
};
const tokens = async (client: Form = auth, parameters: Form = {}): Promise<Tokens> => {
  const response = await poll(await approved(client, parameters), client);
  expect(response.status).toBe(200);
  return (await response.json()) as Tokens;
};
const consentOf = async (authReqId: string): Promise<string> => {
  const stream = `cibaRequest-${requestIdOf(authReqId, tested.ports.ids)}`;
  return JSON.parse((await tested.log()).find((event) => event.stream === stream)?.data ?? '{}').consentId;
};
const deleteConsent = async (consentId: string) => {
  const authorization = `Bearer ${await ownToken(tested, auth)}`;
  expect((await sendJson(tested, 'DELETE', `${CONSENTS}/${consentId}`, undefined, { authorization })).status).toBe(204);
};

describe('the grant_type is refused', () => {
  test.each<[string, Form, string]>([
    ['when it is missing', {}, 'invalid_request'],
    ['when it is empty', { grant_type: '' }, 'invalid_request'],
    ['when it is password', { grant_type: 'password' }, 'unsupported_grant_type'],
    ['when it is authorization_code', { grant_type: 'authorization_code' }, 'unauthorized_client'],
    ['when it is almost right', { grant_type: `${CIBA_GRANT}/` }, 'unsupported_grant_type'],
    ['when it is __proto__', { grant_type: '__proto__' }, 'unsupported_grant_type'],
  ])('%s', (_name, form, error) => refuses(() => send({ ...auth, ...form }), error));

  test.each<[string, Form]>([
    [CIBA_GRANT, { auth_req_id: 'x' }],
    ['refresh_token', { refresh_token: 'x' }],
  ])('when the client is not registered for %s', async (grant_type, form) => {
    const client = await secretTpp(tested, { grant_types: ['client_credentials'] });
    await refuses(() => send({ ...client, grant_type, ...form }), 'unauthorized_client');
  });
});

describe('the CIBA grant', () => {
  test('gives an ID token that says what it was issued with', async () => {
    const authReqId = await approved(auth, { acr_values: 'urn:unknown urn:openbanking:psd2:ca' });
    const response = await poll(authReqId);
    expect([response.status, response.headers.get('content-type'), response.headers.get('cache-control')]).toEqual([
      200,
      'application/json',
      'no-store',
    ]);
    const body = (await response.json()) as Tokens;
    expect(body).toEqual({
      access_token: expect.stringMatching(/^[\w-]+\.[\w-]+\.[\w-]+$/),
      token_type: 'Bearer',
      expires_in: 3600,
      scope: 'openid accounts',
      id_token: expect.any(String),
      refresh_token: expect.stringMatching(/^[\w.-]{70,}$/),
    });
    const keys = createLocalJWKSet((await (await fetch(`${tested.url}/oauth2/jwks`)).json()) as JSONWebKeySet);
    const expected = { issuer: tested.url, audience: auth['client_id'] as string, currentDate: new Date(time.nowMs()) };
    const { payload, protectedHeader } = await jwtVerify(body.id_token, keys, expected);
    const leftHalf = (token: string) => createHash('sha256').update(token).digest().subarray(0, 16).toString('base64url');
    expect(protectedHeader).toEqual({ alg: 'ES256', typ: 'JWT', kid: expect.any(String) });
    expect(payload).toEqual({
      iss: tested.url,
      sub: 'psu-alice',
      aud: auth['client_id'],
      iat: time.clock(),
      exp: time.clock() + 3600,
      auth_time: time.clock(),
      acr: 'urn:openbanking:psd2:ca',
      openbanking_intent_id: expect.any(String),
      at_hash: leftHalf(body.access_token),
      'urn:openid:params:jwt:claim:rt_hash': leftHalf(body.refresh_token),
      'urn:openid:params:jwt:claim:auth_req_id': authReqId,
    });
    const access = await jwtVerify(body.access_token, keys, { ...expected, audience: tested.url, typ: 'at+jwt' });
    expect(access.payload).toMatchObject({ client_id: auth['client_id'], sub: 'psu-alice', scope: 'openid accounts' });
  });

  test('signs with the algorithm that the client registered', async () => {
    const client = await secretTpp(tested, { id_token_signed_response_alg: 'PS256' });
    const { id_token: idToken } = await tokens(client);
    expect(JSON.parse(Buffer.from(idToken.split('.')[0] as string, 'base64url').toString())).toMatchObject({ alg: 'PS256' });
  });

  test('gives no refresh token to a client that is not registered for one', async () => {
    const client = await secretTpp(tested, { grant_types: [CIBA_GRANT] });
    expect(await tokens(client)).not.toHaveProperty('refresh_token');
  });

  test.each<[string, Form]>([
    ['that is missing', {}],
    ['that is empty', { auth_req_id: '' }],
  ])('refuses an auth_req_id %s', (_name, form) => refuses(() => send({ ...auth, grant_type: CIBA_GRANT, ...form }), 'invalid_request'));

  test.each<[string, () => Promise<string> | string]>([
    ['that nobody was given', () => tested.ports.ids.secret()],
    ['that is long', () => 'x'.repeat(10_000)],
    ['that is the hash of one', async () => (await ask(tested, auth)).requestId],
    ['of another client, while it is pending', async () => (await ask(tested, other)).authReqId],
    ['of another client, once it is approved', () => approved(other)],
    ['that was redeemed', async () => redeemed(await approved())],
  ])('refuses an auth_req_id %s', async (_name, authReqId) => {
    const given = await authReqId();
    await refuses(() => poll(given), 'invalid_grant');
    await refuses(() => poll(given), 'invalid_grant');
  });

  const redeemed = async (authReqId: string) => {
    expect((await poll(authReqId)).status).toBe(200);
    return authReqId;
  };

  test('leaves the request of another client untouched', async () => {
    const authReqId = await approved();
    await refuses(() => poll(authReqId, other), 'invalid_grant');
    expect((await poll(authReqId)).status).toBe(200);
  });

  test('says that the PSU refused, as often as it is asked', async () => {
    const { authReqId, requestId } = await ask(tested, auth);
    await phone.decide(requestId, 'denied');
    await refuses(() => poll(authReqId), 'access_denied');
    await refuses(() => poll(authReqId), 'access_denied');
  });

  test('says that a request has expired, at once and for a long time', async () => {
    const { authReqId, requestId } = await ask(tested, auth, { requested_expiry: '10' });
    time.pass(9);
    await refuses(() => poll(authReqId), 'authorization_pending');
    time.pass(1);
    await refuses(() => poll(authReqId), 'expired_token');
    await recorded(tested, 'CibaRequestExpired', `cibaRequest-${requestId}`);
    await refuses(() => poll(authReqId), 'expired_token');
    time.pass(600);
    await refuses(() => poll(authReqId), 'expired_token');
  });

  test('gives no tokens for an approval that was not fetched in time', async () => {
    const authReqId = await approved(auth, { requested_expiry: '10' });
    time.pass(10);
    await refuses(() => poll(authReqId), 'expired_token');
  });

  test('gives no tokens when the consent was deleted before or after the answer', async () => {
    const pending = await ask(tested, auth, { openbanking_intent_id: await lodge(tested, auth) });
    await deleteConsent(await consentOf(pending.authReqId));
    await recorded(tested, 'CibaRequestCancelled', `cibaRequest-${pending.requestId}`);
    await refuses(() => poll(pending.authReqId), 'access_denied');

    const answered = await approved(auth, { openbanking_intent_id: await lodge(tested, auth) });
    await deleteConsent(await consentOf(answered));
    await refuses(() => poll(answered), 'access_denied');
  });
});

describe('a poll that comes too soon', () => {
  test('is told slow_down, and the interval grows by five seconds once', async () => {
    const { authReqId } = await ask(tested, auth);
    const polls = async (error: string) => refuses(() => poll(authReqId), error);
    await polls('authorization_pending');
    await polls('slow_down');
    time.pass(5);
    await polls('slow_down');
    time.pass(10);
    await polls('authorization_pending');
    time.pass(9);
    await polls('slow_down');
    time.pass(10);
    await polls('authorization_pending');
  });

  test('is answered every time, and holds up neither another request nor the tokens', async () => {
    const { authReqId, requestId } = await ask(tested, auth);
    for (let count = 0; count < 20; count += 1) await refuses(() => poll(authReqId), count === 0 ? 'authorization_pending' : 'slow_down');
    const another = await ask(tested, auth);
    await refuses(() => poll(another.authReqId), 'authorization_pending');
    await phone.decide(requestId, 'approved');
    expect((await poll(authReqId)).status).toBe(200);
  });
});

describe('a client whose tokens are bound to its certificate', () => {
  const asked = async () => ask(tested, await bound.authentication(), { request: await bound.requestObject() }, own);
  const pollBy = (authReqId: string, headers: Form) =>
    bound.authentication().then((authentication) => poll(authReqId, authentication, headers));

  test('is refused without one, before it learns how its request stands', async () => {
    const { authReqId, requestId } = await asked();
    await refuses(() => pollBy(authReqId, {}), 'invalid_request');
    await phone.decide(requestId, 'denied');
    await refuses(() => pollBy(authReqId, {}), 'invalid_request');
    await refuses(() => pollBy('unknown', {}), 'invalid_request');
  });

  test('is refused with another than its request came with, and gets a bound token with that one', async () => {
    const { authReqId, requestId } = await asked();
    await refuses(() => pollBy(authReqId, own), 'authorization_pending');
    await phone.decide(requestId, 'approved');
    await refuses(() => pollBy(authReqId, foreign), 'invalid_grant');
    const response = await pollBy(authReqId, own);
    const { access_token: accessToken, refresh_token: refreshToken } = (await response.json()) as Tokens;
    expect(claimsOf(accessToken)).toMatchObject({ cnf: { 'x5t#S256': 'own' } });

    const form = { grant_type: 'refresh_token', refresh_token: refreshToken };
    await refuses(async () => send({ ...(await bound.authentication()), ...form }), 'invalid_request');
    expect((await send({ ...(await bound.authentication()), ...form }, own)).status).toBe(200);
  });

  test('is refused a token of its own without one', async () => {
    const form = { grant_type: 'client_credentials', scope: 'accounts' };
    await refuses(async () => send({ ...(await bound.authentication()), ...form }), 'invalid_request');
    expect((await send({ ...(await bound.authentication()), ...form }, own)).status).toBe(200);
  });
});

const claimsOf = (jwt: string): unknown => JSON.parse(Buffer.from(jwt.split('.')[1] as string, 'base64url').toString());

describe('the refresh_token grant', () => {
  let granted: Tokens;
  beforeAll(async () => {
    granted = await tokens();
  });

  test.each<[string, Form, string]>([
    ['all of its scope', {}, 'openid accounts'],
    ['all of its scope by name', { scope: 'accounts openid' }, 'accounts openid'],
    ['a part of its scope', { scope: 'accounts' }, 'accounts'],
  ])('gives a further access token with %s', async (_name, form, scope) => {
    const response = await refresh(granted.refresh_token, form);
    expect([response.status, response.headers.get('cache-control')]).toEqual([200, 'no-store']);
    const issued = { access_token: expect.any(String), refresh_token: expect.any(String), token_type: 'Bearer', expires_in: 3600 };
    expect(await response.json()).toEqual({ ...issued, scope });
  });

  test('leaves the refresh token of a FAPI client as it is', async () => {
    const asked = await sendForm(tested, '/oauth2/ciba', { ...(await bound.authentication()), request: await bound.requestObject() }, own);
    const { auth_req_id: authReqId } = (await asked.json()) as { auth_req_id: string };
    await phone.decide(requestIdOf(authReqId, tested.ports.ids), 'approved');
    const { refresh_token } = (await (await poll(authReqId, await bound.authentication(), own)).json()) as Tokens;
    for (let use = 1; use <= 3; use += 1) {
      const response = await send({ ...(await bound.authentication()), grant_type: 'refresh_token', refresh_token }, own);
      const issued = { access_token: expect.any(String), token_type: 'Bearer', expires_in: 3600, scope: 'openid accounts' };
      expect(await response.json()).toEqual(issued);
      time.pass(60);
    }
  });

  test.each<[string, () => Form, string]>([
    ['that is missing', () => ({ refresh_token: '' }), 'invalid_request'],
    ['that is garbage', () => ({ refresh_token: 'garbage' }), 'invalid_grant'],
    ['that is long', () => ({ refresh_token: 'x'.repeat(10_000) }), 'invalid_grant'],
    ['of an unknown grant', () => ({ refresh_token: `${tested.ports.ids.uuid()}.${tested.ports.ids.secret()}` }), 'invalid_grant'],
    [
      'that names a grant and is made up',
      () => ({ refresh_token: granted.refresh_token.replace(/[^.]*$/, tested.ports.ids.secret()) }),
      'invalid_grant',
    ],
    ['that is an access token', () => ({ refresh_token: granted.access_token }), 'invalid_grant'],
    ['of another client', () => ({ ...other, refresh_token: granted.refresh_token }), 'invalid_grant'],
    ['with a wider scope', () => ({ scope: 'openid accounts payments' }), 'invalid_scope'],
    ['with an empty scope', () => ({ scope: ' ' }), 'invalid_scope'],
  ])('refuses a token %s', (_name, form, error) => refuses(() => refresh(granted.refresh_token, form()), error));

  test('refuses a scope that the client has and the grant has not', async () => {
    const { refresh_token: refreshToken } = await tokens(auth, { scope: 'openid' });
    await refuses(() => refresh(refreshToken, { scope: 'openid accounts' }), 'invalid_scope');
  });

  test('refuses a token whose consent was taken back by its PSU or its TPP', async () => {
    for (const takeBack of [(id: string) => phone.call('DELETE', `/consents/${id}`), deleteConsent]) {
      const authReqId = await approved(auth, { openbanking_intent_id: await lodge(tested, auth) });
      const { refresh_token: refreshToken } = (await (await poll(authReqId)).json()) as Tokens;
      await takeBack(await consentOf(authReqId));
      await refuses(() => refresh(refreshToken), 'invalid_grant');
    }
  });

  test('refuses a token whose consent has come to its own end', async () => {
    const ends = { ExpirationDateTime: new Date((time.clock() + 100) * 1000).toISOString() };
    const { refresh_token: refreshToken } = await tokens(auth, { openbanking_intent_id: await lodge(tested, auth, ends) });
    time.pass(99);
    expect((await refresh(refreshToken)).status).toBe(200);
    time.pass(1);
    await refuses(() => refresh(refreshToken), 'invalid_grant');
  });

  test('refuses a token that was revoked, and one that has expired', async () => {
    const { refresh_token: revoked } = await tokens();
    await sendForm(tested, '/oauth2/revoke', { ...auth, token: revoked });
    await refuses(() => refresh(revoked), 'invalid_grant');
    const { refresh_token: old } = await tokens();
    time.pass(7_776_000);
    await refuses(() => refresh(old), 'invalid_grant');
  });
});

describe('the client_credentials grant', () => {
  test.each<[string, Form, string]>([
    ['the registered scope', {}, 'openid accounts'],
    ['a part of it', { scope: 'accounts' }, 'accounts'],
  ])('gives a token with %s', async (_name, form, scope) => {
    const response = await send({ ...auth, grant_type: 'client_credentials', ...form });
    expect(await response.json()).toEqual({ access_token: expect.any(String), token_type: 'Bearer', expires_in: 3600, scope });
  });

  test.each(['payments', 'accounts payments', ' '])('refuses the scope %j', (scope) =>
    refuses(() => send({ ...auth, grant_type: 'client_credentials', scope }), 'invalid_scope'),
  );
});
