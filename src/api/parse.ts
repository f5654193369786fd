import type * as z from 'zod';
import { OAuthError } from '../domain/oauth-error.ts';

/** Outside input through a schema, or `invalid_request` that names the first thing wrong. The input itself is not repeated. */
export const parse = <Schema extends z.ZodType>(schema: Schema, input: unknown): z.output<Schema> => {
  const result = schema.safeParse(input);
  if (result.success) return result.data;
  const issue = result.error.issues[0];
  const where = issue?.path.map(String).join('.') || 'the request';
  throw new OAuthError(
    'invalid_request',
    printable(`${where} is not valid: ${issue?.code === 'custom' ? issue.message : (issue?.code ?? 'unknown')}`),
  );
};

// error_description: printable ASCII without the quote and the backslash (RFC 6749, section 5.2).
const printable = (text: string): string => text.replaceAll(/[^\x20-\x7e]|["\\]/g, '?');
