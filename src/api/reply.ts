import { STATUS_CODES } from 'node:http';
import { OAuthError, type OAuthErrorCode } from '../domain/oauth-error.ts';
import { AppendTooLarge, RevisionConflict, StoreBusy, StoreStopped, StoreUnavailable } from '../domain/ports/event-store.ts';
import { ProjectionStopped, ProjectionsBehind } from '../projections/runner.ts';

/** An answer, whoever sends it. */
export interface Reply {
  status: number;
  headers: Readonly<Record<string, string>>;
  body: string;
  /** The body in its place, where it is no text. */
  bytes?: Buffer;
  /** The body in its place, made as the caller takes it. */
  stream?: AsyncIterable<string>;
  /** The code of a refusal, for those who count. */
  error?: OAuthErrorCode;
}

const JSON_HEADERS = { 'Content-Type': 'application/json', 'Cache-Control': 'no-store' };

/** A reply with a JSON body that is not cached. */
export const json = (status: number, value: unknown, headers: Readonly<Record<string, string>> = {}): Reply => ({
  status,
  headers: { ...JSON_HEADERS, ...headers },
  body: JSON.stringify(value),
});

/** A reply with a body that is made as the caller takes it, and no further once the caller is gone. */
export const streamed = (type: string, stream: AsyncIterable<string>): Reply => ({
  status: 200,
  headers: { 'Content-Type': type, 'Cache-Control': 'no-store' },
  body: '',
  stream,
});

/** A reply without a body. */
export const noContent = (status: 200 | 204): Reply => ({ status, headers: { 'Cache-Control': 'no-store' }, body: '' });

/** Asks for user name and password, or the credentials of a client (RFC 7617; RFC 6749, section 5.2). */
export const BASIC_CHALLENGE = { 'WWW-Authenticate': 'Basic realm="Countersign"' };

/** A reply that asks so. */
export const askingForBasic = (reply: Reply): Reply => ({ ...reply, headers: { ...reply.headers, ...BASIC_CHALLENGE } });

const STATUS: Partial<Record<OAuthErrorCode, number>> = {
  invalid_client: 401,
  invalid_token: 401,
  access_denied: 403,
  insufficient_scope: 403,
  not_found: 404,
  method_not_allowed: 405,
  conflict: 409,
  gone: 410,
  content_too_large: 413,
  server_error: 500,
  temporarily_unavailable: 503,
};

/** The HTTP status of a refusal (RFC 6749, section 5.2; CIBA Core 1.0, section 13). */
export const statusOf = (error: OAuthErrorCode): number => STATUS[error] ?? 400;

// What HTTP says with its status is an `invalid_request` in the specification's own list of codes.
const AS_INVALID_REQUEST: readonly OAuthErrorCode[] = ['content_too_large', 'method_not_allowed'];

/** A refusal as the specifications want it: `error` and `error_description` (RFC 6749, section 5.2; CIBA Core 1.0, section 13). */
export const refusalReply = (refusal: OAuthError, status: number = statusOf(refusal.error)): Reply => {
  const headers: Record<string, string> = {};
  if (status === 503) headers['Retry-After'] = '1';
  if (refusal.error === 'content_too_large') headers['Connection'] = 'close';
  const error = AS_INVALID_REQUEST.includes(refusal.error) ? 'invalid_request' : refusal.error;
  return { ...json(status, { error, error_description: refusal.message }, headers), error: refusal.error };
};

const OF_THE_STORE = [RevisionConflict, StoreStopped, StoreUnavailable, StoreBusy, ProjectionsBehind, ProjectionStopped];

/** Anything that was thrown, as a refusal that the caller may see. What is not one already is our fault. */
export const asRefusal = (error: unknown): OAuthError => {
  if (error instanceof OAuthError) return error;
  // The caller may come again: nothing was recorded, or the same call says so.
  if (OF_THE_STORE.some((kind) => error instanceof kind))
    return new OAuthError('temporarily_unavailable', 'the request could not be completed now', { cause: error });
  if (error instanceof AppendTooLarge)
    return new OAuthError('content_too_large', 'this is more than the event store takes at once', { cause: error });
  const status = (error as { status?: unknown } | null)?.status;
  // The errors of body-parser and of Express's router, which speak of what the caller sent.
  if (status === 413) return new OAuthError('content_too_large', 'the body is too large', { cause: error });
  if (typeof status === 'number' && status >= 400 && status < 500)
    return new OAuthError('invalid_request', `the request could not be read (${STATUS_CODES[status]})`, { cause: error });
  return new OAuthError('server_error', 'the request could not be completed', { cause: error });
};
