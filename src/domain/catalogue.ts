import { auditEvents } from './audit/events.ts';
import { authenticationEvents } from './authentication/events.ts';
import { authorizationEvents } from './authorization/events.ts';
import { cibaRequestEvents } from './ciba-request/events.ts';
import { clientEvents } from './client/events.ts';
import { consentEvents } from './consent/events.ts';
import { deviceEvents } from './device/events.ts';
import { eventNotificationEvents } from './event-notification/events.ts';
import { eventSubscriptionEvents } from './event-notification/subscription-events.ts';
import { type EventOf, UnreadableEvent } from './events.ts';
import { grantEvents } from './grant/events.ts';
import { notificationEvents } from './notification/events.ts';
import type { StoredEvent } from './ports/event-store.ts';
import { psuEvents } from './psu/events.ts';
import { pushEvents } from './push/events.ts';
import { signingKeyEvents } from './signing-key/events.ts';

/** Every family of events there is. */
export const families = [
  clientEvents,
  deviceEvents,
  consentEvents,
  cibaRequestEvents,
  grantEvents,
  pushEvents,
  notificationEvents,
  signingKeyEvents,
  authorizationEvents,
  authenticationEvents,
  eventNotificationEvents,
  eventSubscriptionEvents,
  auditEvents,
  psuEvents,
] as const;

/** Any event of any family, as it is read. */
export type DomainEvent = { [I in keyof typeof families]: EventOf<(typeof families)[I]> }[number];

const decoders = new Map<string, (stored: StoredEvent) => DomainEvent>();
for (const family of families)
  for (const type of Object.keys(family.definitions)) decoders.set(type, family.decode as (stored: StoredEvent) => DomainEvent);

/** The event behind what is stored; an unknown type or version throws `UnreadableEvent`, and so stops the reader. */
export const decode = (stored: StoredEvent): DomainEvent => {
  const decoder = decoders.get(stored.type);
  if (decoder === undefined) throw new UnreadableEvent(stored);
  return decoder(stored);
};
