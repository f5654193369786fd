import * as z from 'zod';
import { defineEvents, type FactOf, versioned } from '../events.ts';

const attempt = { requestId: z.string(), deviceId: z.string(), psuId: z.string(), at: z.int() };
const accepted = z.strictObject({ ...attempt, messageId: z.string() });
/** `retryAt` is null when no further attempt will be made. */
const rejected = z.strictObject({ ...attempt, reason: z.string(), retryAt: z.int().nullable() });
/** The revision of the device's event that holds the token; null where only the device was recorded. */
const withToken = { tokenRevision: z.int().nullable() };
const ofDevice = <V1>(v1: V1) => ({ ...v1, tokenRevision: null });

/** The attempts to wake one device by one token for one request, each a fact. */
export const pushEvents = defineEvents('push', {
  DevicePushAccepted: versioned(accepted).next(accepted.extend(withToken), ofDevice),
  DevicePushRejected: versioned(rejected).next(rejected.extend(withToken), ofDevice),
});
export type PushEvents = typeof pushEvents;
export type PushFact = FactOf<PushEvents>;
