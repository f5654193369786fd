import type { IncomingHttpHeaders } from 'node:http';
import type * as z from 'zod';
import type { ClientCertificate } from '../domain/client/certificate.ts';
import { OAuthError, type OAuthErrorCode } from '../domain/oauth-error.ts';
import { type Form, parseForm } from './body.ts';
import { askingForBasic, type Reply, refusalReply } from './reply.ts';

/** One call, as handlers see it; they know nothing else of HTTP. */
export interface Call {
  method: string;
  /** The path and the query as they were sent. */
  target: string;
  /** What stands in the places of the path that the route names. */
  params: Readonly<Record<string, string>>;
  headers: IncomingHttpHeaders;
  /** The certificate of the connection, on the listener that asks for one. */
  readonly certificate: ClientCertificate | null;
  /** The body, read at the first time of asking; `content_too_large` beyond the limit. */
  text(): Promise<string>;
  /** Aborted when the caller is gone, or has its answer. */
  readonly closed: AbortSignal;
  /** The client that has proved to be the caller, or whose token it has shown. */
  clientId?: string | undefined;
}

/** Answers a call, or throws the refusal. */
export type Handler = (call: Call) => Promise<Reply>;

/** What the OpenAPI document says of a route. */
export interface RouteDoc {
  summary: string;
  /** Who calls, and how it proves that. */
  security: 'none' | 'client' | 'bearer' | 'operator' | 'device' | 'psu' | 'registration token';
  /** The headers that count, beside those of the security. */
  headers?: z.ZodObject;
  query?: z.ZodObject;
  form?: z.ZodType;
  json?: z.ZodType;
  /** The body of each status of success; null for none, a text for another content type than JSON, or several for the caller to choose of. */
  answers: Readonly<Record<number, z.ZodType | null | string | readonly string[]>>;
  /** The codes of the refusals that are this route's own, beside those of everybody who calls in its way. */
  errors: readonly OAuthErrorCode[];
  /** How the route refuses, where it is not the common way: all of it as pages, its own refusals with another body or other statuses. */
  refusal?: { type?: 'text/html'; schema?: z.ZodType; status?: Partial<Record<OAuthErrorCode, number>> };
}

/** One row of what is served. */
export interface Route {
  method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  /** A path in which `{name}` stands for a part. */
  path: string;
  handle: Handler;
  doc?: RouteDoc;
  /** A refusal as this route words it, where it is not the common way. */
  refuse?: (refusal: OAuthError, call: Call) => Reply;
  /** Called at a rate at which Express's router would cost more than the answer (docs/decisions). */
  hot?: true;
  /** The largest body, where it is not the common one. */
  bodyBytes?: number;
}

/** A call of a protocol endpoint: its parameters stand in the body, as a form. */
export interface FormCall extends Call {
  form: Form;
}

/** Answers the call of a protocol endpoint. */
export type Endpoint = (call: FormCall) => Promise<Reply>;

/** A protocol endpoint: `POST` of a form. */
export const formRoute = (path: string, endpoint: Endpoint, doc?: RouteDoc): Route => ({
  method: 'POST',
  path,
  hot: true,
  ...(doc && { doc }),
  async handle(call) {
    if (call.target.includes('?')) throw new OAuthError('invalid_request', 'parameters belong in the body, not in the query');
    return endpoint(Object.assign(call, { form: parseForm(await call.text(), call.headers) }));
  },
  // RFC 6749, section 5.2: who tried a scheme of HTTP is told which one there is.
  refuse(refusal, { headers }) {
    const reply = refusalReply(refusal);
    return refusal.error === 'invalid_client' && headers.authorization !== undefined ? askingForBasic(reply) : reply;
  },
});
