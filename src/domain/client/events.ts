import * as z from 'zod';
import { defineEvents, type FactOf, versioned } from '../events.ts';

/** The registration as version 1 of the events keeps it: apart from `clientMetadata`, which may grow. */
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

/** What happens to one client. Its id is the client_id. */
export const clientEvents = defineEvents('client', {
  ClientRegistered: versioned(registered),
  ClientMetadataReplaced: versioned(z.strictObject({ metadata, at: z.int() })),
  ClientDisabled: versioned(z.strictObject({ at: z.int() })),
});
export type ClientEvents = typeof clientEvents;
export type ClientFact = FactOf<ClientEvents>;
