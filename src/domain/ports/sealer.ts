/** The personal part of a stored event, as it stands in the log: readable only with its PSU's key. */
export interface Sealed {
  psuId: string;
  /** The version of the event's schema, which the text inside follows. */
  version: number;
  /** The envelope that the text is bound to: moved to another event it cannot be opened. */
  context: string;
  text: string;
}

/**
 * Seals personal data under one key per PSU (AES-256-GCM with a key commitment).
 * A key is durable before the first text that it seals is returned.
 */
export interface Sealer {
  /** Brings the keys here that are about to seal, and makes those that are missing, where that takes waiting. Called before `seal`. */
  prepare?(psuIds: readonly string[]): Promise<void>;
  /** Makes the PSU's key at the first call. */
  seal(psuId: string, plaintext: string, context: string): string;
  /** The plaintext, or null when the PSU's key was erased. Throws when the text, its context or its key was changed. */
  open(sealed: Sealed): string | null;
}
