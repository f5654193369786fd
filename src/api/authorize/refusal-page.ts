import type { OAuthError, OAuthErrorCode } from '../../domain/oauth-error.ts';
import { errorPage } from '../pages/error-page.ts';
import { type Reply, refusalReply } from '../reply.ts';

const WORDS: Partial<Record<OAuthErrorCode, string>> = {
  gone: 'This request has expired, or it was answered already.',
  conflict: 'What you were asked has changed, or can no longer be answered.',
  invalid_client: 'The application that sent you here is not known, or may not send you here any more.',
  temporarily_unavailable: 'This cannot be done at the moment. Try again in a minute.',
  access_denied: 'The bank does not take this answer, or nobody may sign in for this request.',
  not_found: 'There is no such request of yours any more.',
  server_error: 'Something went wrong here. Try again later.',
};

/** A refusal that goes to nobody but the person at the browser. The code is for whoever helps them. */
export const asPage = (refusal: OAuthError): Reply => {
  const { status, headers } = refusalReply(refusal);
  const words = WORDS[refusal.error] ?? 'The application that sent you here has asked in a way that is not allowed.';
  const page = errorPage(status === 401 ? 400 : status, `${words} (${refusal.error})`);
  const retry = headers['Retry-After'];
  return retry === undefined ? page : { ...page, headers: { ...page.headers, 'Retry-After': retry } };
};
