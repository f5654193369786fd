import { describe, expect, test } from '@jest/globals';
import { grant, open, refresh, refreshable, revoke, revokeAccessToken } from '../../src/domain/grant/decider.ts';
import type { GrantFact } from '../../src/domain/grant/events.ts';
import { given, stateOf } from '../support/given.ts';

type Fact<T extends GrantFact['type']> = Extract<GrantFact, { type: T }>;

const opened: Fact<'GrantOpened'> = {
  type: 'GrantOpened',
  data: {
    clientId: 'tpp',
    psuId: 'alice',
    consentId: 'consent-1',
    requestId: 'request-1',
    authTime: 1020,
    acr: null,
    scope: 'openid accounts',
    at: 1030,
    certificateThumbprint: null,
    dpopKeyThumbprint: null,
    hasAuthorizationDetails: false,
  },
};
const issued = (tokenHash: string, at = 1030): Fact<'AccessTokenIssued'> => ({
  type: 'AccessTokenIssued',
  data: { tokenHash, scope: 'openid accounts', certificateThumbprint: null, dpopKeyThumbprint: null, at, expiresAt: at + 300 },
});
const refreshToken: Fact<'RefreshTokenIssued'> = { type: 'RefreshTokenIssued', data: { tokenHash: 'refresh', at: 1030, expiresAt: 9000 } };
const tokenRevoked: Fact<'AccessTokenRevoked'> = { type: 'AccessTokenRevoked', data: { tokenHash: 'access', at: 1040 } };
const revoked: Fact<'GrantRevoked'> = { type: 'GrantRevoked', data: { reason: 'consent_ended', at: 1050 } };
const past = [opened, issued('access'), refreshToken];

describe('a grant is opened', () => {
  const opens = open(opened.data, issued('access').data, refreshToken.data);
  const opensBare = open(opened.data, issued('access').data, null);

  test('with its first tokens', () =>
    given(grant)
      .when(opens)
      .then(...past));
  test('without a refresh token', () => given(grant).when(opensBare).then(opened, issued('access')));
  test('once, whatever became of it', () => {
    given(grant, ...past)
      .when(opens)
      .refuses('invalid_grant');
    given(grant, ...past, revoked)
      .when(opens)
      .refuses('invalid_grant');
  });
});

describe('a grant is refreshed', () => {
  const by = { clientId: 'tpp', tokenHash: 'refresh', at: 2000 };
  const again = (change: Partial<typeof by> = {}) => refresh({ ...by, ...change }, issued('access-2', 2000).data);
  const byAnother = again({ clientId: 'other' });
  const withAnother = again({ tokenHash: 'access' });
  const inTime = again({ at: 8999 });
  const late = again({ at: 9000 });

  test('by its refresh token', () =>
    given(grant, ...past)
      .when(again())
      .then(issued('access-2', 2000)));
  test('up to its last second', () =>
    given(grant, ...past)
      .when(inTime)
      .then(issued('access-2', 2000)));
  test('not later', () =>
    given(grant, ...past)
      .when(late)
      .refuses('invalid_grant'));
  test('not by another client', () =>
    given(grant, ...past)
      .when(byAnother)
      .refuses('invalid_grant'));
  test('not by another token', () =>
    given(grant, ...past)
      .when(withAnother)
      .refuses('invalid_grant'));
  test('not without a refresh token', () => given(grant, opened, issued('access')).when(again()).refuses('invalid_grant'));
  test('not once it was revoked', () =>
    given(grant, ...past, revoked)
      .when(again())
      .refuses('invalid_grant'));
  test('not before it exists', () => given(grant).when(again()).refuses('invalid_grant'));
  test('also after one of its access tokens was revoked', () =>
    given(grant, ...past, tokenRevoked)
      .when(again())
      .then(issued('access-2', 2000)));
  test('for what it was opened with', () =>
    expect(refreshable(stateOf(grant, ...past), by)).toMatchObject({ psuId: 'alice', consentId: 'consent-1', requestId: 'request-1' }));
});

describe('an access token is revoked', () => {
  const revokes = revokeAccessToken('access', 1040);

  test('alone', () =>
    given(grant, ...past)
      .when(revokes)
      .then(tokenRevoked));
  test('once', () =>
    given(grant, ...past, tokenRevoked)
      .when(revokes)
      .then());
  test('each for itself', () => {
    const other = revokeAccessToken('access-2', 1040);
    given(grant, ...past, issued('access-2'), tokenRevoked)
      .when(other)
      .then({ ...tokenRevoked, data: { tokenHash: 'access-2', at: 1040 } });
  });
  test('not after its grant', () =>
    given(grant, ...past, revoked)
      .when(revokes)
      .then());
  test('not before its grant exists', () => given(grant).when(revokes).then());
});

describe('a grant is revoked', () => {
  test('with all its tokens', () =>
    given(grant, ...past)
      .when(revoke(revoked.data))
      .then(revoked));
  test('once', () => {
    const disabled = revoke({ reason: 'client_disabled', at: 1060 });
    given(grant, ...past, revoked)
      .when(disabled)
      .then();
  });
  test('not before it exists', () => given(grant).when(revoke(revoked.data)).then());
});
