import type { IncomingHttpHeaders, IncomingMessage } from 'node:http';
import type * as z from 'zod';
import { OAuthError } from '../domain/oauth-error.ts';
import { parse } from './parse.ts';

/** The parameters of a form, each once; those without a value count as absent (RFC 6749, section 3.1). */
export type Form = Readonly<Record<string, string>>;

// More than any protocol call has.
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

/** Whether a call brings a form. */
export const isForm = ({ 'content-type': given = '' }: IncomingHttpHeaders): boolean => FORM.test(given);

/** Parses a form strictly: a repeated parameter, a malformed escape or more than `most` parameters are `invalid_request`. */
export const parseForm = (body: string, headers: IncomingHttpHeaders, most = MAX_PARAMETERS): Form => {
  mustBe(FORM, 'application/x-www-form-urlencoded', headers);
  return parameters(body, most);
};

/** The query of a call as it was sent; empty where there is none. */
export const queryText = ({ target }: { target: string }): string => target.slice(target.indexOf('?') + 1 || target.length);

/** Parses a query as strictly as a form. */
export const parseQuery = (call: { target: string }): Form => parameters(queryText(call), MAX_PARAMETERS);

const parameters = (text: string, most: number): Form => {
  const pairs = text.split('&', most + 1);
  if (pairs.length > most) throw new OAuthError('invalid_request', 'there are too many parameters');
  const form: Record<string, string> = Object.create(null);
  const seen = new Set<string>();
  for (const pair of pairs) {
    if (pair === '') continue;
    const equals = pair.indexOf('=');
    const name = unescaped(equals < 0 ? pair : pair.slice(0, equals));
    const value = equals < 0 ? '' : unescaped(pair.slice(equals + 1));
    if (seen.has(name)) throw new OAuthError('invalid_request', 'a parameter is repeated');
    seen.add(name);
    if (value !== '') form[name] = value;
  }
  return form;
};

// More than anything that is asked for here; what goes deeper could not be walked through without running out of stack.
const MAX_DEPTH = 64;

const isDeeper = (value: unknown, levels: number): boolean =>
  typeof value === 'object' && value !== null && (levels === 0 || Object.values(value).some((member) => isDeeper(member, levels - 1)));

/** What a text of JSON says. Throws for what is no JSON, or nested deeper than 64 levels. */
export const parseJson = (text: string): unknown => {
  const value: unknown = JSON.parse(text);
  if (isDeeper(value, MAX_DEPTH)) throw new SyntaxError('the JSON is nested too deep');
  return value;
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
    value = parseJson(body);
  } catch (cause) {
    throw new OAuthError('invalid_request', 'the body is not valid JSON, or nested too deep', { cause });
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
