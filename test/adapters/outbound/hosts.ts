import { createHook } from 'node:async_hooks';
import { once } from 'node:events';
import { createServer as createHttpServer, type RequestListener } from 'node:http';
import { createServer as createHttpsServer, type ServerOptions } from 'node:https';
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import { issueServerCertificate, makeAuthority } from '../../../src/adapters/tls/certificates.ts';
import type { Identity } from '../../../src/adapters/tls/servers.ts';
import { OutboundFailed, type OutboundFailure, type OutboundRefusal, OutboundRefused } from '../../../src/domain/ports/outbound.ts';

/** Something that listens on loopback, and how many connections it has seen. */
export interface Host {
  port: number;
  connections: () => number;
  /** The server names that clients asked for, in order. */
  serverNames: string[];
  close(): Promise<void>;
}

const started = async (server: Server): Promise<Host> => {
  const open = new Set<Socket>();
  const serverNames: string[] = [];
  let connections = 0;
  server.on('connection', (socket: Socket) => {
    connections += 1;
    open.add(socket);
    socket.on('error', () => socket.destroy()).on('close', () => open.delete(socket));
  });
  server.on('secureConnection', ({ servername }: { servername: string | false }) => serverNames.push(servername || ''));
  await once(server.listen(0, '127.0.0.1'), 'listening');
  return {
    port: (server.address() as AddressInfo).port,
    connections: () => connections,
    serverNames,
    async close() {
      const closed = once(server.close(), 'close');
      for (const socket of open) socket.destroy();
      await closed;
    },
  };
};

/** A listener that nobody may reach. */
export const startCanary = (): Promise<Host> => started(createServer((socket) => socket.end('HTTP/1.1 200 OK\r\n\r\n')));

/** A server that speaks something of its own on each connection. */
export const startRaw = (speak: (socket: Socket) => void): Promise<Host> => started(createServer(speak));

/** An HTTP server without TLS. */
export const startHttp = (handler: RequestListener): Promise<Host> => started(createHttpServer(handler));

/** An HTTPS server. */
export const startHttps = ({ certificate, key }: Identity, handler: RequestListener, options: ServerOptions = {}): Promise<Host> =>
  started(createHttpsServer({ cert: certificate, key, ...options }, handler));

const validity = () => {
  const now = Math.floor(Date.now() / 1000);
  return { notBefore: now - 60, notAfter: now + 3600 };
};

/** An authority of the tests, and a certificate of it for localhost, tpp.example and 127.0.0.1. */
export const testIdentity = async (): Promise<Identity & { ca: string }> => {
  const authority = await makeAuthority('outbound test', validity());
  const names = [
    { type: 'dns' as const, value: 'localhost' },
    { type: 'dns' as const, value: 'tpp.example' },
    { type: 'ip' as const, value: '127.0.0.1' },
  ];
  return { ...(await issueServerCertificate(authority, names, validity())), ca: authority.certificate };
};

/** The reason of the refusal or failure that the call ends with; throws what is neither, and for a call that succeeds. */
export const reasonOf = async (call: Promise<unknown>): Promise<OutboundRefusal | OutboundFailure> => {
  try {
    await call;
  } catch (error) {
    if (error instanceof OutboundRefused || error instanceof OutboundFailed) return error.reason;
    throw error;
  }
  throw new Error('the call succeeded');
};

/** How many TCP connections this process has tried to open meanwhile, to wherever. */
export const connectionAttempts = async (during: () => Promise<unknown>): Promise<number> => {
  let attempts = 0;
  const hook = createHook({
    init(_id, type) {
      if (type === 'TCPCONNECTWRAP') attempts += 1;
    },
  }).enable();
  try {
    await during();
  } finally {
    hook.disable();
  }
  return attempts;
};
