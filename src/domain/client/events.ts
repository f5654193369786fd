import * as z from 'zod';
import { defineEvents, type FactOf, versioned } from '../events.ts';
import { clientMetadata } from './metadata.ts';

const registered = z.strictObject({
  metadata: clientMetadata,
  /** SHA-256 of the client_secret, which has 256 random bits, or null. */
  secretHash: z.string().nullable(),
  at: z.int(),
});

/** What happens to one client. Its id is the client_id. */
export const clientEvents = defineEvents('client', {
  ClientRegistered: versioned(registered),
  ClientMetadataReplaced: versioned(z.strictObject({ metadata: clientMetadata, at: z.int() })),
  ClientDisabled: versioned(z.strictObject({ at: z.int() })),
});
export type ClientEvents = typeof clientEvents;
export type ClientFact = FactOf<ClientEvents>;
