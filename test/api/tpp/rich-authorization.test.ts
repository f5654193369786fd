import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { decodeJwt } from 'jose';
import { CIBA_GRANT } from '../../../src/domain/client/metadata.ts';
import { type TestDevice, testDevice } from '../../support/device.ts';
import { type TestEngine, testEngine } from '../../support/engine.ts';
import { expectRefusal, sendForm } from '../../support/http.ts';
import { ask, secretTpp, signingTpp } from '../../support/tpp.ts';

type Form = Record<string, string>;

const payment = {
  type: 'payment_initiation',
  actions: ['initiate', 'status'],
  instructedAmount: { currency: 'EUR', amount: '123.50' },
  creditorName: 'Merchant A',
  creditorAccount: { iban: 'DE02120300000000202051' },
};
const accountInformation = { type: 'account_information', actions: ['list_accounts', 'read_balances'] };
const types = ['payment_initiation', 'account_information'];
const details = (...entries: object[]): Form => ({ authorization_details: JSON.stringify(entries) });

let tested: TestEngine;
let auth: Form;
let phone: TestDevice;
beforeAll(async () => {
  tested = await testEngine({}, { COUNTERSIGN_LIMITS_PENDING_REQUESTS_PER_PSU: '1000000' });
  auth = await secretTpp(tested, { authorization_details_types: types });
  phone = await testDevice(tested, 'alice');
});
afterAll(() => tested.close());

const shownOf = async (requestId: string) => JSON.parse((await phone.retrieve(requestId)).shown) as Record<string, unknown>;
const poll = (authReqId: string, client = auth) =>
  tested.post('/oauth2/token', { ...client, grant_type: CIBA_GRANT, auth_req_id: authReqId });
const introspected = async (token: unknown, client = auth) =>
  (await tested.post('/oauth2/introspect', { ...client, token: String(token) })).body;
const refuses = (form: Form, error: string) =>
  expectRefusal(tested, () => sendForm(tested, '/oauth2/ciba', { ...auth, scope: 'openid', login_hint: 'alice', ...form }), 400, error);

describe('authorization_details', () => {
  test('are shown to the phone as they are and in plain words', async () => {
    const { requestId } = await ask(tested, auth, details(payment));
    const shown = await shownOf(requestId);
    expect(shown['authorization_details']).toEqual([payment]);
    expect(shown['authorization_details_lines']).toEqual([expect.arrayContaining(['Payment of 123.50 EUR', 'To Merchant A'])]);
  });

  test('are not there where none were asked for', async () => {
    const { authReqId, requestId } = await ask(tested, auth);
    expect(await shownOf(requestId)).toMatchObject({ authorization_details: null, authorization_details_lines: null });
    await phone.decide(requestId, 'approved');
    const { body } = await poll(authReqId);
    expect(body).not.toHaveProperty('authorization_details');
    expect(decodeJwt(String(body['access_token']))).not.toHaveProperty('authorization_details');
    expect(await introspected(body['access_token'])).not.toHaveProperty('authorization_details');
  });

  test.each<[string, object | undefined, object[]]>([
    ['all of them', undefined, [payment, accountInformation]],
    ['all of them, named', [payment, accountInformation], [payment, accountInformation]],
    ['one of two', [payment], [payment]],
    ['fewer rights', [{ ...accountInformation, actions: ['read_balances'] }], [{ ...accountInformation, actions: ['read_balances'] }]],
  ])('reach the tokens exactly as they were approved: %s', async (_name, named, approved) => {
    const { authReqId, requestId } = await ask(tested, auth, details(payment, accountInformation));
    await phone.decide(requestId, 'approved', named && { claims: { authorization_details: named } });
    const { status, body } = await poll(authReqId);
    expect([status, body['authorization_details']]).toEqual([200, approved]);
    expect(decodeJwt(String(body['access_token']))['authorization_details']).toEqual(approved);
    expect((await introspected(body['access_token']))['authorization_details']).toEqual(approved);

    const refreshed = (
      await tested.post('/oauth2/token', { ...auth, grant_type: 'refresh_token', refresh_token: String(body['refresh_token']) })
    ).body;
    expect(refreshed['authorization_details']).toEqual(approved);
    expect((await introspected(refreshed['access_token']))['authorization_details']).toEqual(approved);

    const { consents } = (await (await phone.call('GET', '/consents')).json()) as { consents: Record<string, unknown>[] };
    expect(consents.find((one) => one['consent_id'] === requestId)?.['authorization_details']).toEqual(approved);
    const opened = (await tested.log()).find(({ stream, type }) => stream === `grant-${requestId}` && type === 'GrantOpened');
    expect(JSON.parse(opened?.data ?? '')).toMatchObject({ hasAuthorizationDetails: true });
  });

  test.each<[string, object[]]>([
    ['more rights', [{ ...accountInformation, actions: ['list_accounts', 'read_balances', 'read_transactions'] }]],
    ['another amount', [{ ...payment, instructedAmount: { currency: 'EUR', amount: '1000.00' } }]],
    ['nothing', []],
    ['one entry twice', [payment, payment]],
  ])('cannot be widened by the phone: %s', async (_name, named) => {
    const { authReqId, requestId } = await ask(tested, auth, details(payment, accountInformation));
    const widened = phone.decide(requestId, 'approved', { claims: { authorization_details: named } });
    await expect(widened).rejects.toThrow('invalid_request');
    expect((await poll(authReqId)).body['error']).toBe('authorization_pending');
  });

  test('are refused in an answer where none were asked for', async () => {
    const { requestId } = await ask(tested, auth);
    await expect(phone.decide(requestId, 'approved', { claims: { authorization_details: [payment] } })).rejects.toThrow('invalid_request');
  });

  test('may stand in a signed request', async () => {
    const tpp = await signingTpp(tested, { authorization_details_types: types });
    const request = await tpp.requestObject({ authorization_details: [payment] });
    const { requestId } = await ask(tested, await tpp.authentication(), { request });
    expect((await shownOf(requestId))['authorization_details']).toEqual([payment]);
  });

  test.each<[string, string]>([
    ['no JSON', '{'],
    ['an object', '{}'],
    ['empty', '[]'],
    ['of an unknown type', '[{"type":"unknown"}]'],
    ['of a type that the client is not registered for', JSON.stringify([{ type: '3ds:payment_authorisation' }])],
    ['with a member too many', JSON.stringify([{ ...payment, note: 'x' }])],
  ])('are refused when they are %s', (_name, authorization_details) => refuses({ authorization_details }, 'invalid_authorization_details'));

  test('are refused for a client that is registered for no type', async () =>
    refuses({ ...(await secretTpp(tested)), ...details(payment) }, 'invalid_authorization_details'));

  test('stand in no public part of the log', async () => {
    await ask(tested, auth, { ...details(payment), request_context: '{"till":"7"}' });
    expect((await tested.log()).filter(({ data }) => data.includes('Merchant') || data.includes('till'))).toEqual([]);
  });
});

describe('request_context', () => {
  test('is shown to the phone', async () => {
    const { requestId } = await ask(tested, auth, { request_context: '{"till":"7"}' });
    expect((await shownOf(requestId))['request_context']).toEqual({ till: '7' });
  });
  test('stands as an object in a signed request', async () => {
    const tpp = await signingTpp(tested);
    const request = await tpp.requestObject({ request_context: { till: '7' } });
    const { requestId } = await ask(tested, await tpp.authentication(), { request });
    expect((await shownOf(requestId))['request_context']).toEqual({ till: '7' });
  });
  test.each(['[]', 'x', `{"a":"${'x'.repeat(4096)}"}`, '{"a":"\\ud800"}'])('is refused as %s', (request_context) =>
    refuses({ request_context }, 'invalid_request'),
  );
});

describe('a client of the profile wso2-compat', () => {
  test('polls and waits as its profile says', async () => {
    const client = await secretTpp(tested, { profile: 'wso2-compat' });
    const asked = (parameters: Form = {}) =>
      tested.post('/oauth2/ciba', { ...client, scope: 'openid', login_hint: 'alice', ...parameters }).then(({ body }) => body);
    expect(await asked()).toMatchObject({ interval: 2, expires_in: 3600 });
    expect(await asked({ requested_expiry: '7200' })).toMatchObject({ interval: 2, expires_in: 3600 });
    expect(await asked({ requested_expiry: '60' })).toMatchObject({ interval: 2, expires_in: 60 });
  });
});
