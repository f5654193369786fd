import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { expectNoCode, type Flow, given, redirecting, startFlow } from './support/redirecting.ts';
import { good } from './support/tpp.ts';
import { expectError, openWire, partsOf, type Wire } from './support/wire.ts';

let wire: Wire;
beforeAll(async () => {
  wire = await openWire();
});
afterAll(() => wire.close());

const flowOf = (method: 'client_secret_basic' | 'client_secret_post') =>
  startFlow(wire, redirecting({ token_endpoint_auth_method: method, response_types: ['code'] }));
const codeOf = async (flow: Flow, more = {}): Promise<string> => String(given(await flow.open({ ...flow.usual, ...more }))['code']);

describe('the basic profile', () => {
  test.each(['client_secret_basic', 'client_secret_post'] as const)('C2 the code flow with %s', async (method) => {
    const flow = await flowOf(method);
    const code = await codeOf(flow);
    const { body } = good(await flow.redeem(code));
    expect(partsOf(body['id_token']).claims).toMatchObject({ iss: wire.issuer, aud: flow.tpp.clientId, nonce: flow.usual['nonce'] });
    expectError(await flow.redeem(code), [400, 'invalid_grant']);
  });

  test('C2 userinfo by GET and by POST', async () => {
    const flow = await flowOf('client_secret_basic');
    const { body } = good(await flow.redeem(await codeOf(flow)));
    const { sub } = partsOf(body['id_token']).claims;
    const url = wire.endpoint('userinfo_endpoint', 'plain');
    const headers = { authorization: `Bearer ${body['access_token']}` };
    for (const method of ['GET', 'POST']) {
      const answer = await wire.send(url, { method, headers });
      expect(answer).toMatchObject({ status: 200, body: expect.objectContaining({ sub }) });
    }
    const refused = await wire.send(url, { headers: { authorization: 'Bearer nonsense' } });
    expect(refused.status).toBe(401);
    expect(refused.headers['www-authenticate']).toMatch(/^Bearer /);
  });

  test('C2 prompt, max_age, display, locales, hints, acr_values and what is unknown', async () => {
    const flow = await flowOf('client_secret_post');
    const tolerated = [
      { display: 'page', ui_locales: 'en de', claims_locales: 'de' },
      { login_hint: 'alice', acr_values: wire.metadata['acr_values_supported'].join(' ') },
      { 'a parameter': 'that nobody knows' },
      { prompt: 'login' },
    ];
    for (const parameters of tolerated) good(await flow.redeem(await codeOf(flow, parameters)));
    const { body } = good(await flow.redeem(await codeOf(flow, { max_age: '3600' })));
    expect(partsOf(body['id_token']).claims['auth_time']).toEqual(expect.any(Number));
    const fresh = await startFlow(wire, redirecting({ token_endpoint_auth_method: 'client_secret_post' }));
    expectNoCode(await fresh.open({ ...fresh.usual, prompt: 'none' }), 'login_required', 'interaction_required', 'consent_required');
  });
});

test('C3 request is processed, a request_uri of elsewhere is refused with its own code', async () => {
  const flow = await startFlow(wire, redirecting({ profile: 'plain', tls_client_certificate_bound_access_tokens: false }));
  expect(given(await flow.openSigned())['code']).toEqual(expect.any(String));
  const { client_id, response_type, scope, redirect_uri, state } = flow.usual;
  expectNoCode(
    await flow.open({ client_id, response_type, scope, redirect_uri, state, request_uri: 'https://tpp.example/request.jwt' }),
    'request_uri_not_supported',
    'invalid_request_uri',
  );
});
