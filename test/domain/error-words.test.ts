import { describe, expect, test } from '@jest/globals';
import { OWN_WORDS, REFERENCE_WORDS, worded } from '../../src/domain/client/error-words.ts';
import { OAuthError } from '../../src/domain/oauth-error.ts';

describe('the words of the reference', () => {
  test.each<[OAuthError, string, string]>([
    [new OAuthError('invalid_request', 'x', { reason: 'id missing' }), 'invalid_grant', 'auth_req_id_missing'],
    [new OAuthError('invalid_grant', 'x', { reason: 'id unknown' }), 'invalid_grant', 'invalid auth_req_id'],
    [
      new OAuthError('invalid_grant', 'x', { reason: 'id of another client' }),
      'invalid_grant',
      'Invalid client. Request ID issued for different client',
    ],
    [new OAuthError('expired_token', 'x'), 'expired_token', 'Token expired'],
    [new OAuthError('invalid_grant', 'x', { reason: 'id redeemed' }), 'invalid_grant', 'invalid_request'],
    [new OAuthError('access_denied', 'x'), 'access_denied', 'User denied authentication'],
    [new OAuthError('slow_down', 'x'), 'slow_down', 'Slow down'],
    [new OAuthError('authorization_pending', 'x'), 'authorization_pending', 'Authorization pending'],
    [new OAuthError('invalid_grant', 'bound elsewhere'), 'invalid_grant', 'bound elsewhere'],
  ])('for a poll: %p is %s, %s', (refusal, error, message) => {
    expect(worded(refusal, REFERENCE_WORDS.poll)).toMatchObject({ error, message });
  });

  test.each<[OAuthError, string]>([
    [new OAuthError('unknown_user_id', 'x'), 'unauthorized_user'],
    [new OAuthError('invalid_request', 'x', { reason: 'hint' }), 'unauthorized_user'],
    [new OAuthError('missing_user_code', 'x'), 'unauthorized_user'],
    [new OAuthError('invalid_user_code', 'x'), 'unauthorized_user'],
    [new OAuthError('invalid_scope', 'x'), 'invalid_request'],
    [new OAuthError('invalid_binding_message', 'x'), 'invalid_binding_message'],
    [new OAuthError('unauthorized_client', 'x'), 'unauthorized_client'],
  ])('for a request: %p is %s', (refusal, error) => {
    expect(worded(refusal, REFERENCE_WORDS.request)).toMatchObject({ error, message: 'x' });
  });
});

test('other profiles have no words of their own', () => {
  const refusal = new OAuthError('invalid_grant', 'x', { reason: 'id redeemed' });
  expect(worded(refusal, OWN_WORDS.poll)).toBe(refusal);
});
