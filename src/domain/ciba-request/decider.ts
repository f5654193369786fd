import { isWithin } from '../authorization-details/approval.ts';
import type { AuthorizationDetail, DetailTypes } from '../authorization-details/detail-type.ts';
import { sameJson } from '../authorization-details/narrowing.ts';
import { answerable, type Consent, covers, waits } from '../consent/decider.ts';
import type { Decider, Decision } from '../decider.ts';
import { type Binding, holds } from '../grant/binding.ts';
import { OAuthError } from '../oauth-error.ts';
import type { Sealed } from '../ports/sealer.ts';
import { type CibaRequestEvent, type CibaRequestEvents, type CibaRequestFact, cibaRequestEvents } from './events.ts';

type DataOf<T extends CibaRequestFact['type']> = Extract<CibaRequestFact, { type: T }>['data'];
type Received = DataOf<'CibaRequestReceived'>;
/** The personal part of what was asked. */
export type Asked = Extract<CibaRequestFact, { type: 'CibaRequestReceived' }>['personal'];
export type Verdict = 'approved' | 'denied';

/** One showing of the request on a device. */
export interface Retrieval {
  deviceId: string;
  digest: string;
  nonce: string;
  consentRevision: number;
  sealed: Sealed;
}

/** What the PSU answered, and the event that says so. */
export interface Answer {
  verdict: Verdict;
  deviceId: string;
  digest: string;
  at: number;
  eventId: string;
  sealed: Sealed;
}

export type CibaRequest =
  | { status: 'absent' }
  | (Received & {
      status: 'pending' | 'approved' | 'denied' | 'cancelled' | 'expired' | 'redeemed';
      requestId: string;
      sealed: Sealed;
      retrievals: readonly Retrieval[];
      answer: Answer | null;
      grantId: string | null;
    });
export type ReceivedCibaRequest = Exclude<CibaRequest, { status: 'absent' }>;
type Decides = Decision<CibaRequest, CibaRequestEvents>;

/** A CIBA request, from its events. */
export const cibaRequest: Decider<CibaRequest, CibaRequestEvents> = {
  events: cibaRequestEvents,
  initial: { status: 'absent' },
  evolve(request, event) {
    if (event.type === 'CibaRequestReceived')
      return { status: 'pending', requestId: event.id, ...event.data, sealed: event.sealed, retrievals: [], answer: null, grantId: null };
    if (request.status === 'absent') return request;
    switch (event.type) {
      case 'ConsentRetrieved':
        return { ...request, retrievals: [...request.retrievals, { ...event.data, sealed: event.sealed }] };
      case 'CibaRequestApproved':
        return { ...request, status: 'approved', answer: answerOf('approved', event) };
      case 'CibaRequestDenied':
        return { ...request, status: 'denied', answer: answerOf('denied', event) };
      case 'CibaRequestCancelled':
        return { ...request, status: 'cancelled' };
      case 'CibaRequestExpired':
        return { ...request, status: 'expired' };
      case 'CibaRequestRedeemed':
        return { ...request, status: 'redeemed', grantId: event.data.grantId };
    }
  },
};

const answerOf = (
  verdict: Verdict,
  { data, eventId, sealed }: Extract<CibaRequestEvent, { type: 'CibaRequestApproved' | 'CibaRequestDenied' }>,
): Answer => ({ verdict, deviceId: data.deviceId, digest: data.digest, at: data.at, eventId, sealed });

/** A TPP asks for a PSU's consent (CIBA Core 1.0, section 7). The id is fresh, so a request that is there already is a repeat. */
export const receive =
  (data: Received, asked: Asked): Decides =>
  (request) =>
    request.status === 'absent' ? [{ type: 'CibaRequestReceived', data, personal: asked }] : [];

/** The request as the PSU may see it: what is not theirs does not exist. */
export const ofPsu = (request: CibaRequest, psuId: string): ReceivedCibaRequest => {
  if (request.status === 'absent' || request.psuId !== psuId) throw new OAuthError('not_found', 'no such request for this PSU');
  return request;
};

const stillPending = (request: ReceivedCibaRequest, at: number) => {
  if (request.status === 'expired' || (request.status === 'pending' && at >= request.expiresAt))
    throw new OAuthError('gone', 'the request has expired');
  if (request.status !== 'pending') throw new OAuthError('conflict', `the request was already ${request.status}`);
};

/** A device shows the request. What it has shown unchanged before is not recorded again. */
export const retrieve =
  (data: DataOf<'ConsentRetrieved'>, shown: string): Decides =>
  (request) => {
    const own = ofPsu(request, data.psuId);
    stillPending(own, data.at);
    if (lastRetrieval(own, data.deviceId)?.consentRevision === data.consentRevision) return [];
    return [{ type: 'ConsentRetrieved', data, personal: { shown } }];
  };

/** What a device was shown last. */
export const lastRetrieval = (request: ReceivedCibaRequest, deviceId: string): Retrieval | undefined =>
  request.retrievals.findLast((retrieval) => retrieval.deviceId === deviceId);

/** A signed answer, as the device states it. */
export interface SignedAnswer {
  verdict: Verdict;
  psuId: string;
  deviceId: string;
  keyThumbprint: string;
  digest: string;
  nonce: string;
  accountIds: readonly string[];
  /** What is approved of the authorization details, or null for all that was asked for. */
  authorizationDetails: readonly AuthorizationDetail[] | null;
  /** The compact JWS itself. */
  jws: string;
  at: number;
}

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
 * The PSU answers on a registered device what that device was shown last, over the consent as it stands now.
 * The same answer twice records nothing; a different one is refused.
 */
export const answer =
  (by: SignedAnswer, consent: Consent, parts: SealedParts, types: DetailTypes): Decides =>
  (request) => {
    const own = ofPsu(request, by.psuId);
    const asked = parts.asked(own);
    if (own.answer !== null) {
      if (isRepeat(own.answer, by, asked, parts)) return [];
      throw new OAuthError('conflict', `the request was already ${own.answer.verdict}`);
    }
    stillPending(own, by.at);
    const retrieval = lastRetrieval(own, by.deviceId);
    if (retrieval === undefined || retrieval.digest !== by.digest || retrieval.nonce !== by.nonce)
      throw new OAuthError('conflict', 'the answer is not over what this device was shown last');
    if (retrieval.consentRevision !== consent.revision || !answerable(consent, by.at))
      throw new OAuthError('conflict', 'the consent changed after it was shown');
    const { consentId, consentOrigin, psuId } = own;
    const { deviceId, digest, keyThumbprint, at } = by;
    const data = { consentId, consentOrigin, psuId, deviceId, digest, keyThumbprint, at };
    const personal = { answer: by.jws, accountIds: [...by.accountIds] };
    if (by.verdict === 'denied') return [{ type: 'CibaRequestDenied', data, personal }];
    chosenFrom(parts.offered(retrieval), by.accountIds);
    return [{ type: 'CibaRequestApproved', data, personal: { ...personal, authorizationDetails: approvedOf(asked, by, types) } }];
  };

const isRepeat = (given: Answer, by: SignedAnswer, asked: readonly AuthorizationDetail[] | null, { chosen }: SealedParts): boolean => {
  if (given.verdict !== by.verdict || given.deviceId !== by.deviceId || given.digest !== by.digest) return false;
  const { accountIds, authorizationDetails } = chosen(given);
  return (
    [...accountIds].sort().join() === [...by.accountIds].sort().join() &&
    (by.verdict === 'denied' || sameJson(authorizationDetails, by.authorizationDetails ?? asked))
  );
};

/** What the answer approves of what was asked for: all of it, or what it names, if that stays within it (RFC 9396, section 7). */
const approvedOf = (
  asked: readonly AuthorizationDetail[] | null,
  { authorizationDetails: named }: SignedAnswer,
  types: DetailTypes,
): AuthorizationDetail[] | null => {
  if (named === null) return asked && [...asked];
  if (asked === null || !isWithin(named, asked, types))
    throw new OAuthError('invalid_request', 'authorization_details must stay within what was shown');
  return [...named];
};

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
 * once; what was redeemed already records nothing here: whether its tokens were issued is decided on its grant.
 */
export const redeem =
  (by: Partial<Binding> & { clientId: string; consent: Consent; grantId: string; at: number }): Decides =>
  (request) => {
    const own = redeemableBy(request, by);
    if (own.status === 'denied') throw new OAuthError('access_denied', 'the PSU refused the request');
    if (own.status === 'cancelled') throw new OAuthError('access_denied', 'the request was cancelled');
    if (own.status === 'expired' || by.at >= own.expiresAt) throw new OAuthError('expired_token', 'auth_req_id has expired');
    if (own.status === 'pending') throw new OAuthError('authorization_pending', 'the PSU has not answered yet');
    if (waits(by.consent)) throw new OAuthError('authorization_pending', 'the answer has not reached the consent yet');
    if (!covers(by.consent, own.requestId, by.at))
      throw new OAuthError('access_denied', 'the consent is no longer authorised by this request');
    return own.status === 'redeemed' ? [] : [{ type: 'CibaRequestRedeemed', data: { grantId: by.grantId, at: by.at } }];
  };

const redeemableBy = (request: CibaRequest, by: Partial<Binding> & { clientId: string }): ReceivedCibaRequest => {
  if (request.status === 'absent' || request.clientId !== by.clientId)
    throw new OAuthError('invalid_grant', 'auth_req_id is unknown or was issued to another client');
  if (!holds(by, request))
    throw new OAuthError('invalid_grant', 'auth_req_id is bound to the certificate or the DPoP key that the request was made with');
  return request;
};
