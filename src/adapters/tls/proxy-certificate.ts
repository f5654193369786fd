import { X509Certificate } from 'node:crypto';

/** How a proxy writes the certificate of its client: RFC 9440, nginx's `$ssl_client_escaped_cert`, Envoy's `x-forwarded-client-cert`. */
export type CertificateFormat = 'rfc9440' | 'nginx' | 'envoy';

const BASE64 = '(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?';
// RFC 9440, section 2.2: a byte sequence of RFC 8941, without parameters.
const BYTE_SEQUENCE = new RegExp(`^:(${BASE64}):$`);
const PEM = /^-----BEGIN CERTIFICATE-----\n((?:[A-Za-z0-9+/=]{1,76}\n)+)-----END CERTIFICATE-----\n?$/;
const WHOLE_BASE64 = new RegExp(`^${BASE64}$`);
const ENVOY_PAIR = /^(?<key>By|Hash|Cert|Chain|Subject|URI|DNS)=(?:"(?<quoted>(?:[^"\\]|\\.)*)"|(?<bare>[^",;=]*))(?:;|$)/;

/** The certificate in a header's value, or null for anything that is not written exactly as the format says. */
export const readCertificate = (value: string, format: CertificateFormat): X509Certificate | null => {
  const der = READERS[format](value);
  if (der === null) return null;
  try {
    const certificate = new X509Certificate(der);
    // What stands behind the certificate would be no part of its thumbprint.
    return certificate.raw.equals(der) ? certificate : null;
  } catch {
    return null;
  }
};

const fromByteSequence = (value: string): Buffer | null => {
  const [, text] = BYTE_SEQUENCE.exec(value) ?? [];
  return text === undefined ? null : Buffer.from(text, 'base64');
};

const fromEscapedPem = (value: string): Buffer | null => {
  const [, lines] = PEM.exec(unescaped(value)) ?? [];
  const text = lines?.replaceAll('\n', '') ?? '';
  return text !== '' && WHOLE_BASE64.test(text) ? Buffer.from(text, 'base64') : null;
};

/** One element alone: with several, somebody before the proxy has written some of them. */
const fromEnvoy = (value: string): Buffer | null => {
  let found: string | null = null;
  for (let rest = value; rest !== ''; ) {
    const { 0: pair = '', groups: { key = '', quoted, bare = '' } = {} } = ENVOY_PAIR.exec(rest) ?? {};
    if (pair === '') return null;
    rest = rest.slice(pair.length);
    if (key !== 'Cert') continue;
    if (found !== null) return null;
    found = quoted ?? bare;
  }
  return found === null ? null : fromEscapedPem(found);
};

const READERS: Record<CertificateFormat, (value: string) => Buffer | null> = {
  rfc9440: fromByteSequence,
  nginx: fromEscapedPem,
  envoy: fromEnvoy,
};

const unescaped = (value: string): string => {
  try {
    return decodeURIComponent(value);
  } catch {
    return '';
  }
};
