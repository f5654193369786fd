import { createHash, type KeyObject, type X509Certificate } from 'node:crypto';
import type { TLSSocket } from 'node:tls';
import { alternativeNames } from './alternative-names.ts';
import { canonicalName } from './distinguished-name.ts';

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

const known = new WeakMap<TLSSocket, ClientCertificate | null>();

/** The certificate that the client of this connection presented, read once per connection; null if none, or if not valid `at` this moment. */
export const clientCertificate = (socket: TLSSocket, at: number): ClientCertificate | null => {
  let certificate = known.get(socket);
  if (certificate === undefined) {
    const x509 = socket.getPeerX509Certificate();
    certificate = x509 === undefined ? null : contentOf(x509, socket.authorized);
    known.set(socket, certificate);
  }
  // Node looks at the dates of trusted chains only, and only during the handshake.
  return certificate !== null && at >= certificate.notBefore && at <= certificate.notAfter ? certificate : null;
};

const contentOf = (x509: X509Certificate, chainTrusted: boolean): ClientCertificate => {
  const { dns, uri, ip, email } = alternativeNames(x509);
  return {
    thumbprint: sha256(x509.raw),
    publicKeyThumbprint: publicKeyThumbprint(x509.publicKey),
    chainTrusted,
    subject: subjectOf(x509),
    sanDns: dns,
    sanUri: uri,
    sanIp: ip,
    sanEmail: email,
    notBefore: x509.validFromDate.getTime() / 1000,
    notAfter: x509.validToDate.getTime() / 1000,
  };
};

/** Node writes an RDN per line in the order of the certificate; RFC 4514 (section 2.1) starts with the last one. */
const subjectOf = ({ subject }: X509Certificate): string => canonicalName((subject ?? '').split('\n').reverse().join(',')) ?? '';

const publicKeyThumbprint = (key: KeyObject): string | null => {
  if (!['rsa', 'ec', 'ed25519'].includes(key.asymmetricKeyType ?? '')) return null;
  // RFC 7638, section 3.2: the required members in this order; JSON leaves out those that the type of key does not have.
  const { crv, e, kty, n, x, y } = key.export({ format: 'jwk' });
  return sha256(JSON.stringify({ crv, e, kty, n, x, y }));
};

const sha256 = (data: string | Buffer): string => createHash('sha256').update(data).digest('base64url');
