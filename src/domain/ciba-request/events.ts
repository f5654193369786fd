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
const retrievedV2 = retrieved.extend({
  /** The device that showed it; null where it was shown in a session. */
  deviceId: z.string().nullable(),
  /** SHA-256 of the secret of the browser in which its PSU had signed in; null where a device showed it. */
  sessionId: z.string().nullable(),
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
const answeredV2 = answered.extend({
  /** The device that signed; null where it was answered in a session. */
  deviceId: z.string().nullable(),
  keyThumbprint: z.string().nullable(),
  sessionId: z.string().nullable(),
});
const byDevice = <V1>(v1: V1) => ({ ...v1, sessionId: null });
/** The device's signature over what it answered, as it came: nobody but the device can make it. */
const evidence = z.strictObject({ answer: z.string(), accountIds: z.array(z.string()) });

const receivedV2 = received.extend({
  deliveryMode: z.enum(['poll', 'ping', 'push']),
  /** The JWK thumbprint of the DPoP key that the request came with, or null. */
  dpopKeyThumbprint: z.string().nullable(),
  /** The id of the client's own request that this one takes the place of, or null. */
  supersedes: z.string().nullable(),
});
/** Checked by the schemas of their types before they were recorded (RFC 9396). */
export const authorizationDetails = z.array(z.looseObject({ type: z.string() })).nullable();
const asked = z.strictObject({ bindingMessage: z.string().nullable() });
const askedV2 = asked.extend({
  authorizationDetails,
  requestContext: z.record(z.string(), z.unknown()).nullable(),
  /** `client_notification_token`: the bearer token of our calls to the client (CIBA Core 1.0, section 7.1). */
  notificationToken: z.string().nullable(),
  /** The auth_req_id itself, where our calls to the client name it; null where the client polls. */
  authReqId: z.string().nullable(),
});
/** What the PSU approved of the authorization details: all of them, or less. */
const evidenceV2 = evidence.extend({ authorizationDetails });
/** A session signs nothing. */
const signedOrNot = { answer: z.string().nullable() };
const evidenceV3 = evidenceV2.extend(signedOrNot);
const denialV2 = evidence.extend(signedOrNot);
const cancelled = z.strictObject({ reason: z.enum(['consent_ended', 'client_disabled']), at: z.int() });
const cancelledV2 = z.strictObject({
  reason: z.enum(['consent_ended', 'client_disabled', 'cancelled_by_client', 'superseded']),
  at: z.int(),
});

const refusedAnswer = z.strictObject({ deviceId: z.string(), reason: z.enum(['challenge', 'device', 'ended']), at: z.int() });
/** `number`: an approval brought another number than the application shows. */
const refusedAnswerV2 = refusedAnswer.extend({ reason: z.enum(['challenge', 'device', 'ended', 'number']) });

/** What happens to one CIBA request. Its id is the hash of its auth_req_id, which itself is kept sealed at most. */
export const cibaRequestEvents = defineEvents(
  { category: 'cibaRequest', retention: 'request' },
  {
    CibaRequestReceived: versioned(received, asked).next(
      receivedV2,
      (v1) => ({ ...v1, deliveryMode: 'poll' as const, dpopKeyThumbprint: null, supersedes: null }),
      askedV2,
      (v1) => ({ ...v1, authorizationDetails: null, requestContext: null, notificationToken: null, authReqId: null }),
    ),
    ConsentRetrieved: versioned(retrieved, z.strictObject({ shown: z.string() })).next(retrievedV2, byDevice),
    CibaRequestApproved: versioned(answered, evidence)
      .next(
        answered,
        (v1) => v1,
        evidenceV2,
        (v1) => ({ ...v1, authorizationDetails: null }),
      )
      .next(answeredV2, byDevice, evidenceV3, (v2) => v2),
    CibaRequestDenied: versioned(answered, evidence).next(answeredV2, byDevice, denialV2, (v1) => v1),
    CibaRequestCancelled: versioned(cancelled).next(cancelledV2, (v1) => v1),
    /** A signed answer that was none to what its device was shown of this request. */
    AnswerRefused: versioned(refusedAnswer).next(refusedAnswerV2, (v1) => v1),
    CibaRequestExpired: versioned(z.strictObject({ at: z.int() })),
    CibaRequestRedeemed: versioned(z.strictObject({ grantId: z.string(), at: z.int() })),
  },
);
export type CibaRequestEvents = typeof cibaRequestEvents;
export type CibaRequestEvent = EventOf<CibaRequestEvents>;
export type CibaRequestFact = FactOf<CibaRequestEvents>;
