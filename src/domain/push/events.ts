import * as z from 'zod';
import { defineEvents, type FactOf, versioned } from '../events.ts';

const attempt = { requestId: z.string(), deviceId: z.string(), psuId: z.string(), at: z.int() };
const accepted = z.strictObject({ ...attempt, messageId: z.string() });
/** `retryAt` is null when no further attempt will be made. */
const rejected = z.strictObject({ ...attempt, reason: z.string(), retryAt: z.int().nullable() });
/** The revision of the device's event that holds the token; null where only the device was recorded. */
const withToken = { tokenRevision: z.int().nullable() };
const ofDevice = <V1>(v1: V1) => ({ ...v1, tokenRevision: null });
const acceptedV2 = accepted.extend(withToken);
const rejectedV2 = rejected.extend(withToken);
/** Whether a process that died may have made the same attempt before. */
const repeat = { mayRepeat: z.boolean() };
const once = <V2>(v2: V2) => ({ ...v2, mayRepeat: false });

/** The attempts to wake one device by one token for one request, each a fact. */
export const pushEvents = defineEvents('push', {
  DevicePushAccepted: versioned(accepted).next(acceptedV2, ofDevice).next(acceptedV2.extend(repeat), once),
  DevicePushRejected: versioned(rejected).next(rejectedV2, ofDevice).next(rejectedV2.extend(repeat), once),
});
export type PushEvents = typeof pushEvents;
export type PushFact = FactOf<PushEvents>;
