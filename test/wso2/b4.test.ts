import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { CIBA_GRANT } from '../../src/domain/client/metadata.ts';
import { type StandingClock, standingClock } from '../support/clock.ts';
import { type TestDevice, testDevice } from '../support/device.ts';
import { type TestEngine, testEngine } from '../support/engine.ts';
import { sendForm } from '../support/http.ts';
import { testKey } from '../support/jws.ts';
import { ask, lodge, type SigningTpp, secretTpp } from '../support/tpp.ts';
import { accountAccess, fundsConfirmation, PAYMENTS, vrp } from './support/intents.ts';
import { type IntentBody, intentsAt, REFERENCE, referenceTpp, refused } from './support/tpp.ts';

type Form = Record<string, string>;

let time: StandingClock;
let tested: TestEngine;
let tpp: SigningTpp;
let phone: TestDevice;

beforeAll(async () => {
  time = standingClock();
  tested = await testEngine({ clock: time.clock, nowMs: time.nowMs }, { COUNTERSIGN_LIMITS_PENDING_REQUESTS_PER_PSU: '1000' });
  tpp = await referenceTpp(tested);
  phone = await testDevice(tested, 'alice');
});
afterAll(() => tested.close());

const send = async (form: Form, by: SigningTpp = tpp) => sendForm(tested, '/oauth2/ciba', { ...(await by.authentication()), ...form });
const signed = async (claims: object = {}) => send({ request: await tpp.requestObject(claims) });
const accepts = async (reply: Promise<Response>): Promise<Record<string, unknown>> => {
  const response = await reply;
  const body = (await response.json()) as Record<string, unknown>;
  expect([response.status, body]).toEqual([200, { auth_req_id: expect.any(String), interval: 2, expires_in: expect.any(Number) }]);
  return body;
};
const refuses = (claims: object, error = 'invalid_request') => refused(signed(claims), 400, error);
const shownOf = async (claims: object) => {
  const request = await tpp.requestObject(claims);
  const { shown } = await phone.retrieve((await ask(tested, await tpp.authentication(), { request })).requestId);
  return JSON.parse(shown) as object;
};

test('B4: a signed request is accepted, with interval 2 for 3600 seconds', async () =>
  expect(await accepts(signed())).toMatchObject({ expires_in: 3600 }));

test('B4: iss is the client', () => refuses({ iss: 'another' }));

test('B4: aud is the token endpoint, the CIBA endpoint or the issuer', async () => {
  const { issuer, mtlsBase } = tested.engine.surface;
  const audiences = [issuer, `${issuer}/oauth2/token`, `${issuer}/oauth2/ciba`, `${mtlsBase}/oauth2/token`, `${mtlsBase}/oauth2/ciba`];
  for (const aud of [...audiences, [issuer], [`${issuer}/oauth2/token`]]) await accepts(signed({ aud }));
  const several = [
    [issuer, `${issuer}/oauth2/token`],
    [issuer, 'https://another.example'],
  ];
  for (const aud of ['https://another.example', `${issuer}/oauth2/par`, [], ...several, undefined]) await refuses({ aud });
});

test('B4: jti is required, and counts once', async () => {
  await refuses({ jti: undefined });
  await accepts(signed({ jti: 'once' }));
  await refuses({ jti: 'once' });
});

describe('B4: exp, iat and nbf', () => {
  const now = () => time.clock();

  test('are required', async () => {
    for (const name of ['exp', 'iat', 'nbf']) await refuses({ [name]: undefined });
  });
  test('may be off by 300 seconds', async () => {
    await accepts(signed({ exp: now() - 299, nbf: now() - 600, iat: now() - 600 }));
    await refuses({ exp: now() - 300, nbf: now() - 600, iat: now() - 600 });
    await accepts(signed({ nbf: now() + 300, iat: now() + 300, exp: now() + 600 }));
    await refuses({ nbf: now() + 301, iat: now(), exp: now() + 600 });
    await refuses({ iat: now() + 301, nbf: now(), exp: now() + 600 });
  });
  test('begin an hour ago at most, though a clock that is off would let the object live', async () => {
    const ending = { exp: now() - 299, iat: now() - 299 };
    await accepts(signed({ ...ending, nbf: now() - 3600 }));
    await refused(signed({ ...ending, nbf: now() - 3601 }), 400, 'invalid_request', 'Request Object nbf claim is too old.');
    await refused(signed({ nbf: now() - 3601, exp: now() + 60 }), 400, 'invalid_request', 'Request Object nbf claim is too old.');
  });
  test('span an hour at most', async () => {
    await accepts(signed({ nbf: now(), exp: now() + 3600 }));
    await refuses({ nbf: now(), exp: now() + 3601 });
  });
  test('keep a request that is used late from being used twice', async () => {
    const late = { jti: 'late', exp: now() - 100, nbf: now() - 600, iat: now() - 600 };
    await accepts(signed(late));
    await refuses(late);
    time.pass(150);
    await refuses(late);
  });
});

test('B4: scope is required', async () => {
  await refuses({ scope: undefined });
  await refuses({ scope: 'openid admin' });
});

test.each([
  ['aisp/account-access-consents', 'accounts', accountAccess()],
  ['pisp/domestic-payment-consents', 'payments', PAYMENTS['domestic-payment-consents'] as object],
  ['pisp/domestic-vrp-consents', 'payments', vrp()],
  ['cbpii/funds-confirmation-consents', 'fundsconfirmations', fundsConfirmation()],
])('B4: a request for one of the %s has the scope %s', async (path, scope, body) => {
  const intents = await intentsAt(tested, tpp, path, scope);
  const { Data } = (await (await intents.post(body, { 'x-idempotency-key': path.slice(-40) })).json()) as IntentBody;
  const about = { openbanking_intent_id: { value: Data.ConsentId, essential: true } };
  const others = ['accounts', 'payments', 'fundsconfirmations'].filter((other) => other !== scope).join(' ');
  await refuses({ ...about, scope: `openid ${others}` });
  await accepts(signed({ ...about, scope: `openid ${scope}` }));
});

describe('B4: the hint', () => {
  test('is exactly one', async () => {
    await refuses({ login_hint: undefined });
    await refuses({ id_token_hint: 'x' });
  });
  test('may be an ID token', async () => {
    const asked = await ask(tested, await tpp.authentication(), { request: await tpp.requestObject() });
    await phone.decide(asked.requestId, 'approved');
    const form = { ...(await tpp.authentication()), grant_type: CIBA_GRANT, auth_req_id: asked.authReqId };
    const { body } = await tested.post('/oauth2/token', form);
    await accepts(signed({ login_hint: undefined, id_token_hint: body['id_token'] }));
  });
  test('that names nobody is unauthorized_user', async () => {
    await refuses({ login_hint: 'nobody' }, 'unauthorized_user');
    await refuses({ login_hint: undefined, id_token_hint: 'x' }, 'unauthorized_user');
  });
  test('may name the tenant behind the user, the one that there is', async () => {
    await accepts(signed({ login_hint: 'alice@carbon.super' }));
    await refuses({ login_hint: 'alice@bank.example' }, 'unauthorized_user');
    const auth = await secretTpp(tested);
    const { body } = await tested.post('/oauth2/ciba', { ...auth, scope: 'openid', login_hint: 'alice@carbon.super' });
    expect(body).toMatchObject({ error: 'unknown_user_id' });
  });
  test('is never a login_hint_token', () => refuses({ login_hint: undefined, login_hint_token: 'x' }));
});

test('B4: acr_values is taken', () => accepts(signed({ acr_values: 'urn:openbanking:psd2:sca' })));

test('B4: binding_message is shown, and one that cannot be is invalid_binding_message', async () => {
  expect(await shownOf({ binding_message: 'ABC 123' })).toMatchObject({ binding_message: 'ABC 123' });
  await refuses({ binding_message: 'x'.repeat(101) }, 'invalid_binding_message');
});

test('B4: transaction_context is shown, and is an object', async () => {
  expect(await shownOf({ transaction_context: { place: 'London' } })).toMatchObject({ request_context: { place: 'London' } });
  await refuses({ transaction_context: 'London' });
});

test('B4: requested_expiry is a number or digits, up to an hour', async () => {
  for (const [requested_expiry, expires_in] of [
    [120, 120],
    ['120', 120],
    [7200, 3600],
  ] as const)
    expect(await accepts(signed({ requested_expiry }))).toMatchObject({ expires_in });
  await refuses({ requested_expiry: 'soon' });
});

describe('B4: openbanking_intent_id', () => {
  const lodged = async () => lodge(tested, await tpp.authentication());

  test('stands at the top, as an object or a text', async () => {
    for (const shape of [(value: string) => ({ value, essential: true }), (value: string) => ({ value }), (value: string) => value]) {
      const consentId = await lodged();
      expect(await shownOf({ openbanking_intent_id: shape(consentId) })).toMatchObject({ consent: { consent_id: consentId } });
    }
  });
  test('stands in claims.userinfo in the variant of the web link', async () => {
    const consentId = await lodged();
    const claims = { userinfo: { openbanking_intent_id: { value: consentId, essential: true } } };
    expect(await shownOf({ claims })).toMatchObject({ consent: { consent_id: consentId } });
  });
  test('that is unknown, or of another client, is refused', async () => {
    const other = await lodge(tested, await (await referenceTpp(tested)).authentication());
    for (const value of ['unknown', other]) await refuses({ openbanking_intent_id: { value } });
  });
});

test('B4: the algorithm is PS256 or ES256', async () => {
  const rsa = await referenceTpp(tested, {}, testKey('PS256'));
  await accepts(send({ request: await rsa.requestObject() }, rsa));
  await refused(send({ request: await rsa.requestObject({}, { alg: 'RS256' }) }, rsa), 400, 'invalid_request');
});

test('B4: a client that does not prove who it is', async () =>
  refused(sendForm(tested, '/oauth2/ciba', { client_id: tpp.clientId, request: await tpp.requestObject() }), 401, 'invalid_client'));

test('B4: a client that is not registered for CIBA', async () => {
  const other = await referenceTpp(tested, { grant_types: ['client_credentials'] });
  await refused(send({ request: await other.requestObject() }, other), 400, 'unauthorized_client');
});

test('B4: clients of other profiles keep the codes of CIBA Core', async () => {
  const auth = await secretTpp(tested);
  const { body } = await tested.post('/oauth2/ciba', { ...auth, scope: 'openid', login_hint: 'nobody' });
  expect(body).toMatchObject({ error: 'unknown_user_id' });
});

describe('B4: of IS 7.3', () => {
  test('plain parameters', async () => {
    const auth = await secretTpp(tested, REFERENCE);
    const { status, body } = await tested.post('/oauth2/ciba', { ...auth, scope: 'openid accounts', login_hint: 'alice' });
    expect([status, body]).toMatchObject([200, { interval: 2, expires_in: 3600 }]);
    const refusal = await tested.post('/oauth2/ciba', { ...auth, scope: 'openid accounts', login_hint: 'nobody' });
    expect(refusal.body).toMatchObject({ error: 'unauthorized_user' });
  });
  test('notification_channel email and sms, which are not offered', async () => {
    for (const notification_channel of ['email', 'sms', 'fax']) await refuses({ notification_channel });
  });
  test('notification_channel external, with the page where the PSU can answer', async () => {
    const body = await (await signed({ notification_channel: 'external' })).json();
    expect(body).toMatchObject({ auth_req_id: expect.any(String), auth_url: `${tested.url}/oauth2/ciba/answer` });
    const page = await fetch(`${tested.url}/oauth2/ciba/answer`);
    expect([page.status, page.headers.get('content-type')]).toEqual([200, expect.stringContaining('text/html')]);
  });
  test('actor_token, for which nobody acts here', () => refuses({ actor_token: 'x' }));
});
