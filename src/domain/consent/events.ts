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
/** Whose money goes where is personal: it stands in the receipt. */
const payment = z.strictObject({
  kind: z.literal('payment'),
  paymentType: z.enum([
    'domestic',
    'domestic-scheduled',
    'domestic-standing-order',
    'international',
    'international-scheduled',
    'international-standing-order',
    'file',
  ]),
});
const fundsConfirmation = z.strictObject({ kind: z.literal('funds-confirmation') });
const vrp = z.strictObject({ kind: z.literal('vrp') });

const lodged = z.strictObject({
  clientId: z.string(),
  content: z.discriminatedUnion('kind', [accountAccess, requestedScope]),
  expiresAt: z.int().nullable(),
  at: z.int(),
});
const lodgedV2 = lodged.extend({
  /** Null for what a request without a consent reference asks for. */
  consentType: z.enum(['accounts', 'payments', 'fundsconfirmations', 'vrp']).nullable(),
  content: z.discriminatedUnion('kind', [accountAccess, requestedScope, payment, fundsConfirmation, vrp]),
  /** The PSUs who must all agree; none for whoever is asked. */
  authorisers: z.array(z.string()),
  recurring: z.boolean(),
  /** How often a day it may be used without the PSU; 0 where nobody has said. */
  frequency: z.int(),
  /** Whether a file belongs to it, without which nobody can be asked. */
  awaitsUpload: z.boolean(),
  /** Hashes of the key and of the request that it was lodged with, or null. */
  idempotency: z.strictObject({ keyHash: z.string(), requestHash: z.string() }).nullable(),
});
/** What was lodged, as it was lodged. */
const receipt = z.strictObject({ Data: z.record(z.string(), z.unknown()), Risk: z.record(z.string(), z.unknown()) });

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

const amended = z.strictObject({
  content: lodgedV2.shape.content,
  expiresAt: z.int().nullable(),
  reason: z.string(),
  /** The requests whose answers had authorised it as it was: their tokens end here. */
  endedRequests: z.array(z.string()),
  at: z.int(),
});

/** What happens to one consent. */
export const consentEvents = defineEvents(
  { category: 'consent', retention: 'consent' },
  {
    ConsentLodged: versioned(lodged).nextWithPersonal(
      lodgedV2,
      (v1) => ({
        ...v1,
        consentType: v1.content.kind === 'account-access' ? ('accounts' as const) : null,
        authorisers: [],
        recurring: false,
        frequency: 0,
        awaitsUpload: false,
        idempotency: null,
      }),
      z.strictObject({ receipt }),
    ),
    ConsentFileUploaded: versioned(
      z.strictObject({
        /** SHA-256 of the file. */
        digest: z.string(),
        size: z.int(),
        at: z.int(),
      }),
      z.strictObject({ file: z.string() }),
    ),
    /** One of several has agreed, and others are outstanding. */
    ConsentAuthorisationGiven: versioned(authorisedV2, chosenV2),
    ConsentAuthorised: versioned(persisted, chosen).next(
      authorisedV2,
      (v1) => ({ ...v1, hasAuthorizationDetails: false }),
      chosenV2,
      (v1) => ({ ...v1, authorizationDetails: null }),
    ),
    ConsentRejected: versioned(persisted).next(persistedV2, (v1) => v1),
    ConsentAmended: versioned(amended, z.strictObject({ receipt })),
    ConsentRevoked: versioned(z.strictObject({ by: z.enum(['client', 'psu', 'operator']), at: z.int() })),
    ConsentExpired: versioned(z.strictObject({ at: z.int() })),
  },
);
export type ConsentEvents = typeof consentEvents;
export type ConsentFact = FactOf<ConsentEvents>;
export type ConsentContent = z.output<typeof lodgedV2>['content'];
export type ConsentType = z.output<typeof lodgedV2>['consentType'];
export type Receipt = z.output<typeof receipt>;
