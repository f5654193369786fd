import { createPrivateKey, X509Certificate } from 'node:crypto';
import type { RequestListener } from 'node:http';
import { createServer, type Server, type ServerOptions } from 'node:https';
import { getCACertificates, setDefaultCACertificates } from 'node:tls';

/** A certificate with its chain, and its private key, both PEM. */
export interface Identity {
  certificate: string;
  key: string;
}

/** FAPI 1 Advanced, section 8.5: these two suites under TLS 1.2. Those of TLS 1.3 are named because Node drops what is not. */
const CIPHERS = [
  'TLS_AES_128_GCM_SHA256',
  'TLS_AES_256_GCM_SHA384',
  'TLS_CHACHA20_POLY1305_SHA256',
  'ECDHE-RSA-AES128-GCM-SHA256',
  'ECDHE-RSA-AES256-GCM-SHA384',
];

const RSA_BITS = 2048;
// A client that opens a connection and says nothing holds it no longer than this.
const HANDSHAKE_MS = 10_000;

/** What is wrong with the certificate or the key of a server, or null. Both suites of TLS 1.2 sign with RSA. */
export const identityProblem = ({ certificate, key }: Identity, at: number): string | null => {
  try {
    const x509 = new X509Certificate(certificate);
    const { asymmetricKeyType, asymmetricKeyDetails } = x509.publicKey;
    if (asymmetricKeyType !== 'rsa') return `expected an RSA certificate, which the suites of FAPI need, not ${asymmetricKeyType}`;
    if ((asymmetricKeyDetails?.modulusLength ?? 0) < RSA_BITS) return `expected an RSA key of at least ${RSA_BITS} bits`;
    if (!x509.checkPrivateKey(createPrivateKey(key))) return 'the private key belongs to another certificate';
    return x509.validToDate.getTime() / 1000 > at ? null : `the certificate ran out on ${x509.validToDate.toISOString()}`;
  } catch {
    return 'expected a certificate and its private key in PEM';
  }
};

/** What every listener of ours does in TLS, as options for node:https. */
export const serverOptions = ({ certificate, key }: Identity): ServerOptions => ({
  cert: certificate,
  key,
  minVersion: 'TLSv1.2',
  maxVersion: 'TLSv1.3',
  ciphers: CIPHERS.join(':'),
  honorCipherOrder: true,
  handshakeTimeout: HANDSHAKE_MS,
});

/**
 * The listener that asks for a client certificate and lets every one through: whom it proves is decided by the application.
 * Its certificate changes with a new server; after setSecureContext it would trust the public authorities.
 */
export const mutualServer = (
  identity: Identity & { clientCas: readonly string[] },
  http: ServerOptions,
  handler: RequestListener,
): Server =>
  trusting(identity.clientCas, () =>
    createServer({ ...http, ...serverOptions(identity), requestCert: true, rejectUnauthorized: false }, handler),
  );

/**
 * Makes a server whose authorities are these alone. They cannot go into its `ca`: Node would then name them in the certificate
 * request, and clients that obey (RFC 8446, section 4.2.4; Java does) send no self-signed certificate any more. Nothing awaits
 * in between, so that nobody else sees the change.
 */
const trusting = (authorities: readonly string[], make: () => Server): Server => {
  const usual = getCACertificates('default');
  setDefaultCACertificates(authorities);
  try {
    return make();
  } finally {
    setDefaultCACertificates(usual);
  }
};
