import * as z from 'zod';
import type { ClientMetadata } from '../../domain/client/metadata.ts';
import type { Profile } from '../../domain/client/profiles.ts';
import { OAuthError } from '../../domain/oauth-error.ts';
import type { Clock } from '../../domain/ports/clock.ts';
import type { JwsReader } from '../../domain/ports/jws.ts';
import type { ClientKeys } from '../tpp/client-keys.ts';

const SKEW_SECONDS = 60;

const objectClaims = z.object({
  iss: z.string().optional(),
  aud: z.union([z.string(), z.array(z.string())]),
  client_id: z.string().optional(),
  exp: z.number().optional(),
  nbf: z.number().optional(),
  iat: z.number().optional(),
  request: z.undefined().optional(),
  request_uri: z.undefined().optional(),
});

/** A client at the authorization endpoint, where it cannot prove who it is. */
export interface NamedClient {
  clientId: string;
  metadata: ClientMetadata;
  profile: Profile;
}

/**
 * The parameters of a signed authorization request (RFC 9101), or `invalid_request_object`. Where the profile wants requests signed it
 * wants them short-lived too (FAPI 1 Advanced 5.2.2-13, -17). It may be sent again: what counts is that its request is answered once.
 */
export const makeReadAuthorizationObject =
  ({ jws, keys, clock, issuer }: { jws: JwsReader; keys: ClientKeys; clock: Clock; issuer: string }) =>
  async (object: string, { clientId, metadata, profile }: NamedClient): Promise<Readonly<Record<string, unknown>>> => {
    const refuse = (reason: string) => new OAuthError('invalid_request_object', reason);
    const decoded = jws.decode(object);
    if (decoded === null) throw refuse('the request object is not a signed JWT');
    const { alg, typ } = decoded.header;
    const registeredAlg = metadata.request_object_signing_alg;
    if (!profile.signingAlgs.includes(alg) || (registeredAlg !== null && alg !== registeredAlg))
      throw refuse('the request object is signed with an algorithm that is not allowed');
    if (typ !== null && !['jwt', 'oauth-authz-req+jwt'].includes(typ.toLowerCase()))
      throw refuse('the request object has another typ than oauth-authz-req+jwt');
    const { success, data: claims } = objectClaims.safeParse(decoded.claims);
    if (!success) throw refuse('the request object lacks aud, or holds a member that it must not hold');
    const at = clock();
    const { iss = clientId, client_id = clientId, exp, nbf, iat } = claims;
    if (iss !== clientId || client_id !== clientId) throw refuse('the request object is of another client');
    if (![claims.aud].flat().includes(issuer)) throw refuse('the request object is meant for another issuer');
    if (exp !== undefined && exp <= at) throw refuse('the request object has expired');
    if (Math.max(nbf ?? 0, iat ?? 0) > at + SKEW_SECONDS) throw refuse('the request object is not valid yet');
    if (profile.authorizationRequest.signed || metadata.require_signed_request_object) {
      if (exp === undefined || nbf === undefined) throw refuse('the request object must hold exp and nbf');
      if (exp - nbf > profile.requestObjectSeconds || at - nbf > profile.requestObjectSeconds)
        throw refuse('the request object lives too long');
    }
    if (!(await keys.signed({ clientId, metadata }, decoded))) throw refuse('the request object is not signed by a key of this client');
    return decoded.claims;
  };
export type ReadAuthorizationObject = ReturnType<typeof makeReadAuthorizationObject>;
