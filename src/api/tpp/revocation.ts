import type { Decide, Load } from '../../domain/decide.ts';
import { grant, revoke, revokeAccessToken } from '../../domain/grant/decider.ts';
import { includes } from '../../domain/grant/hashes.ts';
import { OAuthError } from '../../domain/oauth-error.ts';
import type { Clock, Ids } from '../../domain/ports/clock.ts';
import { findToken } from '../../projections/token-lookup.ts';
import type { ReadModels } from '../read-models.ts';
import { noContent } from '../reply.ts';
import type { Endpoint } from '../route.ts';
import type { AuthenticateClient } from './client-auth.ts';
import { grantIdOf } from './tokens.ts';

/**
 * `POST /oauth2/revoke` (RFC 7009): an access token ends alone, a refresh token with its whole grant. A token that is unknown, or that
 * another client owns, is answered like one that was revoked.
 */
export const revocation = (deps: {
  authenticate: AuthenticateClient;
  decide: Decide;
  load: Load;
  readModels: ReadModels;
  clock: Clock;
  ids: Ids;
}): Endpoint => {
  const { authenticate, decide, load, readModels, clock, ids } = deps;

  /** A refresh token that was replaced: a client that has not seen its successor may still end the grant by it. */
  const replaced = async (grantId: string, tokenHash: string) => {
    const state = await load(grant, grantId);
    if (state.status !== 'open' || !includes(state.replacedTokens, tokenHash)) return undefined;
    return { kind: 'refresh_token', grantId, clientId: state.clientId, consentId: state.consentId } as const;
  };

  return async (call) => {
    const { clientId } = await authenticate(call);
    const given = call.form['token'];
    if (given === undefined) throw new OAuthError('invalid_request', 'token is missing');
    const tokenHash = ids.hash(given);
    const token = (await readModels.find((rows) => findToken(rows, tokenHash))) ?? (await replaced(grantIdOf(given), tokenHash));
    if (token === undefined || token.clientId !== clientId) return noContent(200);
    const at = clock();
    const { grantId, consentId } = token;
    const decision = token.kind === 'access_token' ? revokeAccessToken(tokenHash, at) : revoke({ reason: 'token_revoked', at });
    const command = {
      id: ids.uuid(),
      actor: { kind: 'client', id: clientId } as const,
      correlationId: consentId ?? grantId,
      causationId: null,
    };
    const { position } = await decide(grant, grantId, decision, command);
    await readModels.reached(position);
    return noContent(200);
  };
};
