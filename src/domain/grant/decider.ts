import type { Decider, Decision } from '../decider.ts';
import { OAuthError } from '../oauth-error.ts';
import type { Sealed } from '../ports/sealer.ts';
import type { Binding } from './binding.ts';
import { type GrantEvents, type GrantFact, grantEvents } from './events.ts';
import { type Hashes, includes } from './hashes.ts';

type DataOf<T extends GrantFact['type']> = Extract<GrantFact, { type: T }>['data'];
type Opened = DataOf<'GrantOpened'>;

export type Grant =
  | { status: 'absent' }
  | (Opened & {
      status: 'open' | 'revoked';
      /** Whether its first access token was issued; what the grant is bound to is settled then. */
      hasTokens: boolean;
      refreshToken: DataOf<'RefreshTokenIssued'> | null;
      /** The refresh tokens that were replaced, all of them; none where they do not rotate. */
      replacedTokens: Hashes;
      /** The access tokens that were revoked one by one. */
      revokedTokens: Hashes;
      /** The token response, where it is pushed. */
      keptResponse: Sealed | null;
    });
export type OpenedGrant = Exclude<Grant, { status: 'absent' }>;
type RefreshableGrant = OpenedGrant & { refreshToken: DataOf<'RefreshTokenIssued'> };
type FirstRefreshToken = Pick<DataOf<'RefreshTokenIssued'>, 'tokenHash' | 'at' | 'expiresAt'>;
type Decides = Decision<Grant, GrantEvents>;

/** A grant, from its events. */
export const grant: Decider<Grant, GrantEvents> = {
  events: grantEvents,
  initial: { status: 'absent' },
  evolve(state, { type, data, sealed }) {
    if (type === 'GrantOpened')
      return {
        status: 'open',
        ...data,
        hasTokens: false,
        refreshToken: null,
        replacedTokens: null,
        revokedTokens: null,
        keptResponse: null,
      };
    if (state.status === 'absent') return state;
    switch (type) {
      case 'RefreshTokenIssued':
        return {
          ...state,
          refreshToken: data,
          replacedTokens: data.replaces === null ? state.replacedTokens : { hash: data.replaces, before: state.replacedTokens },
        };
      case 'GrantRevoked':
        return { ...state, status: 'revoked' };
      case 'TokenResponseKept':
        return { ...state, keptResponse: sealed };
      case 'AccessTokenIssued':
        if (state.hasTokens) return state;
        // Grants of version 1 say only with their first token what they are bound to.
        return {
          ...state,
          hasTokens: true,
          certificateThumbprint: state.certificateThumbprint ?? data.certificateThumbprint,
          dpopKeyThumbprint: state.dpopKeyThumbprint ?? data.dpopKeyThumbprint,
        };
      case 'AccessTokenRevoked':
        return { ...state, revokedTokens: { hash: data.tokenHash, before: state.revokedTokens } };
    }
  },
};

/** Opens a grant with its first tokens, in one append: the same grant a second time is refused, so its tokens are issued once. */
export const open =
  (opened: Opened, accessToken: DataOf<'AccessTokenIssued'>, refreshToken: FirstRefreshToken | null): Decides =>
  (state) => {
    if (state.status !== 'absent')
      throw new OAuthError('invalid_grant', 'what was approved was already redeemed', { reason: 'id redeemed' });
    return [
      { type: 'GrantOpened', data: opened },
      { type: 'AccessTokenIssued', data: accessToken },
      ...(refreshToken === null ? [] : [{ type: 'RefreshTokenIssued', data: { ...refreshToken, replaces: null, nonce: null } } as const]),
    ];
  };

/** Opens a grant whose token response is pushed, and keeps that response in the same append. A grant that is there stays as it is. */
export const openToPush =
  (
    opened: Opened & { requestId: string; psuId: string },
    accessToken: DataOf<'AccessTokenIssued'>,
    refreshToken: FirstRefreshToken | null,
    response: string,
  ): Decides =>
  (state) => {
    if (state.status !== 'absent') return [];
    const { requestId, psuId, at } = opened;
    return [
      ...open(opened, accessToken, refreshToken)(state),
      { type: 'TokenResponseKept', data: { requestId, psuId, at }, personal: { response } },
    ];
  };

/** One use of a refresh token: by which client, and what it has proved to hold. */
export interface RefreshTokenUse {
  clientId: string;
  tokenHash: string;
  binding: Binding;
  at: number;
}

// A client whose answer was lost comes again at once, and workers that share a token come together. Where refresh tokens rotate at all,
// FAPI clients are promised half a minute; a thief needs the client's own credential in that time, and its use is seen afterwards.
const RETRY_SECONDS = 30;

/**
 * The grant behind a refresh token that is this client's (RFC 6749, section 6), used with the kind of proof that the grant has. The token may
 * be one that was replaced: `useOf` says what its use means.
 */
export const refreshable = (state: Grant, by: RefreshTokenUse): RefreshableGrant => {
  const known = state.status === 'open' && (state.refreshToken?.tokenHash === by.tokenHash || includes(state.replacedTokens, by.tokenHash));
  if (!known || state.clientId !== by.clientId || state.refreshToken === null)
    throw new OAuthError('invalid_grant', 'the refresh token is unknown, revoked or was issued to another client');
  // Which certificate and which key may change: the refresh tokens of confidential clients, and all of ours are that, are bound by client
  // authentication (RFC 8705, sections 6.3 and 7.1; RFC 9449, section 5). A consent outlives a certificate.
  if (state.certificateThumbprint !== null && by.binding.certificateThumbprint === null)
    throw new OAuthError('invalid_request', 'tokens of this grant are bound to a certificate: present one at the mTLS endpoint');
  if (state.dpopKeyThumbprint !== null && by.binding.dpopKeyThumbprint === null)
    throw new OAuthError('invalid_dpop_proof', 'tokens of this grant are bound by DPoP: send a proof');
  if (by.at >= state.refreshToken.expiresAt) throw new OAuthError('invalid_grant', 'the refresh token has expired');
  return { ...state, refreshToken: state.refreshToken };
};

/** Whether a refresh token is used as the current one, again by a client that has not seen its successor used, or after it was replaced. */
export const useOf = ({ refreshToken }: RefreshableGrant, { tokenHash, at }: RefreshTokenUse): 'current' | 'retry' | 'reuse' => {
  if (refreshToken.tokenHash === tokenHash) return 'current';
  return refreshToken.replaces === tokenHash && at <= refreshToken.at + RETRY_SECONDS ? 'retry' : 'reuse';
};

/**
 * Issues a further access token and, where they rotate, the refresh token's successor, which lives no longer. A retry gets an access token
 * beside the successor that it has; the use of any other replaced token ends the grant (RFC 9700, section 4.14.2).
 */
export const refresh =
  (by: RefreshTokenUse, accessToken: DataOf<'AccessTokenIssued'>, successor: { tokenHash: string; nonce: string } | null): Decides =>
  (state) => {
    const own = refreshable(state, by);
    const use = useOf(own, by);
    if (use === 'reuse') return [{ type: 'GrantRevoked', data: { reason: 'refresh_token_reused', at: by.at } }];
    const issued: GrantFact = { type: 'AccessTokenIssued', data: accessToken };
    if (use === 'retry' || successor === null) return [issued];
    const { expiresAt } = own.refreshToken;
    return [issued, { type: 'RefreshTokenIssued', data: { ...successor, replaces: by.tokenHash, at: by.at, expiresAt } }];
  };

/** Ends one access token (RFC 7009). Again is once. */
export const revokeAccessToken =
  (tokenHash: string, at: number): Decides =>
  (state) =>
    state.status === 'open' && !includes(state.revokedTokens, tokenHash) ? [{ type: 'AccessTokenRevoked', data: { tokenHash, at } }] : [];

/** Ends a grant with all its tokens. Again is once. */
export const revoke =
  (data: DataOf<'GrantRevoked'>): Decides =>
  (state) =>
    state.status === 'open' ? [{ type: 'GrantRevoked', data }] : [];
