import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http';
import { pipeline } from 'node:stream/promises';
import type { ClientCertificate } from '../domain/client/certificate.ts';
import { AppendTooLarge } from '../domain/ports/event-store.ts';
import { readText } from './body.ts';
import { asRefusal, type Reply, refusalReply } from './reply.ts';
import type { Call, Route } from './route.ts';
import type { Gate } from './shedding.ts';

/** Answers a request by its route. The only place where an error becomes a reply. */
export type Serve = (route: Route, params: Call['params'], target: string, req: IncomingMessage, res: ServerResponse) => Promise<void>;

/** Is told of every answer: how long it took in milliseconds, and whether the caller had asked to wait for it. */
export type Answered = (route: Route, call: Call, reply: Reply, taken: { ms: number; waited: boolean }) => void;

interface Reading {
  certificateOf(req: IncomingMessage): ClientCertificate | null;
  bodyBytes: number;
}

/**
 * A call that came by HTTP. A class, because an object with getters of its own has a hidden class of its own in V8: a thousand a second cost
 * more in garbage collection than the rest of a poll.
 */
class HttpCall implements Call {
  readonly method: string;
  readonly target: string;
  readonly params: Call['params'];
  readonly headers: Call['headers'];
  readonly text: () => Promise<string>;
  clientId: string | undefined;
  readonly #req: IncomingMessage;
  readonly #res: ServerResponse;
  readonly #reading: Reading;
  #closed: AbortSignal | undefined;

  constructor(req: IncomingMessage, res: ServerResponse, params: Call['params'], target: string, reading: Reading) {
    this.method = req.method ?? '';
    this.target = target;
    this.params = params;
    this.headers = req.headers;
    this.clientId = undefined;
    this.#req = req;
    this.#res = res;
    this.#reading = reading;
    let body: Promise<string> | undefined;
    this.text = () => {
      body ??= readText(req, reading.bodyBytes);
      return body;
    };
  }

  get certificate(): ClientCertificate | null {
    return this.#reading.certificateOf(this.#req);
  }

  get closed(): AbortSignal {
    this.#closed ??= closedOf(this.#res);
    return this.#closed;
  }

  /** Whether it was asked when the caller is gone: only who waits for something needs to know. */
  get waited(): boolean {
    return this.#closed !== undefined;
  }
}

/**
 * Serves with bodies of at most so many bytes, where a route names no other limit, what the gate lets through; what is no refusal is told to
 * `onFault`.
 */
export const makeServe = ({
  certificateOf,
  bodyBytes,
  gate,
  answered,
  onFault,
}: {
  certificateOf(req: IncomingMessage): ClientCertificate | null;
  bodyBytes: number;
  gate: Gate;
  answered: Answered | undefined;
  onFault(error: unknown): void;
}): Serve => {
  return async (route, params, target, req, res) => {
    const began = answered === undefined ? 0 : performance.now();
    const call = new HttpCall(req, res, params, target, { certificateOf, bodyBytes: route.bodyBytes ?? bodyBytes });
    const shed = gate(route);
    let reply: Reply;
    try {
      if (shed !== null) throw shed;
      reply = await route.handle(call);
    } catch (error) {
      const refusal = asRefusal(error);
      // The caller can send less; that it is too much may be a setting of the store.
      if (refusal.error === 'server_error' || error instanceof AppendTooLarge) onFault(error);
      reply = route.refuse?.(refusal, call) ?? refusalReply(refusal);
      if (refusal === shed) reply = { ...reply, status: 503 };
      if (reply.status === 503) reply = comeAgain(reply);
      if (reply.error === undefined) reply = { ...reply, error: refusal.error };
    }
    if (reply.stream === undefined) send(res, reply);
    else await sendStream(req, res, reply).catch(onFault);
    answered?.(route, call, reply, { ms: performance.now() - began, waited: call.waited });
  };
};

/** However a route words it. */
const comeAgain = (reply: Reply): Reply => ({ ...reply, headers: { 'Retry-After': '1', ...reply.headers } });

const closedOf = (res: ServerResponse): AbortSignal => {
  const controller = new AbortController();
  if (res.closed) controller.abort();
  else res.once('close', () => controller.abort());
  return controller.signal;
};

/**
 * The hot routes ahead of Express, and Express for everything else: its router and body parser cost more than the whole of a poll
 * (docs/decisions).
 */
export const listener = ({ routes, app, serve }: { routes: readonly Route[]; app: RequestListener; serve: Serve }): RequestListener => {
  const hot = routes.filter((route) => route.hot);
  const fixed = new Map(hot.filter(({ path }) => !path.includes('{')).map((route) => [`${route.method} ${route.path}`, route]));
  const shaped = hot.filter(({ path }) => path.includes('{')).map((route) => ({ route, shape: shapeOf(route.path) }));

  return (req, res) => {
    const { method = '', url = '' } = req;
    const route = fixed.get(`${method} ${url}`);
    if (route !== undefined) return void serve(route, {}, url, req, res);
    for (const { route, shape } of shaped) {
      const found = method === route.method ? shape.exec(url) : null;
      if (found !== null) return void serve(route, { ...found.groups }, url, req, res);
    }
    app(req, res);
  };
};

// What is escaped or comes with a query is left to Express, which serves the same route.
const shapeOf = (path: string): RegExp => new RegExp(`^${path.replaceAll(/\{(\w+)\}/g, '(?<$1>[\\w.~-]+)')}$`);

/**
 * Writes a reply piece by piece, each when the caller has taken the one before. What breaks off is no whole answer, and nobody can take it for
 * one.
 */
const sendStream = async ({ method }: IncomingMessage, res: ServerResponse, { status, headers, stream }: Reply): Promise<void> => {
  res.writeHead(status, headers);
  if (method === 'HEAD' || stream === undefined) return void res.end();
  try {
    await pipeline(stream, res);
  } catch (error) {
    // The caller is gone.
    if ((error as { code?: unknown }).code !== 'ERR_STREAM_PREMATURE_CLOSE') throw error;
  }
};

/** Writes a reply. */
export const send = (res: ServerResponse, { status, headers, body, bytes }: Reply): void => {
  const sent = bytes ?? body;
  // RFC 9110, section 8.6: a 204 has no length.
  res.writeHead(status, status === 204 ? headers : { ...headers, 'Content-Length': Buffer.byteLength(sent) });
  res.end(sent);
};
