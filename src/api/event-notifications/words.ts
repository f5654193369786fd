import * as z from 'zod';
import type { OAuthError, OAuthErrorCode, RefusalReason } from '../../domain/oauth-error.ts';
import { json, type Reply, refusalReply } from '../reply.ts';
import type { Call } from '../route.ts';
import { tokenRefusal } from '../tpp/bearer.ts';

/** The reference's words for what is wrong with a call; whatever has none here keeps its own. */
const WORDS: Partial<Record<RefusalReason | OAuthErrorCode, { error: string; description?: string }>> = {
  'payload missing': { error: 'missing_request_payload', description: 'No request payload found' },
  'payload unreadable': { error: 'invalid_request_payload' },
  'header missing': { error: 'missing_request_header' },
  'header unreadable': { error: 'invalid_request_header', description: 'Invalid characters found in the request headers' },
  not_found: { error: 'invalid_request', description: 'Event subscription not found.' },
};

const CODES = ['invalid_request', 'missing_request_payload', 'invalid_request_payload', 'missing_request_header', 'invalid_request_header'];

/** What the refusals look like that the reference has words for. */
export const refusedBody = z.object({ error: z.enum(CODES), error_description: z.string() });

/** A refusal as the reference words it: what is not there is a 400. */
export const refusedNotification = (refusal: OAuthError, call: Call): Reply => {
  const aboutToken = tokenRefusal(refusal, call);
  if (aboutToken !== null) return aboutToken;
  const { reason, error, message } = refusal;
  const words = (reason && WORDS[reason]) ?? WORDS[error];
  if (words !== undefined) return json(400, { error: words.error, error_description: words.description ?? message });
  const reply = refusalReply(refusal);
  if (error !== 'invalid_client') return reply;
  return { ...reply, headers: { ...reply.headers, 'WWW-Authenticate': 'Basic realm="Countersign"' } };
};
