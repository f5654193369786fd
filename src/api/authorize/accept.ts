import { authorization, request } from '../../domain/authorization/decider.ts';
import {
  type Arrival,
  authorizationParameters,
  checkArrival,
  codeChallengeOf,
  nonceOf,
  reachedAcr,
  responseOf,
  silent,
} from '../../domain/authorization/parameters.ts';
import type { DetailTypes } from '../../domain/authorization-details/detail-type.ts';
import { authorizationDetailsOf } from '../../domain/authorization-details/parameter.ts';
import { intentOf, scopeWithin } from '../../domain/ciba-request/request.ts';
import { awaiting, consent } from '../../domain/consent/decider.ts';
import { checkScope } from '../../domain/consent/scope.ts';
import type { Decide, Load } from '../../domain/decide.ts';
import { OAuthError } from '../../domain/oauth-error.ts';
import type { Clock, Ids } from '../../domain/ports/clock.ts';
import type { PsuDirectory } from '../../domain/ports/psu-directory.ts';
import type { Signer } from '../../domain/ports/signer.ts';
import { parse } from '../parse.ts';
import { makeSubjectOfIdToken } from '../tpp/id-token-hint.ts';
import type { NamedClient } from './request-object.ts';

/** A request that keeps to the rules. */
export interface Accepted {
  /** Whether the client wants no page to be shown. */
  silent: boolean;
  /** Records the request under its id, which begins its life; the same id a second time is the same request. */
  record(requestId: string, times: { startBy: number; expiresAt: number }): Promise<void>;
}

interface Deps {
  decide: Decide;
  load: Load;
  directory: PsuDirectory;
  signer: Signer;
  clock: Clock;
  ids: Ids;
  issuer: string;
  detailTypes: DetailTypes;
  /** The authentication context classes that the steps of the flow amount to. */
  reachedAcrValues: readonly string[];
}

/** Judges the parameters of an authorization request, however they came, by the rules of the client's profile. Records nothing. */
export const makeAccept = ({ decide, load, directory, signer, clock, ids, issuer, detailTypes, reachedAcrValues }: Deps) => {
  const subjectOf = makeSubjectOfIdToken({ signer, clock, issuer });
  // A hint that names nobody hints at nothing, and so does one when the directory cannot be asked: whoever signs in is who it is.
  const hinted = async (loginHint: string): Promise<string | null> => {
    try {
      return await directory.findByHint(loginHint);
    } catch (error) {
      if (error instanceof OAuthError && error.error === 'temporarily_unavailable') return null;
      throw error;
    }
  };

  return async (
    given: Readonly<Record<string, unknown>>,
    { clientId, metadata, profile }: NamedClient,
    arrival: Arrival & { dpopKeyThumbprint: string | null },
  ): Promise<Accepted> => {
    if (!metadata.grant_types.includes('authorization_code'))
      throw new OAuthError('unauthorized_client', 'this client is not registered for the authorization code');
    checkArrival(arrival, metadata, profile);
    const parameters = parse(authorizationParameters, given);
    const { redirect_uri: redirectUri, login_hint: loginHint, id_token_hint: idTokenHint, dpop_jkt: dpopJkt = null } = parameters;
    if (!metadata.redirect_uris.includes(redirectUri)) throw new OAuthError('invalid_request', 'redirect_uri is not registered');
    const { responseType, responseMode } = responseOf(parameters, metadata, profile);
    const scope = scopeWithin(parameters.scope, metadata.scope);
    const nonce = nonceOf(parameters, { responseType, scope, profile });
    const codeChallenge = codeChallengeOf(parameters, arrival, profile);
    if (dpopJkt !== null && arrival.dpopKeyThumbprint !== null && dpopJkt !== arrival.dpopKeyThumbprint)
      throw new OAuthError('invalid_dpop_proof', 'dpop_jkt is another key than that of the proof');
    const acr = reachedAcr(parameters, reachedAcrValues);
    const authorizationDetails =
      parameters.authorization_details === undefined
        ? null
        : [...authorizationDetailsOf(parameters.authorization_details, detailTypes, metadata.authorization_details_types)];
    const requiredPsuId = idTokenHint === undefined ? null : await subjectOf(idTokenHint, clientId);
    const intent = intentOf(parameters);
    if (intent !== null) checkScope(awaiting(await load(consent, intent), { clientId, psuId: requiredPsuId, at: clock() }), scope);
    const wantsNoPage = silent(parameters);

    return {
      silent: wantsNoPage,
      async record(requestId, times) {
        const hintedPsuId = requiredPsuId ?? (loginHint === undefined ? null : await hinted(loginHint));
        // A consent of the request's own has the request's id.
        const consentId = intent ?? requestId;
        const data = {
          clientId,
          psuId: hintedPsuId ?? `client ${clientId}`,
          requiredPsuId,
          consentId,
          consentOrigin: intent === null ? ('request' as const) : ('lodged' as const),
          pushed: arrival.pushed,
          silent: wantsNoPage,
          ...{ redirectUri, responseType, responseMode, scope, acr, codeChallenge },
          dpopKeyThumbprint: arrival.dpopKeyThumbprint ?? dpopJkt,
          at: clock(),
          ...times,
        };
        const asked = {
          state: parameters.state ?? null,
          nonce,
          // Also one that names nobody: the page must not tell who is a customer.
          loginHint: loginHint ?? null,
          authorizationDetails,
        };
        const command = {
          id: ids.uuid(),
          actor: { kind: 'client', id: clientId } as const,
          correlationId: consentId,
          causationId: null,
        };
        await decide(authorization, requestId, request(data, asked), command);
      },
    };
  };
};
export type Accept = ReturnType<typeof makeAccept>;
