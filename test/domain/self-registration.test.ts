import { describe, expect, test } from '@jest/globals';
import { detailTypes } from '../../src/domain/authorization-details/registered.ts';
import { client, disable, register, replaceOwn } from '../../src/domain/client/decider.ts';
import type { ClientFact } from '../../src/domain/client/events.ts';
import type { ClientMetadata } from '../../src/domain/client/metadata.ts';
import { AUTH_METHODS, PROFILE_NAMES, PROFILES, type Profile, type ProfileName } from '../../src/domain/client/profiles.ts';
import { ownMetadata } from '../../src/domain/client/self-registration.ts';
import { checkStatement, softwareStatement } from '../../src/domain/client/software-statement.ts';
import { wantedOf } from '../../src/domain/client/wanted.ts';
import { expectRefusal, given } from '../support/given.ts';

const jwks = { keys: [{ kty: 'EC', crv: 'P-256', x: 'x', y: 'y' }] };
const keyed = { jwks, token_endpoint_auth_method: 'private_key_jwt', client_name: 'A TPP' };
const own = (
  members: Readonly<Record<string, unknown>>,
  profile: ProfileName = 'plain',
  claims: object | null = null,
  proven = false,
  production = false,
) =>
  ownMetadata({
    wanted: wantedOf(members),
    statement: claims && softwareStatement('text', { iss: 'directory', iat: 1000, software_id: 'software', ...claims }),
    ...{ proven, profile, production, clientId: 'client-1', detailTypes, requiredMembers: [] },
  });

describe('what a client registers itself with', () => {
  test.each(PROFILE_NAMES)('is bound as the profile %s binds it, unless it says so', (profile) => {
    const bound = profile !== 'plain' && profile !== 'wso2-compat';
    expect(own(keyed, profile)).toMatchObject({ tls_client_certificate_bound_access_tokens: bound, dpop_bound_access_tokens: false });
  });
  test.each(PROFILE_NAMES)('is bound in production with the profile %s, unless that is plain or it says so', (profile) => {
    const bound = (members: object) => own({ ...keyed, ...members }, profile, null, false, true).tls_client_certificate_bound_access_tokens;
    expect(bound({})).toBe(profile !== 'plain');
    if (PROFILES[profile].senderConstraint !== 'as registered') return;
    expect(bound({ tls_client_certificate_bound_access_tokens: false })).toBe(false);
    expect(bound({ dpop_bound_access_tokens: true })).toBe(false);
  });
  test('is bound by DPoP in FAPI 2 where it says so', () =>
    expect(own({ ...keyed, dpop_bound_access_tokens: true }, 'fapi2')).toMatchObject({
      tls_client_certificate_bound_access_tokens: false,
    }));
  test('never makes it a resource server or chooses its profile', () =>
    expect(own({ ...keyed, resource_server: true, profile: 'plain', software_statement: 'x' }, 'fapi-ciba')).toMatchObject({
      ...{ resource_server: false, profile: 'fapi-ciba', software_statement: null },
    }));
  test.each(PROFILE_NAMES.flatMap((profile) => AUTH_METHODS.map((method) => [profile, method] as const)))(
    'has in the profile %s the authentication %s, if those who register themselves may',
    (profile, method) => {
      const members = { ...keyed, token_endpoint_auth_method: method, tls_client_auth_subject_dn: 'CN=tpp' };
      const { authMethods }: Profile['selfRegistration'] = PROFILES[profile].selfRegistration;
      if (authMethods.includes(method)) expect(own(members, profile)).toMatchObject({ token_endpoint_auth_method: method });
      else expectRefusal(() => own(members, profile), 'invalid_client_metadata');
    },
  );
  test('takes null for not said', () =>
    expect(own({ ...keyed, scope: null, contacts: null })).toMatchObject({ scope: 'openid accounts', contacts: [] }));
  test('takes nothing from what every object has', () => expect(Object.keys(wantedOf({}))).toEqual([]));
  test('leaves redirect URIs of a statement away where there are no codes', () => {
    const claims = { redirect_uris: ['https://tpp.example/'] };
    expect(own(keyed, 'plain', claims)).toMatchObject({ redirect_uris: [] });
    const codes = { ...keyed, grant_types: ['authorization_code'] };
    expect(own(codes, 'plain', claims)).toMatchObject({ redirect_uris: ['https://tpp.example/'], response_types: ['code'] });
  });
  test('is without a key of the statement only if the request was signed', () => {
    const claims = { software_jwks_endpoint: 'https://tpp.example/jwks' };
    const byCertificate = { token_endpoint_auth_method: 'tls_client_auth', tls_client_auth_san_dns: 'tpp.example' };
    expectRefusal(() => own(byCertificate, 'plain', claims), 'invalid_client_metadata');
    expect(own(byCertificate, 'plain', claims, true)).toMatchObject({ jwks_uri: 'https://tpp.example/jwks' });
  });
});

describe('a software statement', () => {
  const statement = (claims: object) => softwareStatement('text', { iss: 'directory', iat: 1000, software_id: 'software', ...claims });
  const check =
    (claims: object, at: number, issuers: string[] = []) =>
    () =>
      checkStatement(statement(claims), { issuers, maxAgeSeconds: 100, at });

  test('is good from its time until it is over or too old', () => {
    expect(check({}, 1000)).not.toThrow();
    expect(check({}, 1100)).not.toThrow();
    expectRefusal(check({}, 1101), 'invalid_software_statement');
    expect(check({ exp: 1050 }, 1049)).not.toThrow();
    expectRefusal(check({ exp: 1050 }, 1050), 'invalid_software_statement');
    expect(check({}, 940)).not.toThrow();
    expectRefusal(check({}, 939), 'invalid_software_statement');
  });
  test('is good by its issuer', () => {
    expect(check({}, 1000, ['directory'])).not.toThrow();
    expectRefusal(check({}, 1000, ['another']), 'unapproved_software_statement');
  });
  test.each(['production', 'sandbox', 'anything', null])('of %s names its directory', (software_environment) =>
    expect(statement({ software_environment }).environment).toBe(software_environment === 'production' ? 'production' : 'sandbox'),
  );
  test('gives its keys by reference where it has both', () =>
    expect(statement({ jwks, jwks_uri: 'https://tpp.example/jwks' }).metadata).toEqual({
      software_id: 'software',
      jwks_uri: 'https://tpp.example/jwks',
    }));
});

describe('a client replaces its own registration', () => {
  const metadata = own({ ...keyed, scope: 'openid', grant_types: ['client_credentials', 'refresh_token'] });
  const past: ClientFact = { type: 'ClientRegistered', data: { metadata, secretHash: null, at: 1000, registrationTokenHash: 'hash' } };
  const by = (change: Partial<ClientMetadata>) => replaceOwn((current) => ({ ...current, ...change }), 1010);

  test('with fewer rights', () => {
    const fewer: ClientMetadata = { ...metadata, client_name: 'Renamed', grant_types: ['refresh_token'] };
    given(client, past)
      .when(by(fewer))
      .then({ type: 'ClientMetadataReplaced', data: { metadata: fewer, at: 1010 } });
  });
  test('by the same, which records nothing', () => given(client, past).when(by({})).then());
  test.each<[string, Partial<ClientMetadata>]>([
    ['grant types', { grant_types: ['client_credentials', 'urn:openid:params:grant-type:ciba'] }],
    ['scopes', { scope: 'openid accounts' }],
    ['types of authorization_details', { authorization_details_types: ['payment_initiation'] }],
    ['rights by another profile', { profile: 'wso2-compat' }],
    ['a client_secret', { token_endpoint_auth_method: 'client_secret_basic' }],
  ])('but gains no %s', (_, change) => given(client, past).when(by(change)).refuses('invalid_client_metadata'));
  test('not once it has ended, nor before it began', () => {
    given(client, past, { type: 'ClientDisabled', data: { at: 1005 } })
      .when(by({ client_name: 'x' }))
      .refuses('invalid_token');
    given(client).when(by({})).refuses('invalid_token');
  });
  test('after it began with its token, which stays', () => {
    given(client)
      .when(register(metadata, null, 1000, 'hash'))
      .then(past);
    given(client, past)
      .when(disable(1020))
      .then({ type: 'ClientDisabled', data: { at: 1020 } });
  });
});
