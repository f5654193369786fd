/** The engine's signing keys. */
export interface Signer {
  /** The public keys, as they are published at `jwks_uri`. */
  jwks(): { keys: readonly Record<string, unknown>[] };
  /** A compact JWS over the claims, with `kid` and the given `typ`. */
  sign(alg: 'ES256' | 'PS256', typ: string, claims: object): Promise<string>;
  /** The claims of a JWS that this engine signed with the given `typ`, or null. Only the signature is checked. */
  verify(jws: string, typ: string): Promise<Record<string, unknown> | null>;
}
