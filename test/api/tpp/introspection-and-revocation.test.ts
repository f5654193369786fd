import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { CIBA_GRANT } from '../../../src/domain/client/metadata.ts';
import { type StandingClock, standingClock } from '../../support/clock.ts';
import { type TestDevice, testDevice } from '../../support/device.ts';
import { type TestEngine, testEngine } from '../../support/engine.ts';
import { expectRefusal, sendForm, sendJson } from '../../support/http.ts';
import { facts } from '../../support/log.ts';
import { ask, CONSENTS, certificate, lodge, ownToken, secretTpp, withCertificate } from '../../support/tpp.ts';

type Form = Record<string, string>;
type Tokens = { access_token: string; refresh_token: string; id_token: string };

let time: StandingClock;
let tested: TestEngine;
let auth: Form;
let other: Form;
let resourceServer: Form;
let phone: TestDevice;
let consentId: string;
let tokens: Tokens;

beforeAll(async () => {
  time = standingClock();
  tested = await testEngine({ clock: time.clock });
  auth = await secretTpp(tested);
  other = await secretTpp(tested);
  resourceServer = await secretTpp(tested, { resource_server: true });
  phone = await testDevice(tested, 'alice');
});
afterAll(() => tested.close());
beforeEach(async () => {
  ({ consentId, tokens } = await granted(auth));
});

const granted = async (client: Form): Promise<{ consentId: string; tokens: Tokens }> => {
  const lodged = await lodge(tested, client);
  const { authReqId, requestId } = await ask(tested, client, { openbanking_intent_id: lodged });
  await phone.decide(requestId, 'approved');
  const response = await sendForm(tested, '/oauth2/token', { ...client, grant_type: CIBA_GRANT, auth_req_id: authReqId });
  return { consentId: lodged, tokens: (await response.json()) as Tokens };
};

const introspect = async (token: string, by: Form = auth): Promise<unknown> => {
  const response = await sendForm(tested, '/oauth2/introspect', { ...by, token });
  expect([response.status, response.headers.get('content-type'), response.headers.get('cache-control')]).toEqual([
    200,
    'application/json',
    'no-store',
  ]);
  return response.json();
};
const isActive = async (token: string, by?: Form) => ((await introspect(token, by)) as { active: boolean }).active;
const revoke = async (token: string, by: Form = auth, more: Form = {}) => {
  const response = await sendForm(tested, '/oauth2/revoke', { ...by, token, ...more });
  expect([response.status, await response.text(), response.headers.get('cache-control')]).toEqual([200, '', 'no-store']);
};
const refresh = async () =>
  sendForm(tested, '/oauth2/token', { ...auth, grant_type: 'refresh_token', refresh_token: tokens.refresh_token });

const INACTIVE = { active: false };

describe('introspection', () => {
  test('tells a client about its own tokens', async () => {
    const common = {
      active: true,
      iss: tested.url,
      client_id: auth['client_id'],
      sub: 'psu-alice',
      iat: time.clock(),
      consent_id: consentId,
      auth_time: time.clock(),
      acr: 'urn:openbanking:psd2:sca',
    };
    const accessToken = { ...common, token_type: 'Bearer', scope: 'openid accounts', exp: time.clock() + 3600 };
    expect(await introspect(tokens.access_token)).toEqual(accessToken);
    expect(await introspect(tokens.refresh_token)).toEqual({ ...common, exp: time.clock() + 7_776_000 });
  });

  test('tells of a token of the client itself, and of the certificate it is bound to', async () => {
    const bound = await secretTpp(tested, { tls_client_certificate_bound_access_tokens: true });
    const token = await ownToken(tested, bound, withCertificate(certificate({ thumbprint: 'own' })));
    expect(await introspect(token, bound)).toEqual({
      active: true,
      iss: tested.url,
      client_id: bound.client_id,
      sub: bound.client_id,
      iat: time.clock(),
      exp: time.clock() + 3600,
      token_type: 'Bearer',
      scope: 'accounts',
      cnf: { 'x5t#S256': 'own' },
    });
  });

  test('is not misled by token_type_hint', async () => {
    for (const token_type_hint of ['refresh_token', 'access_token', 'nonsense']) {
      const response = await sendForm(tested, '/oauth2/introspect', { ...auth, token: tokens.access_token, token_type_hint });
      expect(await response.json()).toMatchObject({ active: true, token_type: 'Bearer' });
    }
  });

  test('tells a client nothing about the tokens of another, and a resource server about all', async () => {
    for (const token of [tokens.access_token, tokens.refresh_token]) {
      expect(await introspect(token, other)).toEqual(INACTIVE);
      expect(await introspect(token, resourceServer)).toMatchObject({ active: true, client_id: auth['client_id'] });
    }
  });

  test.each<[string, () => string]>([
    ['unknown', () => 'unknown'],
    ['long', () => 'x'.repeat(30_000)],
    ['an ID token', () => tokens.id_token],
    ['a changed one', () => `${tokens.access_token}x`],
    ['the hash of one', () => tested.ports.ids.hash(tokens.access_token)],
  ])('calls a token inactive that is %s', async (_name, token) => {
    expect(await introspect(token(), resourceServer)).toEqual(INACTIVE);
  });

  test('calls a token inactive from the second on in which it expires', async () => {
    time.pass(3599);
    expect(await isActive(tokens.access_token)).toBe(true);
    time.pass(1);
    expect(await introspect(tokens.access_token)).toEqual(INACTIVE);
    expect(await isActive(tokens.refresh_token)).toBe(true);
  });

  test.each<[string, () => Promise<Response>]>([
    ['its PSU takes back the consent', () => phone.call('DELETE', `/consents/${consentId}`)],
    [
      'its TPP deletes the consent',
      async () =>
        sendJson(tested, 'DELETE', `${CONSENTS}/${consentId}`, undefined, { authorization: `Bearer ${await ownToken(tested, auth)}` }),
    ],
  ])('calls tokens inactive as soon as %s', async (_name, end) => {
    expect((await end()).status).toBe(204);
    expect(await Promise.all([tokens.access_token, tokens.refresh_token].map((token) => introspect(token, resourceServer)))).toEqual([
      INACTIVE,
      INACTIVE,
    ]);
  });

  test('calls the tokens of a disabled client inactive at once', async () => {
    const leaving = await secretTpp(tested);
    const [own, theirs] = [await ownToken(tested, leaving), await granted(leaving)];
    await tested.disable(leaving.client_id);
    for (const token of [own, theirs.tokens.access_token, theirs.tokens.refresh_token])
      expect(await introspect(token, resourceServer)).toEqual(INACTIVE);
    await expectRefusal(tested, () => sendForm(tested, '/oauth2/introspect', { ...leaving, token: own }), 401, 'invalid_client');
  });
});

describe('revocation', () => {
  test('of an access token ends that one alone', async () => {
    const { access_token: second, refresh_token: successor } = (await (await refresh()).json()) as Tokens;
    await revoke(tokens.access_token);
    expect(await introspect(tokens.access_token, resourceServer)).toEqual(INACTIVE);
    expect([await isActive(second), await isActive(successor)]).toEqual([true, true]);
    expect((await refresh()).status).toBe(200);
  });

  test('of a refresh token that was replaced ends its grant, for its client', async () => {
    const successor = (await (await refresh()).json()) as Tokens;
    await revoke(tokens.refresh_token, other);
    expect(await isActive(successor.refresh_token)).toBe(true);
    await revoke(tokens.refresh_token);
    expect([await isActive(successor.access_token), await isActive(successor.refresh_token)]).toEqual([false, false]);
    await expectRefusal(tested, refresh, 400, 'invalid_grant');
  });

  test('of a refresh token ends its grant', async () => {
    await revoke(tokens.refresh_token, auth, { token_type_hint: 'access_token' });
    expect([await isActive(tokens.access_token), await isActive(tokens.refresh_token)]).toEqual([false, false]);
    await expectRefusal(tested, refresh, 400, 'invalid_grant');
  });

  test('of a token of the client itself ends it', async () => {
    const token = await ownToken(tested, auth);
    await revoke(token);
    expect(await isActive(token)).toBe(false);
    const authorization = `Bearer ${token}`;
    await expectRefusal(
      tested,
      () => sendJson(tested, 'GET', `${CONSENTS}/${consentId}`, undefined, { authorization }),
      401,
      'invalid_token',
    );
  });

  test('is answered in the same way for what is unknown, foreign or revoked already, and then changes nothing', async () => {
    await revoke(tokens.access_token);
    const before = (await facts(tested)).length;
    await revoke(tokens.access_token);
    await revoke('unknown');
    await revoke(tokens.id_token);
    for (const by of [other, resourceServer]) await revoke(tokens.refresh_token, by);
    expect(await facts(tested)).toHaveLength(before);
    expect(await isActive(tokens.refresh_token)).toBe(true);
  });
});

test.each(['/oauth2/introspect', '/oauth2/revoke'])('%s needs a token', (path) =>
  expectRefusal(tested, () => sendForm(tested, path, auth), 400, 'invalid_request'),
);
