import { describe, expect, test } from '@jest/globals';
import type { Binding } from '../../src/domain/grant/binding.ts';
import {
  type Grant,
  grant,
  open,
  openToPush,
  type RefreshTokenUse,
  refresh,
  refreshable,
  revoke,
  revokeAccessToken,
  useOf,
} from '../../src/domain/grant/decider.ts';
import type { GrantFact } from '../../src/domain/grant/events.ts';
import { given, stateOf } from '../support/given.ts';

const unbound: Binding = { certificateThumbprint: null, dpopKeyThumbprint: null };
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
const refreshToken: Fact<'RefreshTokenIssued'> = {
  type: 'RefreshTokenIssued',
  data: { tokenHash: 'refresh', at: 1030, expiresAt: 9000, replaces: null, nonce: null },
};
const tokenRevoked: Fact<'AccessTokenRevoked'> = { type: 'AccessTokenRevoked', data: { tokenHash: 'access', at: 1040 } };
const revoked: Fact<'GrantRevoked'> = { type: 'GrantRevoked', data: { reason: 'consent_ended', at: 1050 } };
const past = [opened, issued('access'), refreshToken];

describe('a grant whose tokens are pushed', () => {
  const kept: Fact<'TokenResponseKept'> = {
    type: 'TokenResponseKept',
    data: { requestId: 'request-1', psuId: 'alice', at: 1030 },
    personal: { response: '{"access_token":"a.b.c"}' },
  };
  const ofRequest = { ...opened.data, requestId: 'request-1', psuId: 'alice' };
  const opens = openToPush(ofRequest, issued('access').data, refreshToken.data, kept.personal.response);

  test('keeps its token response in the append that opens it', () =>
    given(grant)
      .when(opens)
      .then(...past, kept));
  test('stays as it is, whoever opened it and whatever became of it', () => {
    for (const more of [[], [kept], [kept, revoked]])
      given(grant, ...past, ...more)
        .when(opens)
        .then();
    given(grant, ...past, kept)
      .when(open(opened.data, issued('access').data, null))
      .refuses('invalid_grant');
  });
});

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
  const by: RefreshTokenUse = { clientId: 'tpp', tokenHash: 'refresh', binding: unbound, at: 2000 };
  const again = (change: Partial<RefreshTokenUse> = {}) => refresh({ ...by, ...change }, issued('access-2', 2000).data, null);
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

describe('a grant is refreshed by a token that rotates', () => {
  const successor = { tokenHash: 'refresh-2', nonce: 'nonce-2' };
  const replaced: Fact<'RefreshTokenIssued'> = {
    type: 'RefreshTokenIssued',
    data: { ...successor, replaces: 'refresh', at: 2000, expiresAt: 9000 },
  };
  const replacedAgain: Fact<'RefreshTokenIssued'> = {
    type: 'RefreshTokenIssued',
    data: { tokenHash: 'refresh-3', nonce: 'nonce-3', replaces: 'refresh-2', at: 2010, expiresAt: 9000 },
  };
  const reused = (at: number): Fact<'GrantRevoked'> => ({ type: 'GrantRevoked', data: { reason: 'refresh_token_reused', at } });
  const by = (tokenHash: string, at: number): RefreshTokenUse => ({ clientId: 'tpp', tokenHash, binding: unbound, at });
  const use = (tokenHash: string, at: number) => refresh(by(tokenHash, at), issued('access-2', at).data, successor);
  const rotated = [...past, issued('access-2', 2000), replaced];

  test('which then has a successor that lives no longer', () =>
    given(grant, ...past)
      .when(use('refresh', 2000))
      .then(issued('access-2', 2000), replaced));
  test('whose successor is as good', () =>
    given(grant, ...rotated)
      .when(refresh(by('refresh-2', 3000), issued('access-3', 3000).data, { tokenHash: 'refresh-3', nonce: 'nonce-3' }))
      .then(issued('access-3', 3000), { ...replacedAgain, data: { ...replacedAgain.data, at: 3000 } }));
  test('again within half a minute: with one family of tokens', () =>
    given(grant, ...rotated)
      .when(use('refresh', 2030))
      .then(issued('access-2', 2030)));
  test('later: the grant ends', () =>
    given(grant, ...rotated)
      .when(use('refresh', 2031))
      .then(reused(2031)));
  test('at once, but after the successor was used: the grant ends', () =>
    given(grant, ...rotated, issued('access-3', 2010), replacedAgain)
      .when(use('refresh', 2011))
      .then(reused(2011)));
  test('but a replaced token of another client, without the proof of its grant or of another grant ends nothing', () => {
    const bound = { ...opened, data: { ...opened.data, dpopKeyThumbprint: 'jkt' } };
    given(grant, ...rotated)
      .when(refresh({ ...by('refresh', 3000), clientId: 'other' }, issued('a', 3000).data, successor))
      .refuses('invalid_grant');
    given(grant, bound, issued('access'), refreshToken, replaced).when(use('refresh', 3000)).refuses('invalid_dpop_proof');
    given(grant, ...rotated)
      .when(use('refresh-9', 3000))
      .refuses('invalid_grant');
  });
  test('again after very many: each of them is remembered', () => {
    const many = Array.from({ length: 20_000 }, (_, n): GrantFact[] => [
      issued(`access-${n}`),
      { type: 'RefreshTokenIssued', data: { tokenHash: `many-${n + 1}`, nonce: 'n', replaces: `many-${n}`, at: 2000, expiresAt: 9000 } },
    ]).flat();
    const state = stateOf(grant, ...past, ...many);
    const uses = ['many-0', 'many-10000', 'many-19999', 'many-20000'].map((hash) =>
      useOf(refreshable(state, by(hash, 2010)), by(hash, 2010)),
    );
    expect(uses).toEqual(['reuse', 'reuse', 'retry', 'current']);
  });
  test('whose predecessors nobody keeps where it stays the same', () => {
    const state = stateOf(grant, ...past, issued('access-2'), issued('access-3'));
    expect(state).toEqual(stateOf(grant, ...past));
  });
  test.each([
    ['refresh-2', 3000, 'current'],
    ['refresh', 2030, 'retry'],
    ['refresh', 2031, 'reuse'],
  ] as const)('%s at %i is %s', (tokenHash, at, expected) =>
    expect(useOf(refreshable(stateOf(grant, ...rotated), by(tokenHash, at)), by(tokenHash, at))).toBe(expected),
  );
});

describe('a grant that is bound', () => {
  const bindings = [
    { certificateThumbprint: 'x5t', dpopKeyThumbprint: null },
    { certificateThumbprint: null, dpopKeyThumbprint: 'jkt' },
    { certificateThumbprint: 'x5t', dpopKeyThumbprint: 'jkt' },
  ];
  const by = (binding: Binding): RefreshTokenUse => ({ clientId: 'tpp', tokenHash: 'refresh', binding, at: 2000 });
  const boundTo = (binding: Binding) => stateOf(grant, { ...opened, data: { ...opened.data, ...binding } }, issued('access'), refreshToken);

  const others = { certificateThumbprint: 'renewed', dpopKeyThumbprint: 'another' };
  const refuses = (state: Grant, binding: Binding, error: string) =>
    expect(() => refreshable(state, by(binding))).toThrow(expect.objectContaining({ error }));

  test.each(bindings)(
    'to $certificateThumbprint and $dpopKeyThumbprint is refreshed with proofs of that kind, by whatever key',
    (binding) => {
      for (const proved of [binding, others]) expect(refreshable(boundTo(binding), by(proved))).toMatchObject(binding);
    },
  );
  test.each(bindings)('to $certificateThumbprint and $dpopKeyThumbprint is not refreshed with less', (binding) => {
    if (binding.certificateThumbprint !== null) refuses(boundTo(binding), { ...others, certificateThumbprint: null }, 'invalid_request');
    if (binding.dpopKeyThumbprint !== null) refuses(boundTo(binding), { ...others, dpopKeyThumbprint: null }, 'invalid_dpop_proof');
  });
  test('to nothing is refreshed with a proof, and stays what it is', () => {
    expect(refreshable(boundTo(unbound), by(others))).toMatchObject(unbound);
    const later = { ...issued('access-2'), data: { ...issued('access-2').data, ...others } };
    expect(refreshable(stateOf(grant, ...past, later), by(unbound))).toMatchObject(unbound);
  });
  test('says so with its first token, if it is older than that', () => {
    const first = { ...issued('access'), data: { ...issued('access').data, certificateThumbprint: 'x5t' } };
    const state = stateOf(grant, opened, first, issued('access-2'), refreshToken);
    refuses(state, unbound, 'invalid_request');
    expect(refreshable(state, by(others))).toMatchObject({ certificateThumbprint: 'x5t', dpopKeyThumbprint: null });
  });
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
