import * as z from 'zod';
import { PROMPTS, RESPONSE_MODES } from '../../domain/authorization/parameters.ts';
import type { DetailTypes } from '../../domain/authorization-details/detail-type.ts';
import { GRANT_TYPES, RESPONSE_TYPES, SCOPES } from '../../domain/client/metadata.ts';
import { AUTH_METHODS, CLIENT_SIGNING_ALGS, DELIVERY_MODES, SIGNING_ALGS } from '../../domain/client/profiles.ts';
import type { Signer } from '../../domain/ports/signer.ts';
import { JWKS_MAX_AGE_SECONDS } from '../../domain/signing-key/decider.ts';
import { json } from '../reply.ts';
import type { Route } from '../route.ts';
import { PATHS, type Surface } from '../surface.ts';
import { DPOP_ALGS } from './dpop.ts';

/** What the server offers (OpenID Connect Discovery 1.0, section 3; RFC 8414; CIBA Core 1.0, section 4; RFC 8705, section 5). */
export const serverMetadata = (
  { issuer, mtlsBase }: Surface,
  acrValuesSupported: readonly string[],
  detailTypes: DetailTypes,
  registrationBase: string | null,
) => {
  const endpoints = {
    token_endpoint: PATHS.token,
    backchannel_authentication_endpoint: PATHS.backchannelAuthentication,
    introspection_endpoint: PATHS.introspection,
    revocation_endpoint: PATHS.revocation,
    userinfo_endpoint: PATHS.userinfo,
    pushed_authorization_request_endpoint: PATHS.pushedAuthorization,
  };
  const at = (base: string) => Object.fromEntries(Object.entries(endpoints).map(([name, path]) => [name, base + path]));
  const registrationAt = (base: string) => registrationBase !== null && { registration_endpoint: base + PATHS.registration };
  const authentication = {
    token_endpoint_auth_methods_supported: AUTH_METHODS,
    token_endpoint_auth_signing_alg_values_supported: CLIENT_SIGNING_ALGS,
  };
  return {
    issuer,
    jwks_uri: issuer + PATHS.jwks,
    authorization_endpoint: issuer + PATHS.authorization,
    ...at(issuer),
    ...registrationAt(registrationBase ?? issuer),
    mtls_endpoint_aliases: { ...at(mtlsBase), ...registrationAt(mtlsBase) },
    ...authentication,
    introspection_endpoint_auth_methods_supported: AUTH_METHODS,
    introspection_endpoint_auth_signing_alg_values_supported: CLIENT_SIGNING_ALGS,
    revocation_endpoint_auth_methods_supported: AUTH_METHODS,
    revocation_endpoint_auth_signing_alg_values_supported: CLIENT_SIGNING_ALGS,
    scopes_supported: SCOPES,
    response_types_supported: RESPONSE_TYPES,
    response_modes_supported: RESPONSE_MODES,
    code_challenge_methods_supported: ['S256'],
    authorization_response_iss_parameter_supported: true,
    authorization_signing_alg_values_supported: SIGNING_ALGS,
    prompt_values_supported: PROMPTS,
    request_parameter_supported: true,
    // A request_uri names what was pushed here; one of anybody else's is not fetched (OpenID Connect Core 1.0, section 6.2).
    request_uri_parameter_supported: false,
    request_object_signing_alg_values_supported: CLIENT_SIGNING_ALGS,
    require_pushed_authorization_requests: false,
    grant_types_supported: GRANT_TYPES,
    subject_types_supported: ['public'],
    acr_values_supported: acrValuesSupported,
    id_token_signing_alg_values_supported: SIGNING_ALGS,
    userinfo_signing_alg_values_supported: SIGNING_ALGS,
    claims_parameter_supported: true,
    claims_supported: ['sub', 'acr', 'auth_time', 'openbanking_intent_id'],
    tls_client_certificate_bound_access_tokens: true,
    dpop_signing_alg_values_supported: DPOP_ALGS,
    backchannel_token_delivery_modes_supported: DELIVERY_MODES,
    backchannel_authentication_request_signing_alg_values_supported: SIGNING_ALGS,
    backchannel_user_code_parameter_supported: true,
    authorization_details_types_supported: [...detailTypes.keys()],
  };
};

/** The two metadata documents and the public signing keys. */
export const discoveryRoutes = ({
  surface,
  signer,
  acrValuesSupported,
  detailTypes,
  registrationBase,
}: {
  surface: Surface;
  signer: Signer;
  acrValuesSupported: readonly string[];
  detailTypes: DetailTypes;
  /** The listener that clients register themselves at, or null where they do not. */
  registrationBase: string | null;
}): Route[] => {
  const cacheable = { 'Cache-Control': `public, max-age=${JWKS_MAX_AGE_SECONDS}` };
  const metadata = json(200, serverMetadata(surface, acrValuesSupported, detailTypes, registrationBase), cacheable);
  const keys = renderedOnce(
    () => signer.jwks(),
    (jwks) => json(200, jwks, cacheable),
  );
  const doc = {
    summary: 'What the server offers (RFC 8414)',
    security: 'none',
    answers: { 200: z.looseObject({ issuer: z.string() }) },
    errors: [],
  } as const;
  const jwksDoc = {
    ...doc,
    summary: 'The public signing keys (RFC 7517)',
    answers: { 200: z.object({ keys: z.array(z.looseObject({ kty: z.string() })) }) },
  };
  return [
    { method: 'GET', path: '/.well-known/openid-configuration', doc, handle: async () => metadata },
    { method: 'GET', path: '/.well-known/oauth-authorization-server', doc, handle: async () => metadata },
    { method: 'GET', path: PATHS.jwks, doc: jwksDoc, handle: async () => keys() },
  ];
};

/** What is made of a value, made again only when it is another one. */
const renderedOnce = <T, R>(current: () => T, render: (value: T) => R): (() => R) => {
  let value = current();
  let rendered = render(value);
  return () => {
    if (current() !== value) {
      value = current();
      rendered = render(value);
    }
    return rendered;
  };
};
