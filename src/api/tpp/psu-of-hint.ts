import * as z from 'zod';
import type { Hint } from '../../domain/ciba-request/request.ts';
import { OAuthError } from '../../domain/oauth-error.ts';
import type { Clock, Ids } from '../../domain/ports/clock.ts';
import type { DecodedJws, JwsReader } from '../../domain/ports/jws.ts';
import type { Limits } from '../../domain/ports/limits.ts';
import type { PsuDirectory } from '../../domain/ports/psu-directory.ts';
import type { Signer } from '../../domain/ports/signer.ts';
import { HINT_SECONDS } from '../../domain/signing-key/decider.ts';
import type { UserOf } from '../user-of.ts';
import type { AuthenticatedClient } from './client-auth.ts';
import { makeSubjectOfIdToken } from './id-token-hint.ts';

const SKEW_SECONDS = 60;

const name = z.string().min(1).max(512);
/** A subject identifier (RFC 9493, section 3.2). */
const subjectId = z.discriminatedUnion('format', [
  z.object({ format: z.literal('opaque'), id: name }),
  z.object({ format: z.literal('email'), email: name }),
  z.object({ format: z.literal('phone_number'), phone_number: name }),
  z.object({ format: z.literal('iss_sub'), iss: name, sub: name }),
]);
const hintTokenClaims = z.object({
  iss: z.string(),
  aud: z.union([z.string(), z.array(z.string())]),
  exp: z.number(),
  iat: z.number(),
  nbf: z.number().optional(),
  jti: z.string().min(1).max(256).optional(),
  sub_id: subjectId.optional(),
  login_hint: name.optional(),
});

/** Whom a hint names, and how the hint is used up, if it is good for one request: what is refused after all leaves it as it was. */
interface Hinted {
  psuId: string;
  useUp: (() => Promise<void>) | null;
}

/**
 * The PSU whom a hint names (CIBA Core 1.0, section 7.1). A `login_hint_token` is a JWT of this ASPSP, or of the client, for this issuer:
 * it names the PSU by `sub_id` (RFC 9493) or `login_hint`, and with a `jti` it is used once.
 */
export const makePsuOfHint = (deps: {
  directory: PsuDirectory;
  signer: Signer;
  jws: JwsReader;
  limits: Limits;
  clock: Clock;
  ids: Ids;
  issuer: string;
  userOf: UserOf;
}) => {
  const { directory, signer, jws, limits, clock, ids, issuer, userOf } = deps;

  const known = (psuId: string | null, kind: Hint['kind'], useUp: Hinted['useUp'] = null): Hinted => {
    if (psuId === null) throw new OAuthError('unknown_user_id', `${kind} names no PSU of this ASPSP`);
    return { psuId, useUp };
  };
  const subjectOf = makeSubjectOfIdToken(deps);
  const existing = async (psuId: string): Promise<string | null> => ((await directory.exists(psuId)) ? psuId : null);

  const isSigned = async (token: string, decoded: DecodedJws, { clientId, profile, signed }: AuthenticatedClient): Promise<boolean> => {
    const { alg, typ } = decoded.header;
    if (decoded.claims['iss'] === issuer) return (await signer.verify(token, 'JWT')) !== null;
    // RFC 8725, section 3.11: what says that it is something else is no hint, nor is what the client signs as a request.
    if ((typ !== null && typ.toLowerCase() !== 'jwt') || 'scope' in decoded.claims) return false;
    return decoded.claims['iss'] === clientId && profile.signingAlgs.includes(alg) && (await signed(decoded));
  };

  const ofHintToken = async (token: string, client: AuthenticatedClient): Promise<Hinted> => {
    const refuse = (reason: string) => new OAuthError('invalid_request', `login_hint_token ${reason}`);
    const decoded = jws.decode(token);
    if (decoded === null || !(await isSigned(token, decoded, client))) throw refuse('is not signed by this client or this ASPSP');
    const { success, data: claims } = hintTokenClaims.safeParse(decoded.claims);
    if (!success || (claims.sub_id === undefined) === (claims.login_hint === undefined))
      throw refuse('must hold iss, aud, exp, iat and one of sub_id and login_hint');
    const at = clock();
    if (![claims.aud].flat().includes(issuer)) throw refuse('is meant for another issuer');
    if (Math.max(claims.iat, claims.nbf ?? 0) > at + SKEW_SECONDS) throw refuse('is not valid yet');
    if (claims.exp - claims.iat > HINT_SECONDS) throw refuse('lives too long');
    if (claims.exp <= at) throw new OAuthError('expired_login_hint_token', 'login_hint_token has expired');
    const useUp = async () => {
      const use = ids.hash(`login_hint_token\n${claims.iss}\n${claims.jti}`);
      if (!(await limits.firstUse(use, Math.ceil(claims.exp)))) throw refuse('was used before');
    };
    const psuId = await (claims.sub_id === undefined ? directory.findByHint(claims.login_hint as string) : ofSubjectId(claims.sub_id));
    return known(psuId, 'login_hint_token', claims.jti === undefined ? null : useUp);
  };

  const ofSubjectId = async (subject: z.output<typeof subjectId>): Promise<string | null> => {
    switch (subject.format) {
      case 'opaque':
        return directory.findByHint(subject.id);
      case 'email':
        return directory.findByHint(subject.email);
      case 'phone_number':
        return directory.findByHint(subject.phone_number);
      case 'iss_sub':
        // What we tell TPPs as `sub` is the pseudonym itself.
        return subject.iss === issuer ? existing(subject.sub) : null;
    }
  };

  return async ({ kind, value }: Hint, client: AuthenticatedClient): Promise<Hinted> => {
    switch (kind) {
      case 'login_hint':
        return known(await directory.findByHint(client.profile.hintWithTenant ? userOf(value) : value), kind);
      case 'id_token_hint':
        return known(await existing(await subjectOf(value, client.clientId)), kind);
      case 'login_hint_token':
        return ofHintToken(value, client);
    }
  };
};
export type PsuOfHint = ReturnType<typeof makePsuOfHint>;
