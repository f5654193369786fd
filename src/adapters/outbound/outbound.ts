import { lookup, Resolver } from 'node:dns/promises';
import { isIP } from 'node:net';
import { type Outbound, OutboundFailed, OutboundRefused } from '../../domain/ports/outbound.ts';
import { exchange, openAgents } from './exchange.ts';
import { isPublicAddress } from './public-address.ts';
import { type Rules, type Target, targetOf } from './target.ts';

const TIMEOUT_MS = 5000;

/** What the outbound client may do. */
export interface OutboundSettings {
  development: boolean;
  /** The ports that may be called besides 443. */
  allowedPorts?: readonly number[];
  /** In development only: hosts, as `localhost:9999`, that may be called over http and at any address. */
  allowedHosts?: readonly string[];
  /** The roots to trust instead of Node's own, in PEM. */
  ca?: string;
  /** All addresses of a name; if not set, those in the DNS, and those of the operating system for the allowed hosts. */
  resolve?: (hostname: string) => Promise<readonly string[]>;
  timeoutMs?: number;
}

/** The one client that calls URLs which others have named. Throws for allowed hosts in production, and for those it cannot read. */
export const outboundClient = (settings: OutboundSettings): Outbound => {
  const { ca, resolve = null, timeoutMs = TIMEOUT_MS } = settings;
  const rules = rulesOf(settings);
  const agents = openAgents();
  return {
    fetch: (request) =>
      within(timeoutMs, async (signal) => {
        const target = targetOf(request.url, rules);
        const addresses = await checkedAddresses(target, resolve);
        signal.throwIfAborted();
        return exchange(request, { target, addresses, ca, agents, signal });
      }),
    check: (url) =>
      within(timeoutMs, async () => {
        await checkedAddresses(targetOf(url, rules), resolve);
      }),
  };
};

const rulesOf = ({ development, allowedPorts = [], allowedHosts = [] }: OutboundSettings): Rules => {
  if (!development && allowedHosts.length > 0) throw new Error('hosts that may be called at any address are for development only');
  const unreadable = allowedHosts.find((host) => !/^[^\s/?#@]+:\d+$/.test(host));
  if (unreadable !== undefined) throw new Error(`an allowed host is written as host:port, unlike ${unreadable}`);
  return { allowedPorts: new Set(allowedPorts), allowedHosts: new Set(allowedHosts.map((host) => host.toLowerCase())) };
};

const systemAddresses = async (hostname: string): Promise<readonly string[]> =>
  (await lookup(hostname, { all: true })).map(({ address }) => address);

// Asked over the network by c-ares: the operating system's own way takes one of libuv's few threads for as long as a slow name server
// likes, and two slow names would hold up every other call.
const inDns = new Resolver({ timeout: 1500, tries: 2 });
const publicAddresses = async (hostname: string): Promise<readonly string[]> => {
  const answers = await Promise.allSettled([inDns.resolve4(hostname), inDns.resolve6(hostname)]);
  return answers.flatMap((answer) => (answer.status === 'fulfilled' ? answer.value : []));
};

/** The addresses of the target: all of them public, unless the settings list the host. */
const checkedAddresses = async ({ host, allowed }: Target, resolve: OutboundSettings['resolve'] | null): Promise<readonly string[]> => {
  const addresses = isIP(host) === 0 ? await resolved(host, resolve ?? (allowed ? systemAddresses : publicAddresses)) : [host];
  if (!allowed && !addresses.every(isPublicAddress)) throw new OutboundRefused('address_not_public');
  return addresses;
};

const resolved = async (host: string, resolve: NonNullable<OutboundSettings['resolve']>): Promise<readonly string[]> => {
  let addresses: readonly string[];
  try {
    addresses = await resolve(host);
  } catch (cause) {
    throw new OutboundFailed('name_not_resolved', { cause });
  }
  if (addresses.length === 0) throw new OutboundFailed('name_not_resolved');
  return addresses;
};

/** The outcome of the work, or a timeout that also aborts it: the resolving of a name goes on unheeded, for it cannot be stopped. */
const within = async <T>(milliseconds: number, work: (signal: AbortSignal) => Promise<T>): Promise<T> => {
  const abort = new AbortController();
  const { promise: late, reject } = Promise.withResolvers<never>();
  const timer = setTimeout(() => {
    reject(new OutboundFailed('timeout'));
    abort.abort();
  }, milliseconds);
  try {
    return await Promise.race([late, work(abort.signal)]);
  } finally {
    clearTimeout(timer);
  }
};
