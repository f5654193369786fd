import * as z from 'zod';
import { defineEvents, type FactOf, versioned } from '../events.ts';
import { RETENTIONS } from './retention.ts';

/** What happens to what is kept of one PSU. Its id is their pseudonym, or names an aggregate that has keys of its own (`consent <id>`). */
export const psuEvents = defineEvents('psu', {
  /** From here on nothing of the PSU is begun or sealed. The reason is the operator's, and says nothing personal. */
  PsuErased: versioned(z.strictObject({ psuId: z.string(), reason: z.string(), at: z.int() })),
  /** What lived has ended, and every key is destroyed. Again where something had been under way. */
  PsuKeysDestroyed: versioned(z.strictObject({ psuId: z.string(), at: z.int() })),
  /** The time of what one key has sealed is over, or whom it was about was erased: the key is destroyed after this. */
  PsuDataExpired: versioned(
    z.strictObject({ psuId: z.string(), retention: z.enum([...RETENTIONS, 'all']), period: z.string(), at: z.int() }),
  ),
});
export type PsuEvents = typeof psuEvents;
export type PsuFact = FactOf<PsuEvents>;
