import * as z from 'zod';
import type { PhoneDialect } from '../../domain/device/events.ts';
import { type AnswerReason, OAuthError, type OAuthErrorCode, type RefusalReason } from '../../domain/oauth-error.ts';
import { json, type Reply, refusalReply, statusOf } from '../reply.ts';
import type { RouteDoc } from '../route.ts';

/**
 * Why an answer is refused, in the codes that each dialect has published (C4, C5); `Bad Request` is one as well. Which of several reasons it
 * was, where a code stands for more than one, the description says. All of them are the caller's fault, also where the reference blames itself.
 */
const REFUSALS: Readonly<Record<AnswerReason, Refusal>> = {
  'no token': { codes: ['PBA-15001', 'PBA-15006'], description: 'authResponse is missing' },
  'no body': { codes: ['PBA-15001', 'PBA-15009'], description: 'the body is no JSON that can be read' },
  'no session': { codes: ['PBA-15002', 'PBA-15007'], description: 'the token does not say which request it answers' },
  'not parseable': { codes: ['PBA-15003', 'PBA-15002'], description: 'authResponse is no signed token' },
  'no key': { codes: ['PBA-15004', 'PBA-15003'], description: 'there is no key for the device' },
  'not signed': {
    codes: ['PBA-15005', 'PBA-15004'],
    description: 'the token is not signed by the device, for this server and for this time',
  },
  'not readable': { codes: ['PBA-15006', 'PBA-15005'], description: 'the claims of the token cannot be read' },
  'other challenge': { codes: ['Bad Request', 'PBA-15004'], description: 'the challenge is not of the push for this request' },
  'no tenant': { codes: ['Bad Request', 'PBA-15008'], description: 'the token names a tenant that there is not' },
  'other number': { codes: ['Bad Request', 'PBA-15004'], description: 'the number is not the one that the application shows' },
  'no number left': {
    codes: ['Bad Request', 'PBA-15004'],
    description: 'there were three wrong numbers: this device can only refuse the request',
  },
  'unknown answer': { codes: ['Bad Request', 'PBA-15005'], description: 'the answer is neither yes nor no' },
  'unknown session': { codes: ['Bad Request', 'PBA-15011'], description: 'there is no such request for this device' },
  ended: { codes: ['Bad Request', 'PBA-15011'], description: 'the request has ended' },
  'no session to check': { codes: ['PBA-15007', 'PBA-15001'], description: 'sessionDataKey is missing or cannot be read' },
};
const OF_REASON: Partial<Record<RefusalReason, Refusal>> = REFUSALS;

interface Refusal {
  codes: readonly [older: string, newer: string];
  description: string;
}

/** Where the domain refuses, which of them it is; a request that was answered otherwise is a conflict. */
const OF_CODE: Partial<Record<OAuthErrorCode, Refusal>> = { not_found: REFUSALS['unknown session'], gone: REFUSALS.ended };
const OWN_WORDS: Partial<Record<OAuthErrorCode, string>> = { conflict: 'Conflict', access_denied: 'access_denied' };
const NEWER_WORDS: typeof OWN_WORDS = { ...OWN_WORDS, server_error: 'PBA-15010' };

/** A refusal of an answer, which is worded by its reason. */
export const refused = (reason: AnswerReason): OAuthError => new OAuthError('invalid_request', 'the answer cannot be taken', { reason });

/** What goes on to the operator, as a refusal that will be in the words of the dialect. */
export const faultIn = (dialect: PhoneDialect, { error, message }: OAuthError, cause: unknown): OAuthError =>
  new OAuthError(error, message, { cause, ...(dialect === 'push' && { reason: 'newer dialect' }) });

/** The refusal of an answer in the reference's words: `{error, error_description}`; in the older dialect where none is known. */
export const answerRefusal = (
  refusal: OAuthError,
  dialect: PhoneDialect = refusal.reason === 'newer dialect' ? 'push' : 'push-auth',
): Reply => worded(refusal, dialect, 'not readable');

/** The refusal of a question about an answer, in the words of the older dialect. */
export const statusRefusal = (refusal: OAuthError): Reply => worded(refusal, 'push-auth', 'no session to check');

/** In the words of the reason, or of what is said where the input cannot be read, or of the code. */
const worded = (refusal: OAuthError, dialect: PhoneDialect, unread: AnswerReason): Reply => {
  const { reason, error: code, message } = refusal;
  const isNewer = dialect === 'push';
  const known = (reason && OF_REASON[reason]) ?? (code === 'invalid_request' ? REFUSALS[unread] : OF_CODE[code]);
  const error = known?.codes[isNewer ? 1 : 0] ?? (isNewer ? NEWER_WORDS : OWN_WORDS)[code];
  if (error === undefined) return refusalReply(refusal);
  const status = known === undefined ? statusOf(code) : 400;
  return { ...json(status, { error, error_description: known?.description ?? message }), error: code };
};

const refusal = {
  schema: z.object({ error: z.string().regex(/^(PBA-15\d{3}|Bad Request|Conflict|access_denied)$/), error_description: z.string() }),
  status: { not_found: 400, gone: 400 },
} as const;

/** What a description of a route says of refusals of an answer, and of a question about one. */
export const answerRefusalDoc: Pick<RouteDoc, 'errors' | 'refusal'> = {
  // The ASPSP's own steps may refuse, and may be out of reach (docs/decisions/0015).
  errors: ['invalid_request', 'not_found', 'gone', 'conflict', 'access_denied'],
  refusal,
};
export const statusRefusalDoc: Pick<RouteDoc, 'errors' | 'refusal'> = { errors: ['invalid_request', 'not_found'], refusal };
