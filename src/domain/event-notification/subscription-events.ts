import * as z from 'zod';
import { defineEvents, type FactOf, versioned } from '../events.ts';

const wanted = z.strictObject({
  clientId: z.string(),
  callbackUrl: z.string().nullable(),
  eventTypes: z.array(z.string()),
  /** Of the API that the client knows. */
  version: z.string().nullable(),
  at: z.int(),
});

/** What happens to one subscription of a client to types of events. */
export const eventSubscriptionEvents = defineEvents('eventSubscription', {
  EventSubscriptionCreated: versioned(wanted),
  EventSubscriptionUpdated: versioned(wanted),
  EventSubscriptionDeleted: versioned(z.strictObject({ clientId: z.string(), at: z.int() })),
});
export type EventSubscriptionEvents = typeof eventSubscriptionEvents;
export type EventSubscriptionFact = FactOf<EventSubscriptionEvents>;
