import type { RequestListener, ServerOptions } from 'node:http';
import { createServer, type Server } from 'node:https';
import { mutualServer, serverOptions } from '../adapters/tls/servers.ts';
import type { Config } from '../config.ts';
import type { Tls } from './tls.ts';

// CIBA's polling interval defaults to 5 s, as Node's keep-alive does: a client that polls must find its connection open.
// Who sends slowly is cut off: headers have 10 s, a whole request 30 s, and both are looked at every 5 s.
const HTTP: ServerOptions = {
  ...{ keepAliveTimeout: 75_000, headersTimeout: 10_000, requestTimeout: 30_000, connectionsCheckingInterval: 5000 },
  maxHeaderSize: 16_384,
};

// At the end a connection that is busy has this long to finish.
const BUSY_MS = 5000;

/** Both listeners with their ports. */
export const serversOf = (tls: Tls, handler: RequestListener, { server }: Config): [Server, number][] => [
  [createServer({ ...HTTP, ...serverOptions(tls) }, handler), server.port],
  [mutualServer(tls, HTTP, handler), server.mtlsPort],
];

/** Listens; what it resolves with closes the server. */
export const listening = async (server: Server, port: number, host: string): Promise<() => Promise<void>> => {
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, host, () => {
      server.off('error', reject);
      resolve();
    });
  });
  return () =>
    new Promise((resolve) => {
      server.close(() => resolve());
      server.closeIdleConnections();
      setTimeout(() => server.closeAllConnections(), BUSY_MS).unref();
    });
};
