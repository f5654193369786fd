import * as z from 'zod';
import type { OAuthError, OAuthErrorCode, RefusalReason } from '../../domain/oauth-error.ts';
import { refusedOfficer } from '../consent-service/officer.ts';
import { json, type Reply } from '../reply.ts';
import type { Call } from '../route.ts';

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
  const { reason, error, message } = refusal;
  const words = (reason && WORDS[reason]) ?? WORDS[error];
  if (words === undefined) return refusedOfficer(refusal, call);
  return json(400, { error: words.error, error_description: words.description ?? message });
};
