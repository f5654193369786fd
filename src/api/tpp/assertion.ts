import * as z from 'zod';
import { profileOf } from '../../domain/client/metadata.ts';
import type { Clock, Ids } from '../../domain/ports/clock.ts';
import type { DecodedJws } from '../../domain/ports/jws.ts';
import type { Limits } from '../../domain/ports/limits.ts';
import { PATHS, type Surface } from '../surface.ts';
import type { ClientKeys, KeyOwner } from './client-keys.ts';

const SKEW_SECONDS = 60;

const required = z.object({
  iss: z.string(),
  sub: z.string(),
  aud: z.union([z.string(), z.array(z.string())]),
  exp: z.number(),
  iat: z.number().optional(),
  nbf: z.number().optional(),
  jti: z.string().min(1).max(256),
});

/**
 * Whether an assertion (RFC 7523, section 3) was made by the client for us, in its time, as the client's profile wants it, and is used for
 * the first time: one `jti` counts once, whether the assertion authenticates the client or is its grant.
 */
export const makeCheckAssertion = (deps: {
  keys: ClientKeys;
  limits: Limits;
  clock: Clock;
  ids: Ids;
  surface: Surface;
  assertionSeconds: number;
}) => {
  const { keys, limits, clock, ids, surface, assertionSeconds } = deps;
  const audiences = audiencesOf(surface);

  return async (decoded: DecodedJws, client: KeyOwner, typs: readonly string[]): Promise<boolean> => {
    const { clientId, metadata } = client;
    const { signingAlgs, assertionAudience } = profileOf(metadata);
    const { success, data: claims } = required.safeParse(decoded.claims);
    const registeredAlg = metadata.token_endpoint_auth_signing_alg;
    const { alg, typ } = decoded.header;
    // RFC 8725, section 3.11: what says that it is something else is no assertion.
    if (typ !== null && !typs.includes(typ.toLowerCase())) return false;
    if (!success || !signingAlgs.includes(alg) || (registeredAlg !== null && alg !== registeredAlg)) return false;
    if (claims.iss !== clientId) return false;
    const isForUs =
      assertionAudience === 'issuer' ? claims.aud === surface.issuer : [claims.aud].flat().some((audience) => audiences.has(audience));
    const at = clock();
    if (!isForUs || claims.exp <= at || claims.exp > at + assertionSeconds + SKEW_SECONDS) return false;
    if (Math.max(claims.nbf ?? 0, claims.iat ?? 0) > at + SKEW_SECONDS) return false;
    if (!(await keys.signed(client, decoded))) return false;
    return limits.firstUse(ids.hash(`client_assertion\n${clientId}\n${claims.jti}`), Math.ceil(claims.exp));
  };
};
export type CheckAssertion = ReturnType<typeof makeCheckAssertion>;

// CIBA Core 1.0, section 7.1, RFC 9126, section 2, and RFC 7523, section 3: the issuer, the token endpoint or this one, by either listener.
const audiencesOf = ({ issuer, mtlsBase }: Surface): ReadonlySet<string> => {
  const paths = [
    PATHS.token,
    PATHS.backchannelAuthentication,
    PATHS.backchannelCancellation,
    PATHS.introspection,
    PATHS.revocation,
    PATHS.pushedAuthorization,
  ];
  return new Set([issuer, `${issuer}/`, ...[issuer, mtlsBase].flatMap((base) => paths.map((path) => base + path))]);
};
