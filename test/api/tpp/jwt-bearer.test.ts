import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { CIBA_GRANT, JWT_BEARER_GRANT } from '../../../src/domain/client/metadata.ts';
import { type StandingClock, standingClock } from '../../support/clock.ts';
import { type TestDevice, testDevice } from '../../support/device.ts';
import { type TestEngine, testEngine } from '../../support/engine.ts';
import { expectRefusal, sendForm, sendJson } from '../../support/http.ts';
import { type TestKey, testKey } from '../../support/jws.ts';
import { ask, CONSENTS, lodge, type SigningTpp, signingTpp } from '../../support/tpp.ts';

type Form = Record<string, string>;

const GRANTS = [JWT_BEARER_GRANT, CIBA_GRANT, 'client_credentials', 'refresh_token'] as const;

let time: StandingClock;
let tested: TestEngine;
let key: TestKey;
let tpp: SigningTpp;
let other: SigningTpp;
let phone: TestDevice;
/** A consent that Alice has approved for the TPP. */
let consentId: string;

beforeAll(async () => {
  time = standingClock();
  tested = await testEngine({ clock: time.clock, nowMs: time.nowMs }, { COUNTERSIGN_LIMITS_PENDING_REQUESTS_PER_PSU: '1000' });
  key = testKey('ES256');
  tpp = await signingTpp(tested, { grant_types: [...GRANTS] }, key);
  other = await signingTpp(tested, { grant_types: [...GRANTS] });
  phone = await testDevice(tested, 'alice');
  consentId = await approved();
});
afterAll(() => tested.close());

const lodged = async () => lodge(tested, await tpp.authentication());
const approved = async (): Promise<string> => {
  const intent = await lodged();
  const { requestId } = await ask(tested, await tpp.authentication(), { openbanking_intent_id: intent });
  await phone.decide(requestId, 'approved');
  return intent;
};
const trade = async (assertion: string, more: Form = {}, client = tpp) =>
  sendForm(tested, '/oauth2/token', { ...(await client.authentication()), grant_type: JWT_BEARER_GRANT, assertion, ...more });
const traded = async (assertion: string, more: Form = {}) => {
  const response = await trade(assertion, more);
  const body = (await response.json()) as Record<string, string>;
  if (response.status !== 200) throw new Error(`${response.status} ${JSON.stringify(body)}`);
  return body;
};
const introspect = async (token: string) =>
  (await sendForm(tested, '/oauth2/introspect', { ...(await tpp.authentication()), token })).json() as Promise<Record<string, unknown>>;
const refuses = (call: () => Promise<Response>, error = 'invalid_grant') => expectRefusal(tested, call, 400, error);
const aboutAlice = (claims: object = {}) => tpp.assertion({ sub: 'psu-alice', consent_id: consentId, ...claims });

describe('an assertion about the client', () => {
  test('gives what client_credentials gives', async () => {
    const body = await traded(await tpp.assertion(), { scope: 'accounts' });
    expect(body).toEqual({ access_token: expect.any(String), token_type: 'Bearer', expires_in: 3600, scope: 'accounts' });
    expect(await introspect(String(body['access_token']))).toMatchObject({ active: true, sub: tpp.clientId, scope: 'accounts' });
  });

  test.each(['JWT', 'jwt', 'authorization-grant+jwt'])('may have the typ %s', async (typ) =>
    expect((await trade(await tpp.assertion({}, { typ }))).status).toBe(200),
  );

  test('counts once, and not after it has authenticated the client', async () => {
    const assertion = await tpp.assertion();
    expect((await trade(assertion)).status).toBe(200);
    await refuses(() => trade(assertion));
    const both = await tpp.assertion();
    const form = { ...tpp.authenticatedBy(both), grant_type: JWT_BEARER_GRANT, assertion: both };
    await refuses(() => sendForm(tested, '/oauth2/token', form));
  });
});

describe('an assertion about a PSU', () => {
  test.each(['consent_id', 'openbanking_intent_id'])('names by %s a consent, and gives a token under it', async (name) => {
    const body = await traded(await tpp.assertion({ sub: 'psu-alice', [name]: consentId }));
    expect(body).toEqual({ access_token: expect.any(String), token_type: 'Bearer', expires_in: 3600, scope: 'openid accounts' });
    expect(await introspect(String(body['access_token']))).toMatchObject({
      active: true,
      sub: 'psu-alice',
      consent_id: consentId,
      auth_time: time.clock(),
    });
  });

  test('gives no more than the scope that was approved', async () => {
    expect((await traded(await aboutAlice(), { scope: 'accounts' }))['scope']).toBe('accounts');
    await refuses(async () => trade(await aboutAlice(), { scope: 'accounts payments' }), 'invalid_scope');
  });

  test('gives a token that ends with the consent', async () => {
    const intent = await approved();
    const { access_token: token } = await traded(await aboutAlice({ consent_id: intent }));
    const { access_token: own } = await traded(await tpp.assertion(), { scope: 'accounts' });
    const deleted = await sendJson(tested, 'DELETE', `${CONSENTS}/${intent}`, undefined, { authorization: `Bearer ${own}` });
    expect(deleted.status).toBe(204);
    expect(await introspect(String(token))).toEqual({ active: false });
    await refuses(async () => trade(await aboutAlice({ consent_id: intent })));
  });

  test.each<[string, object]>([
    ['names no consent', { consent_id: undefined }],
    ['names a consent that is none', { consent_id: 'nothing' }],
    ['names its consent by no text', { consent_id: ['x'] }],
    ['is about another PSU', { sub: 'psu-bob' }],
    ['is about nobody', { sub: '' }],
  ])('is refused when it %s', (_name, claims) => refuses(async () => trade(await aboutAlice(claims))));

  test('is refused when nobody has approved', async () => {
    const waiting = await lodged();
    await refuses(async () => trade(await aboutAlice({ consent_id: waiting })));
    const { requestId } = await ask(tested, await tpp.authentication(), { openbanking_intent_id: waiting });
    await refuses(async () => trade(await aboutAlice({ consent_id: waiting })));
    await phone.decide(requestId, 'denied');
    await refuses(async () => trade(await aboutAlice({ consent_id: waiting })));
  });

  test('is refused when the consent is another client’s', () =>
    refuses(async () => trade(await other.assertion({ sub: 'psu-alice', consent_id: consentId }), {}, other)));
});

describe('an assertion is refused', () => {
  test.each<[string, () => object]>([
    ['of another issuer', () => ({ iss: other.clientId })],
    ['for another server', () => ({ aud: 'https://other.example' })],
    ['that has expired', () => ({ exp: time.clock() })],
    ['that lives too long', () => ({ exp: time.clock() + 361 })],
    ['without exp', () => ({ exp: undefined })],
    ['of the future', () => ({ nbf: time.clock() + 61 })],
    ['without jti', () => ({ jti: undefined })],
  ])('%s', (_name, claims) => refuses(async () => trade(await tpp.assertion(claims()))));

  test.each(['client-authentication+jwt', 'at+jwt', 'dpop+jwt', 'oauth-authz-req+jwt'])('that says it is a %s', (typ) =>
    refuses(async () => trade(await tpp.assertion({}, { typ }))),
  );

  test('by another key, or that is none', async () => {
    await refuses(async () => trade(await tpp.assertion({}, {}, testKey('ES256'))));
    await refuses(() => trade('x.y.z'));
    await refuses(async () => trade(await other.assertion()));
  });

  test('that is missing', () => refuses(() => trade(''), 'invalid_request'));

  test('that one of our own access tokens is', async () => {
    const { access_token: token } = await traded(await aboutAlice());
    await refuses(() => trade(String(token)));
  });

  test('without the client’s authentication', async () => {
    const form = { client_id: tpp.clientId, grant_type: JWT_BEARER_GRANT, assertion: await tpp.assertion({ jti: randomUUID() }) };
    await expectRefusal(tested, () => sendForm(tested, '/oauth2/token', form), 401, 'invalid_client');
  });

  test('of a client that is not registered for it', async () => {
    const without = await signingTpp(tested);
    await refuses(async () => trade(await without.assertion(), {}, without), 'unauthorized_client');
  });
});
