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

/**
 * What becomes of one attempt to sign in. The id of one that succeeded in a browser is SHA-256 of the secret that the browser got for it;
 * what was typed stands nowhere.
 */
export const authenticationEvents = defineEvents('authentication', {
  AuthenticationSucceeded: versioned(succeeded),
  AuthenticationFailed: versioned(failed),
});
export type AuthenticationEvents = typeof authenticationEvents;
export type AuthenticationFact = FactOf<AuthenticationEvents>;
