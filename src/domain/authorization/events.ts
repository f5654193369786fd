import * as z from 'zod';
import { defineEvents, type EventOf, type FactOf, versioned } from '../events.ts';

const authorizationDetails = z.array(z.looseObject({ type: z.string() })).nullable();

const received = z.strictObject({
  clientId: z.string(),
  /** Whose key seals the personal part: the PSU whom a hint names, or the client itself (`client <client_id>`) while no PSU is known. */
  psuId: z.string(),
  /** The PSU whom `id_token_hint` names, who alone may answer, or null. */
  requiredPsuId: z.string().nullable(),
  /** The consent that an approval authorises: one that the TPP lodged, or one of this request's own. */
  consentId: z.string(),
  consentOrigin: z.enum(['lodged', 'request']),
  /** Whether the client pushed it (RFC 9126), or a browser brought it. */
  pushed: z.boolean(),
  /** `prompt=none`: the client wants no page to be shown. */
  silent: z.boolean(),
  redirectUri: z.string(),
  responseType: z.enum(['code', 'code id_token']),
  responseMode: z.enum(['query', 'fragment', 'query.jwt', 'fragment.jwt']),
  scope: z.string(),
  acr: z.string().nullable(),
  /** PKCE, always with S256 (RFC 7636). */
  codeChallenge: z.string().nullable(),
  /** The JWK thumbprint of the DPoP key that the code is bound to, or null (RFC 9449, section 10). */
  dpopKeyThumbprint: z.string().nullable(),
  at: z.int(),
  /** Until when a browser may begin with it, and when all of it is over. */
  startBy: z.int(),
  expiresAt: z.int(),
});
const asked = z.strictObject({
  state: z.string().nullable(),
  nonce: z.string().nullable(),
  loginHint: z.string().nullable(),
  authorizationDetails,
});

const authenticated = z.strictObject({
  psuId: z.string(),
  /** SHA-256 of the secret that the browser got for this request when the PSU had signed in. */
  sessionId: z.string(),
  steps: z.array(z.enum(['basic'])),
  at: z.int(),
});
const shown = z.strictObject({
  psuId: z.string(),
  sessionId: z.string(),
  /** SHA-256 of exactly the text that the page was made from. */
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
  sessionId: z.string(),
  digest: z.string(),
  at: z.int(),
});

/**
 * What happens to one authorization request of the redirect flow. Its id is a hash: of its request_uri, of its request object, or of
 * chance.
 */
export const authorizationEvents = defineEvents(
  { category: 'authorization', retention: 'request' },
  {
    AuthorizationRequested: versioned(received, asked),
    AuthorizationPsuAuthenticated: versioned(authenticated),
    AuthorizationShown: versioned(shown, z.strictObject({ shown: z.string() })),
    AuthorizationApproved: versioned(answered, z.strictObject({ accountIds: z.array(z.string()), authorizationDetails })),
    AuthorizationDenied: versioned(answered),
    AuthorizationCancelled: versioned(z.strictObject({ at: z.int() })),
    /** In the same append as the approval. */
    AuthorizationCodeIssued: versioned(z.strictObject({ codeHash: z.string(), at: z.int(), expiresAt: z.int() })),
    AuthorizationCodeRedeemed: versioned(z.strictObject({ grantId: z.string(), at: z.int() })),
  },
);
export type AuthorizationEvents = typeof authorizationEvents;
export type AuthorizationEvent = EventOf<AuthorizationEvents>;
export type AuthorizationFact = FactOf<AuthorizationEvents>;
