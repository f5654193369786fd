import type { AuthorizationDetail } from '../authorization-details/detail-type.ts';
import type { Decider, Decision } from '../decider.ts';
import { OAuthError } from '../oauth-error.ts';
import type { Sealed } from '../ports/sealer.ts';
import { type ConsentContent, type ConsentEvents, type ConsentFact, consentEvents } from './events.ts';

type DataOf<T extends ConsentFact['type']> = Extract<ConsentFact, { type: T }>['data'];

/** Who authorised a consent, by which request. */
export interface Authorisation {
  requestId: string;
  psuId: string;
  at: number;
  hasAuthorizationDetails: boolean;
  sealed: Sealed;
}

export type ConsentStatus = 'awaitingAuthorisation' | 'authorised' | 'rejected' | 'revoked' | 'expired';
export type Consent =
  | { status: 'absent'; revision: -1 }
  | {
      status: ConsentStatus;
      /** Where the stream stands: what is shown, and then signed, is the consent at one revision. */
      revision: number;
      clientId: string;
      content: ConsentContent;
      expiresAt: number | null;
      lodgedAt: number;
      statusAt: number;
      authorisation: Authorisation | null;
      /** The request whose answer rejected it. */
      rejectedBy: string | null;
    };
export type LodgedConsent = Exclude<Consent, { status: 'absent' }>;
type Decides = Decision<Consent, ConsentEvents>;

/** A consent, from its events. */
export const consent: Decider<Consent, ConsentEvents> = {
  events: consentEvents,
  initial: { status: 'absent', revision: -1 },
  evolve(state, event) {
    const { revision, data } = event;
    if (event.type === 'ConsentLodged') {
      const { clientId, content, expiresAt, at } = event.data;
      return {
        status: 'awaitingAuthorisation',
        revision,
        clientId,
        content,
        expiresAt,
        lodgedAt: at,
        statusAt: at,
        authorisation: null,
        rejectedBy: null,
      };
    }
    if (state.status === 'absent') return state;
    const changed = { ...state, revision, statusAt: data.at };
    switch (event.type) {
      case 'ConsentAuthorised':
        return { ...changed, status: 'authorised', authorisation: { ...event.data, sealed: event.sealed } };
      case 'ConsentRejected':
        return { ...changed, status: 'rejected', rejectedBy: event.data.requestId };
      case 'ConsentRevoked':
        return { ...changed, status: 'revoked' };
      case 'ConsentExpired':
        return { ...changed, status: 'expired' };
    }
  },
};

/** A TPP says what it wants access to, before anyone is asked. */
export const lodge =
  (data: DataOf<'ConsentLodged'>): Decides =>
  (state) =>
    state.status === 'absent' ? [{ type: 'ConsentLodged', data }] : [];

/** The answer to a request becomes the consent's: the persist. */
export interface Persist {
  data: DataOf<'ConsentRejected'>;
  accountIds: readonly string[];
  /** What was approved of the authorization details that were asked for, or null where none were. */
  authorizationDetails: readonly AuthorizationDetail[] | null;
  /** What a request without a consent reference asked for: its consent begins here. Null where the TPP lodged one. */
  lodged: DataOf<'ConsentLodged'> | null;
}

/** Authorises a consent by an approved request. The same request twice is once; a consent that waits no longer stays as it is. */
export const authorise =
  ({ data, accountIds, authorizationDetails, lodged }: Persist): Decides =>
  (state) => {
    const authorised: ConsentFact = {
      type: 'ConsentAuthorised',
      data: { ...data, hasAuthorizationDetails: authorizationDetails !== null },
      personal: { accountIds: [...accountIds], authorizationDetails: authorizationDetails && [...authorizationDetails] },
    };
    if (state.status === 'absent') return lodged === null ? [] : [{ type: 'ConsentLodged', data: lodged }, authorised];
    return state.status === 'awaitingAuthorisation' && !over(state, data.at) ? [authorised] : [];
  };

/** Rejects a consent by a denied request. A denied request without a consent reference has no consent to reject. */
export const reject =
  ({ data }: Pick<Persist, 'data'>): Decides =>
  (state) =>
    state.status === 'awaitingAuthorisation' ? [{ type: 'ConsentRejected', data }] : [];

/** Takes a consent back. Again is once. */
export const revoke =
  (data: DataOf<'ConsentRevoked'>): Decides =>
  (state) =>
    state.status === 'awaitingAuthorisation' || state.status === 'authorised' ? [{ type: 'ConsentRevoked', data }] : [];

/** Records that the consent's own end has come. */
export const expire =
  (at: number): Decides =>
  (state) =>
    state.status !== 'absent' && (state.status === 'awaitingAuthorisation' || state.status === 'authorised') && over(state, at)
      ? [{ type: 'ConsentExpired', data: { at } }]
      : [];

const over = ({ expiresAt }: { expiresAt: number | null }, at: number): boolean => expiresAt !== null && at >= expiresAt;

/** Whether a PSU can still say yes or no: the consent waits for it, or begins with it. */
export const answerable = (state: Consent, at: number): boolean =>
  state.status === 'absent' || (state.status === 'awaitingAuthorisation' && !over(state, at));

/** The consent that a TPP refers to in a request, if it still waits for its PSU. */
export const awaiting = (state: Consent, clientId: string, at: number): LodgedConsent => {
  if (state.status === 'absent' || state.clientId !== clientId)
    throw new OAuthError('invalid_request', 'openbanking_intent_id names no consent of this client');
  if (state.status !== 'awaitingAuthorisation' || over(state, at))
    throw new OAuthError('invalid_request', 'openbanking_intent_id names a consent that no longer awaits authorisation');
  return state;
};

/** Whether an answer that was given has not become the consent's yet. */
export const waits = ({ status }: Consent): boolean => status === 'absent' || status === 'awaitingAuthorisation';

/** Whether the consent covers tokens of this request now. */
export const covers = (state: Consent, requestId: string, at: number): boolean =>
  state.status === 'authorised' && state.authorisation?.requestId === requestId && !over(state, at);
