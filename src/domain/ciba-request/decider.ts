import { approvedOf } from '../authorization-details/approval.ts';
import type { AuthorizationDetail, DetailTypes } from '../authorization-details/detail-type.ts';
import { sameJson } from '../authorization-details/narrowing.ts';
import { answerable, type Consent, covers, waits } from '../consent/decider.ts';
import type { Decision } from '../decider.ts';
import { type Binding, holds } from '../grant/binding.ts';
import { OAuthError } from '../oauth-error.ts';
import type { CibaRequestEvents, CibaRequestFact } from './events.ts';
import {
  type Answer,
  type Asked,
  type CibaRequest,
  lastRetrieval,
  ofPsu,
  type ReceivedCibaRequest,
  type Retrieval,
  type Verdict,
} from './state.ts';

export * from './state.ts';

type DataOf<T extends CibaRequestFact['type']> = Extract<CibaRequestFact, { type: T }>['data'];
type Decides = Decision<CibaRequest, CibaRequestEvents>;

/** A TPP asks for a PSU's consent (CIBA Core 1.0, section 7). The id is fresh, so a request that is there already is a repeat. */
export const receive =
  (data: DataOf<'CibaRequestReceived'>, asked: Asked): Decides =>
  (request) =>
    request.status === 'absent' ? [{ type: 'CibaRequestReceived', data, personal: asked }] : [];

const stillPending = (request: ReceivedCibaRequest, at: number) => {
  if (request.status === 'expired' || (request.status === 'pending' && at >= request.expiresAt))
    throw new OAuthError('gone', 'the request has expired');
  if (request.status !== 'pending') throw new OAuthError('conflict', `the request was already ${request.status}`);
};

// A PSU has few devices, but can sign in again and again.
const MAX_SHOWINGS_IN_SESSIONS = 30;

/**
 * A device, or a session, shows the request. What it has shown unchanged before is not recorded again, unless that is what it shows this
 * in the place of.
 */
export const retrieve =
  (data: DataOf<'ConsentRetrieved'>, shown: string, insteadOfDigest?: string): Decides =>
  (request) => {
    const own = ofPsu(request, data.psuId);
    stillPending(own, data.at);
    const before = lastRetrieval(own, data.deviceId ?? data.sessionId);
    if (before?.consentRevision === data.consentRevision && before.digest !== insteadOfDigest) return [];
    if (data.sessionId !== null && own.retrievals.filter(({ sessionId }) => sessionId !== null).length >= MAX_SHOWINGS_IN_SESSIONS)
      throw new OAuthError('conflict', 'the request was shown too often');
    return [{ type: 'ConsentRetrieved', data, personal: { shown } }];
  };

interface GivenAnswer {
  verdict: Verdict;
  psuId: string;
  digest: string;
  nonce: string;
  accountIds: readonly string[];
  /** What is approved of the authorization details, or null for all that was asked for. */
  authorizationDetails: readonly AuthorizationDetail[] | null;
  at: number;
}

/** A signed answer, as the device states it. */
export interface SignedAnswer extends GivenAnswer {
  deviceId: string;
  keyThumbprint: string;
  /** The compact JWS itself. */
  jws: string;
}

/** An answer that was given in a browser in which the PSU had signed in. */
export interface SessionAnswer extends GivenAnswer {
  deviceId: null;
  sessionId: string;
}

// Enough to see what goes on; a device that goes on cannot fill the log.
const MOST_REFUSED = 10;

/** Records that a signed answer was refused: the first ten of a request. */
export const refuseAnswer =
  (data: DataOf<'AnswerRefused'>): Decides =>
  (request) =>
    request.status === 'absent' || request.refusedAnswers >= MOST_REFUSED ? [] : [{ type: 'AnswerRefused', data }];

/** What an answer chose among the accounts, and approved of the authorization details. */
export interface Choice {
  accountIds: readonly string[];
  authorizationDetails: readonly AuthorizationDetail[] | null;
}

/** Opens what is sealed: the details that a request asked for, the accounts that a showing offered, and what an answer chose. */
export interface SealedParts {
  asked(request: ReceivedCibaRequest): readonly AuthorizationDetail[] | null;
  offered(retrieval: Retrieval): readonly string[];
  chosen(answer: Answer): Choice;
}

/**
 * The PSU answers on a registered device, or in a session of their own, what was shown there last, over the consent as it stands now.
 * The same answer twice records nothing, also from another device of the PSU that was shown the same consent; a different one is refused.
 */
export const answer =
  (by: SignedAnswer | SessionAnswer, consent: Consent, parts: SealedParts, types: DetailTypes): Decides =>
  (request) => {
    const own = ofPsu(request, by.psuId);
    const asked = parts.asked(own);
    if (own.answer !== null) {
      if (isRepeat(own, own.answer, by, asked, parts)) return [];
      throw new OAuthError('conflict', `the request was already ${own.answer.verdict}`);
    }
    stillPending(own, by.at);
    const evidence = evidenceOf(by);
    const retrieval = lastRetrieval(own, evidence.deviceId ?? evidence.sessionId);
    if (retrieval === undefined || retrieval.digest !== by.digest || retrieval.nonce !== by.nonce)
      throw new OAuthError('conflict', 'the answer is not over what was shown there last');
    if (retrieval.consentRevision !== consent.revision || !answerable(consent, by.psuId, by.at))
      throw new OAuthError('conflict', 'the consent changed after it was shown');
    const { consentId, consentOrigin, psuId } = own;
    const data = { consentId, consentOrigin, psuId, ...evidence, digest: by.digest, at: by.at };
    const personal = { answer: by.deviceId === null ? null : by.jws, accountIds: [...by.accountIds] };
    if (by.verdict === 'denied') return [{ type: 'CibaRequestDenied', data, personal }];
    chosenFrom(parts.offered(retrieval), by.accountIds);
    return [
      {
        type: 'CibaRequestApproved',
        data,
        personal: { ...personal, authorizationDetails: approvedOf(asked, by.authorizationDetails, types) },
      },
    ];
  };

/** Who can say that the PSU answered: the key of a device, or a session. */
const evidenceOf = (by: SignedAnswer | SessionAnswer) =>
  by.deviceId === null
    ? { deviceId: null, keyThumbprint: null, sessionId: by.sessionId }
    : { deviceId: by.deviceId, keyThumbprint: by.keyThumbprint, sessionId: null };

const isRepeat = (
  request: ReceivedCibaRequest,
  given: Answer,
  by: SignedAnswer | SessionAnswer,
  asked: readonly AuthorizationDetail[] | null,
  { chosen }: SealedParts,
): boolean => {
  if (given.verdict !== by.verdict) return false;
  const { deviceId, sessionId } = evidenceOf(by);
  const sameText = given.deviceId === deviceId && given.sessionId === sessionId && given.digest === by.digest;
  if (!sameText && (deviceId === null || !isOverSameConsent(lastRetrieval(request, deviceId), given, by))) return false;
  const { accountIds, authorizationDetails } = chosen(given);
  return (
    [...accountIds].sort().join() === [...by.accountIds].sort().join() &&
    (by.verdict === 'denied' || sameJson(authorizationDetails, by.authorizationDetails ?? asked))
  );
};

/** Whether another device was shown the same consent, and answers that. Each showing is a text of its own. */
const isOverSameConsent = (retrieval: Retrieval | undefined, given: Answer, by: SignedAnswer | SessionAnswer): boolean =>
  retrieval?.digest === by.digest && retrieval.nonce === by.nonce && retrieval.consentRevision === given.consentRevision;

const chosenFrom = (offered: readonly string[], chosen: readonly string[]) => {
  if (new Set(chosen).size !== chosen.length || !chosen.every((id) => offered.includes(id)))
    throw new OAuthError('invalid_request', 'account_ids must name accounts that were shown, each once');
  if (offered.length > 0 && chosen.length === 0)
    throw new OAuthError('invalid_request', 'an approval must name at least one of the accounts shown');
};

/** Ends a request that nobody is to answer any more: its consent or its client is gone, or another request has taken its place. */
export const cancel =
  (data: DataOf<'CibaRequestCancelled'>): Decides =>
  (request) =>
    request.status === 'pending' ? [{ type: 'CibaRequestCancelled', data }] : [];

/** The TPP takes its own request back. Again is once; what was answered stays answered. */
export const cancelOwn =
  (by: { clientId: string; at: number }): Decides =>
  (request) => {
    if (request.status === 'absent' || request.clientId !== by.clientId)
      throw new OAuthError('invalid_grant', 'auth_req_id is unknown or was issued to another client');
    if (request.status === 'cancelled') return [];
    if (request.status === 'expired' || (request.status === 'pending' && by.at >= request.expiresAt))
      throw new OAuthError('expired_token', 'auth_req_id has expired');
    if (request.status !== 'pending') throw new OAuthError('invalid_grant', `the request was already ${request.answer?.verdict}`);
    return [{ type: 'CibaRequestCancelled', data: { reason: 'cancelled_by_client', at: by.at } }];
  };

/** The request that a TPP wants to supersede, if it is its own and still waits for its PSU. */
export const supersedable = (request: CibaRequest, clientId: string, at: number): ReceivedCibaRequest => {
  if (request.status === 'absent' || request.clientId !== clientId)
    throw new OAuthError('invalid_request', 'supersedes names no request of this client');
  if (request.status !== 'pending' || at >= request.expiresAt)
    throw new OAuthError('invalid_request', 'supersedes names a request that no longer waits for an answer');
  return request;
};

/** Records that the time is over for a request that nobody has answered. */
export const expire =
  (at: number): Decides =>
  (request) =>
    request.status === 'pending' && at >= request.expiresAt ? [{ type: 'CibaRequestExpired', data: { at } }] : [];

/**
 * The TPP polls with its auth_req_id (CIBA Core 1.0, sections 10.1 and 11). An approved request whose consent covers it is redeemed
 * once. What was redeemed already records nothing here: whether its tokens were issued is decided on its grant, as long as the consent
 * covers them. A no is told however late, unless the profile of the client has `expiryFirst`.
 */
export const redeem =
  (by: Partial<Binding> & { clientId: string; consent: Consent; grantId: string; at: number; expiryFirst?: boolean }): Decides =>
  (request) => {
    const own = redeemableBy(request, by);
    if (by.expiryFirst && by.at >= own.expiresAt) throw new OAuthError('expired_token', 'auth_req_id has expired');
    if (own.status === 'denied') throw new OAuthError('access_denied', 'the PSU refused the request');
    if (own.status === 'cancelled') throw new OAuthError('access_denied', 'the request was cancelled');
    if (own.status === 'expired' || by.at >= own.expiresAt) throw new OAuthError('expired_token', 'auth_req_id has expired');
    if (own.status === 'pending') throw new OAuthError('authorization_pending', 'the PSU has not answered yet');
    // One that was approved has its answer.
    if (waits(by.consent, own.answer?.consentRevision ?? -1))
      throw new OAuthError('authorization_pending', 'the consent is not authorised yet');
    if (covers(by.consent, own.requestId, by.at))
      return own.status === 'redeemed' ? [] : [{ type: 'CibaRequestRedeemed', data: { grantId: by.grantId, at: by.at } }];
    if (own.status === 'redeemed') throw alreadyRedeemed();
    throw new OAuthError('access_denied', 'the consent is no longer authorised by this request');
  };

/** The refusal of a second redemption. */
export const alreadyRedeemed = () => new OAuthError('invalid_grant', 'auth_req_id was already redeemed', { reason: 'id redeemed' });

const redeemableBy = (request: CibaRequest, by: Partial<Binding> & { clientId: string }): ReceivedCibaRequest => {
  if (request.status === 'absent' || request.clientId !== by.clientId) {
    const reason = request.status === 'absent' ? 'id unknown' : 'id of another client';
    throw new OAuthError('invalid_grant', 'auth_req_id is unknown or was issued to another client', { reason });
  }
  if (!holds(by, request))
    throw new OAuthError('invalid_grant', 'auth_req_id is bound to the certificate or the DPoP key that the request was made with');
  return request;
};
