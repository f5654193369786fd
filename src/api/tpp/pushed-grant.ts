import { cibaRequest, type ReceivedCibaRequest, redeem } from '../../domain/ciba-request/decider.ts';
import type { Decide, Load } from '../../domain/decide.ts';
import { openToPush } from '../../domain/grant/decider.ts';
import type { Clock, Ids } from '../../domain/ports/clock.ts';
import type { Sealer } from '../../domain/ports/sealer.ts';
import type { OpenPushedGrant } from '../../projections/reactions/push-tokens.ts';
import { detailsOf } from './approved-details.ts';
import { consentAndClient } from './consent-and-client.ts';
import type { IssueTokens } from './issue-tokens.ts';

const ENGINE = { kind: 'engine', id: 'push-tokens' } as const;

/** Opens grants as the token endpoint does, for requests whose tokens are pushed: bound to what the request came with. */
export const makeOpenPushedGrant =
  (deps: { decide: Decide; load: Load; issueTokens: IssueTokens; sealer: Sealer; clock: Clock; ids: Ids }): OpenPushedGrant =>
  async (authReqId, request) => {
    const { decide, load, issueTokens, sealer, clock, ids } = deps;
    const { requestId, clientId, consentId, certificateThumbprint, dpopKeyThumbprint } = request;
    const binding = { certificateThumbprint, dpopKeyThumbprint };
    const { consentState, registered } = await consentAndClient(load, request);
    const command = { id: ids.uuid(), actor: ENGINE, correlationId: consentId, causationId: request.answer?.eventId ?? null };
    const redemption = redeem({ clientId, ...binding, consent: consentState, grantId: requestId, at: clock() });
    const { state } = await decide(cibaRequest, requestId, redemption, command);
    const consentExpiresAt = consentState.status === 'absent' ? null : consentState.expiresAt;
    const authorizationDetails = detailsOf(consentState, sealer);
    const client = { clientId, metadata: registered.metadata, binding };
    await issueTokens(
      { authReqId, request: state as ReceivedCibaRequest, consentExpiresAt, authorizationDetails, client },
      {
        opens: (opened, accessToken, refreshToken, response) =>
          openToPush(opened, accessToken, refreshToken, JSON.stringify({ auth_req_id: authReqId, ...response })),
        actor: ENGINE,
      },
    );
  };
