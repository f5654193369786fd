import { scopeWithin } from '../../domain/ciba-request/request.ts';
import { activeClient, client as clientDecider } from '../../domain/client/decider.ts';
import { consent, covers } from '../../domain/consent/decider.ts';
import type { Decide, Load } from '../../domain/decide.ts';
import { grant, refresh, refreshable } from '../../domain/grant/decider.ts';
import { OAuthError } from '../../domain/oauth-error.ts';
import type { Clock, Ids } from '../../domain/ports/clock.ts';
import { json } from '../reply.ts';
import type { GrantHandler } from './token.ts';
import { grantIdOf, type Tokens } from './tokens.ts';

/** A further access token for a grant whose consent still stands (RFC 6749, section 6). The refresh token stays the same (FAPI 2 SP 5.3.2.1-9). */
export const refreshTokenGrant =
  ({ decide, load, tokens, clock, ids }: { decide: Decide; load: Load; tokens: Tokens; clock: Clock; ids: Ids }): GrantHandler =>
  async (form, { clientId, metadata, certificateThumbprint }) => {
    const given = form['refresh_token'];
    if (given === undefined) throw new OAuthError('invalid_request', 'refresh_token is missing');
    const grantId = grantIdOf(given);
    const at = clock();
    const by = { clientId, tokenHash: ids.hash(given), at };
    const opened = refreshable(await load(grant, grantId), by);
    const { psuId, consentId, requestId, acr, authTime } = opened;
    const [registered, consentState] = await Promise.all([load(clientDecider, clientId), load(consent, consentId ?? '')]);
    activeClient(registered);
    if (psuId === null || !covers(consentState, requestId ?? '', at))
      throw new OAuthError('invalid_grant', 'the consent behind this grant has ended');
    const consentExpiresAt = consentState.status === 'absent' ? null : consentState.expiresAt;
    const scope = scopeWithin(form['scope'] ?? opened.scope, opened.scope);
    const { token, fact } = await tokens.accessToken(
      { clientId, subject: psuId, scope, consentId, authTime, acr, certificateThumbprint, at, consentExpiresAt },
      metadata,
    );
    const command = {
      id: ids.uuid(),
      actor: { kind: 'client', id: clientId } as const,
      correlationId: consentId ?? grantId,
      causationId: null,
    };
    await decide(grant, grantId, refresh(by, { ...fact, scope, certificateThumbprint, dpopKeyThumbprint: null }), command);
    return json(200, { access_token: token, token_type: 'Bearer', expires_in: fact.expiresAt - at, scope });
  };
