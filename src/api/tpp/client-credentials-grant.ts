import { scopeWithin } from '../../domain/ciba-request/request.ts';
import { activeClient, client as clientDecider } from '../../domain/client/decider.ts';
import type { Decide, Load } from '../../domain/decide.ts';
import { grant, open } from '../../domain/grant/decider.ts';
import type { Clock, Ids } from '../../domain/ports/clock.ts';
import { json } from '../reply.ts';
import type { GrantHandler } from './token.ts';
import { type Tokens, tokenResponse } from './tokens.ts';

/** The client's own grant (RFC 6749, section 4.4): what it lodges consents with. It has no ID token and no refresh token. */
export const clientCredentialsGrant =
  ({ decide, load, tokens, clock, ids }: { decide: Decide; load: Load; tokens: Tokens; clock: Clock; ids: Ids }): GrantHandler =>
  async (form, { clientId, metadata, binding }) => {
    activeClient(await load(clientDecider, clientId));
    const scope = scopeWithin(form['scope'] ?? metadata.scope, metadata.scope);
    const at = clock();
    const nobody = { psuId: null, consentId: null, requestId: null, authTime: null, acr: null };
    const { token, fact } = await tokens.accessToken(
      { ...nobody, clientId, subject: clientId, scope, authorizationDetails: null, binding, at, consentExpiresAt: null },
      metadata,
    );
    const grantId = ids.uuid();
    const command = {
      id: ids.uuid(),
      actor: { kind: 'client', id: clientId } as const,
      correlationId: grantId,
      causationId: null,
      fresh: true,
    };
    const opened = { ...nobody, clientId, scope, at, ...binding, hasAuthorizationDetails: false };
    await decide(grant, grantId, open(opened, { ...fact, scope, ...binding }, null), command);
    return json(200, tokenResponse({ token, fact }, { scope, binding }));
  };
