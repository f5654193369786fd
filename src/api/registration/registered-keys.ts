import { type ClientMetadata, profileOf } from '../../domain/client/metadata.ts';
import { OAuthError } from '../../domain/oauth-error.ts';
import type { JwsReader } from '../../domain/ports/jws.ts';
import { type Outbound, OutboundFailed, OutboundRefused } from '../../domain/ports/outbound.ts';

const invalid = (reason: string) => new OAuthError('invalid_client_metadata', reason);

/** Refuses keys by value of which none can do what the client is registered for. */
export const checkKeys = (metadata: ClientMetadata, jws: JwsReader): void => {
  const { jwks, token_endpoint_auth_method: method } = metadata;
  if (jwks === null) return;
  const { signingAlgs, signedRequestRequired } = profileOf(metadata);
  const algs = jwks.keys.flatMap((jwk) => usableAlg(jws, jwk));
  if (jwks.keys.length > 0 && algs.length === 0) throw invalid('jwks holds no key that can be used');
  const signs = method === 'private_key_jwt' || signedRequestRequired;
  if (signs && !algs.some((alg) => signingAlgs.includes(alg))) throw invalid(`jwks holds no key for ${signingAlgs.join(' or ')}`);
  const named = [metadata.token_endpoint_auth_signing_alg, metadata.backchannel_authentication_request_signing_alg];
  for (const alg of [...named, metadata.request_object_signing_alg])
    if (alg !== null && !algs.includes(alg)) throw invalid(`jwks holds no key for ${alg}`);
};

const usableAlg = (jws: JwsReader, jwk: Readonly<Record<string, unknown>>): string[] => {
  if (jwk['use'] === 'enc') return [];
  try {
    return [jws.publicKey(jwk).alg];
  } catch {
    return [];
  }
};

/** Refuses URLs that we would call and may not. */
export const checkUrls = async (metadata: ClientMetadata, outbound: Outbound): Promise<void> => {
  const notifying = metadata.backchannel_token_delivery_mode !== 'poll';
  for (const member of ['jwks_uri', ...(notifying ? (['backchannel_client_notification_endpoint'] as const) : [])] as const) {
    const url = metadata[member];
    if (url === null) continue;
    try {
      await outbound.check(url);
    } catch (error) {
      if (error instanceof OutboundRefused || error instanceof OutboundFailed) throw invalid(`${member}: ${error.message}`);
      throw error;
    }
  }
};
