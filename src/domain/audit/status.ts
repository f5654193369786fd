import type { DomainEvent } from '../catalogue.ts';

/** The status that an event gives to what it happens to, by the name that its decider has for it; null where it changes none. */
export const statusAfter = (event: DomainEvent): string | null => {
  switch (event.type) {
    case 'ConsentLodged':
      return event.data.awaitsUpload ? 'awaitingUpload' : 'awaitingAuthorisation';
    case 'ConsentAmended':
      // As it was when it was lodged: a file belongs to the one type of payment that has one.
      return 'paymentType' in event.data.content && event.data.content.paymentType === 'file' ? 'awaitingUpload' : 'awaitingAuthorisation';
    case 'DevicePushRejected':
    case 'ClientNotificationRejected':
      return event.data.retryAt === null ? 'rejected' : null;
    default:
      return STATUS[event.type] ?? null;
  }
};

const STATUS: { readonly [T in DomainEvent['type']]?: string } = {
  ClientRegistered: 'active',
  ClientDisabled: 'disabled',
  DeviceEnrolmentOffered: 'offered',
  DeviceRegistered: 'active',
  DeviceRevoked: 'revoked',
  ConsentFileUploaded: 'awaitingAuthorisation',
  ConsentAuthorisationGiven: 'awaitingFurtherAuthorisation',
  ConsentAuthorised: 'authorised',
  ConsentRejected: 'rejected',
  ConsentRevoked: 'revoked',
  ConsentExpired: 'expired',
  CibaRequestReceived: 'pending',
  CibaRequestApproved: 'approved',
  CibaRequestDenied: 'denied',
  CibaRequestCancelled: 'cancelled',
  CibaRequestExpired: 'expired',
  CibaRequestRedeemed: 'redeemed',
  AuthorizationRequested: 'open',
  AuthorizationApproved: 'approved',
  AuthorizationDenied: 'denied',
  AuthorizationCancelled: 'cancelled',
  AuthorizationCodeRedeemed: 'redeemed',
  AuthenticationSucceeded: 'succeeded',
  AuthenticationFailed: 'failed',
  GrantOpened: 'open',
  GrantRevoked: 'revoked',
  DevicePushAccepted: 'accepted',
  ClientNotificationAccepted: 'accepted',
  EventNotificationCreated: 'open',
  EventNotificationAcknowledged: 'acknowledged',
  EventNotificationErrorReported: 'failed',
  EventSubscriptionCreated: 'active',
  EventSubscriptionDeleted: 'deleted',
  AuditRead: 'read',
};

/** Every status that an event may give. */
export const STATUSES: readonly string[] = [...new Set([...Object.values(STATUS), 'awaitingUpload'])];
