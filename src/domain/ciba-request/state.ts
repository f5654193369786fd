import type { Decider } from '../decider.ts';
import { OAuthError } from '../oauth-error.ts';
import type { Sealed } from '../ports/sealer.ts';
import { type CibaRequestEvent, type CibaRequestEvents, type CibaRequestFact, cibaRequestEvents } from './events.ts';

type Received = Extract<CibaRequestFact, { type: 'CibaRequestReceived' }>['data'];
/** The personal part of what was asked. */
export type Asked = Extract<CibaRequestFact, { type: 'CibaRequestReceived' }>['personal'];
export type Verdict = 'approved' | 'denied';

/** One showing of the request: on a device, or in a session. */
export interface Retrieval {
  deviceId: string | null;
  sessionId: string | null;
  digest: string;
  nonce: string;
  consentRevision: number;
  sealed: Sealed;
}

/** What the PSU answered, and the event that says so. */
export interface Answer {
  verdict: Verdict;
  deviceId: string | null;
  sessionId: string | null;
  digest: string;
  /** The revision of the consent that was shown, and answered. */
  consentRevision: number;
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
      /** How many answers were refused and recorded. */
      refusedAnswers: number;
      grantId: string | null;
    });
export type ReceivedCibaRequest = Exclude<CibaRequest, { status: 'absent' }>;

/** A CIBA request, from its events. */
export const cibaRequest: Decider<CibaRequest, CibaRequestEvents> = {
  events: cibaRequestEvents,
  initial: { status: 'absent' },
  evolve(request, event) {
    if (event.type === 'CibaRequestReceived')
      return {
        status: 'pending',
        requestId: event.id,
        ...event.data,
        sealed: event.sealed,
        retrievals: [],
        answer: null,
        refusedAnswers: 0,
        grantId: null,
      };
    if (request.status === 'absent') return request;
    switch (event.type) {
      case 'ConsentRetrieved':
        return { ...request, retrievals: [...request.retrievals, { ...event.data, sealed: event.sealed }] };
      case 'CibaRequestApproved':
        return { ...request, status: 'approved', answer: answerOf(request, 'approved', event) };
      case 'CibaRequestDenied':
        return { ...request, status: 'denied', answer: answerOf(request, 'denied', event) };
      case 'AnswerRefused':
        return { ...request, refusedAnswers: request.refusedAnswers + 1 };
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
  { retrievals }: ReceivedCibaRequest,
  verdict: Verdict,
  {
    data: { deviceId, sessionId, digest, at },
    eventId,
    sealed,
  }: Extract<CibaRequestEvent, { type: 'CibaRequestApproved' | 'CibaRequestDenied' }>,
): Answer => {
  const consentRevision = retrievals.findLast((shown) => shown.digest === digest)?.consentRevision ?? -1;
  return { verdict, deviceId, sessionId, digest, consentRevision, at, eventId, sealed };
};

/** The request as the PSU may see it: what is not theirs does not exist. */
export const ofPsu = (request: CibaRequest, psuId: string): ReceivedCibaRequest => {
  if (request.status === 'absent' || request.psuId !== psuId) throw new OAuthError('not_found', 'no such request for this PSU');
  return request;
};

/** What a device, or a session, was shown last. */
export const lastRetrieval = (request: ReceivedCibaRequest, deviceOrSessionId: string | null): Retrieval | undefined =>
  request.retrievals.findLast(({ deviceId, sessionId }) => (deviceId ?? sessionId) === deviceOrSessionId);
