import { scopeWithin } from '../../domain/ciba-request/request.ts';
import { covers } from '../../domain/consent/decider.ts';
import type { Decide, Load } from '../../domain/decide.ts';
import { type Grant, grant, refresh, refreshable, useOf } from '../../domain/grant/decider.ts';
import { OAuthError } from '../../domain/oauth-error.ts';
import type { Clock, Ids } from '../../domain/ports/clock.ts';
import type { Limits } from '../../domain/ports/limits.ts';
import type { Sealer } from '../../domain/ports/sealer.ts';
import { json, type Reply, refusalReply } from '../reply.ts';
import { detailsOf } from './approved-details.ts';
import type { AuthenticatedClient } from './client-auth.ts';
import { consentAndClient } from './consent-and-client.ts';
import type { GrantHandler } from './token.ts';
import { grantIdOf, type Tokens, tokenResponse } from './tokens.ts';

// Each use lengthens the stream that the next one reads, for as long as the consent lasts, so what counts is how often over days.
// By default an access token lasts an hour: this is room for a hundred workers that share a refresh token and no access token.
const MOST_USES = 120;
const WITHIN_SECONDS = 3600;

// Not `slow_down`, which is for polling, nor `invalid_grant`, for which clients throw the refresh token away: it is as good as before.
const tooOften = (): Reply => {
  const refusal = new OAuthError('temporarily_unavailable', 'this refresh token is used too often: use its access tokens while they last');
  const reply = refusalReply(refusal);
  return { ...reply, headers: { ...reply.headers, 'Retry-After': String(WITHIN_SECONDS) } };
};

/**
 * A further access token for a grant whose consent still stands (RFC 6749, section 6), bound to what this call has proved. By the
 * client's profile the refresh token stays the same (FAPI 2 SP 5.3.2.1-9) or is replaced (RFC 9700, section 4.14.2).
 */
export const refreshTokenGrant = (deps: {
  decide: Decide;
  load: Load;
  tokens: Tokens;
  sealer: Sealer;
  limits: Limits;
  clock: Clock;
  ids: Ids;
}): GrantHandler => {
  const { decide, load, tokens, sealer, limits, clock, ids } = deps;
  const uses = limits.budget('refresh token uses', { count: MOST_USES, seconds: WITHIN_SECONDS });

  const refreshed = async (state: Grant, given: string, asked: string | undefined, client: AuthenticatedClient): Promise<Reply> => {
    const { clientId, metadata, profile, binding } = client;
    const grantId = grantIdOf(given);
    const at = clock();
    const by = { clientId, tokenHash: ids.hash(given), binding, at };
    const opened = refreshable(state, by);
    const { psuId, consentId, requestId, acr, authTime } = opened;
    const { consentState } = await consentAndClient(load, { consentId: consentId ?? '', clientId });
    if (psuId === null || !covers(consentState, requestId ?? '', at))
      throw new OAuthError('invalid_grant', 'the consent behind this grant has ended');
    const consentExpiresAt = consentState.status === 'absent' ? null : consentState.expiresAt;
    const scope = scopeWithin(asked ?? opened.scope, opened.scope);
    const authorizationDetails = opened.hasAuthorizationDetails ? detailsOf(consentState, sealer) : null;
    const { token, fact } = await tokens.accessToken(
      { clientId, subject: psuId, scope, consentId, authTime, acr, authorizationDetails, binding, at, consentExpiresAt },
      metadata,
    );
    const command = {
      id: ids.uuid(),
      actor: { kind: 'client', id: clientId } as const,
      correlationId: consentId ?? grantId,
      causationId: null,
    };
    const nonce = ids.secret();
    const successor = profile.refreshTokens === 'rotated' ? { tokenHash: tokens.successorOf(given, nonce).tokenHash, nonce } : null;
    const { state: decided } = await decide(grant, grantId, refresh(by, { ...fact, scope, ...binding }, successor), command);

    const decidedOn = refreshable(decided, by);
    const use = useOf(decidedOn, by);
    if (use === 'reuse') throw new OAuthError('invalid_grant', 'the refresh token was used before: its grant has been revoked');
    const derivedWith = use === 'current' ? successor?.nonce : decidedOn.refreshToken.nonce;
    const refreshToken = derivedWith == null ? null : tokens.successorOf(given, derivedWith).token;
    return json(200, tokenResponse({ token, fact }, { scope, binding, refreshToken, authorizationDetails }));
  };

  return async (form, client) => {
    const given = form['refresh_token'];
    if (given === undefined) throw new OAuthError('invalid_request', 'refresh_token is missing');
    const grantId = grantIdOf(given);
    // Of each client, so that nobody spends another's; before the stream is read, since reading it is what costs.
    const key = ids.hash(`${client.clientId} ${grantId}`);
    if (!(await uses.spend(key))) return tooOften();
    let isOwn = false;
    try {
      const state = await load(grant, grantId);
      isOwn = state.status !== 'absent' && state.clientId === client.clientId;
      return await refreshed(state, given, form['scope'], client);
    } catch (error) {
      // What is made up need not be remembered, and what failed is to be done again as soon as it can be.
      if (!isOwn || !(error instanceof OAuthError)) await uses.refund(key);
      throw error;
    }
  };
};
