import * as z from 'zod';
import { defineEvents, type FactOf, versioned } from '../events.ts';

const attempt = { requestId: z.string(), deviceId: z.string(), psuId: z.string(), at: z.int() };

/** The attempts to wake one device for one request, each a fact. The id is `<requestId>.<deviceId>`. */
export const pushEvents = defineEvents('push', {
  DevicePushAccepted: versioned(z.strictObject({ ...attempt, messageId: z.string() })),
  /** `retryAt` is null when no further attempt will be made. */
  DevicePushRejected: versioned(z.strictObject({ ...attempt, reason: z.string(), retryAt: z.int().nullable() })),
});
export type PushEvents = typeof pushEvents;
export type PushFact = FactOf<PushEvents>;
