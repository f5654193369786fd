import type { IncomingMessage } from 'node:http';
import { OAuthError } from '../domain/oauth-error.ts';

/** The parameters of a form, each once; those without a value count as absent (RFC 6749, section 3.1). */
export type Form = Readonly<Record<string, string>>;

const MAX_PARAMETERS = 64;

/** Reads an `application/x-www-form-urlencoded` body. */
export const readForm = async (req: IncomingMessage, limitBytes: number): Promise<Form> => {
  const body = await readBody(req, limitBytes);
  const type = req.headers['content-type'] ?? '';
  if (!/^application\/x-www-form-urlencoded\s*(;|$)/i.test(type))
    throw new OAuthError('invalid_request', 'Content-Type must be application/x-www-form-urlencoded');
  return parseForm(body);
};

/** Parses a form strictly: a repeated parameter or a malformed escape is `invalid_request`. */
export const parseForm = (body: string): Form => {
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

const unescaped = (text: string): string => {
  if (!text.includes('%') && !text.includes('+')) return text;
  try {
    return decodeURIComponent(text.replaceAll('+', ' '));
  } catch {
    throw new OAuthError('invalid_request', 'the body is not valid form data');
  }
};

const readBody = (req: IncomingMessage, limitBytes: number): Promise<string> =>
  new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let size = 0;
    req.on('data', (chunk: Buffer) => {
      size += chunk.length;
      if (size <= limitBytes) chunks.push(chunk);
      else reject(new OAuthError('content_too_large', 'the body is too large'));
    });
    req.on('end', () => resolve(Buffer.concat(chunks).toString()));
    req.on('error', (cause) => reject(new OAuthError('invalid_request', 'the body ended too early', { cause })));
  });
