import type { Asked, SealedParts } from '../../src/domain/ciba-request/decider.ts';
import type { CibaRequestFact } from '../../src/domain/ciba-request/events.ts';
import { type Consent, consent, type LodgedConsent, ofRequest } from '../../src/domain/consent/decider.ts';
import type { ConsentFact } from '../../src/domain/consent/events.ts';
import { ID, stateOf } from './given.ts';

type OfRequest<T extends CibaRequestFact['type']> = Extract<CibaRequestFact, { type: T }>;
type OfConsent<T extends ConsentFact['type']> = Extract<ConsentFact, { type: T }>;

/** What a request asks for besides its scope: nothing but this message. */
export const askedWith = (bindingMessage: string | null): Asked => ({
  bindingMessage,
  authorizationDetails: null,
  requestContext: null,
  notificationToken: null,
  authReqId: null,
});

/** The facts of one ceremony: a TPP asks at 1000, Alice's phone answers at 1020, the TPP has its tokens at 1030, at 1300 all is over. */
export const received: OfRequest<'CibaRequestReceived'> = {
  type: 'CibaRequestReceived',
  data: {
    clientId: 'tpp',
    psuId: 'alice',
    consentId: 'consent-1',
    consentOrigin: 'lodged',
    scope: 'openid accounts',
    acr: null,
    certificateThumbprint: null,
    intervalSeconds: 5,
    at: 1000,
    expiresAt: 1300,
    deliveryMode: 'poll',
    dpopKeyThumbprint: null,
    supersedes: null,
  },
  personal: askedWith('W4SCT'),
};
export const retrieved: OfRequest<'ConsentRetrieved'> = {
  type: 'ConsentRetrieved',
  data: { psuId: 'alice', deviceId: 'phone', sessionId: null, digest: 'digest', nonce: 'nonce', consentRevision: 0, at: 1010 },
  personal: { shown: 'account-1 or account-2' },
};
const answered = {
  consentId: 'consent-1',
  consentOrigin: 'lodged' as const,
  psuId: 'alice',
  deviceId: 'phone',
  sessionId: null,
  digest: 'digest',
  keyThumbprint: 'key',
  at: 1020,
};
export const approved: OfRequest<'CibaRequestApproved'> = {
  type: 'CibaRequestApproved',
  data: answered,
  personal: { answer: 'jws', accountIds: ['account-1'], authorizationDetails: null },
};
export const denied: OfRequest<'CibaRequestDenied'> = {
  type: 'CibaRequestDenied',
  data: answered,
  personal: { answer: 'jws', accountIds: [] },
};
export const cancelled: OfRequest<'CibaRequestCancelled'> = { type: 'CibaRequestCancelled', data: { reason: 'consent_ended', at: 1020 } };
export const expired: OfRequest<'CibaRequestExpired'> = { type: 'CibaRequestExpired', data: { at: 1300 } };
export const redeemed: OfRequest<'CibaRequestRedeemed'> = { type: 'CibaRequestRedeemed', data: { grantId: 'grant-1', at: 1030 } };

/** The facts of the consent that it is about. */
export const lodged: OfConsent<'ConsentLodged'> = {
  type: 'ConsentLodged',
  data: { ...ofRequest({ clientId: 'tpp', scope: 'openid accounts', at: 900 }), expiresAt: 5000 },
  personal: null,
};
export const authorisedBy = (requestId: string): OfConsent<'ConsentAuthorised'> => ({
  type: 'ConsentAuthorised',
  data: { requestId, psuId: 'alice', deviceId: 'phone', digest: 'digest', at: 1020, hasAuthorizationDetails: false },
  personal: { accountIds: ['account-1'], authorizationDetails: null },
});
export const authorised = authorisedBy(ID);
export const rejected: OfConsent<'ConsentRejected'> = {
  type: 'ConsentRejected',
  data: { requestId: ID, psuId: 'alice', deviceId: 'phone', digest: 'digest', at: 1020 },
};
export const revoked: OfConsent<'ConsentRevoked'> = { type: 'ConsentRevoked', data: { by: 'psu', at: 1025 } };
export const amended: OfConsent<'ConsentAmended'> = {
  type: 'ConsentAmended',
  data: { content: { kind: 'vrp' }, expiresAt: 6000, reason: 'the limit was raised', endedRequests: [], at: 1015 },
  personal: { receipt: { Data: { ValidToDateTime: '2027-01-01T00:00:00Z' }, Risk: {} } },
};
export const ended: OfConsent<'ConsentExpired'> = { type: 'ConsentExpired', data: { at: 5000 } };

/** The consent that it is about, after these facts. */
export const consentAfter = (...facts: ConsentFact[]) => stateOf(consent, ...facts);

/** The consent as it stands at a revision that a device was shown; -1: it begins with the answer. */
export const consentAt = (revision: number): Consent =>
  revision === -1 ? { status: 'absent', revision } : { ...(consentAfter(lodged) as LodgedConsent), revision };

/** Opens what a showing offered and an answer chose, of a request that asked for no authorization details. */
export const accounts = (offered: readonly string[], chosen: readonly string[] = ['account-1']): SealedParts => ({
  asked: () => null,
  offered: () => offered,
  chosen: () => ({ accountIds: chosen, authorizationDetails: null }),
});
