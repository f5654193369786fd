import type { FirebaseError } from 'firebase-admin/app';
import type { PushOutcome } from '../../domain/ports/push-sender.ts';
import { NoAccessToken } from './google-credential.ts';
import { retryAfterSeconds } from './retry-after.ts';

const FCM_ERROR = 'type.googleapis.com/google.firebase.fcm.v1.FcmError';
const PASSING = ['app/network-error', 'app/network-timeout', 'app/app-deleted'];

/** What a failed attempt means. An error that the channel did not cause is a fault of ours and is thrown on. */
export const outcomeOf = (error: unknown): PushOutcome => {
  if (error instanceof NoAccessToken) return error.outcome;
  if (!isFirebaseError(error)) throw error;
  const { code: reason, httpResponse } = error;
  // A 404 without FCM's own code is a wrong project or a proxy: the SDK gives it the same error code, but no token died.
  if (fcmErrorCode(error) === 'UNREGISTERED') return { outcome: 'dead', reason };
  if (!httpResponse) return PASSING.includes(reason) ? { outcome: 'retry', reason, afterSeconds: null } : { outcome: 'refused', reason };
  const { status, headers } = httpResponse;
  if (isTooLarge(error)) return { outcome: 'too_large', reason };
  if (status < 500 && status !== 429 && status !== 408) return { outcome: 'refused', reason };
  return { outcome: 'retry', reason, afterSeconds: retryAfterSeconds(headers['retry-after']) };
};

/** Whether Google refused the access token. When FCM itself answers 401, it is about the APNs or web push key of the project. */
export const isAccessTokenRefused = (error: unknown): boolean =>
  isFirebaseError(error) && error.httpResponse?.status === 401 && fcmErrorCode(error) === null;

// FCM has no code of its own for a message that is too large: it is an argument like any other, and only the text says which.
const isTooLarge = ({ code, message }: FirebaseError): boolean =>
  code === 'messaging/payload-size-limit-exceeded' || (code === 'messaging/invalid-argument' && /\btoo (?:big|large)\b/i.test(message));

const isFirebaseError = (error: unknown): error is FirebaseError =>
  error instanceof Error && 'code' in error && /^(app|messaging)\//.test(String(error.code));

const fcmErrorCode = ({ httpResponse }: FirebaseError): string | null => {
  const body = httpResponse?.data as { error?: { details?: { '@type'?: string; errorCode?: string }[] } } | string | undefined;
  if (typeof body !== 'object' || !Array.isArray(body.error?.details)) return null;
  return body.error.details.find((detail) => detail['@type'] === FCM_ERROR)?.errorCode ?? null;
};
