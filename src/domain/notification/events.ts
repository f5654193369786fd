import * as z from 'zod';
import { defineEvents, type FactOf, versioned } from '../events.ts';

const attempt = { requestId: z.string(), clientId: z.string(), deliveryMode: z.enum(['ping', 'push']), at: z.int() };

const accepted = z.strictObject({ ...attempt, status: z.int() });
/** `status` is null when no answer was had or none was asked for, `retryAt` when no further attempt will be made. */
const rejected = z.strictObject({ ...attempt, reason: z.string(), status: z.int().nullable(), retryAt: z.int().nullable() });
/** Whether a process that died may have made the same attempt before. */
const repeat = { mayRepeat: z.boolean() };
const once = <V1>(v1: V1) => ({ ...v1, mayRepeat: false });

/** The attempts to tell a client of the end of one of its requests, each a fact. The id is that of the request. */
export const notificationEvents = defineEvents('notification', {
  ClientNotificationAccepted: versioned(accepted).next(accepted.extend(repeat), once),
  ClientNotificationRejected: versioned(rejected).next(rejected.extend(repeat), once),
});
export type NotificationEvents = typeof notificationEvents;
export type NotificationFact = FactOf<NotificationEvents>;
