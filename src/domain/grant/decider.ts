import type { Decider, Decision } from '../decider.ts';
import { OAuthError } from '../oauth-error.ts';
import { type GrantEvents, type GrantFact, grantEvents } from './events.ts';

type DataOf<T extends GrantFact['type']> = Extract<GrantFact, { type: T }>['data'];
type Opened = DataOf<'GrantOpened'>;

export type Grant =
  | { status: 'absent' }
  | (Opened & {
      status: 'open' | 'revoked';
      refreshToken: { tokenHash: string; expiresAt: number } | null;
      /** The hashes of the access tokens that were revoked one by one. */
      revokedTokens: readonly string[];
    });
export type OpenedGrant = Exclude<Grant, { status: 'absent' }>;
type Decides = Decision<Grant, GrantEvents>;

/** A grant, from its events. */
export const grant: Decider<Grant, GrantEvents> = {
  events: grantEvents,
  initial: { status: 'absent' },
  evolve(state, { type, data }) {
    if (type === 'GrantOpened') return { status: 'open', ...data, refreshToken: null, revokedTokens: [] };
    if (state.status === 'absent') return state;
    switch (type) {
      case 'RefreshTokenIssued':
        return { ...state, refreshToken: data };
      case 'GrantRevoked':
        return { ...state, status: 'revoked' };
      case 'AccessTokenIssued':
        return state;
      case 'AccessTokenRevoked':
        return { ...state, revokedTokens: [...state.revokedTokens, data.tokenHash] };
    }
  },
};

/** Opens a grant with its first tokens, in one append: the same grant a second time is refused, so its tokens are issued once. */
export const open =
  (opened: Opened, accessToken: DataOf<'AccessTokenIssued'>, refreshToken: DataOf<'RefreshTokenIssued'> | null): Decides =>
  (state) => {
    if (state.status !== 'absent') throw new OAuthError('invalid_grant', 'auth_req_id was already redeemed');
    return [
      { type: 'GrantOpened', data: opened },
      { type: 'AccessTokenIssued', data: accessToken },
      ...(refreshToken === null ? [] : [{ type: 'RefreshTokenIssued', data: refreshToken } as const]),
    ];
  };

/** The grant behind a refresh token, if the token is good for this client (RFC 6749, section 6). */
export const refreshable = (state: Grant, by: { clientId: string; tokenHash: string; at: number }): OpenedGrant => {
  if (state.status !== 'open' || state.clientId !== by.clientId || state.refreshToken?.tokenHash !== by.tokenHash)
    throw new OAuthError('invalid_grant', 'the refresh token is unknown, revoked or was issued to another client');
  if (by.at >= state.refreshToken.expiresAt) throw new OAuthError('invalid_grant', 'the refresh token has expired');
  return state;
};

/** Issues a further access token by the grant's refresh token. */
export const refresh =
  (by: { clientId: string; tokenHash: string; at: number }, accessToken: DataOf<'AccessTokenIssued'>): Decides =>
  (state) => {
    refreshable(state, by);
    return [{ type: 'AccessTokenIssued', data: accessToken }];
  };

/** Ends one access token (RFC 7009). Again is once. */
export const revokeAccessToken =
  (tokenHash: string, at: number): Decides =>
  (state) =>
    state.status === 'open' && !state.revokedTokens.includes(tokenHash) ? [{ type: 'AccessTokenRevoked', data: { tokenHash, at } }] : [];

/** Ends a grant with all its tokens. Again is once. */
export const revoke =
  (data: DataOf<'GrantRevoked'>): Decides =>
  (state) =>
    state.status === 'open' ? [{ type: 'GrantRevoked', data }] : [];
