import 'reflect-metadata';
import type { webcrypto } from 'node:crypto';
import {
  AuthorityKeyIdentifierExtension,
  BasicConstraintsExtension,
  ExtendedKeyUsage,
  ExtendedKeyUsageExtension,
  type Extension,
  type JsonGeneralNames,
  KeyUsageFlags,
  KeyUsagesExtension,
  Name,
  PemConverter,
  SubjectAlternativeNameExtension,
  SubjectKeyIdentifierExtension,
  X509Certificate,
  X509CertificateGenerator,
} from '@peculiar/x509';
import type { Identity } from './servers.ts';

// This file and what imports it are for development and tests: a production engine is given its certificates.

const DAY = 86_400;
const RSA = { name: 'RSASSA-PKCS1-v1_5', hash: 'SHA-256', modulusLength: 2048, publicExponent: Uint8Array.of(1, 0, 1) };
const EC = { name: 'ECDSA', hash: 'SHA-256', namedCurve: 'P-256' };

/** What a client certificate shall say. It is valid from `notBefore` to `notAfter`, else from now for a year. */
export interface ClientSubject {
  commonName: string;
  organization?: string;
  organizationIdentifier?: string;
  country?: string;
  alternativeNames?: { type: 'dns' | 'url' | 'ip' | 'email'; value: string }[];
  keyType?: 'RSA' | 'EC';
  notBefore?: number;
  notAfter?: number;
}

/** The life of a certificate in epoch seconds. */
export interface Validity {
  notBefore: number;
  notAfter: number;
}

/** A new authority that may issue certificates of servers and clients, but no further authorities. */
export const makeAuthority = async (commonName: string, validity: Validity): Promise<Identity> => {
  const keys = await generate(RSA);
  const certificate = await X509CertificateGenerator.createSelfSigned({
    name: nameOf({ commonName }),
    keys,
    ...dates(validity),
    extensions: [
      new BasicConstraintsExtension(true, 0, true),
      new KeyUsagesExtension(KeyUsageFlags.keyCertSign | KeyUsageFlags.cRLSign, true),
      await SubjectKeyIdentifierExtension.create(keys.publicKey),
    ],
  });
  return identity(certificate, keys);
};

/** A new RSA server certificate for these names, the first of them as its common name. */
export const issueServerCertificate = async (authority: Identity, names: JsonGeneralNames, validity: Validity): Promise<Identity> =>
  issue(authority, nameOf({ commonName: names[0]?.value ?? '' }), RSA, validity, [
    new KeyUsagesExtension(KeyUsageFlags.digitalSignature | KeyUsageFlags.keyEncipherment, true),
    new ExtendedKeyUsageExtension([ExtendedKeyUsage.serverAuth]),
    new SubjectAlternativeNameExtension(names),
  ]);

/** A new certificate that a TPP can present. */
export const issueClientCertificate = async (authority: Identity, subject: ClientSubject, now: number): Promise<Identity> =>
  issue(authority, nameOf(subject), keyOf(subject), clientValidity(subject, now), clientExtensions(subject));

/** A certificate that vouches for itself, as `self_signed_tls_client_auth` takes it. */
export const selfSignedCertificate = async (subject: ClientSubject, now: number): Promise<Identity> => {
  const keys = await generate(keyOf(subject));
  const certificate = await X509CertificateGenerator.createSelfSigned({
    name: nameOf(subject),
    keys,
    signingAlgorithm: keyOf(subject),
    ...dates(clientValidity(subject, now)),
    extensions: clientExtensions(subject),
  });
  return identity(certificate, keys);
};

const issue = async (
  authority: Identity,
  subject: Name,
  algorithm: typeof RSA | typeof EC,
  validity: Validity,
  extensions: Extension[],
) => {
  const issuer = new X509Certificate(authority.certificate);
  const keys = await generate(algorithm);
  const certificate = await X509CertificateGenerator.create({
    subject,
    issuer: issuer.subjectName,
    publicKey: keys.publicKey,
    signingKey: await crypto.subtle.importKey('pkcs8', PemConverter.decodeFirst(authority.key), RSA, false, ['sign']),
    ...dates(validity),
    extensions: [
      new BasicConstraintsExtension(false, undefined, true),
      ...extensions,
      await SubjectKeyIdentifierExtension.create(keys.publicKey),
      await AuthorityKeyIdentifierExtension.create(issuer),
    ],
  });
  return identity(certificate, keys);
};

const generate = (algorithm: typeof RSA | typeof EC): Promise<webcrypto.CryptoKeyPair> =>
  crypto.subtle.generateKey(algorithm, true, ['sign', 'verify']);

const identity = async (certificate: X509Certificate, { privateKey }: webcrypto.CryptoKeyPair): Promise<Identity> => ({
  certificate: `${certificate.toString('pem')}\n`,
  key: `${PemConverter.encode(await crypto.subtle.exportKey('pkcs8', privateKey), PemConverter.PrivateKeyTag)}\n`,
});

const keyOf = ({ keyType }: ClientSubject) => (keyType === 'EC' ? EC : RSA);

/** Values are marked as text, since the library would read quotes and a leading # in a bare string as notation. */
const nameOf = ({ country, organization, organizationIdentifier, commonName }: ClientSubject): Name => {
  const attributes = { C: country, O: organization, '2.5.4.97': organizationIdentifier, CN: commonName };
  return new Name(
    Object.entries(attributes).flatMap(([type, utf8String]) => (utf8String === undefined ? [] : [{ [type]: [{ utf8String }] }])),
  );
};

const clientValidity = ({ notBefore, notAfter }: ClientSubject, now: number): Validity => ({
  notBefore: notBefore ?? now - DAY,
  notAfter: notAfter ?? now + 365 * DAY,
});

const clientExtensions = ({ alternativeNames }: ClientSubject): Extension[] => [
  new KeyUsagesExtension(KeyUsageFlags.digitalSignature, true),
  new ExtendedKeyUsageExtension([ExtendedKeyUsage.clientAuth]),
  ...(alternativeNames === undefined ? [] : [new SubjectAlternativeNameExtension(alternativeNames)]),
];

const dates = ({ notBefore, notAfter }: Validity) => ({ notBefore: new Date(notBefore * 1000), notAfter: new Date(notAfter * 1000) });
