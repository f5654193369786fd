import { OAuthError } from '../oauth-error.ts';
import type { AuthorizationDetail, DetailTypes } from './detail-type.ts';
import { isObject, memberOf, sameJson } from './narrowing.ts';

const MAX_ENTRIES = 16;
const MAX_BYTES = 8 * 1024;

/**
 * The entries of `authorization_details` (RFC 9396, section 2), from the text of a form or the array of a request object, or
 * `invalid_authorization_details`. `allowed` is what the client is registered for; without it, every type that the server knows.
 */
export const authorizationDetailsOf = (
  value: unknown,
  types: DetailTypes,
  allowed: readonly string[] = [...types.keys()],
): readonly AuthorizationDetail[] => {
  const entries = typeof value === 'string' ? fromText(value) : value;
  if (!Array.isArray(entries)) throw refuse('authorization_details must be a JSON array');
  if (entries.length === 0) throw refuse('authorization_details must not be empty');
  if (entries.length > MAX_ENTRIES) throw refuse(`authorization_details has more than ${MAX_ENTRIES} entries`);
  const checked = entries.map((entry, at) => entryOf(entry, `authorization_details[${at}]`, types, allowed));
  // Measured only now: the schemas have bounded how deep it goes.
  checkSize(JSON.stringify(checked));
  return checked;
};

const refuse = (reason: string) => new OAuthError('invalid_authorization_details', reason);

const checkSize = (text: string): void => {
  if (Buffer.byteLength(text) > MAX_BYTES) throw refuse(`authorization_details is longer than ${MAX_BYTES} bytes`);
};

const fromText = (text: string): unknown => {
  checkSize(text);
  try {
    return JSON.parse(text);
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    throw refuse('authorization_details must be JSON');
  }
};

const entryOf = (entry: unknown, where: string, types: DetailTypes, allowed: readonly string[]): AuthorizationDetail => {
  const name = isObject(entry) ? memberOf(entry, 'type') : undefined;
  if (typeof name !== 'string') throw refuse(`${where} must be an object with a type`);
  const type = types.get(name);
  if (type === undefined) throw refuse(printable(`${where}.type must be one of: ${[...types.keys()].join(', ')}`));
  if (!allowed.includes(name)) throw refuse(`${where}.type is one that the client is not registered for`);
  const result = type.schema.safeParse(entry);
  if (result.success) {
    // A schema that drops or mends what it does not like would let the TPP and the PSU mean different things.
    if (!sameJson(result.data, entry)) throw refuse(`${where} holds a member that its type does not define`);
    return result.data;
  }
  const [issue] = result.error.issues;
  const member = [where, ...(issue?.path ?? [])].map((step, at) =>
    at === 0 ? step : typeof step === 'number' ? `[${step}]` : `.${String(step)}`,
  );
  // The message of unrecognized_keys repeats the names that were sent.
  const reason = issue?.code === 'unrecognized_keys' ? 'holds a member that its type does not define' : issue?.message;
  throw refuse(printable(`${member.join('')}: ${reason}`));
};

// error_description: printable ASCII without the quote and the backslash (RFC 6749, section 5.2).
const printable = (text: string): string => text.replaceAll('"', "'").replaceAll(/[^\x20-\x7e]|\\/g, '?');
