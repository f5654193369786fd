import type { Retention } from '../psu/retention.ts';

/** The personal part of a stored event, as it stands in the log: readable only with its PSU's key. */
export interface Sealed {
  psuId: string;
  /** The version of the event's schema, which the text inside follows. */
  version: number;
  /** The envelope that the text is bound to: moved to another event it cannot be opened. */
  context: string;
  text: string;
}

/** Whose personal data is sealed, how long it is kept, and the moment that it is of. */
export interface SealedFor {
  psuId: string;
  retention: Retention;
  at: number;
}

/**
 * Seals personal data under keys of a PSU, one for each retention and period: each event with a key of its own that is derived from that
 * (AES-256-GCM with a key commitment). A key is durable before the first text that it seals is returned.
 */
export interface Sealer {
  /** Brings the keys here that are about to seal, and makes those that are missing, where that takes waiting. Called before `seal`. */
  prepare?(subjects: readonly SealedFor[]): Promise<void>;
  /** Makes the key at the first call. Throws `KeyErased` when it was destroyed. */
  seal(subject: SealedFor, plaintext: string, context: string): string;
  /** The plaintext, or null when the key was destroyed. Throws when the text, its context or its key was changed. */
  open(sealed: Sealed): string | null;
}

/** One key of a PSU: `<retention>.<period>`, as it stands in the texts that it seals. */
export interface KeyName {
  psuId: string;
  name: string;
}

/** Where the keys of PSUs are kept. What is destroyed can never be made again. */
export interface SealingKeys extends Sealer {
  /** The key of one event alone, in base64url, which opens nothing else; null when it is gone, or the text is of the time before these keys. */
  eventKey(sealed: Sealed): string | null;
  /** Destroys every key of a PSU. When it resolves none is left where keys are kept; other processes have still to `forget` theirs. */
  erase(psuId: string): Promise<void>;
  /** Destroys some keys, likewise. */
  destroy(keys: readonly KeyName[]): Promise<void>;
  /** From now on this process neither opens nor seals with them, whatever it has in memory: all keys of the PSU, or those of these names. */
  forget(psuId: string, names: 'all' | readonly string[]): void;
}
