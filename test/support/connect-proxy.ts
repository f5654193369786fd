import { once } from 'node:events';
import { createServer } from 'node:http';
import { type AddressInfo, connect, type Socket } from 'node:net';

/** A local HTTP proxy for CONNECT. What it opens leads to this machine; an authority without a route gets 403. */
export interface ConnectProxy {
  url: string;
  /** Each tunnel that was asked for, in order. */
  asked: { authority: string; authorization: string | null }[];
  close(): Promise<void>;
}

/** Starts a proxy with routes from an authority (`fcm.googleapis.com:443`) to a local port. */
export const startConnectProxy = async (routes: Record<string, number>): Promise<ConnectProxy> => {
  const asked: ConnectProxy['asked'] = [];
  const open = new Set<Socket>();
  const keep = (socket: Socket): Socket => {
    open.add(socket);
    return socket.on('error', () => socket.destroy()).on('close', () => open.delete(socket));
  };

  const server = createServer().on('connection', keep);
  server.on('connect', ({ url: authority = '', headers }, near: Socket) => {
    asked.push({ authority, authorization: headers['proxy-authorization'] ?? null });
    const port = routes[authority];
    if (port === undefined) return near.end('HTTP/1.1 403 Forbidden\r\n\r\n');
    const far = keep(connect(port, '127.0.0.1'));
    far.once('connect', () => {
      near.write('HTTP/1.1 200 Connection Established\r\n\r\n');
      near.pipe(far).pipe(near);
    });
    far.on('close', () => near.destroy());
    near.on('close', () => far.destroy());
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');

  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    asked,
    async close() {
      const closed = once(server.close(), 'close');
      for (const socket of open) socket.destroy();
      await closed;
    },
  };
};
