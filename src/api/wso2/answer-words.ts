import * as z from 'zod';
import type { PhoneDialect } from '../../domain/device/events.ts';
import { OAuthError, type OAuthErrorCode } from '../../domain/oauth-error.ts';
import { json, type Reply, refusalReply, statusOf } from '../reply.ts';
import type { RouteDoc } from '../route.ts';

/**
 * Why an answer is refused, in the codes that each dialect has published (C4, C5); `Bad Request` is one as well. Which of several reasons it
 * was, where a code stands for more than one, the description says. All of them are the caller's fault, also where the reference blames itself.
 */
const REFUSALS = {
  'no token': { codes: ['PBA-15001', 'PBA-15006'], description: 'authResponse is missing' },
  'no session': { codes: ['PBA-15002', 'PBA-15007'], description: 'the token does not say which request it answers' },
  'not parseable': { codes: ['PBA-15003', 'PBA-15002'], description: 'authResponse is no signed token' },
  'no key': { codes: ['PBA-15004', 'PBA-15003'], description: 'there is no key for the device' },
  'not signed': {
    codes: ['PBA-15005', 'PBA-15004'],
    description: 'the token is not signed by the device, for this server and for this time',
  },
  'not readable': { codes: ['PBA-15006', 'PBA-15005'], description: 'the claims of the token cannot be read' },
  'other challenge': { codes: ['Bad Request', 'PBA-15004'], description: 'the challenge is not of the push for this request' },
  'other number': { codes: ['Bad Request', 'PBA-15004'], description: 'the number is not the one that the application shows' },
  'unknown answer': { codes: ['Bad Request', 'PBA-15005'], description: 'the answer is neither yes nor no' },
  'unknown session': { codes: ['Bad Request', 'PBA-15011'], description: 'there is no such request for this device' },
  ended: { codes: ['Bad Request', 'PBA-15011'], description: 'the request has ended' },
  'no session to check': { codes: ['PBA-15007', 'PBA-15001'], description: 'sessionDataKey is missing' },
} as const satisfies Record<string, { codes: readonly [older: string, newer: string]; description: string }>;
export type AnswerRefusal = keyof typeof REFUSALS;

/** Where the domain refuses, which of them it is; a request that was answered otherwise is a conflict. */
const OF_DOMAIN: Partial<Record<OAuthErrorCode, AnswerRefusal>> = {
  not_found: 'unknown session',
  gone: 'ended',
  invalid_request: 'not readable',
};
const OWN_WORDS: Partial<Record<OAuthErrorCode, string>> = { conflict: 'Conflict', access_denied: 'access_denied' };

/** A refusal of an answer. */
export const refused = (because: AnswerRefusal): OAuthError => {
  const { description: reason } = REFUSALS[because];
  return Object.assign(new OAuthError('invalid_request', reason), { because });
};

/** The same refusal, to be worded in the dialect of the answer. */
export const inWordsOf = (dialect: PhoneDialect, error: unknown): unknown =>
  error instanceof OAuthError ? Object.assign(error, { dialect }) : error;

/** The refusal in the reference's words: `{error, error_description}`; in the older dialect where none is known. */
export const refuseAnswerReply = (refusal: OAuthError): Reply => {
  const { because = OF_DOMAIN[refusal.error], dialect } = refusal as OAuthError & { because?: AnswerRefusal; dialect?: PhoneDialect };
  if (because !== undefined) {
    const { codes, description } = REFUSALS[because];
    return json(400, { error: codes[dialect === 'push' ? 1 : 0], error_description: description });
  }
  const error = OWN_WORDS[refusal.error];
  return error === undefined ? refusalReply(refusal) : json(statusOf(refusal.error), { error, error_description: refusal.message });
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
