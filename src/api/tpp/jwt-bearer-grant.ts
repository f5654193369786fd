import * as z from 'zod';
import { authorization } from '../../domain/authorization/decider.ts';
import { cibaRequest } from '../../domain/ciba-request/decider.ts';
import { scopeWithin } from '../../domain/ciba-request/request.ts';
import { covers } from '../../domain/consent/decider.ts';
import type { Decide, Load } from '../../domain/decide.ts';
import { grant, open } from '../../domain/grant/decider.ts';
import { OAuthError } from '../../domain/oauth-error.ts';
import type { Clock, Ids } from '../../domain/ports/clock.ts';
import type { JwsReader } from '../../domain/ports/jws.ts';
import type { Sealer } from '../../domain/ports/sealer.ts';
import { json } from '../reply.ts';
import { detailsOf } from './approved-details.ts';
import type { CheckAssertion } from './assertion.ts';
import { consentAndClient } from './consent-and-client.ts';
import type { GrantHandler } from './token.ts';
import { type Tokens, tokenResponse } from './tokens.ts';

const ASSERTION_TYPS = ['jwt', 'authorization-grant+jwt'];

const aboutPsu = z.object({ sub: z.string(), consent_id: z.string().optional(), openbanking_intent_id: z.string().optional() });

/**
 * The grant of an assertion that the client itself has signed (RFC 7523, section 2.1), beside its authentication. About the client it is
 * good for what `client_credentials` is: for platforms that can only trade assertions. About a PSU it is good for reaching a consent that
 * stands without a refresh token to keep: the assertion names one that this PSU has approved for this client, and the access token is under
 * that consent. There is no ID token and no refresh token.
 */
export const jwtBearerGrant = (deps: {
  decide: Decide;
  load: Load;
  jws: JwsReader;
  checkAssertion: CheckAssertion;
  tokens: Tokens;
  sealer: Sealer;
  clock: Clock;
  ids: Ids;
  clientCredentials: GrantHandler;
}): GrantHandler => {
  const { decide, load, jws, checkAssertion, tokens, sealer, clock, ids, clientCredentials } = deps;

  /** What the PSU answered: over a phone or in a browser. */
  const approvalOf = async (requestId: string) => {
    const onPhone = await load(cibaRequest, requestId);
    const request = onPhone.status === 'absent' ? await load(authorization, requestId) : onPhone;
    return request.status === 'absent' || request.answer?.verdict !== 'approved' ? null : { ...request, answer: request.answer };
  };

  return async (form, client, call) => {
    const { clientId, metadata, binding } = client;
    const given = form['assertion'];
    if (given === undefined) throw new OAuthError('invalid_request', 'assertion is missing');
    const decoded = jws.decode(given);
    if (decoded === null || !(await checkAssertion(decoded, client, ASSERTION_TYPS)))
      throw new OAuthError('invalid_grant', 'the assertion is not one of this client for this server, has ended, or was used before');
    if (decoded.claims['sub'] === clientId) return clientCredentials(form, client, call);

    const { data: claims } = aboutPsu.safeParse(decoded.claims);
    const consentId = claims?.consent_id ?? claims?.openbanking_intent_id;
    const refuse = () => new OAuthError('invalid_grant', 'the assertion names no consent that this PSU has authorised for this client');
    if (claims === undefined || consentId === undefined) throw refuse();
    const at = clock();
    const { consentState: state } = await consentAndClient(load, { consentId, clientId });
    if (state.status === 'absent' || state.clientId !== clientId) throw refuse();
    const authorisation = state.authorisations.find(({ psuId }) => psuId === claims.sub);
    if (authorisation === undefined) throw refuse();
    const { requestId, psuId } = authorisation;
    const approval = covers(state, requestId, at) ? await approvalOf(requestId) : null;
    if (approval === null || approval.clientId !== clientId || approval.consentId !== consentId) throw refuse();

    const scope = scopeWithin(form['scope'] ?? approval.scope, approval.scope);
    const authorizationDetails = detailsOf(state, sealer);
    const authTime = approval.answer.at;
    const under = { clientId, consentId, authTime, acr: approval.acr, scope, at };
    const { token, fact } = await tokens.accessToken(
      { ...under, subject: psuId, authorizationDetails, binding, consentExpiresAt: state.expiresAt },
      metadata,
    );
    const grantId = ids.uuid();
    const command = {
      id: ids.uuid(),
      actor: { kind: 'client', id: clientId } as const,
      correlationId: consentId,
      causationId: approval.answer.eventId,
      fresh: true,
    };
    const opened = { ...under, psuId, requestId, ...binding, hasAuthorizationDetails: authorizationDetails !== null };
    await decide(grant, grantId, open(opened, { ...fact, scope, ...binding }, null), command);
    return json(200, tokenResponse({ token, fact }, { scope, binding, authorizationDetails }));
  };
};
