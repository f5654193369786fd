import * as z from 'zod';
import type { Profile } from '../../domain/client/profiles.ts';
import { OAuthError, type RefusalReason } from '../../domain/oauth-error.ts';
import type { Clock, Ids } from '../../domain/ports/clock.ts';
import type { JwsReader } from '../../domain/ports/jws.ts';
import type { Limits } from '../../domain/ports/limits.ts';
import { PATHS, type Surface } from '../surface.ts';
import type { AuthenticatedClient } from './client-auth.ts';

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
 * and its audience keep to the client's profile (FAPI 1 Advanced 5.2.2-13, -17).
 */
export const makeReadRequestObject = (deps: { jws: JwsReader; limits: Limits; clock: Clock; ids: Ids; surface: Surface }) => {
  const { jws, limits, clock, ids, surface } = deps;
  const { issuer, mtlsBase } = surface;
  const endpoints = [issuer, mtlsBase].flatMap((base) => [base + PATHS.token, base + PATHS.backchannelAuthentication]);
  const isMeant: Record<Profile['requestObjectAudience'], (aud: readonly string[]) => boolean> = {
    issuer: (aud) => aud.includes(issuer),
    'one of issuer and endpoints': ([one = '', ...more]) => more.length === 0 && [issuer, ...endpoints].includes(one),
  };

  return async (request: string, client: AuthenticatedClient): Promise<Readonly<Record<string, unknown>>> => {
    const { clientId, metadata, profile, signed } = client;
    const { ahead, behind } = profile.requestObjectSkew;
    const refuse = (what: string, options: { reason?: RefusalReason } = {}) =>
      new OAuthError('invalid_request', `the request object ${what}`, options);
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
    if (!isMeant[profile.requestObjectAudience]([claims.aud].flat())) throw refuse('is meant for another issuer');
    if (claims.exp + behind <= at) throw refuse('has expired');
    if (Math.max(claims.nbf, claims.iat) > at + ahead) throw refuse('is not valid yet');
    if (at - claims.nbf > profile.requestObjectSeconds) throw refuse('is too old', { reason: 'request object old' });
    if (claims.exp - claims.nbf > profile.requestObjectSeconds) throw refuse('lives too long');
    if (!(await signed(decoded))) throw refuse('is not signed by a key of this client');
    if (!(await limits.firstUse(ids.hash(`request\n${clientId}\n${claims.jti}`), Math.ceil(claims.exp) + behind)))
      throw refuse('was used before');
    return decoded.claims;
  };
};
export type ReadRequestObject = ReturnType<typeof makeReadRequestObject>;
