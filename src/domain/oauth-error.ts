/**
 * Every code that a caller may see: OAuth 2.0, OpenID Connect, CIBA Core 1.0 (sections 11 and 13), RFC 9396 (section 5), the one of the
 * reference for whatever is wrong with a hint, and the plain HTTP ones of our own surface.
 */
export type OAuthErrorCode =
  | 'invalid_request'
  | 'invalid_client'
  | 'invalid_grant'
  | 'invalid_scope'
  | 'unauthorized_client'
  | 'unsupported_grant_type'
  | 'unsupported_response_type'
  | 'invalid_request_object'
  | 'request_uri_not_supported'
  | 'login_required'
  | 'unmet_authentication_requirements'
  | 'access_denied'
  | 'authorization_pending'
  | 'slow_down'
  | 'expired_token'
  | 'unknown_user_id'
  | 'unauthorized_user'
  | 'missing_user_code'
  | 'invalid_user_code'
  | 'expired_login_hint_token'
  | 'invalid_binding_message'
  | 'invalid_authorization_details'
  | 'invalid_token'
  | 'insufficient_scope'
  | 'invalid_dpop_proof'
  | 'invalid_redirect_uri'
  | 'invalid_client_metadata'
  | 'invalid_software_statement'
  | 'unapproved_software_statement'
  | 'not_found'
  | 'method_not_allowed'
  | 'conflict'
  | 'gone'
  | 'content_too_large'
  | 'temporarily_unavailable'
  | 'server_error';

/** Which of the refusals with the same code it is, for profiles and dialects that have other words for each. */
export type RefusalReason =
  | 'hint'
  | 'request object old'
  | 'id missing'
  | 'id unknown'
  | 'id of another client'
  | 'id redeemed'
  | 'payload missing'
  | 'payload unreadable'
  | 'header missing'
  | 'header unreadable'
  | 'consent unknown'
  | 'consent mismatch'
  | 'consent status'
  | 'consent end'
  | AnswerReason
  | 'newer dialect'
  | 'caller unknown';

/** Why an answer of a phone of the reference is refused. */
export type AnswerReason =
  | 'no token'
  | 'no body'
  | 'no session'
  | 'not parseable'
  | 'no key'
  | 'not signed'
  | 'not readable'
  | 'other challenge'
  | 'no tenant'
  | 'other number'
  | 'no number left'
  | 'unknown answer'
  | 'unknown session'
  | 'ended'
  | 'no session to check';

/** A refusal that the caller may see. The description stays within printable ASCII without `"` and `\` (RFC 6749, section 5.2). */
export class OAuthError extends Error {
  readonly error: OAuthErrorCode;
  readonly reason: RefusalReason | undefined;

  constructor(error: OAuthErrorCode, description: string, options?: ErrorOptions & { reason?: RefusalReason }) {
    // A refusal is an expected outcome: it needs no stack, and collecting one costs more than the decision.
    const limit = Error.stackTraceLimit;
    Error.stackTraceLimit = 0;
    super(description, options);
    Error.stackTraceLimit = limit;
    this.name = 'OAuthError';
    this.error = error;
    this.reason = options?.reason;
  }
}
