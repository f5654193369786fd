import type { RequestedAuthorization } from '../../domain/authorization/decider.ts';
import type { ClientMetadata } from '../../domain/client/metadata.ts';
import type { Clock } from '../../domain/ports/clock.ts';
import type { Signer } from '../../domain/ports/signer.ts';
import { leftHalf } from '../tpp/tokens.ts';

/** The ID token that goes through the browser beside a code. */
export type FrontChannelIdToken = (
  request: RequestedAuthorization,
  issued: { psuId: string; authTime: number; code: string; state: string | null; nonce: string | null },
  metadata: ClientMetadata,
) => Promise<string>;

/**
 * Makes ID tokens that vouch for the code and the state beside them (OpenID Connect Core 1.0, section 3.3.2.11; FAPI 1 Advanced 5.2.2.1).
 */
export const makeFrontChannelIdToken =
  ({
    signer,
    clock,
    issuer,
    idTokenSeconds,
  }: {
    signer: Signer;
    clock: Clock;
    issuer: string;
    idTokenSeconds: number;
  }): FrontChannelIdToken =>
  ({ clientId, acr, consentId }, { psuId, authTime, code, state, nonce }, { id_token_signed_response_alg: alg }) => {
    const at = clock();
    return signer.sign(alg, 'JWT', {
      iss: issuer,
      sub: psuId,
      aud: clientId,
      iat: at,
      exp: at + idTokenSeconds,
      auth_time: authTime,
      ...(acr !== null && { acr }),
      ...(nonce !== null && { nonce }),
      openbanking_intent_id: consentId,
      c_hash: leftHalf(code),
      ...(state !== null && { s_hash: leftHalf(state) }),
    });
  };
