import * as z from 'zod';
import { isObject } from '../authorization-details/narrowing.ts';
import type { DeliveryMode } from '../client/profiles.ts';
import { OAuthError } from '../oauth-error.ts';
import { isShowable } from '../showable.ts';

const MAX_BINDING_MESSAGE = 100;
const MAX_CONTEXT_BYTES = 4096;
const MAX_CONTEXT_DEPTH = 16;
const intentId = z.string().max(128);
const intent = z.union([intentId, z.object({ value: intentId }).transform(({ value }) => value)]);

/** The parameters of an authentication request (CIBA Core 1.0, section 7.1), plain or from a signed request object. Others are ignored. */
export const authenticationRequest = z.object({
  scope: z.string(),
  login_hint: z.string().optional(),
  id_token_hint: z.string().optional(),
  login_hint_token: z.string().optional(),
  binding_message: z.string().optional(),
  acr_values: z.string().optional(),
  requested_expiry: z.union([z.int(), z.string()]).optional(),
  user_code: z.string().optional(),
  client_notification_token: z.string().optional(),
  /** A JSON array (RFC 9396), or its text in a form. */
  authorization_details: z.unknown().optional(),
  /** A JSON object (FAPI-CIBA 5.3), or its text in a form. */
  request_context: z.unknown().optional(),
  /** The reference's name for it. */
  transaction_context: z.unknown().optional(),
  /** The reference's: by what else than a push the PSU is to hear of the request, and for whom somebody acts. */
  notification_channel: z.string().optional(),
  actor_token: z.string().optional(),
  /** Ours: an auth_req_id of the client's own that still waits for its PSU, and that this request takes the place of. */
  supersedes: z.string().max(256).optional(),
  openbanking_intent_id: intent.optional(),
  claims: z
    .object({
      userinfo: z.object({ openbanking_intent_id: intent.optional() }).optional(),
      id_token: z.object({ openbanking_intent_id: intent.optional() }).optional(),
    })
    .optional(),
});
export type AuthenticationRequest = z.output<typeof authenticationRequest>;

/** Whom the request is about: exactly one of the hints. */
export type Hint = { kind: 'login_hint' | 'id_token_hint' | 'login_hint_token'; value: string };

/** The hint of a request, or a refusal when it has none or several (CIBA Core 1.0, section 7.1). */
export const hintOf = ({ login_hint, id_token_hint, login_hint_token }: AuthenticationRequest): Hint => {
  const given = [login_hint, id_token_hint, login_hint_token].filter((hint) => hint !== undefined);
  if (given.length !== 1)
    throw new OAuthError('invalid_request', 'exactly one of login_hint, id_token_hint and login_hint_token is needed');
  if (login_hint !== undefined) return { kind: 'login_hint', value: login_hint };
  if (id_token_hint !== undefined) return { kind: 'id_token_hint', value: id_token_hint };
  return { kind: 'login_hint_token', value: login_hint_token as string };
};

/** The consent that the request refers to: `openbanking_intent_id` at the top or under `claims`; two different ones are refused. */
export const intentOf = ({ openbanking_intent_id, claims }: AuthenticationRequest): string | null => {
  const given = [openbanking_intent_id, claims?.userinfo?.openbanking_intent_id, claims?.id_token?.openbanking_intent_id];
  const named = new Set(given.filter((id) => id !== undefined));
  if (named.size > 1) throw new OAuthError('invalid_request', 'openbanking_intent_id is given twice with different values');
  return [...named][0] ?? null;
};

/** The scope, each value once, if it asks for `openid` and nothing that the client is not registered for. */
export const scopeOf = ({ scope }: AuthenticationRequest, registered: string): string => {
  const asked = scopeWithin(scope, registered);
  if (!asked.split(' ').includes('openid')) throw new OAuthError('invalid_scope', 'scope must contain openid');
  return asked;
};

/** The scope values asked for, each once, if all of them are registered (RFC 6749, section 3.3). */
export const scopeWithin = (scope: string, registered: string): string => {
  const allowed = new Set(registered.split(' '));
  const asked = [...new Set(scope.split(' ').filter((value) => value !== ''))];
  if (asked.length === 0 || !asked.every((value) => allowed.has(value)))
    throw new OAuthError('invalid_scope', 'scope holds a value that the client is not registered for');
  return asked.join(' ');
};

/** The first of the requested classes that this server supports; without a request the server's own first one. */
export const acrOf = ({ acr_values }: AuthenticationRequest, supported: readonly string[]): string | null =>
  (acr_values === undefined ? supported : acr_values.split(' ').filter((acr) => supported.includes(acr)))[0] ?? null;

/** The life of the request in seconds: what was asked for (a number, or digits), within the limits. */
export const lifeOf = (
  { requested_expiry }: AuthenticationRequest,
  limits: { defaultExpirySeconds: number; minExpirySeconds: number; maxExpirySeconds: number },
): number => {
  if (requested_expiry === undefined) return limits.defaultExpirySeconds;
  const asked = /^[1-9]\d{0,8}$/.test(String(requested_expiry)) ? Number(requested_expiry) : 0;
  if (asked === 0) throw new OAuthError('invalid_request', 'requested_expiry must be a positive number of seconds');
  return Math.min(Math.max(asked, limits.minExpirySeconds), limits.maxExpirySeconds);
};

/** The `request_context` (FAPI-CIBA 5.3), which says for the PSU where the request comes from, or null. It is shown as it is. */
export const requestContextOf = ({
  transaction_context: theirs,
  request_context: given = theirs,
}: AuthenticationRequest): Readonly<Record<string, unknown>> | null => {
  if (given === undefined) return null;
  const context = typeof given === 'string' ? jsonOf(given) : given;
  if (!isObject(context) || !isShowable(context, MAX_CONTEXT_DEPTH))
    throw new OAuthError('invalid_request', `request_context must be a JSON object, at most ${MAX_CONTEXT_DEPTH} levels deep`);
  if (Buffer.byteLength(JSON.stringify(context)) > MAX_CONTEXT_BYTES)
    throw new OAuthError('invalid_request', `request_context is longer than ${MAX_CONTEXT_BYTES} bytes`);
  return context;
};

const jsonOf = (text: string): unknown => {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
};

// Shown on a small screen, letter for letter: no controls, no invisible or direction-changing characters, no line breaks, no links,
// no signs that stand for what was lost. Some letters and marks, and the blank Braille pattern, are invisible too.
const SHOWABLE = /^[[\p{L}\p{M}\p{N}\p{P}\p{S} ]--[\p{Default_Ignorable_Code_Point}\u2800\uFFFC\uFFFD]]+$/v;
const BLANK = /^ *$/;
const LINK = /:\/\/|www\./i;
const SCRIPTS = [/\p{Script=Latin}/u, /\p{Script=Greek}/u, /\p{Script=Cyrillic}/u];

/** The message that the PSU compares on both devices, or null. One that a device cannot show intact is `invalid_binding_message`. */
export const bindingMessageOf = ({ binding_message: message }: AuthenticationRequest): string | null => {
  if (message === undefined) return null;
  const refuse = (reason: string) => new OAuthError('invalid_binding_message', reason);
  if ([...message].length > MAX_BINDING_MESSAGE) throw refuse(`binding_message is longer than ${MAX_BINDING_MESSAGE} characters`);
  if (BLANK.test(message)) throw refuse('binding_message is blank');
  if (!SHOWABLE.test(message) || message.normalize('NFC') !== message)
    throw refuse('binding_message holds a character that a device cannot show safely');
  if (LINK.test(message)) throw refuse('binding_message must not hold a link');
  if (SCRIPTS.filter((script) => script.test(message)).length > 1) throw refuse('binding_message mixes alphabets that look alike');
  return message;
};

const MAX_NOTIFICATION_TOKEN = 1024;
// RFC 6750, section 2.1.
const BEARER_TOKEN = /^[A-Za-z0-9\-._~+/]+=*$/;

/** The bearer token of our calls to the client, which ping and push need (CIBA Core 1.0, section 7.1); null for a client that polls. */
export const notificationTokenOf = ({ client_notification_token: token }: AuthenticationRequest, mode: DeliveryMode): string | null => {
  if (mode === 'poll') return null;
  if (token === undefined) throw new OAuthError('invalid_request', `client_notification_token is needed in the delivery mode ${mode}`);
  if (token.length > MAX_NOTIFICATION_TOKEN || !BEARER_TOKEN.test(token))
    throw new OAuthError(
      'invalid_request',
      `client_notification_token must be a bearer token of at most ${MAX_NOTIFICATION_TOKEN} characters`,
    );
  return token;
};
