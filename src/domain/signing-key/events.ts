import * as z from 'zod';
import { defineEvents, type FactOf, versioned } from '../events.ts';

const publicJwk = z.discriminatedUnion('kty', [
  z.strictObject({ kty: z.literal('EC'), crv: z.literal('P-256'), x: z.string(), y: z.string() }),
  z.strictObject({ kty: z.literal('RSA'), n: z.string(), e: z.string() }),
]);

/** The lives of the keys that the engine signs with. The id is their algorithm. Private keys are never in the log. */
export const signingKeyEvents = defineEvents('signingKey', {
  /** Nothing is signed with it before `usableFrom`: whoever caches the JWKS has seen it by then. */
  SigningKeyPublished: versioned(z.strictObject({ kid: z.string(), jwk: publicJwk, at: z.int(), usableFrom: z.int() })),
  /** `tokenSeconds` is the longest life of what is signed with it. */
  SigningKeyActivated: versioned(z.strictObject({ kid: z.string(), at: z.int(), tokenSeconds: z.int() })),
  /** Nothing is signed with it any more; what was signed with it is good until `publishedUntil` at most. */
  SigningKeyRetired: versioned(z.strictObject({ kid: z.string(), at: z.int(), publishedUntil: z.int() })),
  /** It is published no more. */
  SigningKeyRemoved: versioned(z.strictObject({ kid: z.string(), at: z.int() })),
});
export type SigningKeyEvents = typeof signingKeyEvents;
export type SigningKeyFact = FactOf<SigningKeyEvents>;
export type PublicSigningJwk = z.output<typeof publicJwk>;
