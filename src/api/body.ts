import type { IncomingHttpHeaders, IncomingMessage } from 'node:http';
import type * as z from 'zod';
import { OAuthError } from '../domain/oauth-error.ts';
import { parse } from './parse.ts';

/** The parameters of a form, each once; those without a value count as absent (RFC 6749, section 3.1). */
export type Form = Readonly<Record<string, string>>;

const MAX_PARAMETERS = 64;
const FORM = /^application\/x-www-form-urlencoded\s*(;|$)/i;
const JSON_TYPE = /^application\/json\s*(;|$)/i;
const CHARSET = /;\s*charset\s*=\s*"?([^";\s]*)/i;

/** Reads a body of UTF-8 text. */
export const readText = (req: IncomingMessage, limitBytes: number): Promise<string> =>
  new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let size = 0;
    req.on('data', (chunk: Buffer) => {
      size += chunk.length;
      if (size <= limitBytes) chunks.push(chunk);
      else reject(new OAuthError('content_too_large', 'the body is too large'));
    });
    req.on('end', () => resolve((chunks.length === 1 ? (chunks[0] as Buffer) : Buffer.concat(chunks)).toString()));
    req.on('error', (cause) => reject(new OAuthError('invalid_request', 'the body ended too early', { cause })));
  });

/** Whether a call brings a body. */
export const hasBody = (headers: IncomingHttpHeaders): boolean =>
  headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) > 0;

/** Parses a form strictly: a repeated parameter or a malformed escape is `invalid_request`. */
export const parseForm = (body: string, headers: IncomingHttpHeaders): Form => {
  mustBe(FORM, 'application/x-www-form-urlencoded', headers);
  const form: Record<string, string> = Object.create(null);
  const seen = new Set<string>();
  for (const pair of body.split('&', MAX_PARAMETERS + 1)) {
    if (pair === '') continue;
    const equals = pair.indexOf('=');
    const name = unescaped(equals < 0 ? pair : pair.slice(0, equals));
    const value = equals < 0 ? '' : unescaped(pair.slice(equals + 1));
    if (seen.has(name)) throw new OAuthError('invalid_request', 'a parameter is repeated');
    seen.add(name);
    if (value !== '') form[name] = value;
  }
  if (seen.size > MAX_PARAMETERS) throw new OAuthError('invalid_request', 'there are too many parameters');
  return form;
};

/** A JSON body through its schema. */
export const readJson = async <Schema extends z.ZodType>(
  call: { headers: IncomingHttpHeaders; text(): Promise<string> },
  schema: Schema,
): Promise<z.output<Schema>> => {
  mustBe(JSON_TYPE, 'application/json', call.headers);
  const body = await call.text();
  let value: unknown;
  try {
    value = JSON.parse(body);
  } catch (cause) {
    throw new OAuthError('invalid_request', 'the body is not valid JSON', { cause });
  }
  return parse(schema, value);
};

const mustBe = (type: RegExp, name: string, { 'content-type': given = '', 'content-encoding': encoding }: IncomingHttpHeaders) => {
  if (!type.test(given)) throw new OAuthError('invalid_request', `Content-Type must be ${name}`);
  if ((CHARSET.exec(given)?.[1] ?? 'utf-8').toLowerCase() !== 'utf-8') throw new OAuthError('invalid_request', 'the body must be UTF-8');
  if (encoding !== undefined && encoding !== 'identity') throw new OAuthError('invalid_request', 'the body must not be compressed');
};

const unescaped = (text: string): string => {
  if (!text.includes('%') && !text.includes('+')) return text;
  try {
    return decodeURIComponent(text.replaceAll('+', ' '));
  } catch {
    throw new OAuthError('invalid_request', 'the body is not valid form data');
  }
};
