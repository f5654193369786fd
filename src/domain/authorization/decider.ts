import { approvedOf } from '../authorization-details/approval.ts';
import type { AuthorizationDetail, DetailTypes } from '../authorization-details/detail-type.ts';
import { sameJson } from '../authorization-details/narrowing.ts';
import type { Choice } from '../ciba-request/decider.ts';
import { answerable, type Consent, covers, waits } from '../consent/decider.ts';
import type { Decider, Decision } from '../decider.ts';
import { OAuthError } from '../oauth-error.ts';
import type { Sealed } from '../ports/sealer.ts';
import { type AuthorizationEvent, type AuthorizationEvents, type AuthorizationFact, authorizationEvents } from './events.ts';

type FactNamed<T extends AuthorizationFact['type']> = Extract<AuthorizationFact, { type: T }>;
type DataOf<T extends AuthorizationFact['type']> = FactNamed<T>['data'];
type Requested = DataOf<'AuthorizationRequested'>;
type Asked = FactNamed<'AuthorizationRequested'>['personal'];

/** A browser in which a PSU has signed in for the request. */
export interface Session {
  sessionId: string;
  psuId: string;
  at: number;
}

/** One showing of the request in a session. */
export type Showing = DataOf<'AuthorizationShown'> & { sealed: Sealed };

/** What the PSU answered, and the event that says so; a denial holds nothing personal. */
export interface AuthorizationAnswer {
  verdict: 'approved' | 'denied';
  psuId: string;
  sessionId: string;
  digest: string;
  /** The revision of the consent that was shown, and answered. */
  consentRevision: number;
  at: number;
  eventId: string;
  sealed: Sealed | null;
}

export type Authorization =
  | { status: 'absent' }
  | (Requested & {
      status: 'open' | 'approved' | 'denied' | 'cancelled' | 'redeemed';
      requestId: string;
      sealed: Sealed;
      sessions: readonly Session[];
      showings: readonly Showing[];
      answer: AuthorizationAnswer | null;
      code: { codeHash: string; expiresAt: number } | null;
      redeemedAt: number | null;
    });
export type RequestedAuthorization = Exclude<Authorization, { status: 'absent' }>;
type Decides = Decision<Authorization, AuthorizationEvents>;

/** An authorization request, from its events. */
export const authorization: Decider<Authorization, AuthorizationEvents> = {
  events: authorizationEvents,
  initial: { status: 'absent' },
  evolve(state, event) {
    if (event.type === 'AuthorizationRequested') {
      const nothingYet = { sessions: [], showings: [], answer: null, code: null, redeemedAt: null };
      return { status: 'open', requestId: event.id, ...event.data, sealed: event.sealed, ...nothingYet };
    }
    if (state.status === 'absent') return state;
    switch (event.type) {
      case 'AuthorizationPsuAuthenticated':
        return { ...state, sessions: [...state.sessions, event.data] };
      case 'AuthorizationShown':
        return { ...state, showings: [...state.showings, { ...event.data, sealed: event.sealed }] };
      case 'AuthorizationApproved':
        return { ...state, status: 'approved', answer: answerOf(state, 'approved', event) };
      case 'AuthorizationDenied':
        return { ...state, status: 'denied', answer: answerOf(state, 'denied', event) };
      case 'AuthorizationCancelled':
        return { ...state, status: 'cancelled' };
      case 'AuthorizationCodeIssued':
        return { ...state, code: event.data };
      case 'AuthorizationCodeRedeemed':
        return { ...state, status: 'redeemed', redeemedAt: event.data.at };
    }
  },
};

const answerOf = (
  { showings }: RequestedAuthorization,
  verdict: 'approved' | 'denied',
  { data, eventId, sealed }: Extract<AuthorizationEvent, { type: 'AuthorizationApproved' | 'AuthorizationDenied' }>,
): AuthorizationAnswer => {
  const { psuId, sessionId, digest, at } = data;
  const consentRevision = showings.findLast((shown) => shown.digest === digest && shown.sessionId === sessionId)?.consentRevision ?? -1;
  return { verdict, psuId, sessionId, digest, consentRevision, at, eventId, sealed };
};

// A browser in which nobody gets on signs in again and again.
const MAX_SESSIONS = 10;
const MAX_SHOWINGS = 30;

/** What a person has come too late for, or what is not theirs. */
export const gone = (): OAuthError => new OAuthError('gone', 'the request has expired or was already answered');

/** A client asks for a PSU's consent (RFC 6749, section 4.1.1; RFC 9126). The same request a second time is the first one. */
export const request =
  (data: Requested, asked: Asked): Decides =>
  (state) =>
    state.status === 'absent' ? [{ type: 'AuthorizationRequested', data, personal: asked }] : [];

/** The request, if its PSU can still get on with it. */
export const underWay = (state: Authorization, at: number): RequestedAuthorization => {
  if (state.status !== 'open' || at >= state.expiresAt) throw gone();
  return state;
};

/** The request that a browser begins with: of this client, and in time. */
export const startable = (state: Authorization, by: { clientId: string; at: number }): RequestedAuthorization => {
  if (state.status === 'absent' || state.clientId !== by.clientId) throw gone();
  if (by.at >= state.startBy) throw gone();
  return underWay(state, by.at);
};

/** The request, if somebody may still sign in for it. */
export const signable = (state: Authorization, at: number): RequestedAuthorization => {
  const own = underWay(state, at);
  if (own.sessions.length >= MAX_SESSIONS) throw new OAuthError('conflict', 'there were too many sign-ins for this request');
  return own;
};

/** A PSU has signed in for the request, in a browser that got a new secret for it. */
export const authenticate =
  (data: DataOf<'AuthorizationPsuAuthenticated'>): Decides =>
  (state) => {
    const { requiredPsuId } = signable(state, data.at);
    if (requiredPsuId !== null && requiredPsuId !== data.psuId) throw new OAuthError('access_denied', 'the request is for another PSU');
    return [{ type: 'AuthorizationPsuAuthenticated', data }];
  };

/** The session of a browser; what is not its own does not exist. */
export const sessionIn = (state: RequestedAuthorization, sessionId: string): Session => {
  const session = state.sessions.find((one) => one.sessionId === sessionId);
  if (session === undefined) throw gone();
  return session;
};

/** The request is shown in a session. */
export const show =
  (data: DataOf<'AuthorizationShown'>, shown: string): Decides =>
  (state) => {
    const own = underWay(state, data.at);
    if (sessionIn(own, data.sessionId).psuId !== data.psuId) throw gone();
    if (own.showings.length >= MAX_SHOWINGS) throw new OAuthError('conflict', 'the request was shown too often');
    return [{ type: 'AuthorizationShown', data, personal: { shown } }];
  };

/** What a session was shown last. */
export const lastShowing = (state: RequestedAuthorization, sessionId: string): Showing | undefined =>
  state.showings.findLast((showing) => showing.sessionId === sessionId);

/** What the PSU answers in a session. */
export interface SessionAnswer {
  verdict: 'approved' | 'denied';
  sessionId: string;
  digest: string;
  nonce: string;
  accountIds: readonly string[];
  /** What is approved of the authorization details, or null for all that was asked for. */
  authorizationDetails: readonly AuthorizationDetail[] | null;
  /** The hash of the code that the client gets for an approval, and how long it is good. */
  codeHash: string;
  codeSeconds: number;
  at: number;
}

/** Opens what is sealed: the accounts that a showing offered, what an answer chose, and the details that were asked for. */
export interface Opened {
  offered(showing: Showing): readonly string[];
  chosen(answer: AuthorizationAnswer): Choice;
  details: readonly AuthorizationDetail[] | null;
}

/**
 * The PSU answers what the session was shown last, over the consent as it stands now. An approval and its code are one append.
 * The same answer twice records nothing; a different one is refused.
 */
export const answer =
  (by: SessionAnswer, consent: Consent, opened: Opened, types: DetailTypes): Decides =>
  (state) => {
    if (state.status !== 'absent' && state.answer !== null) {
      if (isRepeat(state.answer, by, opened)) return [];
      throw new OAuthError('conflict', `the request was already ${state.answer.verdict}`);
    }
    const own = underWay(state, by.at);
    const { psuId } = sessionIn(own, by.sessionId);
    const showing = lastShowing(own, by.sessionId);
    if (showing === undefined || showing.digest !== by.digest || showing.nonce !== by.nonce)
      throw new OAuthError('conflict', 'the answer is not over what was shown last');
    if (showing.consentRevision !== consent.revision || !answerable(consent, psuId, by.at))
      throw new OAuthError('conflict', 'the consent changed after it was shown');
    const { consentId, consentOrigin } = own;
    const { sessionId, digest, at } = by;
    const data = { consentId, consentOrigin, psuId, sessionId, digest, at };
    if (by.verdict === 'denied') return [{ type: 'AuthorizationDenied', data }];
    chosenFrom(opened.offered(showing), by.accountIds);
    const authorizationDetails = approvedOf(opened.details, by.authorizationDetails, types);
    return [
      { type: 'AuthorizationApproved', data, personal: { accountIds: [...by.accountIds], authorizationDetails } },
      { type: 'AuthorizationCodeIssued', data: { codeHash: by.codeHash, at, expiresAt: at + by.codeSeconds } },
    ];
  };

const isRepeat = (given: AuthorizationAnswer, by: SessionAnswer, { chosen, details }: Opened): boolean => {
  if (given.verdict !== by.verdict || given.sessionId !== by.sessionId || given.digest !== by.digest) return false;
  if (by.verdict === 'denied') return true;
  const { accountIds, authorizationDetails } = chosen(given);
  return (
    [...accountIds].sort().join() === [...by.accountIds].sort().join() && sameJson(authorizationDetails, by.authorizationDetails ?? details)
  );
};

const chosenFrom = (offered: readonly string[], chosen: readonly string[]) => {
  if (new Set(chosen).size !== chosen.length || !chosen.every((id) => offered.includes(id)))
    throw new OAuthError('invalid_request', 'only accounts that were shown can be chosen, each once');
  if (offered.length > 0 && chosen.length === 0) throw new OAuthError('invalid_request', 'choose at least one account to approve');
};

/** The person at the browser gives up before anyone has signed in. Again is once. */
export const cancel =
  (at: number): Decides =>
  (state) => {
    if (state.status === 'cancelled') return [];
    underWay(state, at);
    return [{ type: 'AuthorizationCancelled', data: { at } }];
  };

/** What a client presents with its code. */
export interface Redemption {
  clientId: string;
  codeHash: string;
  redirectUri: string | null;
  /** The S256 challenge of the verifier that came with the code, or null for none. */
  codeChallenge: string | null;
  dpopKeyThumbprint: string | null;
  consent: Consent;
  grantId: string;
  at: number;
}

/**
 * The client redeems its code, once (RFC 6749, section 4.1.3). What was redeemed already records nothing here: whether its tokens were
 * issued is decided on its grant.
 */
export const redeem =
  (by: Redemption): Decides =>
  (state) => {
    const refuse = (reason: string) => new OAuthError('invalid_grant', reason);
    if (state.status === 'absent' || state.clientId !== by.clientId || state.code?.codeHash !== by.codeHash)
      throw refuse('the code is unknown or was issued to another client');
    if (state.redirectUri !== by.redirectUri) throw refuse('redirect_uri is not the one of the authorization request');
    // A verifier without a challenge is a downgrade: somebody took the challenge out of the request (RFC 9700, section 4.8.2).
    if (state.codeChallenge !== by.codeChallenge) throw refuse('code_verifier does not fit the code_challenge');
    if (state.dpopKeyThumbprint !== null && state.dpopKeyThumbprint !== by.dpopKeyThumbprint)
      throw refuse('the code is bound to another DPoP key');
    if (state.status !== 'redeemed' && by.at >= state.code.expiresAt) throw refuse('the code has expired');
    if (!covers(by.consent, state.requestId, by.at))
      throw refuse(
        waits(by.consent, state.answer?.consentRevision ?? -1)
          ? 'the consent behind this code is not authorised yet'
          : 'the consent behind this code has ended',
      );
    if (state.status === 'redeemed') return [];
    return [{ type: 'AuthorizationCodeRedeemed', data: { grantId: by.grantId, at: by.at } }];
  };
