import * as z from 'zod';
import { OAuthError } from '../oauth-error.ts';
import { isShowable } from '../showable.ts';
import { AUTH_METHODS, CLIENT_SIGNING_ALGS, DELIVERY_MODES, PROFILE_NAMES, PROFILES, type Profile, SIGNING_ALGS } from './profiles.ts';

export const CIBA_GRANT = 'urn:openid:params:grant-type:ciba';
export const JWT_BEARER_GRANT = 'urn:ietf:params:oauth:grant-type:jwt-bearer';
export const GRANT_TYPES = [CIBA_GRANT, 'authorization_code', 'client_credentials', 'refresh_token', JWT_BEARER_GRANT] as const;
export const RESPONSE_TYPES = ['code', 'code id_token'] as const;
/** What a client may register itself for. */
export const SCOPES = ['openid', 'accounts', 'payments', 'fundsconfirmations'] as const;
const DEFAULT_GRANT_TYPES = [CIBA_GRANT, 'client_credentials', 'refresh_token'] as const;

const PRIVATE_MEMBERS = ['d', 'p', 'q', 'dp', 'dq', 'qi', 'k', 'oth'];
// A list in a member of it (`x5c`), with room for what others put there (RFC 7517, section 4).
const MOST_LEVELS_OF_JWK = 4;
const publicJwk = z
  .looseObject({ kty: z.enum(['RSA', 'EC', 'OKP']), kid: z.string().optional(), alg: z.string().optional(), use: z.string().optional() })
  .refine((jwk) => isShowable(jwk, MOST_LEVELS_OF_JWK), 'jwks must hold keys that are JWKs')
  .refine((jwk) => !PRIVATE_MEMBERS.some((member) => member in jwk), 'jwks must hold public keys only');

const MAX_TEXT = 512;
const MAX_URI = 2048;
const text = z.string().min(1).max(MAX_TEXT);
const optionalText = text.nullable().default(null);
const httpsUrl = z
  .string()
  .max(MAX_URI)
  .refine((value) => {
    const { protocol, hash, username, password } = URL.parse(value) ?? {};
    return protocol === 'https:' && !hash && !value.endsWith('#') && username === '' && password === '';
  }, 'must be an https URL without fragment or user info');
const optionalUrl = httpsUrl.nullable().default(null);
const clientAlg = z.enum(CLIENT_SIGNING_ALGS).nullable().default(null);

/**
 * A client's registration (RFC 7591, section 2; CIBA Core 1.0, section 4; RFC 8705; RFC 9126; RFC 9396; RFC 9449), with every default
 * filled in.
 */
export const clientMetadata = z.strictObject({
  client_name: text,
  profile: z.enum(PROFILE_NAMES).default('fapi-ciba'),
  token_endpoint_auth_method: z.enum(AUTH_METHODS),
  token_endpoint_auth_signing_alg: clientAlg,
  grant_types: z
    .array(z.enum(GRANT_TYPES))
    .min(1)
    .default([...DEFAULT_GRANT_TYPES]),
  response_types: z.array(z.enum(RESPONSE_TYPES)).default([]),
  redirect_uris: z.array(httpsUrl).max(20).default([]),
  scope: text.default('openid accounts'),
  jwks: z
    .strictObject({ keys: z.array(publicJwk).max(20) })
    .nullable()
    .default(null),
  jwks_uri: optionalUrl,
  tls_client_auth_subject_dn: optionalText,
  tls_client_auth_san_dns: optionalText,
  tls_client_auth_san_uri: optionalText,
  tls_client_auth_san_ip: optionalText,
  tls_client_auth_san_email: optionalText,
  tls_client_certificate_bound_access_tokens: z.boolean().default(true),
  dpop_bound_access_tokens: z.boolean().default(false),
  id_token_signed_response_alg: z.enum(SIGNING_ALGS).default('ES256'),
  userinfo_signed_response_alg: z.enum(SIGNING_ALGS).nullable().default(null),
  authorization_signed_response_alg: z.enum(SIGNING_ALGS).nullable().default(null),
  request_object_signing_alg: clientAlg,
  require_pushed_authorization_requests: z.boolean().default(false),
  require_signed_request_object: z.boolean().default(false),
  authorization_details_types: z.array(text).max(20).default([]),
  backchannel_token_delivery_mode: z.enum(DELIVERY_MODES).default('poll'),
  backchannel_client_notification_endpoint: optionalUrl,
  backchannel_authentication_request_signing_alg: clientAlg,
  backchannel_user_code_parameter: z.boolean().default(false),
  client_uri: optionalUrl,
  logo_uri: optionalUrl,
  policy_uri: optionalUrl,
  tos_uri: optionalUrl,
  contacts: z.array(text).max(20).default([]),
  software_id: optionalText,
  software_version: optionalText,
  software_statement: z.string().max(16_384).nullable().default(null),
  /** Ours: the client is a resource server and may introspect every token. */
  resource_server: z.boolean().default(false),
});
export type ClientMetadata = z.output<typeof clientMetadata>;

/** The rules of the profile that a client is registered with. */
export const profileOf = (metadata: ClientMetadata): Profile => PROFILES[metadata.profile];

const SUBJECT_MEMBERS = [
  'tls_client_auth_subject_dn',
  'tls_client_auth_san_dns',
  'tls_client_auth_san_uri',
  'tls_client_auth_san_ip',
  'tls_client_auth_san_email',
] as const;

/** The metadata with what its profile implies: clients of the reference ask for `openid`, and do not name it when they register. */
export const withImplied = (metadata: ClientMetadata): ClientMetadata => {
  const implied = profileOf(metadata).registration === 'reference' && !metadata.scope.split(' ').includes('openid');
  return implied ? { ...metadata, scope: `openid ${metadata.scope}` } : metadata;
};

/** Metadata that its profile allows, with what it implies, or `invalid_client_metadata` with the reason. */
export const checkMetadata = (metadata: ClientMetadata): ClientMetadata => {
  const profile = profileOf(metadata);
  const {
    profile: name,
    token_endpoint_auth_method: method,
    jwks,
    jwks_uri: jwksUri,
    tls_client_certificate_bound_access_tokens: certificateBound,
    dpop_bound_access_tokens: dpopBound,
    grant_types: grants,
    response_types: responses,
    redirect_uris: redirects,
    backchannel_token_delivery_mode: delivery,
    backchannel_client_notification_endpoint: notification,
  } = metadata;
  const refuseIf = (wrong: boolean, reason: string) => {
    if (wrong) throw new OAuthError('invalid_client_metadata', reason);
  };
  refuseIf(!profile.authMethods.includes(method), `profile ${name} does not allow ${method}`);
  refuseIf(profile.senderConstraint === 'certificate' && !certificateBound, `profile ${name} binds every token to a certificate`);
  refuseIf(
    profile.senderConstraint === 'certificate or dpop' && certificateBound === dpopBound,
    `profile ${name} binds every token to a certificate or by DPoP: register one of the two`,
  );
  refuseIf(certificateBound && dpopBound, 'tokens are bound to a certificate or by DPoP, not by both');
  refuseIf(jwks !== null && jwksUri !== null, 'jwks and jwks_uri exclude each other');
  const needsKeys = method === 'private_key_jwt' || method === 'self_signed_tls_client_auth' || profile.signedRequestRequired;
  refuseIf(needsKeys && !jwks?.keys.length && jwksUri === null, `${method} in profile ${name} needs jwks or jwks_uri`);
  refuseIf(
    method === 'tls_client_auth' && SUBJECT_MEMBERS.filter((member) => metadata[member] !== null).length !== 1,
    'tls_client_auth needs exactly one of tls_client_auth_subject_dn and tls_client_auth_san_dns, _uri, _ip, _email',
  );
  const algs = [
    metadata.token_endpoint_auth_signing_alg,
    metadata.request_object_signing_alg,
    metadata.backchannel_authentication_request_signing_alg,
  ];
  refuseIf(
    algs.some((alg) => alg !== null && !profile.signingAlgs.includes(alg)),
    `profile ${name} allows ${profile.signingAlgs.join(', ')} only`,
  );
  refuseIf(!profile.deliveryModes.includes(delivery), `profile ${name} does not allow the delivery mode ${delivery}`);
  refuseIf(delivery !== 'poll' && notification === null, `the delivery mode ${delivery} needs backchannel_client_notification_endpoint`);
  refuseIf(
    delivery === 'poll' && notification !== null && profile.registration !== 'reference',
    'backchannel_client_notification_endpoint belongs to the delivery modes ping and push',
  );
  const redirecting = grants.includes('authorization_code');
  refuseIf(redirecting !== responses.length > 0, 'response_types and the grant type authorization_code belong together');
  refuseIf(redirecting !== redirects.length > 0, 'redirect_uris and the grant type authorization_code belong together');
  return withImplied(metadata);
};
