import { hash, type KeyObject, type X509Certificate } from 'node:crypto';
import type { TLSSocket } from 'node:tls';
import type { ClientCertificate } from '../../domain/client/certificate.ts';
import { canonicalName } from '../../domain/client/distinguished-name.ts';
import { thumbprintOf } from '../jose/imported-key.ts';
import { alternativeNames } from './alternative-names.ts';

// By type, or by curve for elliptic ones: brainpool curves and RSA-PSS have no JWK.
const JWK_KEYS = ['rsa', 'ed25519', 'prime256v1', 'secp384r1', 'secp521r1'];

const known = new WeakMap<TLSSocket, ClientCertificate | null>();

/** The certificate that the client of this connection presented, read once per connection; null if none, or not valid `at` this moment. */
export const clientCertificate = (socket: TLSSocket, at: number): ClientCertificate | null => {
  let certificate = known.get(socket);
  if (certificate === undefined) {
    const x509 = socket.getPeerX509Certificate();
    certificate = x509 === undefined ? null : contentOf(x509, socket.authorized);
    known.set(socket, certificate);
  }
  // Node looks at the dates of trusted chains only, and only during the handshake.
  return certificate !== null && isValidAt(certificate, at) ? certificate : null;
};

/** Whether the moment is within the life of a certificate. */
export const isValidAt = ({ notBefore, notAfter }: Pick<ClientCertificate, 'notBefore' | 'notAfter'>, at: number): boolean =>
  at >= notBefore && at <= notAfter;

/** What a certificate says. */
export const contentOf = (x509: X509Certificate, chainTrusted: boolean): ClientCertificate => {
  const { dns, uri, ip, email } = alternativeNames(x509);
  return {
    thumbprint: hash('sha256', x509.raw, 'base64url'),
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

const publicKeyThumbprint = (key: KeyObject): string | null =>
  JWK_KEYS.includes(key.asymmetricKeyDetails?.namedCurve ?? key.asymmetricKeyType ?? '') ? thumbprintOf(key) : null;
