/** The algorithms that are accepted: no `none`, no HMAC, no PKCS#1 v1.5. */
export type JwsAlg = 'PS256' | 'ES256' | 'EdDSA';

/** An imported public key. Its type fixes its algorithm: RSA for PS256, P-256 for ES256, Ed25519 for EdDSA. */
export interface PublicKey {
  alg: JwsAlg;
  kid: string | null;
  /** RFC 7638, SHA-256. */
  thumbprint: string;
}

/** A compact JWS whose parts could be read; nothing in it is true before `verify` has said so. */
export interface DecodedJws {
  header: { alg: string; kid: string | null; typ: string | null };
  claims: Readonly<Record<string, unknown>>;
  /** Whether the key made the signature, with the key's own algorithm. */
  verify(key: PublicKey): boolean;
}

/** A compact JWS signed by the key that it carries. It proves that its sender holds the key, and nothing else: not who the sender is. */
export interface SelfSignedJws {
  header: { alg: JwsAlg; typ: string | null };
  claims: Readonly<Record<string, unknown>>;
  key: PublicKey;
}

/** Reads and checks signed statements of others (RFC 7515, compact serialization). */
export interface JwsReader {
  /** Null for what is no compact JWS over a JSON object, is longer than 16 KiB, or brings its own key or extensions in its header. */
  decode(jws: string): DecodedJws | null;
  /**
   * For DPoP proofs alone (RFC 9449): only possession of the key is proved. Null for what `decode` refuses whatever its key, and when the
   * `jwk` in its header is missing, is none that `publicKey` imports, has another `kid` than the header, or did not make the signature.
   */
  decodeWithJwk(jws: string): SelfSignedJws | null;
  /** Imports a public JWK. Throws for one that is malformed, weak, private, or of a type that none of the algorithms uses. */
  publicKey(jwk: Readonly<Record<string, unknown>>): PublicKey;
}
