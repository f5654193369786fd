import { hash } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import { BlockList, isIP } from 'node:net';
import type { TLSSocket } from 'node:tls';
import { LRUCache } from 'lru-cache';
import type { ClientCertificate } from '../../domain/client/certificate.ts';
import type { Clock } from '../../domain/ports/clock.ts';
import { clientCertificate, contentOf, isValidAt } from './client-certificate.ts';
import { type ChainLife, certificatesIn, chainOf } from './client-chain.ts';
import { type CertificateFormat, readCertificate } from './proxy-certificate.ts';

/** The proxies that may say which certificate their client has shown, and where they say it. */
export interface TrustedProxies {
  /** Addresses and networks (`10.0.0.0/8`). */
  trusted: readonly string[];
  /** The name of the header; null when there is no proxy. */
  certificateHeader: string | null;
  certificateFormat: CertificateFormat;
}

/**
 * Finds the certificate of the client behind a request. From the address of a trusted proxy it is the one in the header, and never
 * the proxy's own; from anywhere else it is that of the connection, whatever the headers say.
 */
export const makeCertificateOf = ({
  proxies: { trusted, certificateHeader, certificateFormat },
  clientCas,
  clock,
  onForged,
}: {
  proxies: TrustedProxies;
  clientCas: readonly string[];
  clock: Clock;
  /** Called once, at the first header that came from anybody else. */
  onForged(address: string): void;
}): ((req: IncomingMessage) => ClientCertificate | null) => {
  const direct = (req: IncomingMessage) => clientCertificate(req.socket as TLSSocket, clock());
  if (certificateHeader === null) return direct;
  const header = certificateHeader.toLowerCase();
  const isTrusted = addressList(trusted);
  const forwarded = makeForwarded(certificateFormat, clientCas);
  let told = false;

  return (req) => {
    const { remoteAddress = '' } = req.socket;
    const values = req.headersDistinct[header] ?? [];
    if (isTrusted(remoteAddress)) return values.length === 1 ? forwarded(values[0] ?? '', clock()) : null;
    if (values.length > 0 && !told) {
      told = true;
      onForged(remoteAddress);
    }
    return direct(req);
  };
};

/** Reading a certificate costs more than a poll: those that came lately are kept. */
const makeForwarded = (format: CertificateFormat, clientCas: readonly string[]) => {
  const authorities = certificatesIn(clientCas);
  const lately = new LRUCache<string, { content: ClientCertificate; chain: ChainLife | null }>({ max: 1000 });
  return (value: string, at: number): ClientCertificate | null => {
    const key = hash('sha256', value);
    let known = lately.get(key);
    if (known === undefined) {
      const x509 = readCertificate(value, format);
      if (x509 === null) return null;
      known = { content: contentOf(x509, false), chain: chainOf(x509, authorities) };
      lately.set(key, known);
    }
    const { content, chain } = known;
    if (!isValidAt(content, at)) return null;
    return { ...content, chainTrusted: chain !== null && isValidAt(chain, at) };
  };
};

/** Whether an address is one of a list. A listener for IPv6 shows IPv4 addresses as `::ffff:10.0.0.7`, which BlockList knows. */
const addressList = (list: readonly string[]): ((address: string) => boolean) => {
  const addresses = new BlockList();
  for (const one of list) {
    const [address = '', bits] = one.split('/');
    const family = isIP(address) === 6 ? 'ipv6' : 'ipv4';
    if (bits === undefined) addresses.addAddress(address, family);
    else addresses.addSubnet(address, Number(bits), family);
  }
  return (address) => isIP(address) !== 0 && addresses.check(address, isIP(address) === 6 ? 'ipv6' : 'ipv4');
};
