import type { X509Certificate } from 'node:crypto';
import { isIP } from 'node:net';

/** The subject alternative names of a certificate, in the forms that compare byte by byte. */
export interface AlternativeNames {
  dns: readonly string[];
  uri: readonly string[];
  ip: readonly string[];
  email: readonly string[];
}

/** Reads Node's own rendering of the names: a name with a comma or a quote in it is a JSON string with the comma as an escape. */
export const alternativeNames = ({ subjectAltName }: X509Certificate): AlternativeNames => {
  const entries = (subjectAltName ?? '').split(', ');
  const all = (label: string) => entries.filter((entry) => entry.startsWith(label)).map((entry) => unquoted(entry.slice(label.length)));
  return {
    dns: all('DNS:').map((name) => name.toLowerCase()),
    uri: all('URI:'),
    ip: all('IP Address:').filter(isIP).map(canonicalIp),
    email: all('email:'),
  };
};

/** An address as RFC 5952 writes it, so that two texts are equal when the addresses are (RFC 8705, section 2.1.2). */
export const canonicalIp = (address: string): string =>
  isIP(address) === 6 ? new URL(`https://[${address}]`).hostname.slice(1, -1) : address;

const unquoted = (name: string): string => (name.startsWith('"') ? JSON.parse(name) : name);
