import * as z from 'zod';
import { defineEvents, type FactOf, versioned } from '../events.ts';

/** What an Open Banking account access consent asks for (`Data` of the request, without what the engine adds). */
const accountAccess = z.strictObject({
  kind: z.literal('account-access'),
  permissions: z.array(z.string()),
  expirationDateTime: z.string().nullable(),
  transactionFromDateTime: z.string().nullable(),
  transactionToDateTime: z.string().nullable(),
});
/** What a CIBA request without a consent reference asks for: its scope. */
const requestedScope = z.strictObject({ kind: z.literal('scope'), scope: z.string() });

const lodged = z.strictObject({
  clientId: z.string(),
  content: z.discriminatedUnion('kind', [accountAccess, requestedScope]),
  expiresAt: z.int().nullable(),
  at: z.int(),
});
const persisted = z.strictObject({
  /** The CIBA request, or the authorization request, whose answer this is. */
  requestId: z.string(),
  psuId: z.string(),
  deviceId: z.string(),
  digest: z.string(),
  at: z.int(),
});

const persistedV2 = persisted.extend({
  /** The device that signed the answer; null where it was given in a session of the redirect flow. */
  deviceId: z.string().nullable(),
});
/** Whether the personal part holds authorization details: where it holds none, tokens need not open it. */
const authorisedV2 = persistedV2.extend({ hasAuthorizationDetails: z.boolean() });
const chosen = z.strictObject({ accountIds: z.array(z.string()) });
const chosenV2 = chosen.extend({
  /** What was approved of the authorization details that were asked for (RFC 9396), or null where none were. */
  authorizationDetails: z.array(z.looseObject({ type: z.string() })).nullable(),
});

/** What happens to one consent. */
export const consentEvents = defineEvents('consent', {
  ConsentLodged: versioned(lodged),
  ConsentAuthorised: versioned(persisted, chosen).next(
    authorisedV2,
    (v1) => ({ ...v1, hasAuthorizationDetails: false }),
    chosenV2,
    (v1) => ({ ...v1, authorizationDetails: null }),
  ),
  ConsentRejected: versioned(persisted).next(persistedV2, (v1) => v1),
  ConsentRevoked: versioned(z.strictObject({ by: z.enum(['client', 'psu', 'operator']), at: z.int() })),
  ConsentExpired: versioned(z.strictObject({ at: z.int() })),
});
export type ConsentEvents = typeof consentEvents;
export type ConsentFact = FactOf<ConsentEvents>;
export type ConsentContent = z.output<typeof lodged>['content'];
