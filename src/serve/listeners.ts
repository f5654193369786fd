import type { Server as HttpServer, RequestListener, ServerOptions } from 'node:http';
import { createServer, type Server } from 'node:https';
import { Server as NetServer } from 'node:net';
import { mutualServer, serverOptions } from '../adapters/tls/servers.ts';
import { type Config, ConfigError } from '../config.ts';
import type { Opened } from './opened.ts';
import type { Tls } from './tls.ts';

// CIBA's polling interval defaults to 5 s, as Node's keep-alive does: a client that polls must find its connection open.
// Who sends slowly is cut off: headers have 10 s, a whole request 30 s, and both are looked at every 5 s.
const HTTP: ServerOptions = {
  ...{ keepAliveTimeout: 75_000, headersTimeout: 10_000, requestTimeout: 30_000, connectionsCheckingInterval: 5000 },
  maxHeaderSize: 16_384,
};

// At the end a connection that is kept alive has this long for one more request, whose answer closes it, and one that is busy so long to
// finish.
const DRAIN_MS = 500;
const BUSY_MS = 5000;

/** Both listeners with their ports. */
export const serversOf = (tls: Tls, handler: RequestListener, { server }: Config): [Server, number][] => [
  [createServer({ ...HTTP, ...serverOptions(tls) }, handler), server.port],
  [mutualServer(tls, HTTP, handler), server.mtlsPort],
];

/** Listens on each port. At the end all of them close together. */
export const listen = async (servers: readonly [Server | HttpServer, number][], host: string, opened: Opened): Promise<void> => {
  const listening: (Server | HttpServer)[] = [];
  opened.atEnd(() => Promise.all(listening.map(closed)));
  for (const [server, port] of servers) {
    await new Promise<void>((resolve, reject) => {
      // A port that others listen at, or an address that is not there, is for the operator to mend.
      const fail = (error: Error) => reject(new ConfigError([error.message]));
      server.once('error', fail);
      server.listen(port, host, () => {
        server.off('error', fail);
        resolve();
      });
    });
    listening.push(server);
  }
};

/** Takes no connection any more, and resolves when the last one is gone. A request that was on its way when this began is answered. */
const closed = async (server: Server | HttpServer): Promise<void> => {
  server.prependListener('request', (_req, res) => res.setHeader('Connection', 'close'));
  // The close of node:http would cut what is idle at this moment, and with it what is on its way there.
  const gone = new Promise<void>((resolve) => NetServer.prototype.close.call(server, () => resolve()));
  const idle = setInterval(() => server.closeIdleConnections(), DRAIN_MS);
  const late = setTimeout(() => server.closeAllConnections(), BUSY_MS);
  await gone;
  clearInterval(idle);
  clearTimeout(late);
  server.close();
};
