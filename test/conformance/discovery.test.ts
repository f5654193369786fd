import { createPublicKey } from 'node:crypto';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { registerTpp } from './support/tpp.ts';
import { type Answer, openWire, REGISTRATION, type Wire } from './support/wire.ts';

let wire: Wire;
let published: Answer;
let metadata: Wire['metadata'];
beforeAll(async () => {
  wire = await openWire(REGISTRATION);
  published = await wire.send(`${wire.issuer}/.well-known/openid-configuration`);
  metadata = published.body;
});
afterAll(() => wire.close());

const isHttps = (url: unknown) => typeof url === 'string' && /^https:\/\/[^/?#@]+/.test(url) && URL.canParse(url) && !url.includes('#');

test('R1 the metadata document is JSON at the place that the issuer names', () => {
  expect(published.status).toBe(200);
  expect(published.headers['content-type']).toMatch(/^application\/json(;|$)/);
  expect(metadata['issuer']).toBe(wire.issuer);
  const { protocol, hostname, search, hash, username } = new URL(wire.issuer);
  expect({ protocol, hostname, search, hash, username }).toEqual({
    protocol: 'https:',
    hostname: 'localhost',
    search: '',
    hash: '',
    username: '',
  });
});

const URLS = [
  'issuer',
  'authorization_endpoint',
  'token_endpoint',
  'jwks_uri',
  'registration_endpoint',
  'userinfo_endpoint',
  'introspection_endpoint',
  'revocation_endpoint',
  'end_session_endpoint',
  'pushed_authorization_request_endpoint',
  'backchannel_authentication_endpoint',
  'service_documentation',
  'op_policy_uri',
  'op_tos_uri',
];
const LISTS = [
  'scopes_supported',
  'response_types_supported',
  'response_modes_supported',
  'grant_types_supported',
  'acr_values_supported',
  'subject_types_supported',
  'id_token_signing_alg_values_supported',
  'userinfo_signing_alg_values_supported',
  'request_object_signing_alg_values_supported',
  'token_endpoint_auth_methods_supported',
  'token_endpoint_auth_signing_alg_values_supported',
  'introspection_endpoint_auth_methods_supported',
  'introspection_endpoint_auth_signing_alg_values_supported',
  'revocation_endpoint_auth_methods_supported',
  'revocation_endpoint_auth_signing_alg_values_supported',
  'display_values_supported',
  'claim_types_supported',
  'claims_supported',
  'claims_locales_supported',
  'ui_locales_supported',
  'code_challenge_methods_supported',
  'authorization_signing_alg_values_supported',
  'authorization_details_types_supported',
  'dpop_signing_alg_values_supported',
  'prompt_values_supported',
  'backchannel_token_delivery_modes_supported',
  'backchannel_authentication_request_signing_alg_values_supported',
];
const FLAGS = [
  'claims_parameter_supported',
  'request_parameter_supported',
  'request_uri_parameter_supported',
  'require_request_uri_registration',
  'require_signed_request_object',
  'require_pushed_authorization_requests',
  'tls_client_certificate_bound_access_tokens',
  'authorization_response_iss_parameter_supported',
  'backchannel_user_code_parameter_supported',
];

test('R2 every member of the metadata is a registered one of its type', () => {
  const isList = (value: unknown) => Array.isArray(value) && value.every((entry) => typeof entry === 'string');
  for (const [name, value] of Object.entries(metadata)) {
    if (name === 'mtls_endpoint_aliases') expect(Object.values(value as object).every(isHttps)).toBe(true);
    else if (URLS.includes(name)) expect({ [name]: isHttps(value) }).toEqual({ [name]: true });
    else if (LISTS.includes(name)) expect({ [name]: isList(value) }).toEqual({ [name]: true });
    else if (FLAGS.includes(name)) expect({ [name]: typeof value }).toEqual({ [name]: 'boolean' });
    else expect(`the registered member ${name}`).toBe(name);
  }
  expect(published.text).toBe(JSON.stringify(JSON.parse(published.text)));
});

test('R3 scopes and locales keep to their syntax', () => {
  for (const scope of metadata['scopes_supported']) expect(scope).toMatch(/^[\x21\x23-\x5b\x5d-\x7e]+$/);
  const locales = [...(metadata['ui_locales_supported'] ?? []), ...(metadata['claims_locales_supported'] ?? [])];
  expect(locales).toEqual(Intl.getCanonicalLocales(locales));
});

test('R4 the endpoints are https URLs', () => {
  for (const name of ['backchannel_authentication_endpoint', 'token_endpoint', 'jwks_uri', 'registration_endpoint'])
    expect({ [name]: isHttps(metadata[name]) }).toEqual({ [name]: true });
});

test('R5 there is an authorization endpoint', () => expect(isHttps(metadata['authorization_endpoint'])).toBe(true));

test('R6 poll is offered, and ping may be', () => {
  const modes: string[] = metadata['backchannel_token_delivery_modes_supported'];
  expect(modes).toContain('poll');
  expect(modes.every((mode) => ['poll', 'ping', 'push'].includes(mode))).toBe(true);
});

test('R7 authentication requests are signed with PS256 or ES256', () =>
  expect([...metadata['backchannel_authentication_request_signing_alg_values_supported']].sort()).toEqual(['ES256', 'PS256']));

test('R8 the support of user_code is a boolean', () =>
  expect(typeof metadata['backchannel_user_code_parameter_supported']).toBe('boolean'));

test('R9 the grant types list CIBA, and refresh_token because refresh tokens are issued', async () => {
  expect(metadata['grant_types_supported']).toEqual(expect.arrayContaining(['urn:openid:params:grant-type:ciba', 'refresh_token']));
  const { tokens } = await (await registerTpp(wire)).ceremony();
  expect(tokens.body['refresh_token']).toEqual(expect.any(String));
});

test('R10 certificate-bound access tokens are announced', () => expect(metadata['tls_client_certificate_bound_access_tokens']).toBe(true));

test('R11 the authentication methods are those of FAPI, and more', () =>
  expect(metadata['token_endpoint_auth_methods_supported']).toEqual(
    expect.arrayContaining(['private_key_jwt', 'tls_client_auth', 'self_signed_tls_client_auth']),
  ));

test('R12 assertions may be signed with PS256 and ES256', () => {
  expect(metadata['token_endpoint_auth_signing_alg_values_supported']).toEqual(expect.arrayContaining(['PS256', 'ES256']));
  expect(metadata['token_endpoint_auth_signing_alg_values_supported']).not.toContain('none');
});

test('R13 ID tokens and userinfo come with PS256 or ES256', () => {
  expect([...metadata['id_token_signing_alg_values_supported']].sort()).toEqual(['ES256', 'PS256']);
  const ofUserinfo = metadata['userinfo_signing_alg_values_supported'];
  if (ofUserinfo !== undefined) expect(ofUserinfo).toEqual(expect.arrayContaining(['PS256', 'ES256']));
});

test('R14 the mTLS aliases name endpoints that exist', () => {
  const aliases = Object.keys(metadata['mtls_endpoint_aliases']);
  expect(aliases).toEqual(expect.arrayContaining(['token_endpoint', 'backchannel_authentication_endpoint']));
  expect(aliases.filter((name) => !name.endsWith('_endpoint') || name === 'authorization_endpoint' || !(name in metadata))).toEqual([]);
});

test('R15 the key set holds public keys of sufficient size, each with a name', async () => {
  const { status, body } = await wire.send(metadata['jwks_uri']);
  expect(status).toBe(200);
  const keys: Record<string, string>[] = body['keys'];
  expect(keys.length).toBeGreaterThan(0);
  for (const jwk of keys) {
    expect(['d', 'p', 'q', 'dp', 'dq', 'qi', 'k'].filter((member) => member in jwk)).toEqual([]);
    expect(jwk).toMatchObject({ kid: expect.stringMatching(/\S/), use: 'sig', alg: expect.stringMatching(/^(PS|ES)256$/) });
    const { asymmetricKeyDetails } = createPublicKey({ key: jwk, format: 'jwk' });
    if (jwk['kty'] === 'RSA') expect(asymmetricKeyDetails?.modulusLength).toBeGreaterThanOrEqual(2048);
    else expect(jwk['crv']).toBe('P-256');
  }
  expect(new Set(keys.map(({ kid, kty, alg }) => [kid, kty, alg].join())).size).toBe(keys.length);
});

test('C1 the metadata of the basic profile, but for RS256', () => {
  for (const name of ['authorization_endpoint', 'token_endpoint', 'userinfo_endpoint', 'jwks_uri', 'registration_endpoint'])
    expect({ [name]: isHttps(metadata[name]) }).toEqual({ [name]: true });
  expect(metadata['response_types_supported']).toContain('code');
  expect(metadata['scopes_supported']).toContain('openid');
  expect(metadata['subject_types_supported']).toEqual(['public']);
  expect([...metadata['id_token_signing_alg_values_supported']].sort()).toEqual(['ES256', 'PS256']);
  expect(metadata['token_endpoint_auth_methods_supported']).toEqual(expect.arrayContaining(['client_secret_basic', 'client_secret_post']));
});
