import type { Outbound } from '../../domain/ports/outbound.ts';
import { outboundClient } from './outbound.ts';

/** Calls one service of the operator's own, which the settings name: its host may have any address, and nothing else can be called. */
export const ownService = (url: string, timeoutMs: number): Outbound => {
  const { hostname, port, protocol } = new URL(url);
  // Everything that a host in the settings may be, it is in development; whether this URL may be http, the settings have decided.
  return outboundClient({ development: true, allowedHosts: [`${hostname}:${port || (protocol === 'https:' ? 443 : 80)}`], timeoutMs });
};
