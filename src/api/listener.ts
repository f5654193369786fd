import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http';
import type { ClientCertificate } from '../domain/client/certificate.ts';
import { type Form, readForm } from './form.ts';
import { asRefusal, type Reply, refusalReply } from './reply.ts';

/** A call of a protocol endpoint, read. */
export interface Call {
  form: Form;
  authorization: string | undefined;
  /** The certificate of the connection, on the listener that asks for one. */
  certificate: ClientCertificate | null;
}

/** A protocol endpoint: `POST` of a form. It knows nothing of HTTP but its own reply. */
export type Endpoint = (call: Call) => Promise<Reply>;

/**
 * The protocol endpoints ahead of Express, and Express for everything else: its router and body parser cost more
 * than the whole of a poll (docs/decisions).
 */
export const listener = ({
  endpoints,
  app,
  certificateOf,
  bodyBytes,
  onFault,
}: {
  endpoints: ReadonlyMap<string, Endpoint>;
  app: RequestListener;
  certificateOf(req: IncomingMessage): ClientCertificate | null;
  bodyBytes: number;
  onFault(error: unknown): void;
}): RequestListener => {
  const answer = async (endpoint: Endpoint, req: IncomingMessage, res: ServerResponse) => {
    let reply: Reply;
    try {
      const form = await readForm(req, bodyBytes);
      reply = await endpoint({ form, authorization: req.headers.authorization, certificate: certificateOf(req) });
    } catch (error) {
      const refusal = asRefusal(error);
      if (refusal.error === 'server_error') onFault(error);
      reply = refusalReply(refusal);
      // RFC 6749, section 5.2: who tried a scheme of HTTP is told which one there is.
      if (refusal.error === 'invalid_client' && req.headers.authorization !== undefined)
        reply = { ...reply, headers: { ...reply.headers, 'WWW-Authenticate': 'Basic realm="Countersign"' } };
    }
    send(res, reply);
  };
  return (req, res) => {
    const endpoint = req.method === 'POST' ? endpoints.get(req.url ?? '') : undefined;
    if (endpoint === undefined) app(req, res);
    else void answer(endpoint, req, res);
  };
};

/** Writes a reply. */
export const send = (res: ServerResponse, { status, headers, body }: Reply): void => {
  res.writeHead(status, { ...headers, 'Content-Length': Buffer.byteLength(body) });
  res.end(body);
};
