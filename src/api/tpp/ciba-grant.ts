import { cibaRequest, type ReceivedCibaRequest, redeem } from '../../domain/ciba-request/decider.ts';
import { requestIdOf } from '../../domain/ciba-request/id.ts';
import { activeClient, client as clientDecider } from '../../domain/client/decider.ts';
import { consent } from '../../domain/consent/decider.ts';
import type { Decide, Load } from '../../domain/decide.ts';
import { grant, open } from '../../domain/grant/decider.ts';
import { OAuthError } from '../../domain/oauth-error.ts';
import type { Clock, Ids } from '../../domain/ports/clock.ts';
import type { Rows } from '../../domain/ports/rows.ts';
import { findPending } from '../../projections/pending-requests.ts';
import type { Form } from '../body.ts';
import { json, type Reply, refusalReply } from '../reply.ts';
import type { AuthenticatedClient } from './client-auth.ts';
import type { PollPacing } from './poll-pacing.ts';
import type { Tokens } from './tokens.ts';

// Most polls get one of these: they are rendered once.
const PENDING = refusalReply(new OAuthError('authorization_pending', 'the PSU has not answered yet'));
const SLOW_DOWN = refusalReply(new OAuthError('slow_down', 'polled too soon: wait five seconds longer between polls'));
const EXPIRED = refusalReply(new OAuthError('expired_token', 'auth_req_id has expired'));

/** The CIBA grant: a TPP polls with its auth_req_id (CIBA Core 1.0, sections 10.1 and 11). */
export const cibaGrant = (deps: { decide: Decide; load: Load; rows: Rows; tokens: Tokens; pacing: PollPacing; clock: Clock; ids: Ids }) => {
  const { decide, load, rows, tokens, pacing, clock, ids } = deps;

  const issue = async (
    authReqId: string,
    request: ReceivedCibaRequest,
    consentExpiresAt: number | null,
    client: AuthenticatedClient,
    grantId: string,
  ): Promise<Reply> => {
    const { requestId, psuId, consentId, scope, acr, answer } = request;
    const { clientId, metadata, certificateThumbprint } = client;
    const at = clock();
    const authTime = answer?.at ?? at;
    const content = { clientId, subject: psuId, scope, consentId, authTime, acr, certificateThumbprint, at, consentExpiresAt };
    const accessToken = await tokens.accessToken(content, metadata);
    const refreshToken = metadata.grant_types.includes('refresh_token') ? tokens.refreshToken(grantId, at) : null;
    const issued = { authReqId, accessToken: accessToken.token, refreshToken: refreshToken?.token ?? null };
    const idToken = await tokens.idToken(content, issued, metadata);

    const binding = { certificateThumbprint, dpopKeyThumbprint: null };
    const opened = { clientId, psuId, consentId, requestId, authTime, acr, scope, at, ...binding, hasAuthorizationDetails: false };
    const command = {
      id: ids.uuid(),
      actor: { kind: 'client', id: clientId } as const,
      correlationId: consentId,
      causationId: answer?.eventId ?? null,
    };
    await decide(grant, grantId, open(opened, { ...accessToken.fact, scope, ...binding }, refreshToken?.fact ?? null), command);
    return json(200, {
      access_token: accessToken.token,
      token_type: 'Bearer',
      expires_in: accessToken.fact.expiresAt - at,
      scope,
      id_token: idToken,
      ...(refreshToken !== null && { refresh_token: refreshToken.token }),
    });
  };

  return async (form: Form, client: AuthenticatedClient): Promise<Reply> => {
    const authReqId = form['auth_req_id'];
    if (authReqId === undefined) throw new OAuthError('invalid_request', 'auth_req_id is missing');
    const requestId = requestIdOf(authReqId, ids);
    const { clientId, certificateThumbprint } = client;
    const at = clock();
    const pending = findPending(rows, requestId);
    if (pending?.client_id === clientId) {
      if (at >= pending.expires_at) return EXPIRED;
      return pacing.tooSoon(requestId, pending.interval_seconds, pending.expires_at) ? SLOW_DOWN : PENDING;
    }

    // From here on nothing is believed but the streams.
    const request = await load(cibaRequest, requestId);
    const consentId = request.status === 'absent' ? '' : request.consentId;
    const [consentState, registered] = await Promise.all([load(consent, consentId), load(clientDecider, clientId)]);
    activeClient(registered);
    // A request has one grant, under the same id.
    const grantId = requestId;
    const command = { id: ids.uuid(), actor: { kind: 'client', id: clientId } as const, correlationId: consentId, causationId: null };
    const { state, eventIds } = await decide(
      cibaRequest,
      requestId,
      redeem({ clientId, certificateThumbprint, consent: consentState, grantId, at }),
      command,
    );
    // Redeemed before: by a call that got its tokens, or by one that died before it could.
    if (eventIds.length === 0 && (await load(grant, grantId)).status !== 'absent')
      throw new OAuthError('invalid_grant', 'auth_req_id was already redeemed');
    const consentExpiresAt = consentState.status === 'absent' ? null : consentState.expiresAt;
    return issue(authReqId, state as ReceivedCibaRequest, consentExpiresAt, client, grantId);
  };
};
