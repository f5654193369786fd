import type { AuthorizationDetail } from '../../domain/authorization-details/detail-type.ts';
import type { ReceivedCibaRequest } from '../../domain/ciba-request/decider.ts';
import type { ClientMetadata } from '../../domain/client/metadata.ts';
import type { Decide } from '../../domain/decide.ts';
import type { Decision } from '../../domain/decider.ts';
import type { Binding } from '../../domain/grant/binding.ts';
import { type Grant, grant, type open } from '../../domain/grant/decider.ts';
import type { GrantEvents } from '../../domain/grant/events.ts';
import type { Clock, Ids } from '../../domain/ports/clock.ts';
import type { Actor } from '../../domain/ports/event-store.ts';
import { type Tokens, tokenResponse } from './tokens.ts';

/** What tokens are issued for: a request that was redeemed, and the client that gets them. */
export interface Redeemed {
  authReqId: string;
  request: ReceivedCibaRequest;
  /** The end of the consent, which no token outlives, or null. */
  consentExpiresAt: number | null;
  /** What was approved of the authorization details, or null where none were asked for. */
  authorizationDetails: readonly AuthorizationDetail[] | null;
  client: { clientId: string; metadata: ClientMetadata; binding: Binding };
}

type Open = Parameters<typeof open>;
type Opened = Open[0];
type AccessToken = Open[1];
type RefreshToken = Open[2];

/** How the grant is opened and by whom. `response` is what the client is told. */
interface Opening {
  opens: (
    opened: Opened & { requestId: string; psuId: string },
    accessToken: AccessToken,
    refreshToken: RefreshToken,
    response: object,
  ) => Decision<Grant, GrantEvents>;
  actor: Actor;
}

/**
 * Makes the tokens of a redeemed request and opens its grant, which has the request's id; gives the token response (CIBA Core 1.0, section
 * 10.1.1).
 */
export const makeIssueTokens =
  ({ decide, tokens, clock, ids }: { decide: Decide; tokens: Tokens; clock: Clock; ids: Ids }) =>
  async ({ authReqId, request, consentExpiresAt, authorizationDetails, client }: Redeemed, { opens, actor }: Opening): Promise<object> => {
    const { requestId, psuId, consentId, scope, acr, answer } = request;
    const { clientId, metadata, binding } = client;
    const grantId = requestId;
    const at = clock();
    const authTime = answer?.at ?? at;
    const content = { clientId, subject: psuId, scope, consentId, authTime, acr, authorizationDetails, binding, at, consentExpiresAt };
    const accessToken = await tokens.accessToken(content, metadata);
    const refreshToken = metadata.grant_types.includes('refresh_token') ? tokens.refreshToken(grantId, at) : null;
    const issued = { authReqId, accessToken: accessToken.token, refreshToken: refreshToken?.token ?? null };
    const idToken = await tokens.idToken(content, issued, metadata);
    const response = tokenResponse(accessToken, {
      ...{ scope, binding, idToken, authorizationDetails },
      refreshToken: refreshToken?.token ?? null,
    });

    const opened = {
      clientId,
      psuId,
      consentId,
      requestId,
      authTime,
      acr,
      scope,
      at,
      ...binding,
      hasAuthorizationDetails: authorizationDetails !== null,
    };
    // Most grants are opened by the call that redeemed: if it is there already, the conflict tells.
    const command = { id: ids.uuid(), actor, correlationId: consentId, causationId: answer?.eventId ?? null, fresh: true };
    const decision = opens(opened, { ...accessToken.fact, scope, ...binding }, refreshToken?.fact ?? null, response);
    await decide(grant, grantId, decision, command);
    return response;
  };
export type IssueTokens = ReturnType<typeof makeIssueTokens>;
