import * as z from 'zod';
import { defineEvents, type FactOf, versioned } from '../events.ts';

const attempt = z.strictObject({
  /** What the PSU signs in for: a request of the redirect flow, answering requests of the back channel, or the care of devices. */
  flow: z.enum(['code', 'ciba', 'devices']),
  step: z.enum(['basic']),
  /** The request that it was for, or null where the PSU chooses one afterwards, and for the care of devices. */
  requestId: z.string().nullable(),
  /** The name that the settings have for the channel. */
  psuChannel: z.string(),
  at: z.int(),
});
const succeeded = attempt.extend({ psuId: z.string() });
const failed = attempt.extend({
  /** Whose user name it was; null for a name that is nobody's. */
  psuId: z.string().nullable(),
  /** `other_psu`: the request was for somebody else. */
  reason: z.enum(['wrong_credentials', 'other_psu']),
});
const byStep = {
  /** `push`: a phone signed an answer to what it was told of the request. */
  step: z.enum(['basic', 'push']),
  /** The phone; null for a user name and a password. */
  deviceId: z.string().nullable(),
};
const succeededV2 = succeeded.extend(byStep);
const failedV2 = failed.extend({
  ...byStep,
  /** `challenge`: the answer was to another push; `ended`: nobody waited for it any more. */
  reason: z.enum(['wrong_credentials', 'other_psu', 'challenge', 'ended']),
});
const failedV3 = failedV2.extend({
  /** `number`: the PSU did not know the number that the application shows. */
  reason: z.enum(['wrong_credentials', 'other_psu', 'challenge', 'ended', 'number']),
});
const byPassword = <V1>(v1: V1) => ({ ...v1, deviceId: null });

/**
 * What becomes of one attempt to sign in. The id of one that succeeded in a browser is SHA-256 of the secret that the browser got for it,
 * and that of one by a phone is the id of the event that says what the phone answered; what was typed stands nowhere.
 */
export const authenticationEvents = defineEvents('authentication', {
  AuthenticationSucceeded: versioned(succeeded).next(succeededV2, byPassword),
  AuthenticationFailed: versioned(failed)
    .next(failedV2, byPassword)
    .next(failedV3, (v2) => v2),
});
export type AuthenticationEvents = typeof authenticationEvents;
export type AuthenticationFact = FactOf<AuthenticationEvents>;
