import * as z from 'zod';
import { defineEvents, type FactOf, versioned } from '../events.ts';

const opened = z.strictObject({
  clientId: z.string(),
  /** Null for a grant of the client's own (`client_credentials`), as are the three after it. */
  psuId: z.string().nullable(),
  consentId: z.string().nullable(),
  requestId: z.string().nullable(),
  authTime: z.int().nullable(),
  acr: z.string().nullable(),
  scope: z.string(),
  at: z.int(),
});
const issued = z.strictObject({
  tokenHash: z.string(),
  scope: z.string(),
  /** `x5t#S256` of the certificate that the token is bound to, or null. */
  certificateThumbprint: z.string().nullable(),
  at: z.int(),
  expiresAt: z.int(),
});

const openedV2 = opened.extend({
  /** What its first token is bound to: `x5t#S256`, or the JWK thumbprint of a DPoP key. Both are null for a bearer token. */
  certificateThumbprint: z.string().nullable(),
  dpopKeyThumbprint: z.string().nullable(),
  /** Whether its consent holds authorization details, which its tokens then carry. */
  hasAuthorizationDetails: z.boolean(),
});
const issuedV2 = issued.extend({ dpopKeyThumbprint: z.string().nullable() });
const refreshIssued = z.strictObject({ tokenHash: z.string(), at: z.int(), expiresAt: z.int() });
const refreshIssuedV2 = refreshIssued.extend({
  /** The hash of the refresh token whose use this one came from; null for the first. */
  replaces: z.string().nullable(),
  /** What this one was derived with from the text of the replaced one, which is nowhere kept. */
  nonce: z.string().nullable(),
});
const revoked = z.strictObject({ reason: z.enum(['consent_ended', 'client_disabled', 'token_revoked']), at: z.int() });
const revokedV2 = z.strictObject({
  reason: z.enum(['consent_ended', 'client_disabled', 'token_revoked', 'code_reused', 'refresh_token_reused', 'not_delivered']),
  at: z.int(),
});

/** What tokens hang on. Tokens stand here as their SHA-256 hashes. */
export const grantEvents = defineEvents(
  { category: 'grant', retention: 'delivery' },
  {
    GrantOpened: versioned(opened).next(openedV2, (v1) => ({
      ...v1,
      certificateThumbprint: null,
      dpopKeyThumbprint: null,
      hasAuthorizationDetails: false,
    })),
    AccessTokenIssued: versioned(issued).next(issuedV2, (v1) => ({ ...v1, dpopKeyThumbprint: null })),
    RefreshTokenIssued: versioned(refreshIssued).next(refreshIssuedV2, (v1) => ({ ...v1, replaces: null, nonce: null })),
    AccessTokenRevoked: versioned(z.strictObject({ tokenHash: z.string(), at: z.int() })),
    /**
     * The token response of a grant that is opened for a client to whom tokens are pushed, so that every attempt sends the same bytes.
     * It is needed until the client has taken it. What erases it is the erasure of the PSU's key.
     */
    TokenResponseKept: versioned(
      z.strictObject({ requestId: z.string(), psuId: z.string(), at: z.int() }),
      z.strictObject({ response: z.string() }),
    ),
    GrantRevoked: versioned(revoked).next(revokedV2, (v1) => v1),
  },
);
export type GrantEvents = typeof grantEvents;
export type GrantFact = FactOf<GrantEvents>;
