import type { AuthorizationDetail } from '../authorization-details/detail-type.ts';
import { sameJson } from '../authorization-details/narrowing.ts';
import type { Decider, Decision } from '../decider.ts';
import { OAuthError } from '../oauth-error.ts';
import type { Sealed } from '../ports/sealer.ts';
import { type ConsentContent, type ConsentEvents, type ConsentFact, type ConsentType, consentEvents, type Receipt } from './events.ts';

type FactNamed<T extends ConsentFact['type']> = Extract<ConsentFact, { type: T }>;
type DataOf<T extends ConsentFact['type']> = FactNamed<T>['data'];

/** Who authorised a consent, by which request. */
export interface Authorisation {
  requestId: string;
  psuId: string;
  at: number;
  hasAuthorizationDetails: boolean;
  type: 'ConsentAuthorised' | 'ConsentAuthorisationGiven';
  sealed: Sealed;
}

export type ConsentStatus =
  | 'awaitingUpload'
  | 'awaitingAuthorisation'
  | 'awaitingFurtherAuthorisation'
  | 'authorised'
  | 'rejected'
  | 'revoked'
  | 'expired';
export type Consent =
  | { status: 'absent'; revision: -1 }
  | {
      status: ConsentStatus;
      /**
       * Where the stream stood when what is shown last changed: what is shown, and then signed, is the consent at one revision. That one of
       * several has agreed changes nothing of it for the others.
       */
      revision: number;
      clientId: string;
      consentType: ConsentType;
      content: ConsentContent;
      /** The PSUs who must all agree; none for whoever is asked. Who had agreed to it before it was amended must agree again. */
      authorisers: readonly string[];
      recurring: boolean;
      frequency: number;
      /** Whether a file belongs to it. */
      awaitsUpload: boolean;
      idempotency: DataOf<'ConsentLodged'>['idempotency'];
      expiresAt: number | null;
      lodgedAt: number;
      statusAt: number;
      /** Where the receipt is sealed, or null where there is none. */
      receipt: { type: 'ConsentLodged' | 'ConsentAmended'; sealed: Sealed } | null;
      file: { digest: string; size: number; sealed: Sealed } | null;
      /** All who have agreed to it as it stands. */
      authorisations: readonly Authorisation[];
      /** The last of them, which made it authorised. */
      authorisation: Authorisation | null;
      /** The request whose answer rejected it, and who gave that. */
      rejectedBy: { requestId: string; psuId: string } | null;
    };
export type LodgedConsent = Exclude<Consent, { status: 'absent' }>;
type Decides = Decision<Consent, ConsentEvents>;

/** The size of a file of payments that fits in one event. */
export const MAX_FILE_BYTES = 1024 * 1024;

/** A consent, from its events. */
export const consent: Decider<Consent, ConsentEvents> = {
  events: consentEvents,
  initial: { status: 'absent', revision: -1 },
  evolve(state, event) {
    const { revision, data } = event;
    if (event.type === 'ConsentLodged') {
      const { at, ...asked } = event.data;
      return {
        ...asked,
        status: asked.awaitsUpload ? 'awaitingUpload' : 'awaitingAuthorisation',
        revision,
        lodgedAt: at,
        statusAt: at,
        receipt: event.sealed && { type: event.type, sealed: event.sealed },
        file: null,
        authorisations: [],
        authorisation: null,
        rejectedBy: null,
      };
    }
    if (state.status === 'absent') return state;
    const changed = { ...state, revision, statusAt: data.at };
    switch (event.type) {
      case 'ConsentFileUploaded':
        return { ...changed, status: 'awaitingAuthorisation', file: { ...event.data, sealed: event.sealed } };
      case 'ConsentAuthorisationGiven': {
        const given = { ...event.data, type: event.type, sealed: event.sealed };
        const { revision } = state;
        return { ...changed, revision, status: 'awaitingFurtherAuthorisation', authorisations: [...state.authorisations, given] };
      }
      case 'ConsentAuthorised': {
        const authorisation = { ...event.data, type: event.type, sealed: event.sealed };
        return { ...changed, status: 'authorised', authorisation, authorisations: [...state.authorisations, authorisation] };
      }
      case 'ConsentRejected':
        return { ...changed, status: 'rejected', rejectedBy: event.data };
      case 'ConsentAmended': {
        const { content, expiresAt } = event.data;
        const status = afterAmendment(state);
        const receipt = { type: event.type, sealed: event.sealed };
        const authorisers = state.authorisers.length > 0 ? state.authorisers : state.authorisations.map(({ psuId }) => psuId);
        return { ...changed, status, content, expiresAt, receipt, authorisers, file: null, authorisations: [], authorisation: null };
      }
      case 'ConsentRevoked':
        return { ...changed, status: 'revoked' };
      case 'ConsentExpired':
        return { ...changed, status: 'expired' };
    }
  },
};

/** A TPP says what it wants access to, before anyone is asked. The receipt is what it said, as it said it. */
export const lodge =
  (data: DataOf<'ConsentLodged'>, receipt: Receipt | null): Decides =>
  (state) => {
    if (state.status !== 'absent') return [];
    checkEnd(data);
    return [{ type: 'ConsentLodged', data, personal: receipt && { receipt } }];
  };

/** What a request without a consent reference asks for: the consent that begins with its answer. */
export const ofRequest = ({ clientId, scope, at }: { clientId: string; scope: string; at: number }): DataOf<'ConsentLodged'> => ({
  clientId,
  consentType: null,
  content: { kind: 'scope', scope },
  authorisers: [],
  recurring: false,
  frequency: 0,
  awaitsUpload: false,
  idempotency: null,
  expiresAt: null,
  at,
});

/** A TPP uploads the file that a consent awaits. The same file again is once. */
export const uploadFile =
  (data: DataOf<'ConsentFileUploaded'>, file: string): Decides =>
  (state) => {
    if (state.status === 'absent') throw noConsent();
    if (data.size > MAX_FILE_BYTES) throw new OAuthError('content_too_large', 'the file is too large');
    if (state.file?.digest === data.digest) return [];
    if (state.status !== 'awaitingUpload' || over(state, data.at)) throw new OAuthError('conflict', 'the consent awaits no file');
    return [{ type: 'ConsentFileUploaded', data, personal: { file } }];
  };

/** The answer to a request becomes the consent's: the persist. */
export interface Persist {
  data: DataOf<'ConsentRejected'>;
  /** The revision of the consent that was shown, and answered. */
  consentRevision: number;
  accountIds: readonly string[];
  /** What was approved of the authorization details that were asked for, or null where none were. */
  authorizationDetails: readonly AuthorizationDetail[] | null;
  /** What a request without a consent reference asked for: its consent begins here. Null where the TPP lodged one. */
  lodged: DataOf<'ConsentLodged'> | null;
}

/**
 * Authorises a consent by an approved request, or notes the agreement of one of several. The same request twice is once; a consent that
 * waits no longer, or was amended after it was shown, stays as it is.
 */
export const authorise =
  ({ data, consentRevision, accountIds, authorizationDetails, lodged }: Persist): Decides =>
  (state) => {
    const agreed = {
      data: { ...data, hasAuthorizationDetails: authorizationDetails !== null },
      personal: { accountIds: [...accountIds], authorizationDetails: authorizationDetails && [...authorizationDetails] },
    };
    if (state.status === 'absent')
      return lodged === null
        ? []
        : [
            { type: 'ConsentLodged', data: lodged, personal: null },
            { type: 'ConsentAuthorised', ...agreed },
          ];
    if (!waits(state, consentRevision) || over(state, data.at) || !awaits(state, data.psuId)) return [];
    return [{ type: isLast(state, data.psuId) ? 'ConsentAuthorised' : 'ConsentAuthorisationGiven', ...agreed }];
  };

/** Rejects a consent by a denied request; of several PSUs one is enough. A denied request without a consent reference has none to reject. */
export const reject =
  ({ data, consentRevision }: Pick<Persist, 'data' | 'consentRevision'>): Decides =>
  (state) =>
    state.status !== 'absent' && waits(state, consentRevision) && concerns(state, data.psuId) ? [{ type: 'ConsentRejected', data }] : [];

/**
 * Gives a consent new terms. Nobody has agreed to those: every PSU is asked anew, and until they all have agreed no token is covered.
 * Tokens of the requests that had authorised it end for good, and an approval of the earlier terms that was not redeemed yet is
 * `access_denied`. The terms that it has already change nothing. `receiptOf` opens the receipt of these.
 */
export const amend =
  (data: Omit<DataOf<'ConsentAmended'>, 'endedRequests'>, receipt: Receipt, receiptOf: (state: LodgedConsent) => Receipt | null): Decides =>
  (state) => {
    if (state.status === 'absent') throw noConsent();
    if (!stands(state) || over(state, data.at)) throw new OAuthError('conflict', 'the consent has ended');
    checkEnd(data);
    const { content, expiresAt } = data;
    const before = { content: state.content, expiresAt: state.expiresAt, receipt: receiptOf(state) };
    if (sameJson({ content, expiresAt, receipt }, before)) return [];
    const endedRequests = state.authorisations.map(({ requestId }) => requestId);
    return [{ type: 'ConsentAmended', data: { ...data, endedRequests }, personal: { receipt } }];
  };

/** What a consent that was amended waits for: the file belongs to the terms that it was uploaded for. */
export const afterAmendment = ({ awaitsUpload }: Pick<LodgedConsent, 'awaitsUpload'>) =>
  awaitsUpload ? ('awaitingUpload' as const) : ('awaitingAuthorisation' as const);

/** Takes a consent back. Again is once. */
export const revoke =
  (data: DataOf<'ConsentRevoked'>): Decides =>
  (state) =>
    stands(state) ? [{ type: 'ConsentRevoked', data }] : [];

/** Takes back a consent that has not ended yet, answered or not. */
export const withdraw =
  (data: DataOf<'ConsentRevoked'>): Decides =>
  (state) => {
    if (state.status === 'absent') throw noConsent();
    if (!stands(state) || over(state, data.at))
      throw new OAuthError('invalid_request', 'the consent has ended already', { reason: 'consent status' });
    return revoke(data)(state);
  };

/** Takes back a consent that is authorised. */
export const revokeAuthorised =
  (data: DataOf<'ConsentRevoked'>): Decides =>
  (state) => {
    if (state.status !== 'authorised' || over(state, data.at)) throw new OAuthError('invalid_request', 'the consent is not authorised');
    return revoke(data)(state);
  };

/** Records that the consent's own end has come. */
export const expire =
  (at: number): Decides =>
  (state) =>
    stands(state) && over(state, at) ? [{ type: 'ConsentExpired', data: { at } }] : [];

/** A consent as it is at a moment: expired at its own end, though nobody has recorded that yet. */
export const asOf = (state: LodgedConsent, at: number): LodgedConsent =>
  stands(state) && over(state, at) ? { ...state, status: 'expired', statusAt: state.expiresAt ?? at } : state;

/** Whether a PSU is to answer for the consent as it stands, or has answered. */
export const isOf = ({ authorisers, authorisations, rejectedBy }: LodgedConsent, psuId: string): boolean =>
  authorisers.includes(psuId) || rejectedBy?.psuId === psuId || authorisations.some((given) => given.psuId === psuId);

const checkEnd = (terms: { expiresAt: number | null; at: number }): void => {
  if (over(terms, terms.at)) throw new OAuthError('invalid_request', 'the consent would end in the past', { reason: 'consent end' });
};

const noConsent = () => new OAuthError('not_found', 'no such consent');

export const stands = (state: Consent): state is LodgedConsent => !['absent', 'rejected', 'revoked', 'expired'].includes(state.status);

const over = ({ expiresAt }: { expiresAt: number | null }, at: number): boolean => expiresAt !== null && at >= expiresAt;

const awaitsAnswers = ({ status }: Consent): boolean => status === 'awaitingAuthorisation' || status === 'awaitingFurtherAuthorisation';

const concerns = ({ authorisers }: LodgedConsent, psuId: string): boolean => authorisers.length === 0 || authorisers.includes(psuId);

/** Whether this PSU is to agree, and has not yet. */
const awaits = (state: LodgedConsent, psuId: string): boolean =>
  concerns(state, psuId) && !state.authorisations.some((given) => given.psuId === psuId);

const isLast = ({ authorisers, authorisations }: LodgedConsent, psuId: string): boolean =>
  authorisers.every((one) => one === psuId || authorisations.some((given) => given.psuId === one));

/** Whether this PSU can still say yes or no: the consent waits for it, or begins with it. */
export const answerable = (state: Consent, psuId: string, at: number): boolean =>
  state.status === 'absent' || (awaitsAnswers(state) && !over(state, at) && awaits(state, psuId));

/** The consent that a TPP refers to in a request, if it still waits for its PSU; null where it is not known yet who that is. */
export const awaiting = (state: Consent, by: { clientId: string; psuId: string | null; at: number }): LodgedConsent => {
  if (state.status === 'absent' || state.clientId !== by.clientId)
    throw new OAuthError('invalid_request', 'openbanking_intent_id names no consent of this client');
  if (!awaitsAnswers(state) || over(state, by.at))
    throw new OAuthError('invalid_request', 'openbanking_intent_id names a consent that does not await authorisation');
  if (by.psuId !== null && !awaits(state, by.psuId))
    throw new OAuthError('invalid_request', 'openbanking_intent_id names a consent that does not await this PSU');
  return state;
};

/** Whether an answer over this revision of the consent has yet to become the consent's, or waits for those of others. */
export const waits = (state: Consent, consentRevision: number): boolean =>
  state.status === 'absent' || (awaitsAnswers(state) && state.revision === consentRevision);

/** Whether the consent covers tokens of this request now. */
export const covers = (state: Consent, requestId: string, at: number): boolean =>
  state.status === 'authorised' && !over(state, at) && state.authorisations.some((given) => given.requestId === requestId);
