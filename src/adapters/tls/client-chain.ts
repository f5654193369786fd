import { X509Certificate } from 'node:crypto';
import type { ClientCertificate } from '../../domain/client/certificate.ts';

const CLIENT_AUTH = '1.3.6.1.5.5.7.3.2';
const LONGEST_CHAIN = 8;
// id-ce-nameConstraints (RFC 5280, section 4.2.1.10) in DER.
const NAME_CONSTRAINTS = Buffer.from('0603551d1e', 'hex');
const PEM_BLOCK = /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g;

/** When the authorities above a certificate are all valid. */
export type ChainLife = Pick<ClientCertificate, 'notBefore' | 'notAfter'>;

/** The certificates in PEM texts. */
export const certificatesIn = (texts: readonly string[]): readonly X509Certificate[] =>
  texts.flatMap((text) => (text.match(PEM_BLOCK) ?? []).map((pem) => new X509Certificate(pem)));

/**
 * Whether a client certificate leads up to a root of these authorities, as OpenSSL decides it in a handshake; null if not.
 * Intermediates must be among them. Under an authority with name constraints, which Node does not show, nothing is trusted.
 */
export const chainOf = (certificate: X509Certificate, authorities: readonly X509Certificate[]): ChainLife | null => {
  // Node names the extended usages so.
  const usages = certificate.keyUsage as readonly string[] | undefined;
  if (usages !== undefined && !usages.includes(CLIENT_AUTH)) return null;
  let life: ChainLife = { notBefore: 0, notAfter: Number.POSITIVE_INFINITY };
  for (let [below, depth] = [certificate, 0]; depth < LONGEST_CHAIN; depth += 1) {
    const issuer = authorities.find((one) => issued(one, below));
    if (issuer === undefined || issuer.raw.includes(NAME_CONSTRAINTS)) return null;
    life = {
      notBefore: Math.max(life.notBefore, issuer.validFromDate.getTime() / 1000),
      notAfter: Math.min(life.notAfter, issuer.validToDate.getTime() / 1000),
    };
    if (issued(issuer, issuer)) return life;
    below = issuer;
  }
  return null;
};

const issued = (authority: X509Certificate, certificate: X509Certificate): boolean =>
  authority.ca && certificate.checkIssued(authority) && certificate.verify(authority.publicKey);
