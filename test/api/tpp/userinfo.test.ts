import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { createLocalJWKSet, type JSONWebKeySet, jwtVerify } from 'jose';
import { CIBA_GRANT } from '../../../src/domain/client/metadata.ts';
import { type StandingClock, standingClock } from '../../support/clock.ts';
import { type TestDevice, testDevice } from '../../support/device.ts';
import { dpopProof } from '../../support/dpop.ts';
import { type TestEngine, testEngine } from '../../support/engine.ts';
import { expectRefusal, sendForm, sendJson } from '../../support/http.ts';
import { testKey } from '../../support/jws.ts';
import { ask, CONSENTS, certificate, lodge, ownToken, secretTpp, withCertificate } from '../../support/tpp.ts';

type Form = Record<string, string>;

const USERINFO = '/oauth2/userinfo';

let time: StandingClock;
let tested: TestEngine;
let auth: Form;
let phone: TestDevice;

beforeAll(async () => {
  time = standingClock();
  tested = await testEngine({ clock: time.clock }, { COUNTERSIGN_LIMITS_PENDING_REQUESTS_PER_PSU: '1000' });
  auth = await secretTpp(tested);
  phone = await testDevice(tested, 'alice');
});
afterAll(() => tested.close());

const granted = async (client: Form = auth, headers: Form = {}) => {
  const consentId = await lodge(tested, client);
  const { authReqId, requestId } = await ask(tested, client, { openbanking_intent_id: consentId });
  await phone.decide(requestId, 'approved');
  const form = { ...client, grant_type: CIBA_GRANT, auth_req_id: authReqId };
  const tokens = (await (await sendForm(tested, '/oauth2/token', form, headers)).json()) as { access_token: string; refresh_token: string };
  return { consentId, ...tokens };
};
const userinfo = (authorization: string | null, method = 'GET', headers: Form = {}) =>
  sendJson(tested, method, USERINFO, undefined, { ...(authorization !== null && { authorization }), ...headers });

describe('userinfo', () => {
  test.each(['GET', 'POST'])('by %s says whom a token is about', async (method) => {
    const { consentId, access_token: token } = await granted();
    const response = await userinfo(`Bearer ${token}`, method);
    expect([response.status, response.headers.get('content-type'), response.headers.get('cache-control')]).toEqual([
      200,
      'application/json',
      'no-store',
    ]);
    expect(await response.json()).toEqual({ sub: 'psu-alice', openbanking_intent_id: consentId });
  });

  test.each(['ES256', 'PS256'] as const)('is signed with %s for a client that is registered so', async (alg) => {
    const client = await secretTpp(tested, { userinfo_signed_response_alg: alg });
    const { consentId, access_token: token } = await granted(client);
    const response = await userinfo(`Bearer ${token}`);
    expect([response.status, response.headers.get('content-type'), response.headers.get('cache-control')]).toEqual([
      200,
      'application/jwt',
      'no-store',
    ]);
    const keys = createLocalJWKSet((await (await fetch(`${tested.url}/oauth2/jwks`)).json()) as JSONWebKeySet);
    const { payload, protectedHeader } = await jwtVerify(await response.text(), keys, { issuer: tested.url, audience: client.client_id });
    expect(protectedHeader).toMatchObject({ alg, kid: expect.any(String) });
    expect(payload).toEqual({ iss: tested.url, aud: client.client_id, sub: 'psu-alice', openbanking_intent_id: consentId });
  });

  test('is told to who proves to hold the key of a bound token', async () => {
    const key = testKey('ES256');
    const { access_token: token } = await granted(auth, { dpop: await dpopProof(tested, key, '/oauth2/token') });
    const dpop = await dpopProof(tested, key, USERINFO, { accessToken: token });
    expect((await userinfo(`DPoP ${token}`, 'POST', { dpop })).status).toBe(200);
    expect((await userinfo(`Bearer ${token}`, 'POST')).status).toBe(401);
  });

  test('is published with its algorithms', async () => {
    const metadata = await (await fetch(`${tested.url}/.well-known/openid-configuration`)).json();
    const algs = ['PS256', 'ES256', 'EdDSA'];
    expect(metadata).toMatchObject({
      userinfo_endpoint: tested.url + USERINFO,
      userinfo_signing_alg_values_supported: ['PS256', 'ES256'],
      dpop_signing_alg_values_supported: algs,
      token_endpoint_auth_signing_alg_values_supported: algs,
      mtls_endpoint_aliases: { userinfo_endpoint: tested.engine.surface.mtlsBase + USERINFO },
    });
  });
});

describe('userinfo is refused', () => {
  const refuses = async (authorization: string | null, status: number, error: string) => {
    let challenge: string | null = null;
    const watched = async () => {
      const response = await userinfo(authorization);
      challenge = response.headers.get('www-authenticate');
      return response;
    };
    await expectRefusal(tested, watched, status, error);
    expect(challenge).toMatch(new RegExp(`error="${error}"`));
  };

  test.each<[string, string | null]>([
    ['without a token', null],
    ['with an unknown token', 'Bearer unknown'],
    ['under another scheme', 'Basic eDp5'],
    ['with nothing but a scheme', 'Bearer'],
  ])('%s', (_name, authorization) => refuses(authorization, 401, 'invalid_token'));

  test('with a refresh token', async () => refuses(`Bearer ${(await granted()).refresh_token}`, 401, 'invalid_token'));

  test('with a token of the client alone, whatever its scope', async () => {
    await refuses(`Bearer ${await ownToken(tested, auth)}`, 403, 'insufficient_scope');
    const form = { ...auth, grant_type: 'client_credentials', scope: 'openid' };
    const { access_token: token } = (await (await sendForm(tested, '/oauth2/token', form)).json()) as { access_token: string };
    await refuses(`Bearer ${token}`, 403, 'insufficient_scope');
  });

  test('with a token that is bound to another certificate', async () => {
    const client = await secretTpp(tested, { tls_client_certificate_bound_access_tokens: true });
    const own = withCertificate(certificate());
    const form = { ...client, grant_type: 'client_credentials' };
    const { access_token: token } = (await (await sendForm(tested, '/oauth2/token', form, own)).json()) as { access_token: string };
    await refuses(`Bearer ${token}`, 401, 'invalid_token');
  });

  test('once the consent was taken back', async () => {
    const { consentId, access_token: token } = await granted();
    const authorization = `Bearer ${await ownToken(tested, auth)}`;
    expect((await sendJson(tested, 'DELETE', `${CONSENTS}/${consentId}`, undefined, { authorization })).status).toBe(204);
    await refuses(`Bearer ${token}`, 401, 'invalid_token');
  });

  test('once the token has ended', async () => {
    const { access_token: token } = await granted();
    time.pass(3600);
    await refuses(`Bearer ${token}`, 401, 'invalid_token');
  });
});
