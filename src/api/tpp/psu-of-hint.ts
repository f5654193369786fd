import * as z from 'zod';
import type { Hint } from '../../domain/ciba-request/request.ts';
import { OAuthError } from '../../domain/oauth-error.ts';
import type { Clock, Ids } from '../../domain/ports/clock.ts';
import type { DecodedJws, JwsReader } from '../../domain/ports/jws.ts';
import type { PsuDirectory } from '../../domain/ports/psu-directory.ts';
import type { ReplayGuard } from '../../domain/ports/replay-guard.ts';
import type { Signer } from '../../domain/ports/signer.ts';
import type { AuthenticatedClient } from './client-auth.ts';

// An ID token names its PSU for as long as a bank keeps a customer signed up for a TPP.
const MAX_HINT_AGE_SECONDS = 90 * 86_400;
const SKEW_SECONDS = 60;

const idTokenClaims = z.object({ iss: z.string(), sub: z.string(), aud: z.union([z.string(), z.array(z.string())]), iat: z.number() });

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
  jti: z.string().min(1).max(256).optional(),
  sub_id: subjectId.optional(),
  login_hint: name.optional(),
});

/**
 * The PSU whom a hint names (CIBA Core 1.0, section 7.1). A `login_hint_token` is a JWT of this ASPSP, or of the client, for this issuer: it
 * names the PSU by `sub_id` (RFC 9493) or `login_hint`, and with a `jti` it is used once.
 */
export const makePsuOfHint = (deps: {
  directory: PsuDirectory;
  signer: Signer;
  jws: JwsReader;
  replayGuard: ReplayGuard;
  clock: Clock;
  ids: Ids;
  issuer: string;
}) => {
  const { directory, signer, jws, replayGuard, clock, ids, issuer } = deps;

  const known = (psuId: string | null, kind: Hint['kind']): string => {
    if (psuId === null) throw new OAuthError('unknown_user_id', `${kind} names no PSU of this ASPSP`);
    return psuId;
  };
  const existing = async (psuId: string): Promise<string | null> => ((await directory.exists(psuId)) ? psuId : null);

  const ofIdToken = async (idToken: string, clientId: string): Promise<string | null> => {
    const { data: claims } = idTokenClaims.safeParse(await signer.verify(idToken, 'JWT'));
    if (claims?.iss !== issuer || ![claims.aud].flat().includes(clientId) || claims.iat < clock() - MAX_HINT_AGE_SECONDS)
      throw new OAuthError('invalid_request', 'id_token_hint is no ID token that was issued here to this client');
    return existing(claims.sub);
  };

  const isSigned = async (token: string, decoded: DecodedJws, { clientId, profile, signed }: AuthenticatedClient): Promise<boolean> => {
    const { alg, typ } = decoded.header;
    if (decoded.claims['iss'] === issuer) return (await signer.verify(token, 'JWT')) !== null;
    // RFC 8725, section 3.11: what says that it is something else is no hint, nor is what the client signs as a request.
    if ((typ !== null && typ.toLowerCase() !== 'jwt') || 'scope' in decoded.claims) return false;
    return decoded.claims['iss'] === clientId && profile.signingAlgs.includes(alg) && (await signed(decoded));
  };

  const ofHintToken = async (token: string, client: AuthenticatedClient): Promise<string | null> => {
    const refuse = (reason: string) => new OAuthError('invalid_request', `login_hint_token ${reason}`);
    const decoded = jws.decode(token);
    if (decoded === null || !(await isSigned(token, decoded, client))) throw refuse('is not signed by this client or this ASPSP');
    const { success, data: claims } = hintTokenClaims.safeParse(decoded.claims);
    if (!success || (claims.sub_id === undefined) === (claims.login_hint === undefined))
      throw refuse('must hold iss, aud, exp, iat and one of sub_id and login_hint');
    const at = clock();
    if (![claims.aud].flat().includes(issuer)) throw refuse('is meant for another issuer');
    if (claims.iat > at + SKEW_SECONDS) throw refuse('is not valid yet');
    if (claims.exp - claims.iat > MAX_HINT_AGE_SECONDS) throw refuse('lives too long');
    if (claims.exp <= at) throw new OAuthError('expired_login_hint_token', 'login_hint_token has expired');
    if (claims.jti !== undefined) {
      const use = ids.hash(`login_hint_token\n${claims.iss}\n${claims.jti}`);
      if (!(await replayGuard.firstUse(use, Math.ceil(claims.exp)))) throw refuse('was used before');
    }
    return claims.sub_id === undefined ? directory.findByHint(claims.login_hint as string) : ofSubjectId(claims.sub_id);
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

  return async ({ kind, value }: Hint, client: AuthenticatedClient): Promise<string> => {
    switch (kind) {
      case 'login_hint':
        return known(await directory.findByHint(value), kind);
      case 'id_token_hint':
        return known(await ofIdToken(value, client.clientId), kind);
      case 'login_hint_token':
        return known(await ofHintToken(value, client), kind);
    }
  };
};
export type PsuOfHint = ReturnType<typeof makePsuOfHint>;
