import { GRANT_TYPES } from '../../domain/client/metadata.ts';
import { AUTH_METHODS, SIGNING_ALGS } from '../../domain/client/profiles.ts';
import type { Signer } from '../../domain/ports/signer.ts';
import { json } from '../reply.ts';
import type { Route } from '../route.ts';
import { PATHS, type Surface } from '../surface.ts';

/** What the server offers (OpenID Connect Discovery 1.0, section 3; RFC 8414; CIBA Core 1.0, section 4; RFC 8705, section 5). */
export const serverMetadata = ({ issuer, mtlsBase }: Surface, acrValuesSupported: readonly string[]) => {
  const endpoints = {
    token_endpoint: PATHS.token,
    backchannel_authentication_endpoint: PATHS.backchannelAuthentication,
    introspection_endpoint: PATHS.introspection,
    revocation_endpoint: PATHS.revocation,
  };
  const at = (base: string) => Object.fromEntries(Object.entries(endpoints).map(([name, path]) => [name, base + path]));
  const authentication = {
    token_endpoint_auth_methods_supported: AUTH_METHODS,
    token_endpoint_auth_signing_alg_values_supported: SIGNING_ALGS,
  };
  return {
    issuer,
    jwks_uri: issuer + PATHS.jwks,
    ...at(issuer),
    mtls_endpoint_aliases: at(mtlsBase),
    ...authentication,
    introspection_endpoint_auth_methods_supported: AUTH_METHODS,
    introspection_endpoint_auth_signing_alg_values_supported: SIGNING_ALGS,
    revocation_endpoint_auth_methods_supported: AUTH_METHODS,
    revocation_endpoint_auth_signing_alg_values_supported: SIGNING_ALGS,
    scopes_supported: ['openid', 'accounts'],
    response_types_supported: [],
    grant_types_supported: GRANT_TYPES,
    subject_types_supported: ['public'],
    acr_values_supported: acrValuesSupported,
    id_token_signing_alg_values_supported: SIGNING_ALGS,
    claims_parameter_supported: true,
    claims_supported: ['sub', 'acr', 'auth_time', 'openbanking_intent_id'],
    tls_client_certificate_bound_access_tokens: true,
    backchannel_token_delivery_modes_supported: ['poll'],
    backchannel_authentication_request_signing_alg_values_supported: SIGNING_ALGS,
    backchannel_user_code_parameter_supported: false,
  };
};

/** The two metadata documents and the public signing keys. */
export const discoveryRoutes = ({
  surface,
  signer,
  acrValuesSupported,
}: {
  surface: Surface;
  signer: Signer;
  acrValuesSupported: readonly string[];
}): Route[] => {
  const cacheable = { 'Cache-Control': 'public, max-age=300' };
  const metadata = json(200, serverMetadata(surface, acrValuesSupported), cacheable);
  const keys = json(200, signer.jwks(), cacheable);
  return [
    { method: 'GET', path: '/.well-known/openid-configuration', handle: async () => metadata },
    { method: 'GET', path: '/.well-known/oauth-authorization-server', handle: async () => metadata },
    { method: 'GET', path: PATHS.jwks, handle: async () => keys },
  ];
};
