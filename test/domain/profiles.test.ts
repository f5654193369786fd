import { describe, expect, test } from '@jest/globals';
import type * as z from 'zod';
import { OWN_WORDS, REFERENCE_WORDS } from '../../src/domain/client/error-words.ts';
import { checkMetadata, clientMetadata, profileOf } from '../../src/domain/client/metadata.ts';
import { AUTH_METHODS, type AuthMethod, PROFILE_NAMES, PROFILES, type ProfileName } from '../../src/domain/client/profiles.ts';
import { expectRefusal } from '../support/given.ts';

const key = { kty: 'EC' as const, crv: 'P-256', x: 'x', y: 'y' };
const jwks = { keys: [key] };
const minimal = { client_name: 'A TPP', token_endpoint_auth_method: 'private_key_jwt' as const };
const checked = (given: Partial<z.input<typeof clientMetadata>>) => checkMetadata(clientMetadata.parse({ ...minimal, ...given }));

describe('client metadata', () => {
  test('has every default filled in', () =>
    expect(checked({ jwks })).toEqual({
      client_name: 'A TPP',
      profile: 'fapi-ciba',
      token_endpoint_auth_method: 'private_key_jwt',
      token_endpoint_auth_signing_alg: null,
      grant_types: ['urn:openid:params:grant-type:ciba', 'client_credentials', 'refresh_token'],
      scope: 'openid accounts',
      response_types: [],
      redirect_uris: [],
      jwks,
      jwks_uri: null,
      tls_client_auth_subject_dn: null,
      tls_client_auth_san_dns: null,
      tls_client_auth_san_uri: null,
      tls_client_auth_san_ip: null,
      tls_client_auth_san_email: null,
      tls_client_certificate_bound_access_tokens: true,
      dpop_bound_access_tokens: false,
      id_token_signed_response_alg: 'ES256',
      userinfo_signed_response_alg: null,
      authorization_signed_response_alg: null,
      request_object_signing_alg: null,
      require_pushed_authorization_requests: false,
      require_signed_request_object: false,
      authorization_details_types: [],
      backchannel_token_delivery_mode: 'poll',
      backchannel_client_notification_endpoint: null,
      backchannel_authentication_request_signing_alg: null,
      backchannel_user_code_parameter: false,
      client_uri: null,
      logo_uri: null,
      policy_uri: null,
      tos_uri: null,
      contacts: [],
      software_id: null,
      software_version: null,
      software_statement: null,
      resource_server: false,
    }));

  test.each<[string, object]>([
    ['an unknown member', { colour: 'blue' }],
    ['no name', { client_name: '' }],
    ['a name without end', { client_name: 'x'.repeat(513) }],
    ['an unknown profile', { profile: 'fapi3' }],
    ['no way to authenticate', { token_endpoint_auth_method: 'none' }],
    ['a shared secret that signs', { token_endpoint_auth_method: 'client_secret_jwt' }],
    ['a signing algorithm that is none', { token_endpoint_auth_signing_alg: 'none' }],
    ['RS256', { token_endpoint_auth_signing_alg: 'RS256' }],
    ['HS256', { id_token_signed_response_alg: 'HS256' }],
    ['a request object that is not signed', { backchannel_authentication_request_signing_alg: 'none' }],
    ['no grant type', { grant_types: [] }],
    ['a grant type of another flow', { grant_types: ['password'] }],
    ['an unknown delivery mode', { backchannel_token_delivery_mode: 'fax' }],
    ['a redirect URI over http', { redirect_uris: ['http://tpp.example/'] }],
    ['a redirect URI with a fragment', { redirect_uris: ['https://tpp.example/#'] }],
    ['a notification endpoint with user info', { backchannel_client_notification_endpoint: 'https://a@tpp.example/' }],
    ['keys that are not a set', { jwks: [key] }],
    ['a set with an unknown member', { jwks: { keys: [key], jku: 'https://example.com' } }],
    ['too many keys', { jwks: { keys: Array.from({ length: 21 }, () => key) } }],
    ['a shared key', { jwks: { keys: [{ kty: 'oct', k: 'c2VjcmV0' }] } }],
    ['a key without end', { jwks: { keys: [{ ...key, own: JSON.parse(`${'['.repeat(6000)}${']'.repeat(6000)}`) }] } }],
    ['a key with half a character', { jwks: { keys: [{ ...key, kid: '\ud800' }] } }],
    ['a key without a type', { jwks: { keys: [{ crv: 'P-256', x: 'x', y: 'y' }] } }],
  ])('cannot hold %s', (_, given) => expect(clientMetadata.safeParse({ ...minimal, ...given }).success).toBe(false));

  test.each(['d', 'p', 'q', 'dp', 'dq', 'qi', 'k', 'oth'])('cannot hold a key with the private member %s', (member) => {
    const { error } = clientMetadata.safeParse({ ...minimal, jwks: { keys: [key, { ...key, [member]: 'secret' }] } });
    expect(error?.issues[0]).toMatchObject({ path: ['jwks', 'keys', 1], message: 'jwks must hold public keys only' });
  });

  test('may hold keys with members of their own', () => {
    const keys = [{ ...key, kid: 'one', use: 'sig', alg: 'ES256', x5c: [], 'x5t#S256': 'x5t' }];
    expect(checked({ jwks: { keys } }).jwks).toEqual({ keys });
  });
});

const PING = { backchannel_token_delivery_mode: 'ping', backchannel_client_notification_endpoint: 'https://tpp.example/ciba' } as const;
const DPOP = { profile: 'fapi2', tls_client_certificate_bound_access_tokens: false, dpop_bound_access_tokens: true } as const;

describe('a profile', () => {
  const everything = { jwks, tls_client_auth_subject_dn: 'CN=tpp' };
  const withKeys = {
    private_key_jwt: true,
    tls_client_auth: true,
    self_signed_tls_client_auth: true,
    client_secret_basic: false,
    client_secret_post: false,
  };
  const withAny = { ...withKeys, client_secret_basic: true, client_secret_post: true };
  const allowed: Record<ProfileName, Record<AuthMethod, boolean>> = {
    'fapi-ciba': withKeys,
    'fapi1-advanced': withKeys,
    fapi2: withKeys,
    'wso2-compat': withAny,
    plain: withAny,
  };
  const choices = PROFILE_NAMES.flatMap((profile) => AUTH_METHODS.map((method) => [profile, method, allowed[profile][method]] as const));

  test.each(choices)('%s with %s: %p', (profile, token_endpoint_auth_method, may) => {
    const check = () => checked({ ...everything, profile, token_endpoint_auth_method });
    if (may) expect(check()).toMatchObject({ profile, token_endpoint_auth_method });
    else expectRefusal(check, 'invalid_client_metadata');
  });

  test.each<[ProfileName, AuthMethod, boolean]>([
    ['fapi-ciba', 'private_key_jwt', true],
    ['fapi-ciba', 'tls_client_auth', true],
    ['fapi-ciba', 'self_signed_tls_client_auth', true],
    ['plain', 'private_key_jwt', true],
    ['plain', 'self_signed_tls_client_auth', true],
    ['plain', 'tls_client_auth', false],
    ['plain', 'client_secret_basic', false],
    ['plain', 'client_secret_post', false],
  ])('%s with %s needs keys: %p', (profile, token_endpoint_auth_method, needed) => {
    const without = (keys: z.input<typeof clientMetadata>['jwks']) => () =>
      checked({ ...everything, profile, token_endpoint_auth_method, jwks: keys });
    for (const check of [without(null), without({ keys: [] })]) {
      if (needed) expectRefusal(check, 'invalid_client_metadata');
      else expect(check).not.toThrow();
    }
  });

  test.each(PROFILE_NAMES)('%s with tls_client_auth needs the subject of the certificate', (profile) =>
    expectRefusal(() => checked({ profile, token_endpoint_auth_method: 'tls_client_auth', jwks }), 'invalid_client_metadata'),
  );

  test('fapi-ciba binds every token to a certificate; plain leaves the choice', () => {
    const unbound = { jwks, tls_client_certificate_bound_access_tokens: false };
    expectRefusal(() => checked({ ...unbound, profile: 'fapi-ciba' }), 'invalid_client_metadata');
    expect(checked({ ...unbound, profile: 'plain' })).toMatchObject({ tls_client_certificate_bound_access_tokens: false });
  });

  test.each<[string, Partial<z.input<typeof clientMetadata>>]>([
    ['push for a FAPI client', { ...PING, backchannel_token_delivery_mode: 'push' }],
    ['ping without an endpoint', { backchannel_token_delivery_mode: 'ping' }],
    ['poll with an endpoint', { ...PING, backchannel_token_delivery_mode: 'poll' }],
    ['both kinds of keys', { jwks_uri: 'https://tpp.example/jwks' }],
    ['tokens that are bound in both ways', { profile: 'plain', dpop_bound_access_tokens: true }],
    ['FAPI 2 without a binding', { profile: 'fapi2', tls_client_certificate_bound_access_tokens: false }],
    ['EdDSA outside FAPI 2', { token_endpoint_auth_signing_alg: 'EdDSA' }],
    ['codes without a redirect URI', { grant_types: ['authorization_code'], response_types: ['code'] }],
    ['codes without a response type', { grant_types: ['authorization_code'], redirect_uris: ['https://tpp.example/'] }],
    ['a redirect URI without codes', { redirect_uris: ['https://tpp.example/'] }],
    ['two subjects of its certificate', { ...everything, token_endpoint_auth_method: 'tls_client_auth', tls_client_auth_san_dns: 'tpp' }],
  ])('refuses %s', (_, given) => expectRefusal(() => checked({ jwks, ...given }), 'invalid_client_metadata'));

  test.each<[string, Partial<z.input<typeof clientMetadata>>]>([
    ['ping for a FAPI client', PING],
    ['push for a plain one', { ...PING, profile: 'plain', backchannel_token_delivery_mode: 'push' }],
    ['an endpoint that nobody calls, in wso2-compat', { ...PING, profile: 'wso2-compat', backchannel_token_delivery_mode: 'poll' }],
    ['FAPI 2 with DPoP and EdDSA', { ...DPOP, token_endpoint_auth_signing_alg: 'EdDSA' }],
    ['keys by reference', { jwks: null, jwks_uri: 'https://tpp.example/jwks' }],
    ['the code flow', { grant_types: ['authorization_code'], response_types: ['code'], redirect_uris: ['https://tpp.example/'] }],
  ])('allows %s', (_, given) => expect(checked({ jwks, ...given })).toMatchObject(given));

  test('fapi-ciba wants signed requests of at most an hour', () =>
    expect(profileOf(checked({ jwks }))).toMatchObject({
      signingAlgs: ['PS256', 'ES256'],
      signedRequestRequired: true,
      senderConstraint: 'certificate',
      requestObjectSeconds: 3600,
    }));
  test('wso2-compat paces, times and refuses as the reference does', () =>
    expect(profileOf(checked({ jwks, profile: 'wso2-compat' }))).toMatchObject({
      cibaTimes: { intervalSeconds: 2, expirySeconds: 3600 },
      slowDownSeconds: 3,
      publishesPushSignIns: true,
      expiryFirst: true,
      slowDownFirst: true,
      requestObjectAudience: 'one of issuer and endpoints',
      hintWithTenant: true,
      requestObjectSkew: { ahead: 300, behind: 300 },
      refusedParameters: ['login_hint_token', 'actor_token'],
      notificationChannels: ['external'],
      errorWords: REFERENCE_WORDS,
      registration: 'reference',
    }));
  test.each<[ProfileName, (typeof PROFILES)[ProfileName]['selfRegistration']['inProduction'], readonly AuthMethod[]]>([
    ['fapi-ciba', 'yes', ['private_key_jwt', 'tls_client_auth', 'self_signed_tls_client_auth']],
    ['fapi1-advanced', 'yes', ['private_key_jwt', 'tls_client_auth', 'self_signed_tls_client_auth']],
    ['fapi2', 'yes', ['private_key_jwt', 'tls_client_auth', 'self_signed_tls_client_auth']],
    ['wso2-compat', 'with a software statement', ['private_key_jwt', 'tls_client_auth']],
    ['plain', 'no', AUTH_METHODS],
  ])('%s is had by registering oneself in production: %s', (profile, inProduction, authMethods) =>
    expect(PROFILES[profile].selfRegistration).toMatchObject({ inProduction, authMethods }),
  );
  test.each<[ProfileName, (typeof PROFILES)[ProfileName]['selfRegistration']['certificateBound'], boolean]>([
    ['fapi-ciba', 'yes', false],
    ['fapi1-advanced', 'yes', false],
    ['fapi2', 'yes', false],
    ['wso2-compat', 'in production', true],
    ['plain', 'no', false],
  ])('%s: tokens bound where nobody says so: %s; one client for each piece of software: %p', (profile, certificateBound, onePerSoftware) =>
    expect(PROFILES[profile].selfRegistration).toMatchObject({ certificateBound, onePerSoftware }),
  );
  test.each(PROFILE_NAMES.filter((name) => name !== 'wso2-compat'))('%s keeps to the specifications', (profile) =>
    expect(PROFILES[profile]).toMatchObject({
      cibaTimes: null,
      slowDownSeconds: 5,
      publishesPushSignIns: false,
      expiryFirst: false,
      slowDownFirst: false,
      requestObjectAudience: 'issuer',
      hintWithTenant: false,
      requestObjectSkew: { ahead: 60, behind: 0 },
      refusedParameters: [],
      notificationChannels: null,
      errorWords: OWN_WORDS,
      registration: 'RFC 7591',
    }),
  );
  test('plain takes parameters as they are', () =>
    expect(profileOf(checked({ jwks, profile: 'plain' }))).toMatchObject({
      signedRequestRequired: false,
      senderConstraint: 'as registered',
    }));
});
