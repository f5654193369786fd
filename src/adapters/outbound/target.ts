import { OutboundRefused } from '../../domain/ports/outbound.ts';

/** Which URLs may be called at all. */
export interface Rules {
  /** Besides 443. */
  allowedPorts: ReadonlySet<number>;
  /** `host:port` in lower case: here neither https nor a public address is asked for. */
  allowedHosts: ReadonlySet<string>;
}

/** Where a URL leads to. */
export interface Target {
  url: URL;
  /** The host without the brackets of an IPv6 address. */
  host: string;
  port: number;
  /** Whether the host is one of those that the settings list. */
  allowed: boolean;
}

const LONGEST = 2048;
// Whatever else the URL parser takes, it reads as something other than what is written: it skips line ends and turns a backslash around.
const RFC_3986 = /^[A-Za-z0-9\-._~:/?#[\]@!$&'()*+,;=%]+$/;
const HTTP = /^https?:\/\/(?<authority>[^/?#]+)/i;

/** Reads a URL and checks its form. The parser has brought the host into one spelling: 0x7f.1 is 127.0.0.1 here. */
export const targetOf = (text: string, { allowedPorts, allowedHosts }: Rules): Target => {
  if (text.length > LONGEST || !RFC_3986.test(text) || !URL.canParse(text)) throw new OutboundRefused('bad_url');
  const url = new URL(text);
  if (url.protocol !== 'https:' && url.protocol !== 'http:') throw new OutboundRefused('not_https');
  const authority = HTTP.exec(text)?.groups?.['authority'];
  if (authority === undefined || url.hostname.endsWith('.')) throw new OutboundRefused('bad_url');
  if (authority.includes('@')) throw new OutboundRefused('userinfo');
  const port = url.port === '' ? (url.protocol === 'https:' ? 443 : 80) : Number(url.port);
  const allowed = allowedHosts.has(`${url.hostname}:${port}`);
  if (!allowed && url.protocol !== 'https:') throw new OutboundRefused('not_https');
  if (!allowed && port !== 443 && !allowedPorts.has(port)) throw new OutboundRefused('port_not_allowed');
  return { url, host: url.hostname.replace(/^\[|\]$/g, ''), port, allowed };
};
