import * as z from 'zod';
import type { ClientMetadata } from '../client/metadata.ts';
import { RESPONSE_TYPES } from '../client/metadata.ts';
import type { Profile } from '../client/profiles.ts';
import { OAuthError } from '../oauth-error.ts';

const MAX_STATE = 4096;
const MAX_NONCE = 512;

const intentId = z.string().max(128);
const intent = z.union([intentId, z.object({ value: intentId }).transform(({ value }) => value)]);
const acrClaim = z
  .object({ essential: z.boolean().optional(), value: z.string().optional(), values: z.array(z.string()).max(20).optional() })
  .nullable();

/**
 * The parameters of an authorization request (RFC 6749, section 4.1.1; OpenID Connect Core 1.0, section 3.1.2.1), plain, pushed or from a
 * signed request object. Others are ignored.
 */
export const authorizationParameters = z.object({
  response_type: z.string(),
  redirect_uri: z.string(),
  scope: z.string(),
  state: z.string().max(MAX_STATE).optional(),
  nonce: z.string().max(MAX_NONCE).optional(),
  response_mode: z.string().optional(),
  prompt: z.string().optional(),
  max_age: z.union([z.int().nonnegative(), z.string().regex(/^\d{1,10}$/)]).optional(),
  acr_values: z.string().optional(),
  login_hint: z.string().max(512).optional(),
  id_token_hint: z.string().max(16_384).optional(),
  code_challenge: z.string().optional(),
  code_challenge_method: z.string().optional(),
  dpop_jkt: z
    .string()
    .regex(/^[\w-]{43}$/)
    .optional(),
  /** A JSON array (RFC 9396), or its text in a form. */
  authorization_details: z.unknown().optional(),
  openbanking_intent_id: intent.optional(),
  claims: z
    .object({
      userinfo: z.object({ openbanking_intent_id: intent.optional() }).optional(),
      id_token: z.object({ openbanking_intent_id: intent.optional(), acr: acrClaim.optional() }).optional(),
    })
    .optional(),
});
export type AuthorizationParameters = z.output<typeof authorizationParameters>;

export type ResponseType = (typeof RESPONSE_TYPES)[number];
export type ResponseMode = 'query' | 'fragment' | 'query.jwt' | 'fragment.jwt';
/** `form_post` needs a script, or a button that people do not understand. */
export const RESPONSE_MODES = ['query', 'fragment', 'jwt', 'query.jwt', 'fragment.jwt'] as const;
/** Every request comes with a sign-in of its own, so that `none` is answered with login_required. */
export const PROMPTS = ['none', 'login', 'consent', 'select_account'] as const;

/** How a request came: as parameters of the front channel or pushed, and signed or not. */
export interface Arrival {
  pushed: boolean;
  signed: boolean;
}

/** Refuses a request that came another way than its client must use (FAPI 1 Advanced 5.2.2-1; FAPI 2 SP 5.3.2.2-1; RFC 9126, section 6). */
export const checkArrival = ({ pushed, signed }: Arrival, metadata: ClientMetadata, profile: Profile): void => {
  if (!pushed && (profile.authorizationRequest.pushed || metadata.require_pushed_authorization_requests))
    throw new OAuthError('invalid_request', 'the authorization request of this client must be pushed');
  const mustSign =
    profile.authorizationRequest.signed || metadata.require_signed_request_object || metadata.request_object_signing_alg !== null;
  if (!signed && mustSign) throw new OAuthError('invalid_request', 'the parameters must arrive in a signed request object');
};

/** Where and how the answer to a request goes, if it may go anywhere: only to a redirect URI that is registered, letter for letter. */
export const wayBack = (
  { redirect_uri: redirectUri, response_type: type, response_mode: mode, state }: Readonly<Record<string, unknown>>,
  { redirect_uris }: ClientMetadata,
): { redirectUri: string; responseMode: ResponseMode; state: string | null } | null => {
  if (typeof redirectUri !== 'string' || !redirect_uris.includes(redirectUri)) return null;
  return {
    redirectUri,
    responseMode: usableMode(mode, type === 'code id_token'),
    state: typeof state === 'string' && state.length <= MAX_STATE ? state : null,
  };
};

const usableMode = (mode: unknown, hybrid: boolean): ResponseMode => {
  const signed = mode === 'jwt' || mode === 'query.jwt' || mode === 'fragment.jwt';
  const inFragment = hybrid || mode === 'fragment' || mode === 'fragment.jwt';
  const place = inFragment ? 'fragment' : 'query';
  return signed ? `${place}.jwt` : place;
};

/** The response type and mode, if the client is registered for the one and its profile allows them together. */
export const responseOf = (
  { response_type: type, response_mode: mode }: AuthorizationParameters,
  metadata: ClientMetadata,
  profile: Profile,
): { responseType: ResponseType; responseMode: ResponseMode } => {
  const responseType = RESPONSE_TYPES.find((one) => one === type.split(' ').sort().join(' '));
  if (responseType === undefined) throw new OAuthError('unsupported_response_type', 'response_type is not supported');
  if (!metadata.response_types.includes(responseType))
    throw new OAuthError('unauthorized_client', 'this client is not registered for this response_type');
  if (mode !== undefined && !(RESPONSE_MODES as readonly string[]).includes(mode))
    throw new OAuthError('invalid_request', 'response_mode is not supported');
  const hybrid = responseType === 'code id_token';
  // OAuth 2.0 Multiple Response Type Encoding Practices, section 5: what holds a token never goes into a query.
  if (hybrid && (mode === 'query' || mode === 'query.jwt'))
    throw new OAuthError('invalid_request', 'response_mode cannot be query for this response_type');
  const responseMode = usableMode(mode, hybrid);
  if (!hybrid && !responseMode.endsWith('.jwt') && !profile.plainCodeResponse)
    throw new OAuthError('unsupported_response_type', 'response_type code needs response_mode jwt in the profile of this client');
  return { responseType, responseMode };
};

/** The nonce, where there is one or must be one (OpenID Connect Core 1.0, section 3.3.2.11; FAPI 1 Baseline 5.2.2.2). */
export const nonceOf = (
  { nonce }: AuthorizationParameters,
  { responseType, scope, profile }: { responseType: ResponseType; scope: string; profile: Profile },
): string | null => {
  const openid = scope.split(' ').includes('openid');
  if (responseType === 'code id_token' && !openid) throw new OAuthError('invalid_scope', 'response_type code id_token needs scope openid');
  const needed = responseType === 'code id_token' || (openid && profile.authorizationRequest.signed);
  if (needed && nonce === undefined) throw new OAuthError('invalid_request', 'nonce is missing');
  return nonce ?? null;
};

const CHALLENGE = /^[\w-]{43}$/;

/** The S256 challenge of PKCE; `plain`, also by a missing method, is refused (RFC 7636, section 4.3; RFC 9700, section 2.1.1). */
export const codeChallengeOf = (
  { code_challenge: challenge, code_challenge_method: method }: AuthorizationParameters,
  { pushed }: Arrival,
  { pkceRequired }: Profile,
): string | null => {
  if (challenge === undefined) {
    if (pkceRequired || pushed || method !== undefined) throw new OAuthError('invalid_request', 'code_challenge is missing');
    return null;
  }
  if (method !== 'S256') throw new OAuthError('invalid_request', 'code_challenge_method must be S256');
  if (!CHALLENGE.test(challenge)) throw new OAuthError('invalid_request', 'code_challenge is no SHA-256 in base64url');
  return challenge;
};

/** Whether the client wants no page to be shown; `prompt` that contradicts itself is refused. */
export const silent = ({ prompt = '' }: AuthorizationParameters): boolean => {
  const asked = prompt.split(' ').filter((value) => value !== '');
  if (!asked.every((value) => (PROMPTS as readonly string[]).includes(value)))
    throw new OAuthError('invalid_request', 'prompt holds a value that is not supported');
  if (asked.includes('none') && asked.length > 1) throw new OAuthError('invalid_request', 'prompt none stands alone');
  return asked.includes('none');
};

/**
 * The authentication context class that the ID token will name: the first requested one that the steps of the flow amount to, or else the
 * first that they do. One that is essential and out of reach is refused (OpenID Connect Core 1.0, section 5.5.1.1).
 */
export const reachedAcr = ({ acr_values, claims }: AuthorizationParameters, reached: readonly string[]): string | null => {
  const { essential = false, value, values = value === undefined ? [] : [value] } = claims?.id_token?.acr ?? {};
  const asked = [...values, ...(acr_values?.split(' ') ?? [])];
  if (essential && values.length > 0 && !values.some((acr) => reached.includes(acr)))
    throw new OAuthError('unmet_authentication_requirements', 'the authentication context class that is asked for cannot be reached here');
  return asked.find((acr) => reached.includes(acr)) ?? reached[0] ?? null;
};
