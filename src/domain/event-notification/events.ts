import * as z from 'zod';
import { defineEvents, type FactOf, versioned } from '../events.ts';

const created = z.strictObject({
  clientId: z.string(),
  /** Whose key seals the personal part: one of the consent's own (`consent <id>`), or of the notification's own where it is about none. */
  psuId: z.string(),
  eventTypes: z.array(z.string()),
  /** The event of a consent that it tells of, or null for what the ASPSP tells itself. */
  changeId: z.string().nullable(),
  at: z.int(),
});
const told = z.strictObject({
  resourceId: z.string(),
  /** What is said of each type of event. */
  events: z.record(z.string(), z.record(z.string(), z.unknown())),
});

/** What happens to one security event token for a client (RFC 8417). Its id is the `jti`. */
export const eventNotificationEvents = defineEvents(
  { category: 'eventNotification', retention: 'delivery' },
  {
    EventNotificationCreated: versioned(created, told),
    EventNotificationAcknowledged: versioned(z.strictObject({ at: z.int() })),
    /** The client's own endpoint did not take it. `status` is null when no answer was had, `retryAt` when it is not called again. */
    EventNotificationNotDelivered: versioned(
      z.strictObject({ reason: z.string(), status: z.int().nullable(), retryAt: z.int().nullable(), at: z.int() }),
    ),
    /** The client says that it could not take it (RFC 8936, section 2.6), in its own words. */
    EventNotificationErrorReported: versioned(
      z.strictObject({ err: z.string(), at: z.int() }),
      z.strictObject({ description: z.string() }),
    ),
  },
);
export type EventNotificationEvents = typeof eventNotificationEvents;
export type EventNotificationFact = FactOf<EventNotificationEvents>;
