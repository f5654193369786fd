import * as z from 'zod';
import { OAuthError } from '../oauth-error.ts';
import { AUTH_METHODS, PROFILE_NAMES, PROFILES, type Profile, SIGNING_ALGS } from './profiles.ts';

export const CIBA_GRANT = 'urn:openid:params:grant-type:ciba';
export const GRANT_TYPES = [CIBA_GRANT, 'client_credentials', 'refresh_token'] as const;

const PRIVATE_MEMBERS = ['d', 'p', 'q', 'dp', 'dq', 'qi', 'k', 'oth'];
const publicJwk = z
  .looseObject({ kty: z.enum(['RSA', 'EC', 'OKP']), kid: z.string().optional(), alg: z.string().optional(), use: z.string().optional() })
  .refine((jwk) => !PRIVATE_MEMBERS.some((member) => member in jwk), 'jwks must hold public keys only');

const MAX_TEXT = 512;
const text = z.string().min(1).max(MAX_TEXT);

/** A client's registration (RFC 7591, section 2; CIBA Core 1.0, section 4; RFC 8705), with every default filled in. */
export const clientMetadata = z.strictObject({
  client_name: text,
  profile: z.enum(PROFILE_NAMES).default('fapi-ciba'),
  token_endpoint_auth_method: z.enum(AUTH_METHODS),
  token_endpoint_auth_signing_alg: z.enum(SIGNING_ALGS).nullable().default(null),
  grant_types: z
    .array(z.enum(GRANT_TYPES))
    .min(1)
    .default([...GRANT_TYPES]),
  scope: text.default('openid accounts'),
  jwks: z
    .strictObject({ keys: z.array(publicJwk).max(20) })
    .nullable()
    .default(null),
  tls_client_auth_subject_dn: text.nullable().default(null),
  tls_client_certificate_bound_access_tokens: z.boolean().default(true),
  id_token_signed_response_alg: z.enum(SIGNING_ALGS).default('ES256'),
  backchannel_token_delivery_mode: z.literal('poll').default('poll'),
  backchannel_authentication_request_signing_alg: z.enum(SIGNING_ALGS).nullable().default(null),
  /** Ours: the client is a resource server and may introspect every token. */
  resource_server: z.boolean().default(false),
});
export type ClientMetadata = z.output<typeof clientMetadata>;

/** The rules of the profile that a client is registered with. */
export const profileOf = (metadata: ClientMetadata): Profile => PROFILES[metadata.profile];

/** Metadata that its profile allows, or `invalid_request` with the reason. */
export const checkMetadata = (metadata: ClientMetadata): ClientMetadata => {
  const refuse = (reason: string) => {
    throw new OAuthError('invalid_request', reason);
  };
  const profile = profileOf(metadata);
  const { token_endpoint_auth_method: method, jwks } = metadata;
  if (!profile.authMethods.includes(method)) refuse(`profile ${metadata.profile} does not allow ${method}`);
  if (profile.certificateBoundTokens && !metadata.tls_client_certificate_bound_access_tokens)
    refuse(`profile ${metadata.profile} binds every token to a certificate`);
  if ((method === 'private_key_jwt' || method === 'self_signed_tls_client_auth' || profile.signedRequestRequired) && !jwks?.keys.length)
    refuse(`${method} in profile ${metadata.profile} needs jwks`);
  if (method === 'tls_client_auth' && metadata.tls_client_auth_subject_dn === null)
    refuse('tls_client_auth needs tls_client_auth_subject_dn');
  return metadata;
};
