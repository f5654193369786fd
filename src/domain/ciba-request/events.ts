import * as z from 'zod';
import { defineEvents, type EventOf, type FactOf, versioned } from '../events.ts';

const received = z.strictObject({
  clientId: z.string(),
  psuId: z.string(),
  /** The consent that an approval authorises: one that the TPP lodged, or one of this request's own. */
  consentId: z.string(),
  consentOrigin: z.enum(['lodged', 'request']),
  scope: z.string(),
  acr: z.string().nullable(),
  /** `x5t#S256` of the certificate that the request came with, or null. */
  certificateThumbprint: z.string().nullable(),
  intervalSeconds: z.int(),
  at: z.int(),
  expiresAt: z.int(),
});
const retrieved = z.strictObject({
  psuId: z.string(),
  deviceId: z.string(),
  /** SHA-256 of exactly the text that was shown. */
  digest: z.string(),
  nonce: z.string(),
  /** The revision of the consent's stream that was shown; -1 for a consent of the request's own. */
  consentRevision: z.int(),
  at: z.int(),
});
const answered = z.strictObject({
  consentId: z.string(),
  consentOrigin: z.enum(['lodged', 'request']),
  psuId: z.string(),
  deviceId: z.string(),
  digest: z.string(),
  /** RFC 7638 thumbprint of the device key that signed. */
  keyThumbprint: z.string(),
  at: z.int(),
});
/** The device's signature over what it answered, as it came: nobody but the device can make it. */
const evidence = z.strictObject({ answer: z.string(), accountIds: z.array(z.string()) });

/** What happens to one CIBA request. Its id is the hash of its auth_req_id, which itself is nowhere kept. */
export const cibaRequestEvents = defineEvents('cibaRequest', {
  CibaRequestReceived: versioned(received, z.strictObject({ bindingMessage: z.string().nullable() })),
  ConsentRetrieved: versioned(retrieved, z.strictObject({ shown: z.string() })),
  CibaRequestApproved: versioned(answered, evidence),
  CibaRequestDenied: versioned(answered, evidence),
  CibaRequestCancelled: versioned(z.strictObject({ reason: z.enum(['consent_ended', 'client_disabled']), at: z.int() })),
  CibaRequestExpired: versioned(z.strictObject({ at: z.int() })),
  CibaRequestRedeemed: versioned(z.strictObject({ grantId: z.string(), at: z.int() })),
});
export type CibaRequestEvents = typeof cibaRequestEvents;
export type CibaRequestEvent = EventOf<CibaRequestEvents>;
export type CibaRequestFact = FactOf<CibaRequestEvents>;
