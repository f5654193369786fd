import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { CIBA_GRANT } from '../../src/domain/client/metadata.ts';
import { corrupted, testKey } from '../support/jws.ts';
import { CIBA, good, registerTpp, type Tpp } from './support/tpp.ts';
import { type Answer, expectError, openWire, partsOf, shannonBits, type Wire } from './support/wire.ts';

let wire: Wire;
let tpp: Tpp;
let rsa: Tpp;
beforeAll(async () => {
  wire = await openWire();
  tpp = await registerTpp(wire);
  rsa = await registerTpp(wire, {}, 'PS256');
});
afterAll(() => wire.close());

const refused = (answer: Answer) => expectError(answer, [400, 'invalid_request']);
const signedOtherwise = async (client: Tpp, claims: object, ...how: [header?: object, key?: Tpp['key']]) =>
  client.ask({ request: await client.request({ ...CIBA, ...claims }, ...how) });

describe('the request object', () => {
  test('R27 the endpoint takes a form and answers in JSON, whatever happens', async () => {
    const url = wire.endpoint('backchannel_authentication_endpoint');
    const { identity } = tpp;
    const taken = good(await tpp.asks());
    expect(taken.headers['content-type']).toMatch(/^application\/json(;|$)/);
    refused(await wire.send(url, { json: { request: 'x' }, identity }));
    expectError(await wire.send(url, { form: '', identity }), [401, 'invalid_client'], [400, 'invalid_request']);
    for (const method of ['GET', 'PUT', 'DELETE']) {
      const { status, headers, body } = await wire.send(url, { method, identity });
      expect({ status, error: body['error'] }).toEqual({ status: 405, error: 'invalid_request' });
      expect(headers['content-type']).toMatch(/^application\/json(;|$)/);
    }
  });

  test('R28 parameters count only inside it', async () => {
    refused(await tpp.ask(CIBA));
    // What stands beside it is ignored: neither the hint nor the scope outside counts.
    const { body } = good(
      await tpp.ask({ request: await tpp.request(CIBA), scope: 'nonsense', login_hint: 'nobody', binding_message: '\u0000' }),
    );
    expect(body['auth_req_id']).toEqual(expect.any(String));
    refused(await tpp.ask({ request: await tpp.request({ scope: CIBA.scope }), login_hint: 'alice' }));
  });

  test('R29 its signature is of the client, with PS256 or ES256', async () => {
    for (const client of [tpp, rsa]) good(await signedOtherwise(client, {}));
    refused(await signedOtherwise(rsa, {}, {}, { ...rsa.key, alg: 'RS256' }));
    refused(await signedOtherwise(tpp, {}, {}, testKey('ES256')));
    refused(await signedOtherwise(tpp, {}, {}, rsa.key));
    const signed = await tpp.request(CIBA);
    refused(await tpp.ask({ request: corrupted(signed) }));
    const none = [{ alg: 'none' }, partsOf(signed).claims].map((part) => Buffer.from(JSON.stringify(part)).toString('base64url')).join('.');
    refused(await tpp.ask({ request: `${none}.` }));
  });

  test.each(['iss', 'aud', 'exp', 'iat', 'nbf', 'jti'])('R30 it has %s', async (claim) => refused(await tpp.asks({ [claim]: undefined })));

  test('R31 its issuer is the client', async () => {
    refused(await tpp.asks({ iss: rsa.clientId }));
    refused(await tpp.asks({ iss: wire.issuer }));
  });

  test('R32 its audience is the issuer, or holds it', async () => {
    good(await tpp.asks({ aud: [wire.issuer, 'https://other.example'] }));
    refused(await tpp.asks({ aud: 'https://other.example' }));
    refused(await tpp.asks({ aud: ['https://other.example'] }));
  });

  test('R33 it lives for at most an hour and is at most an hour old', async () => {
    const at = wire.now();
    good(await tpp.asks({ nbf: at - 10, iat: at - 10, exp: at + 3580 }));
    refused(await tpp.asks({ exp: at - 3600 }));
    refused(await tpp.asks({ exp: at + 70 * 60 }));
    refused(await tpp.asks({ nbf: at - 70 * 60, iat: at - 70 * 60 }));
  });

  test('R34 it is not taken ten minutes before its time', async () => {
    const at = wire.now();
    good(await tpp.asks({ nbf: at, iat: at }));
    good(await tpp.asks({ nbf: at + 8, iat: at + 8 }));
    refused(await tpp.asks({ nbf: at + 600 }));
  });

  test('R35 its typ is absent or oauth-authz-req+jwt in any case', async () => {
    for (const typ of [undefined, 'oauth-authz-req+jwt', 'OAuth-Authz-Req+JWT']) good(await signedOtherwise(tpp, {}, { typ }));
    refused(await signedOtherwise(tpp, {}, { typ: 'at+jwt' }));
  });
});

describe('its parameters', () => {
  test('R36 there is exactly one hint', async () => {
    const { tokens } = await tpp.ceremony();
    refused(await tpp.asks({ login_hint: undefined }));
    refused(await tpp.asks({ id_token_hint: tokens.body['id_token'] }));
    refused(await tpp.asks({ login_hint_token: 'x' }));
    good(await tpp.asks({ login_hint: undefined, id_token_hint: tokens.body['id_token'] }));
  });

  test('R37 what is wrong has its own code', async () => {
    expectError(await tpp.asks({ login_hint: 'nobody-of-that-name' }), [400, 'unknown_user_id']);
    expectError(await tpp.asks({ scope: 'openid payments-of-others' }), [400, 'invalid_scope']);
    const { publicJwk } = tpp.key;
    const noCiba = await registerTpp(wire, { grant_types: ['client_credentials'], jwks: { keys: [publicJwk] } });
    const auth = await noCiba.auth({}, {}, tpp.key);
    expectError(await noCiba.ask({ request: await noCiba.request(CIBA, {}, tpp.key) }, { auth }), [400, 'unauthorized_client']);
    const expired = await tpp.request({ login_hint: 'alice', exp: wire.now() - 600 });
    expectError(await tpp.asks({ login_hint: undefined, login_hint_token: expired }), [400, 'expired_login_hint_token']);
  });

  test('R38 request_context is taken', async () => {
    good(await tpp.asks({ request_context: { channel: 'branch', device: { type: 'terminal' } } }));
  });

  test('R39 scopes stand in any order, with openid among them', async () => {
    for (const scope of ['openid accounts', 'accounts openid', 'openid']) good(await tpp.asks({ scope }));
    expectError(await tpp.asks({ scope: 'accounts' }), [400, 'invalid_scope'], [400, 'invalid_request']);
    expectError(await tpp.asks({ scope: undefined }), [400, 'invalid_scope'], [400, 'invalid_request']);
  });

  test('R40 a binding message is shown intact or refused', async () => {
    good(await tpp.asks({ binding_message: '1234' }));
    const long = `${'Überweisung 漢字 🙂 '.repeat(30)}`.slice(0, 456);
    expectError(await tpp.asks({ binding_message: long }), [400, 'invalid_binding_message']);
    const message = `R40-${randomBytes(4).toString('hex')}`;
    good(await tpp.asks({ binding_message: message }));
    expect((await wire.phone.requests()).map((waiting) => waiting.binding_message)).toContain(message);
  });

  test.each([10, 300, '30'])('R41 requested_expiry %p shortens the life of the request', async (expiry) => {
    const { body } = good(await tpp.asks({ requested_expiry: expiry }));
    expect(body['expires_in']).toBe(Number(expiry));
  });

  test('R42 the acr is one that was asked for', async () => {
    for (const acr of wire.metadata['acr_values_supported'] as string[]) {
      const { tokens } = await tpp.ceremony({ acr_values: `urn:not:known ${acr}` });
      expect(partsOf(tokens.body['id_token']).claims['acr']).toBe(acr);
    }
  });

  test('R43 a ping client sends a notification token', async () => {
    const ping = await registerTpp(wire, {
      backchannel_token_delivery_mode: 'ping',
      backchannel_client_notification_endpoint: 'https://tpp.example/ping',
    });
    good(await ping.asks({ client_notification_token: `${'aZ09-._~+/'.repeat(102)}ab==` }));
    refused(await ping.asks());
    for (const token of [`${'a'.repeat(1025)}`, 'with space', 'ümlaut', '']) refused(await ping.asks({ client_notification_token: token }));
  });
});

test('R80 the authorization details of a card payment are whole and well-formed', async () => {
  const type = '3ds:payment_authorisation';
  const client = await registerTpp(wire, { authorization_details_types: [type] });
  const payment = {
    type,
    instructed_amount: { amount: 12.5, currency: 'AUD' },
    source_account: '4111111111111111',
    beneficiary_name: 'Merchant',
    payment_desc: 'Two tickets',
  };
  const asking = (detail: object) => client.asks({ binding_message: 'Two tickets', authorization_details: [detail] });
  good(await asking(payment));
  const wrong = [
    ...Object.keys(payment).map((member) => ({ ...payment, [member]: undefined })),
    { ...payment, instructed_amount: { amount: '12.5', currency: 'AUD' } },
    { ...payment, instructed_amount: { amount: 12.5 } },
    { ...payment, source_account: '4111111111111112' },
  ];
  for (const detail of wrong) expectError(await asking(detail), [400, 'invalid_authorization_details'], [400, 'invalid_request']);
});

describe('its answer', () => {
  test('R44 has auth_req_id, expires_in and interval', async () => {
    const { status, body, headers } = await tpp.asks();
    expect(status).toBe(200);
    expect(headers['cache-control']).toBe('no-store');
    expect(body).toEqual({ auth_req_id: expect.any(String), expires_in: expect.any(Number), interval: expect.any(Number) });
    expect(body['expires_in']).toBeGreaterThanOrEqual(1);
    expect(body['expires_in']).toBeLessThanOrEqual(356 * 86_400);
    expect(body['interval']).toBeGreaterThanOrEqual(0);
    expect(body['interval']).toBeLessThanOrEqual(21_600);
  });

  test('R45 auth_req_id cannot be guessed', async () => {
    for (let n = 0; n < 10; n += 1) {
      const id: string = good(await tpp.asks()).body['auth_req_id'];
      expect(id).toMatch(/^[A-Za-z0-9._-]{16,}$/);
      expect(shannonBits(id)).toBeGreaterThan(160);
    }
  });

  test('R46 an error is its code, a printable description and nothing else', async () => {
    const wrong = [
      { scope: 'zzz' },
      { login_hint: 'nobody "\\\r\n\t ü' },
      { exp: 'soon' },
      { requested_expiry: -1 },
      { binding_message: '\n"\\' },
    ];
    for (const claims of wrong) {
      const answer = await tpp.asks(claims);
      expectError(answer, [400, answer.body['error']]);
      expect(answer.body['error']).toMatch(/^(invalid_scope|unknown_user_id|invalid_request|invalid_binding_message)$/);
    }
  });

  test('R47 its status is 400, 401 for invalid_client, 403 for access_denied', async () => {
    expectError(await tpp.asks({ aud: 'x' }), [400, 'invalid_request']);
    expectError(await tpp.asks({}, { auth: { client_id: 'nobody' } }), [401, 'invalid_client']);
    const full = await openWire({ COUNTERSIGN_LIMITS_PENDING_REQUESTS_PER_PSU: '1' });
    try {
      const one = await registerTpp(full);
      good(await one.asks());
      expectError(await one.asks(), [403, 'access_denied']);
    } finally {
      await full.close();
    }
    expect((await tpp.token({ grant_type: CIBA_GRANT, auth_req_id: 'x' })).status).toBe(400);
  });
});
