import * as z from 'zod';
import { defineEvents, type FactOf, versioned } from '../events.ts';

/** The registration as the versions of the events keep it: apart from `clientMetadata`, which may grow. */
const metadata = z.strictObject({
  client_name: z.string(),
  profile: z.enum(['fapi-ciba', 'plain']),
  token_endpoint_auth_method: z.enum([
    'private_key_jwt',
    'tls_client_auth',
    'self_signed_tls_client_auth',
    'client_secret_basic',
    'client_secret_post',
  ]),
  token_endpoint_auth_signing_alg: z.enum(['PS256', 'ES256']).nullable(),
  grant_types: z.array(z.enum(['urn:openid:params:grant-type:ciba', 'client_credentials', 'refresh_token'])),
  scope: z.string(),
  jwks: z.strictObject({ keys: z.array(z.looseObject({ kty: z.enum(['RSA', 'EC', 'OKP']) })) }).nullable(),
  tls_client_auth_subject_dn: z.string().nullable(),
  tls_client_certificate_bound_access_tokens: z.boolean(),
  id_token_signed_response_alg: z.enum(['PS256', 'ES256']),
  backchannel_token_delivery_mode: z.literal('poll'),
  backchannel_authentication_request_signing_alg: z.enum(['PS256', 'ES256']).nullable(),
  resource_server: z.boolean(),
});
const registered = z.strictObject({
  metadata,
  /** SHA-256 of the client_secret, which has 256 random bits, or null. */
  secretHash: z.string().nullable(),
  at: z.int(),
});
const replaced = z.strictObject({ metadata, at: z.int() });

const optional = z.string().nullable();
const clientAlg = z.enum(['PS256', 'ES256', 'EdDSA']).nullable();
const ourAlg = z.enum(['PS256', 'ES256']).nullable();
const metadataV2 = z.strictObject({
  client_name: z.string(),
  profile: z.enum(['fapi-ciba', 'fapi1-advanced', 'fapi2', 'wso2-compat', 'plain']),
  token_endpoint_auth_method: metadata.shape.token_endpoint_auth_method,
  token_endpoint_auth_signing_alg: clientAlg,
  grant_types: z.array(
    z.enum([
      'urn:openid:params:grant-type:ciba',
      'authorization_code',
      'client_credentials',
      'refresh_token',
      'urn:ietf:params:oauth:grant-type:jwt-bearer',
    ]),
  ),
  response_types: z.array(z.enum(['code', 'code id_token'])),
  redirect_uris: z.array(z.string()),
  scope: z.string(),
  jwks: metadata.shape.jwks,
  jwks_uri: optional,
  tls_client_auth_subject_dn: optional,
  tls_client_auth_san_dns: optional,
  tls_client_auth_san_uri: optional,
  tls_client_auth_san_ip: optional,
  tls_client_auth_san_email: optional,
  tls_client_certificate_bound_access_tokens: z.boolean(),
  dpop_bound_access_tokens: z.boolean(),
  id_token_signed_response_alg: z.enum(['PS256', 'ES256']),
  userinfo_signed_response_alg: ourAlg,
  authorization_signed_response_alg: ourAlg,
  request_object_signing_alg: clientAlg,
  require_pushed_authorization_requests: z.boolean(),
  require_signed_request_object: z.boolean(),
  authorization_details_types: z.array(z.string()),
  backchannel_token_delivery_mode: z.enum(['poll', 'ping', 'push']),
  backchannel_client_notification_endpoint: optional,
  backchannel_authentication_request_signing_alg: clientAlg,
  backchannel_user_code_parameter: z.boolean(),
  client_uri: optional,
  logo_uri: optional,
  policy_uri: optional,
  tos_uri: optional,
  contacts: z.array(z.string()),
  software_id: optional,
  software_version: optional,
  software_statement: optional,
  resource_server: z.boolean(),
});
const registeredV2 = registered.extend({
  metadata: metadataV2,
  /** SHA-256 of the registration access token (RFC 7592), or null for a client that the operator registered. */
  registrationTokenHash: optional,
});
const replacedV2 = replaced.extend({ metadata: metadataV2 });

/** What no client of version 1 had. */
const inVersion2 = (older: z.output<typeof metadata>): z.output<typeof metadataV2> => ({
  ...older,
  response_types: [],
  redirect_uris: [],
  jwks_uri: null,
  tls_client_auth_san_dns: null,
  tls_client_auth_san_uri: null,
  tls_client_auth_san_ip: null,
  tls_client_auth_san_email: null,
  dpop_bound_access_tokens: false,
  userinfo_signed_response_alg: null,
  authorization_signed_response_alg: null,
  request_object_signing_alg: null,
  require_pushed_authorization_requests: false,
  require_signed_request_object: false,
  authorization_details_types: [],
  backchannel_client_notification_endpoint: null,
  backchannel_user_code_parameter: false,
  client_uri: null,
  logo_uri: null,
  policy_uri: null,
  tos_uri: null,
  contacts: [],
  software_id: null,
  software_version: null,
  software_statement: null,
});

/** What happens to one client. Its id is the client_id. */
export const clientEvents = defineEvents('client', {
  ClientRegistered: versioned(registered).next(registeredV2, (v1) => ({
    ...v1,
    metadata: inVersion2(v1.metadata),
    registrationTokenHash: null,
  })),
  ClientMetadataReplaced: versioned(replaced).next(replacedV2, (v1) => ({ ...v1, metadata: inVersion2(v1.metadata) })),
  ClientDisabled: versioned(z.strictObject({ at: z.int() })),
});
export type ClientEvents = typeof clientEvents;
export type ClientFact = FactOf<ClientEvents>;
