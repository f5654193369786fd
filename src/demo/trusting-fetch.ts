import { Agent, fetch } from 'undici';
import type { Fetch } from './phone.ts';

/** `fetch` that trusts one authority, and shows a client certificate where one is given. */
export const trustingFetch = (ca: string, identity: { certificate: string; key: string } | null = null): Fetch => {
  const connect = { ca, ...(identity !== null && { cert: identity.certificate, key: identity.key }) };
  const dispatcher = new Agent({ connect, keepAliveTimeout: 1000 });
  return (url, init = {}) => fetch(url, { ...init, dispatcher }) as unknown as Promise<Response>;
};
