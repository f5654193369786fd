/** What the certificate of a TLS client says. That the client holds its key, the handshake has proved; nothing else. */
export interface ClientCertificate {
  /** SHA-256 of the certificate in base64url: `x5t#S256` (RFC 8705, section 3.1). */
  thumbprint: string;
  /** The JWK thumbprint of the public key (RFC 7638), or null for a kind of key that has no JWK. */
  publicKeyThumbprint: string | null;
  /** Whether it leads to one of the trusted authorities: without that, no name in it means anything. */
  chainTrusted: boolean;
  /** The subject as an RFC 4514 string in one fixed spelling, or '' if it has none. */
  subject: string;
  sanDns: readonly string[];
  sanUri: readonly string[];
  sanIp: readonly string[];
  sanEmail: readonly string[];
  notBefore: number;
  notAfter: number;
}
