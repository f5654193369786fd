import * as z from 'zod';
import { OAuthError } from '../../domain/oauth-error.ts';
import type { Clock, Ids } from '../../domain/ports/clock.ts';
import type { JwsReader } from '../../domain/ports/jws.ts';
import type { ReplayGuard } from '../../domain/ports/replay-guard.ts';
import type { AuthenticatedClient } from './client-auth.ts';

const SKEW_SECONDS = 60;

const requiredClaims = z.object({
  iss: z.string(),
  aud: z.union([z.string(), z.array(z.string())]),
  exp: z.number(),
  iat: z.number(),
  nbf: z.number(),
  jti: z.string().min(1).max(256),
});

/**
 * The parameters of a signed authentication request (CIBA Core 1.0, section 7.1.1), or `invalid_request`. It is used once, and its times
 * keep to the client's profile (FAPI 1 Advanced 5.2.2-13, -17).
 */
export const makeReadRequestObject =
  ({ jws, replayGuard, clock, ids, issuer }: { jws: JwsReader; replayGuard: ReplayGuard; clock: Clock; ids: Ids; issuer: string }) =>
  async (request: string, { clientId, metadata, profile, signed }: AuthenticatedClient): Promise<Readonly<Record<string, unknown>>> => {
    const refuse = (reason: string) => new OAuthError('invalid_request', `the request object ${reason}`);
    const decoded = jws.decode(request);
    if (decoded === null) throw refuse('is not a signed JWT');
    const { alg, typ } = decoded.header;
    const registeredAlg = metadata.backchannel_authentication_request_signing_alg;
    if (!profile.signingAlgs.includes(alg) || (registeredAlg !== null && alg !== registeredAlg))
      throw refuse('is signed with an algorithm that is not allowed');
    if (typ !== null && !['jwt', 'oauth-authz-req+jwt'].includes(typ.toLowerCase()))
      throw refuse('has another typ than oauth-authz-req+jwt');
    const { success, data: claims } = requiredClaims.safeParse(decoded.claims);
    if (!success) throw refuse('must hold iss, aud, exp, iat, nbf and jti');
    const at = clock();
    if (claims.iss !== clientId) throw refuse('was issued by another client');
    if (![claims.aud].flat().includes(issuer)) throw refuse('is meant for another issuer');
    if (claims.exp <= at) throw refuse('has expired');
    if (Math.max(claims.nbf, claims.iat) > at + SKEW_SECONDS) throw refuse('is not valid yet');
    if (claims.exp - claims.nbf > profile.requestObjectSeconds || at - claims.nbf > profile.requestObjectSeconds)
      throw refuse('lives too long');
    if (!(await signed(decoded))) throw refuse('is not signed by a key of this client');
    if (!(await replayGuard.firstUse(ids.hash(`request\n${clientId}\n${claims.jti}`), Math.ceil(claims.exp))))
      throw refuse('was used before');
    return decoded.claims;
  };
export type ReadRequestObject = ReturnType<typeof makeReadRequestObject>;
