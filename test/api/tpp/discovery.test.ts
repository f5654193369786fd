import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { type TestEngine, testEngine } from '../../support/engine.ts';
import { expectRefusal } from '../../support/http.ts';

let tested: TestEngine;
beforeAll(async () => {
  tested = await testEngine();
});
afterAll(() => tested.close());

const get = async (path: string): Promise<Record<string, unknown>> => {
  const response = await fetch(tested.url + path);
  expect([response.status, response.headers.get('content-type')]).toEqual([200, 'application/json']);
  return (await response.json()) as Record<string, unknown>;
};

describe('the metadata', () => {
  test('is the same at both places, and of the issuer that serves it', async () => {
    const metadata = await get('/.well-known/openid-configuration');
    expect(await get('/.well-known/oauth-authorization-server')).toEqual(metadata);
    expect(metadata['issuer']).toBe(tested.url);
  });

  test('names every endpoint at the issuer and again at the mTLS listener, and they are there', async () => {
    const metadata = await get('/.well-known/openid-configuration');
    const aliases = Object.entries(metadata['mtls_endpoint_aliases'] as Record<string, string>);
    expect(aliases.map(([name]) => name)).toEqual([
      'token_endpoint',
      'backchannel_authentication_endpoint',
      'introspection_endpoint',
      'revocation_endpoint',
      'userinfo_endpoint',
      'pushed_authorization_request_endpoint',
    ]);
    for (const [name, alias] of aliases) {
      const url = String(metadata[name]);
      expect(alias).toBe(url.replace(tested.url, tested.engine.surface.mtlsBase));
      if (name !== 'userinfo_endpoint') await expectRefusal(tested, () => fetch(url), 405, 'invalid_request');
    }
  });

  test('offers what the profile asks for and nothing weaker', async () => {
    expect(await get('/.well-known/openid-configuration')).toMatchObject({
      backchannel_token_delivery_modes_supported: ['poll', 'ping', 'push'],
      backchannel_authentication_request_signing_alg_values_supported: ['PS256', 'ES256'],
      token_endpoint_auth_signing_alg_values_supported: ['PS256', 'ES256', 'EdDSA'],
      id_token_signing_alg_values_supported: ['PS256', 'ES256'],
      tls_client_certificate_bound_access_tokens: true,
      backchannel_user_code_parameter_supported: true,
      authorization_details_types_supported: ['account_information', 'payment_initiation', '3ds:payment_authorisation'],
    });
  });

  test('says how the redirect flow is used', async () => {
    const metadata = await get('/.well-known/openid-configuration');
    expect(metadata).toMatchObject({
      authorization_endpoint: `${tested.url}/oauth2/authorize`,
      response_types_supported: ['code', 'code id_token'],
      response_modes_supported: ['query', 'fragment', 'jwt', 'query.jwt', 'fragment.jwt'],
      code_challenge_methods_supported: ['S256'],
      authorization_response_iss_parameter_supported: true,
      authorization_signing_alg_values_supported: ['PS256', 'ES256'],
      request_parameter_supported: true,
      request_uri_parameter_supported: false,
      request_object_signing_alg_values_supported: ['PS256', 'ES256', 'EdDSA'],
      require_pushed_authorization_requests: false,
      prompt_values_supported: ['none', 'login', 'consent', 'select_account'],
    });
    expect(metadata['mtls_endpoint_aliases']).not.toHaveProperty('authorization_endpoint');
  });
});

test('the published keys are public, named and fit for what is signed', async () => {
  const { keys } = (await get('/oauth2/jwks')) as unknown as { keys: Record<string, string>[] };
  expect(keys.map(({ alg, use, kty }) => [alg, use, kty]).sort()).toEqual([
    ['ES256', 'sig', 'EC'],
    ['PS256', 'sig', 'RSA'],
  ]);
  for (const key of keys) {
    expect(key['kid']).toMatch(/^[\w-]{43}$/);
    expect(Object.keys(key).filter((member) => ['d', 'p', 'q', 'dp', 'dq', 'qi', 'k'].includes(member))).toEqual([]);
  }
});
