import { createPrivateKey, randomUUID, X509Certificate } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import { hostname, networkInterfaces } from 'node:os';
import { join } from 'node:path';
import { domainToASCII } from 'node:url';
import { alternativeNames, canonicalIp } from './alternative-names.ts';
import { type ClientSubject, issueClientCertificate, issueServerCertificate, makeAuthority } from './certificates.ts';
import type { Identity } from './servers.ts';

const DAY = 86_400;
const AUTHORITY_LIFE = 3650 * DAY;
/** Phones refuse a server certificate that is valid for more than 825 days. */
const SERVER_LIFE = 824 * DAY;
const RENEWAL = 30 * DAY;

/** The names and addresses that a phone in the same network can reach this machine by. */
export interface Machine {
  hostname: string;
  addresses: readonly string[];
}

/** The server certificate of a development engine and the authority behind it. */
export interface DevelopmentTls extends Identity {
  /** The certificate of the authority in PEM, and the file to hand to curl, browsers and phones. */
  ca: string;
  caFile: string;
  issueClientCertificate: (subject: ClientSubject) => Promise<Identity>;
}

/**
 * Takes the authority and the server certificate from `dir`, or makes what is missing there, runs out within 30 days, or does
 * not name this machine. The authority stays when the server certificate changes, so that whoever trusts it goes on doing so.
 */
export const developmentTls = async (dir: string, { hostname, addresses, now }: Machine & { now: number }): Promise<DevelopmentTls> => {
  await mkdir(dir, { recursive: true });
  const since = now - DAY;
  const ca =
    (await stored(dir, 'ca', now)) ??
    (await keep(
      dir,
      'ca',
      await makeAuthority(`Countersign development CA of ${hostname}`, { notBefore: since, notAfter: since + AUTHORITY_LIFE }),
    ));
  const dns = [...new Set(['localhost', domainToASCII(hostname)])].filter((name) => name !== '');
  const ips = [...new Set(['127.0.0.1', '::1', ...addresses].map(canonicalIp))];
  const names = [...dns.map((value) => ({ type: 'dns' as const, value })), ...ips.map((value) => ({ type: 'ip' as const, value }))];
  const found = await stored(dir, 'server', now);
  const server =
    found !== null && serves(found, ca, dns, ips)
      ? found
      : await keep(dir, 'server', await issueServerCertificate(ca, names, { notBefore: since, notAfter: since + SERVER_LIFE }));
  return {
    ...server,
    ca: ca.certificate,
    caFile: join(dir, 'ca.pem'),
    issueClientCertificate: (subject) => issueClientCertificate(ca, subject, now),
  };
};

/** This machine as it is now. Link-local addresses are left out: a URL cannot name their interface. */
export const thisMachine = (): Machine => ({
  hostname: hostname().toLowerCase(),
  addresses: Object.values(networkInterfaces())
    .flatMap((addresses) => addresses ?? [])
    .map(({ address }) => address)
    .filter((address) => !/^(fe[89ab].:|169\.254\.)/i.test(address)),
});

const stored = async (dir: string, name: string, now: number): Promise<Identity | null> => {
  const [certificateFile, keyFile] = [join(dir, `${name}.pem`), join(dir, `${name}.key`)];
  if (!existsSync(certificateFile) || !existsSync(keyFile)) return null;
  const found = { certificate: await readFile(certificateFile, 'utf8'), key: await readFile(keyFile, 'utf8') };
  const x509 = new X509Certificate(found.certificate);
  // A crash between the two files leaves a new key beside an old certificate.
  const usable = x509.checkPrivateKey(createPrivateKey(found.key)) && x509.validToDate.getTime() / 1000 > now + RENEWAL;
  return usable ? found : null;
};

const serves = ({ certificate }: Identity, ca: Identity, dns: readonly string[], ips: readonly string[]): boolean => {
  const [x509, authority] = [new X509Certificate(certificate), new X509Certificate(ca.certificate)];
  const named = alternativeNames(x509);
  return x509.verify(authority.publicKey) && dns.every((name) => named.dns.includes(name)) && ips.every((ip) => named.ip.includes(ip));
};

const keep = async (dir: string, name: string, made: Identity): Promise<Identity> => {
  await replace(join(dir, `${name}.key`), made.key, 0o600);
  await replace(join(dir, `${name}.pem`), made.certificate, 0o644);
  return made;
};

const replace = async (file: string, content: string, mode: number): Promise<void> => {
  const written = `${file}.${randomUUID()}`;
  await writeFile(written, content, { mode, flag: 'wx', flush: true });
  await rename(written, file);
};
