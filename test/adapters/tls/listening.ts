import { once } from 'node:events';
import type { Server } from 'node:https';
import type { AddressInfo } from 'node:net';
import { type ConnectionOptions, connect, type TLSSocket } from 'node:tls';

export const now = (): number => Math.floor(Date.now() / 1000);

/** Runs `use` against the server on a free port, and closes it. */
export const listening = async <T>(server: Server, use: (port: number) => Promise<T>): Promise<T> => {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  try {
    return await use((server.address() as AddressInfo).port);
  } finally {
    server.closeAllConnections();
    server.close();
  }
};

/** What `read` finds on a connection after its handshake; rejects with the alert that the server sent. */
export const connected = async <T>(port: number, options: ConnectionOptions, read: (socket: TLSSocket) => T | Promise<T>): Promise<T> => {
  const socket = connect({ port, host: '127.0.0.1', servername: 'localhost', ...options });
  try {
    await once(socket, 'secureConnect');
    return await read(socket);
  } finally {
    socket.destroy();
  }
};

/** One request, the last on this connection: the JSON that the server answered. */
export const ask = async (socket: TLSSocket): Promise<unknown> => {
  socket.write('GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n');
  const text = (await socket.setEncoding('utf8').toArray()).join('');
  return JSON.parse(text.slice(text.indexOf('\r\n\r\n')));
};
