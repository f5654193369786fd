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

/** What tokens hang on. Tokens stand here as their SHA-256 hashes. */
export const grantEvents = defineEvents('grant', {
  GrantOpened: versioned(opened),
  AccessTokenIssued: versioned(issued),
  RefreshTokenIssued: versioned(z.strictObject({ tokenHash: z.string(), at: z.int(), expiresAt: z.int() })),
  AccessTokenRevoked: versioned(z.strictObject({ tokenHash: z.string(), at: z.int() })),
  GrantRevoked: versioned(z.strictObject({ reason: z.enum(['consent_ended', 'client_disabled', 'token_revoked']), at: z.int() })),
});
export type GrantEvents = typeof grantEvents;
export type GrantFact = FactOf<GrantEvents>;
