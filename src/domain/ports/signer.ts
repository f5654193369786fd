import type { OurAlg, SigningKeys } from '../signing-key/decider.ts';
import type { PublicSigningJwk } from '../signing-key/events.ts';

/** The engine's signing keys. Which of them it signs with and publishes, the log says; only their private parts stand elsewhere. */
export interface Signer {
  /** The public keys, as they are published at `jwks_uri`: the same object until they change. */
  jwks(): { keys: readonly Record<string, unknown>[] };
  /** A compact JWS over the claims, with `kid` and the given `typ`. */
  sign(alg: OurAlg, typ: string, claims: object): Promise<string>;
  /** The claims of a JWS that this engine signed with the given `typ`, or null. Only the signature is checked. */
  verify(jws: string, typ: string): Promise<Record<string, unknown> | null>;
  /** A key whose private part is durable and which the log does not know: a new one, or one that a crash kept from being published. */
  offer(alg: OurAlg): Promise<{ kid: string; jwk: PublicSigningJwk }>;
  /** Whether the private part of the key is here. */
  holds(kid: string): boolean;
  /** Brings private parts here that another node has made; those that are nowhere stay away. */
  load(kids: readonly string[]): Promise<void>;
  /** Goes on with these keys: all that the log knows, as it says now. The private parts of removed ones are erased. */
  follow(keys: Readonly<Record<OurAlg, SigningKeys>>, at: number): void;
}
