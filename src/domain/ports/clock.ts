/** The time in epoch seconds. */
export type Clock = () => number;

/** The source of identifiers. */
export interface Ids {
  /** 256 random bits as 43 characters of base64url: an identifier that may act as a credential. */
  secret(): string;
  /** The same behind eight characters of time: what is made together stands together in an index. */
  orderedSecret(): string;
  /** A UUID that begins with the time (version 7). */
  uuid(): string;
  /** The same UUID for the same seed, always. */
  derived(seed: string): string;
  /** SHA-256 of the text as 43 characters of base64url. */
  hash(text: string): string;
}
