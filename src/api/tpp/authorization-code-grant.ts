import { authorization, type RequestedAuthorization, redeem } from '../../domain/authorization/decider.ts';
import type { Consent } from '../../domain/consent/decider.ts';
import type { Decide, Load } from '../../domain/decide.ts';
import { grant, open, revoke } from '../../domain/grant/decider.ts';
import { OAuthError } from '../../domain/oauth-error.ts';
import type { Clock, Ids } from '../../domain/ports/clock.ts';
import type { Sealer } from '../../domain/ports/sealer.ts';
import { askedIn } from '../authorize/finish.ts';
import { json, type Reply } from '../reply.ts';
import { detailsOf } from './approved-details.ts';
import type { AuthenticatedClient } from './client-auth.ts';
import { consentAndClient } from './consent-and-client.ts';
import type { GrantHandler } from './token.ts';
import { type Tokens, tokenResponse } from './tokens.ts';

// A client whose call was lost, or that sent it twice, comes again at once and is only refused: the winner's tokens stay good. Whoever
// comes later with the same code has it from somewhere else.
const REPEAT_SECONDS = 10;

const VERIFIER = /^[A-Za-z0-9\-._~]{43,128}$/;

/** The request that a code names; '' for a text that is none. */
const requestIdOf = (code: string): string => code.slice(0, Math.max(0, code.indexOf('.')));

/** The authorization code grant (RFC 6749, section 4.1.3; RFC 7636, section 4.6): a code becomes tokens, once. */
export const authorizationCodeGrant = (deps: {
  decide: Decide;
  load: Load;
  tokens: Tokens;
  sealer: Sealer;
  clock: Clock;
  ids: Ids;
}): GrantHandler => {
  const { decide, load, tokens, sealer, clock, ids } = deps;

  const command = (clientId: string, correlationId: string, causationId: string | null) => ({
    id: ids.uuid(),
    actor: { kind: 'client', id: clientId } as const,
    correlationId,
    causationId,
  });

  const issue = async (
    request: RequestedAuthorization,
    consentState: Consent,
    { clientId, metadata, binding }: AuthenticatedClient,
  ): Promise<Reply> => {
    const { requestId, consentId, scope, acr, answer, sessions } = request;
    const psuId = answer?.psuId ?? '';
    const at = clock();
    const authTime = sessions.find(({ sessionId }) => sessionId === answer?.sessionId)?.at ?? at;
    const consentExpiresAt = consentState.status === 'absent' ? null : consentState.expiresAt;
    const authorizationDetails = detailsOf(consentState, sealer);
    const content = { clientId, subject: psuId, scope, consentId, authTime, acr, authorizationDetails, binding, at, consentExpiresAt };
    const accessToken = await tokens.accessToken(content, metadata);
    const refreshToken = metadata.grant_types.includes('refresh_token') ? tokens.refreshToken(requestId, at) : null;
    const issued = { nonce: askedIn(request, sealer).nonce, accessToken: accessToken.token, refreshToken: null };
    const idToken = scope.split(' ').includes('openid') ? await tokens.idToken(content, issued, metadata) : null;

    const hasAuthorizationDetails = authorizationDetails !== null;
    const opened = { clientId, psuId, consentId, requestId, authTime, acr, scope, at, ...binding, hasAuthorizationDetails };
    const decision = open(opened, { ...accessToken.fact, scope, ...binding }, refreshToken?.fact ?? null);
    await decide(grant, requestId, decision, command(clientId, consentId, answer?.eventId ?? null));
    const beside = { scope, binding, idToken, authorizationDetails, refreshToken: refreshToken?.token ?? null };
    return json(200, tokenResponse(accessToken, beside));
  };

  return async (form, client) => {
    const { code, redirect_uri: redirectUri = null, code_verifier: verifier } = form;
    if (code === undefined) throw new OAuthError('invalid_request', 'code is missing');
    if (verifier !== undefined && !VERIFIER.test(verifier)) throw new OAuthError('invalid_grant', 'code_verifier is not well formed');
    const { clientId, binding } = client;
    const requestId = requestIdOf(code);
    const at = clock();
    const request = await load(authorization, requestId);
    const consentId = request.status === 'absent' ? '' : request.consentId;
    const { consentState } = await consentAndClient(load, { consentId, clientId });
    // A request has one grant, under the same id.
    const redemption = {
      clientId,
      codeHash: ids.hash(code),
      redirectUri,
      codeChallenge: verifier === undefined ? null : ids.hash(verifier),
      dpopKeyThumbprint: binding.dpopKeyThumbprint,
      consent: consentState,
      grantId: requestId,
      at,
    };
    const { state, eventIds } = await decide(authorization, requestId, redeem(redemption), command(clientId, consentId, null));
    const redeemed = state as RequestedAuthorization;
    if (eventIds.length === 0) await refuseReuse(redeemed, clientId, at);
    return issue(redeemed, consentState, client);
  };

  /** Redeemed before: by a call that got its tokens, or by one that died before it could, whose place this one may take. */
  async function refuseReuse({ requestId, consentId, code, redeemedAt }: RequestedAuthorization, clientId: string, at: number) {
    const used = new OAuthError('invalid_grant', 'the code was already redeemed');
    if ((await load(grant, requestId)).status === 'absent') {
      if (at >= (code?.expiresAt ?? 0)) throw used;
      return;
    }
    if (at > (redeemedAt ?? 0) + REPEAT_SECONDS)
      await decide(grant, requestId, revoke({ reason: 'code_reused', at }), command(clientId, consentId, null));
    throw used;
  }
};
