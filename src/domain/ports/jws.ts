/** The algorithms that are accepted: no `none`, no HMAC, and PKCS#1 v1.5 (RS256) only with keys that are read for it. */
export type JwsAlg = 'PS256' | 'ES256' | 'EdDSA';

/** An imported public key. Its type fixes its algorithm: RSA for PS256, P-256 for ES256, Ed25519 for EdDSA. */
export interface PublicKey<Alg = JwsAlg> {
  alg: Alg;
  kid: string | null;
  /** RFC 7638, SHA-256. */
  thumbprint: string;
}

/** A compact JWS whose parts could be read; nothing in it is true before `verify` has said so. */
export interface DecodedJws {
  header: { alg: string; kid: string | null; typ: string | null };
  claims: Readonly<Record<string, unknown>>;
  /** Whether the key made the signature, with the key's own algorithm. */
  verify(key: PublicKey<JwsAlg | 'RS256'>): boolean;
}

/** The key of a phone of the reference's wire: RSA, used with RS256 (PKCS #1 v1.5) and nothing else. */
export interface PhoneKey extends PublicKey<'RS256'> {
  jwk: { kty: 'RSA'; n: string; e: string };
}

/** Which phone keys are taken: 2048 bits at least, or 1024 while phones of the reference move over. */
export type LeastRsaBits = 1024 | 2048;

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
  /** A member of the header beside those of RFC 7515 that holds a text: where a phone of the reference says which device it is. */
  headerText(jws: string, name: string): string | null;
  /**
   * For phones of the reference's wire alone: the key in a JWK or in base64 SPKI. Null for one that is malformed, no RSA key, shorter
   * than `leastBits` or longer than 4096 bits.
   */
  phoneKey(key: Readonly<Record<string, unknown>> | string, leastBits: LeastRsaBits): PhoneKey | null;
  /** Whether the key made this signature (PKCS #1 v1.5, SHA-256, base64) of the text. */
  phoneSigned(key: PhoneKey, text: string, signature: string): boolean;
  /** Imports a public JWK. Throws for one that is malformed, weak, private, or of a type that none of the algorithms uses. */
  publicKey(jwk: Readonly<Record<string, unknown>>): PublicKey;
  /** The same for an RSA key that is used with RS256: for registration requests and software statements alone, where the settings allow it. */
  rs256Key(jwk: Readonly<Record<string, unknown>>): PublicKey<'RS256'>;
}
