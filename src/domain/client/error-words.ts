import { OAuthError, type OAuthErrorCode, type RefusalReason } from '../oauth-error.ts';

/** What a refusal is told as: another code, or another description, or both. */
interface Wording {
  error?: OAuthErrorCode;
  description?: string;
}
type Wordings = Readonly<Partial<Record<RefusalReason | OAuthErrorCode, Wording>>>;

/** How refusals read at the endpoints of CIBA: what was found here by its reason, or else its code, has these words. */
export interface ErrorWords {
  request: Wordings;
  poll: Wordings;
}

/** Every refusal as it was made. */
export const OWN_WORDS: ErrorWords = { request: {}, poll: {} };

/** The words of the reference. What CIBA Core 1.0 has more codes for is `invalid_request` or, where it is about the person, a code of its own. */
export const REFERENCE_WORDS: ErrorWords = {
  request: {
    hint: { error: 'unauthorized_user' },
    'request object old': { description: 'Request Object nbf claim is too old.' },
    unknown_user_id: { error: 'unauthorized_user' },
    missing_user_code: { error: 'unauthorized_user' },
    invalid_user_code: { error: 'unauthorized_user' },
    invalid_scope: { error: 'invalid_request' },
    invalid_authorization_details: { error: 'invalid_request' },
  },
  poll: {
    'id missing': { error: 'invalid_grant', description: 'auth_req_id_missing' },
    'id unknown': { description: 'invalid auth_req_id' },
    'id of another client': { description: 'Invalid client. Request ID issued for different client' },
    'id redeemed': { description: 'invalid_request' },
    expired_token: { description: 'Token expired' },
    access_denied: { description: 'User denied authentication' },
    slow_down: { description: 'Slow down' },
    authorization_pending: { description: 'Authorization pending' },
  },
};

/** A refusal in these words. */
export const worded = (refusal: OAuthError, words: Wordings): OAuthError => {
  const { reason, error, message } = refusal;
  const wording = (reason && words[reason]) ?? words[error];
  if (wording === undefined) return refusal;
  const description = wording.description ?? message;
  return new OAuthError(wording.error ?? error, description, { cause: refusal });
};
