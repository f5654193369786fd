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
  /** What its tokens are bound to: `x5t#S256`, or the JWK thumbprint of a DPoP key. Both are null for bearer tokens. */
  certificateThumbprint: z.string().nullable(),
  dpopKeyThumbprint: z.string().nullable(),
  /** Whether its consent holds authorization details, which its tokens then carry. */
  hasAuthorizationDetails: z.boolean(),
});
const issuedV2 = issued.extend({ dpopKeyThumbprint: z.string().nullable() });
const revoked = z.strictObject({ reason: z.enum(['consent_ended', 'client_disabled', 'token_revoked']), at: z.int() });
const revokedV2 = z.strictObject({
  reason: z.enum(['consent_ended', 'client_disabled', 'token_revoked', 'code_reused', 'refresh_token_reused']),
  at: z.int(),
});

/** What tokens hang on. Tokens stand here as their SHA-256 hashes. */
export const grantEvents = defineEvents('grant', {
  GrantOpened: versioned(opened).next(openedV2, (v1) => ({
    ...v1,
    certificateThumbprint: null,
    dpopKeyThumbprint: null,
    hasAuthorizationDetails: false,
  })),
  AccessTokenIssued: versioned(issued).next(issuedV2, (v1) => ({ ...v1, dpopKeyThumbprint: null })),
  RefreshTokenIssued: versioned(z.strictObject({ tokenHash: z.string(), at: z.int(), expiresAt: z.int() })),
  AccessTokenRevoked: versioned(z.strictObject({ tokenHash: z.string(), at: z.int() })),
  GrantRevoked: versioned(revoked).next(revokedV2, (v1) => v1),
});
export type GrantEvents = typeof grantEvents;
export type GrantFact = FactOf<GrantEvents>;
