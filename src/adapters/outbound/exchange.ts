import { type ClientRequest, Agent as HttpAgent, request as httpRequest, type IncomingMessage, type RequestOptions } from 'node:http';
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https';
import { isIP, type LookupFunction } from 'node:net';
import { OutboundFailed, OutboundRefused, type OutboundRequest, type OutboundResponse } from '../../domain/ports/outbound.ts';
import type { Target } from './target.ts';

const BODY_BYTES = 65_536;
const HEADER_BYTES = 16_384;
// What comes behind a status that was taken alone has this long; who is slower loses the connection, and nothing else.
const REST_MS = 1000;

/** Connections that stay open for the next call to the same host. One that is open leads to the address that was checked for it. */
export interface Agents {
  http: HttpAgent;
  https: HttpsAgent;
}

const CLOSED = ['ECONNRESET', 'EPIPE'];
const KEPT = { keepAlive: true, maxSockets: 32, maxFreeSockets: 4, timeout: 4000 };

/** Agents of our own: the global ones may go through a proxy. */
export const openAgents = (): Agents => ({ http: new HttpAgent(KEPT), https: new HttpsAgent(KEPT) });

/** What an exchange depends on besides its request. The addresses have been checked. */
export interface Connection {
  target: Target;
  addresses: readonly string[];
  /** The roots to trust instead of Node's own, in PEM. */
  ca: string | undefined;
  agents: Agents;
  signal: AbortSignal;
}

/** One request and its answer, over a connection to one of the addresses: the first that takes it. */
export const exchange = async (request: OutboundRequest, connection: Connection): Promise<OutboundResponse> => {
  const sent = send(request, connection);
  const progress = progressOf(sent);
  const { promise, resolve, reject } = Promise.withResolvers<OutboundResponse>();
  // Whichever is first: what the parser finds wrong in a body is told by the request, and only then is the response cut off.
  sent.on('error', reject).on('response', (response) => {
    const { maxBytes = BODY_BYTES, statusOnly = false } = request;
    if (isRedirect(response)) reject(new OutboundRefused('redirect'));
    else if (statusOnly) resolve(statusOf(response, maxBytes));
    else read(response, maxBytes).then(resolve, reject);
  });
  sent.end(request.body);
  try {
    return await promise;
  } catch (error) {
    // Whatever is left of it must not reach the next call.
    sent.destroy();
    // The host closed a connection that was kept for it just as we wrote. Most likely nobody read the request; who did gets it twice.
    if (sent.reusedSocket && CLOSED.includes((error as NodeJS.ErrnoException).code ?? '')) return exchange(request, connection);
    throw error instanceof OutboundRefused ? error : faultOf(error as NodeJS.ErrnoException, progress);
  }
};

const send = ({ method, headers }: OutboundRequest, { target, addresses, ca, agents, signal }: Connection): ClientRequest => {
  const { url, host, port } = target;
  const options: RequestOptions = {
    method,
    host,
    port,
    path: url.pathname + url.search,
    headers: { ...lowerCase(headers), host: url.host, 'accept-encoding': 'identity' },
    lookup: pinnedTo(addresses),
    maxHeaderSize: HEADER_BYTES,
    signal,
  };
  if (url.protocol === 'http:') return httpRequest({ ...options, agent: agents.http });
  // Said outright because NODE_TLS_REJECT_UNAUTHORIZED and NODE_OPTIONS would otherwise decide.
  return httpsRequest({
    ...options,
    agent: agents.https,
    rejectUnauthorized: true,
    minVersion: 'TLSv1.2',
    ...(ca !== undefined && { ca }),
  });
};

// Two spellings of one name would both be sent, and the length is that of the body.
const lowerCase = (headers: Readonly<Record<string, string>> = {}): Record<string, string> =>
  Object.fromEntries(
    Object.entries(headers)
      .map(([name, value]): [string, string] => [name.toLowerCase(), value])
      .filter(([name]) => name !== 'content-length' && name !== 'transfer-encoding'),
  );

/** Answers each question for an address with those that were checked, so that no name server is asked again. */
const pinnedTo =
  (addresses: readonly string[]): LookupFunction =>
  (_hostname, { all }, callback) => {
    const found = addresses.map((address) => ({ address, family: isIP(address) }));
    if (all) callback(null, found);
    else callback(null, found[0]?.address ?? '', found[0]?.family);
  };

const isRedirect = ({ statusCode = 0 }: IncomingMessage): boolean => statusCode >= 300 && statusCode < 400;

/** The answer without its body, which is read so that the connection can serve again, and is dropped with it if it is long or slow. */
const statusOf = (response: IncomingMessage, maxBytes: number): OutboundResponse => {
  const { statusCode: status = 0, headers } = response;
  let bytes = 0;
  const late = setTimeout(() => response.destroy(), REST_MS);
  response
    .on('data', (chunk: Buffer) => {
      bytes += chunk.length;
      if (bytes > maxBytes) response.destroy();
    })
    .on('error', () => undefined)
    .on('close', () => clearTimeout(late));
  return { status, headers: joined(headers), body: '' };
};

const read = async (response: IncomingMessage, maxBytes: number): Promise<OutboundResponse> => {
  const { statusCode: status = 0, headers } = response;
  if (!/^(identity)?$/i.test(headers['content-encoding'] ?? '')) throw new OutboundRefused('content_encoding');
  if (Number(headers['content-length'] ?? 0) > maxBytes) throw new OutboundRefused('too_large');
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of response as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes > maxBytes) throw new OutboundRefused('too_large');
    chunks.push(chunk);
  }
  return { status, headers: joined(headers), body: Buffer.concat(chunks).toString('utf8') };
};

const joined = (headers: IncomingMessage['headers']): Record<string, string> =>
  Object.fromEntries(Object.entries(headers).map(([name, value]) => [name, [value ?? ''].flat().join(', ')]));

/** How far a connection has come: what an error of a socket means depends on that. */
interface Progress {
  reached: boolean;
  secured: boolean;
}

const progressOf = (sent: ClientRequest): Progress => {
  const progress = { reached: false, secured: sent.protocol === 'http:' };
  sent.once('socket', (socket) => {
    if (sent.reusedSocket) {
      Object.assign(progress, { reached: true, secured: true });
      return;
    }
    socket.once('connect', () => {
      progress.reached = true;
    });
    socket.once('secureConnect', () => {
      progress.secured = true;
    });
  });
  return progress;
};

const faultOf = (cause: NodeJS.ErrnoException, { reached, secured }: Progress): OutboundRefused | OutboundFailed => {
  const code = cause.code ?? '';
  if (code === 'HPE_HEADER_OVERFLOW') return new OutboundRefused('too_large', { cause });
  if (code.startsWith('HPE_')) return new OutboundFailed('bad_response', { cause });
  const ofTls = (reached && !secured) || code.startsWith('ERR_SSL_');
  return new OutboundFailed(ofTls ? 'tls_failed' : 'connection_failed', { cause });
};
