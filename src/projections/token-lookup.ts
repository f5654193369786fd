import type { Rows } from '../domain/ports/rows.ts';
import type { Projection } from './projection.ts';

type RevocationReason = 'consent_ended' | 'client_disabled';

// What is past is answered as what never was; the day is for clocks that differ.
const KEPT_SECONDS = 86_400;
// A grant that was being opened when its consent or client ended is in the log long before this is over.
const ENDED_KEPT_SECONDS = 7 * 86_400;

/**
 * Token hash → grant, for introspection and revocation, and the grants that must end because their consent or client did. An access token
 * leaves a day after its end; a grant, and its refresh token with it, a day after the last of its tokens.
 */
export const tokenLookup: Projection = {
  name: 'token_lookup',
  version: 4,
  tables: {
    grants: [
      `create table grants (
        grant_id text primary key, client_id text not null, psu_id text, consent_id text, auth_time integer, acr text,
        has_authorization_details integer not null, refresh_token_hash text, last_expires_at integer, revoke_reason text
      ) strict, without rowid`,
      'create index grants_consent on grants (consent_id) where consent_id is not null',
      'create index grants_expiry on grants (last_expires_at) where last_expires_at is not null',
      'create index grants_revoke on grants (revoke_reason) where revoke_reason is not null',
    ],
    token: [
      `create table token (
        token_hash text primary key, grant_id text not null, kind text not null, scope text not null, certificate_thumbprint text,
        dpop_key_thumbprint text, issued_at integer not null, expires_at integer not null
      ) strict, without rowid`,
      `create index token_expiry on token (expires_at) where kind = 'access_token'`,
    ],
    ended: [
      'create table ended (id text primary key, reason text not null, at integer not null) strict, without rowid',
      'create index ended_at on ended (at)',
    ],
  },
  on: {
    GrantOpened: (rows, { id, data }) => {
      const { clientId, psuId, consentId, authTime, acr, hasAuthorizationDetails } = data;
      const details = hasAuthorizationDetails ? 1 : 0;
      rows.run(
        `insert into grants values (?1, ?2, ?3, ?4, ?5, ?6, ?7, null, null, coalesce(
          (select reason from ended where id = ?4), (select reason from ended where id = ?8), (select reason from ended where id = ?2)
        ))`,
        id,
        clientId,
        psuId,
        consentId,
        authTime,
        acr,
        details,
        data.requestId,
      );
    },
    AccessTokenIssued: (rows, { id, data }) => {
      rows.run(
        `insert into token values (?, ?, 'access_token', ?, ?, ?, ?, ?)`,
        data.tokenHash,
        id,
        data.scope,
        data.certificateThumbprint,
        data.dpopKeyThumbprint,
        data.at,
        data.expiresAt,
      );
      rows.run('update grants set last_expires_at = ?1 where grant_id = ?2 and coalesce(last_expires_at, 0) < ?1', data.expiresAt, id);
      forgetWhatIsPast(rows, data.at - KEPT_SECONDS);
    },
    RefreshTokenIssued: (rows, { id, data }) => {
      rows.run(`insert into token values (?, ?, 'refresh_token', '', null, null, ?, ?)`, data.tokenHash, id, data.at, data.expiresAt);
      if (data.replaces !== null) forgetToken(rows, data.replaces);
      rows.run(
        'update grants set refresh_token_hash = ?1, last_expires_at = max(coalesce(last_expires_at, 0), ?2) where grant_id = ?3',
        data.tokenHash,
        data.expiresAt,
        id,
      );
    },
    AccessTokenRevoked: (rows, { data }) => forgetToken(rows, data.tokenHash),
    // Its tokens are nobody's from then on: a token without its grant is not found.
    GrantRevoked: (rows, { id }) => forgetGrant(rows, id),
    // By the requests, since those that follow may open grants of this consent again.
    ConsentAmended: (rows, { id, data: { endedRequests, at } }) => {
      for (const requestId of endedRequests) hasEnded(rows, requestId, 'consent_ended', at);
      rows.run(`update grants set revoke_reason = 'consent_ended' where consent_id = ?`, id);
    },
    ConsentRevoked: (rows, { id, data }) => end(rows, 'consent_id', id, 'consent_ended', data.at),
    ConsentExpired: (rows, { id, data }) => end(rows, 'consent_id', id, 'consent_ended', data.at),
    ClientDisabled: (rows, { id, data }) => end(rows, 'client_id', id, 'client_disabled', data.at),
  },
};

const end = (rows: Rows, column: 'consent_id' | 'client_id', id: string, reason: RevocationReason, at: number) => {
  hasEnded(rows, id, reason, at);
  rows.run(`update grants set revoke_reason = ? where ${column} = ?`, reason, id);
};

// What comes with an event takes a few of what is past away: more than it brings, and never so many that anybody waits for it.
const hasEnded = (rows: Rows, id: string, reason: RevocationReason, at: number) => {
  rows.run('insert or ignore into ended values (?, ?, ?)', id, reason, at);
  rows.run('delete from ended where id in (select id from ended where at <= ? order by at, id limit 4)', at - ENDED_KEPT_SECONDS);
};

const forgetWhatIsPast = (rows: Rows, before: number) => {
  const tokens = rows.all<{ hash: string }>(
    `select token_hash as hash from token where kind = 'access_token' and expires_at <= ? order by expires_at, token_hash limit 2`,
    before,
  );
  for (const { hash } of tokens) forgetToken(rows, hash);
  const grants = rows.all<{ grantId: string }>(
    'select grant_id as grantId from grants where last_expires_at <= ? order by last_expires_at, grant_id limit 2',
    before,
  );
  for (const { grantId } of grants) forgetGrant(rows, grantId);
};

const forgetGrant = (rows: Rows, grantId: string) => {
  const known = rows.get<{ hash: string | null }>('select refresh_token_hash as hash from grants where grant_id = ?', grantId);
  if (known === undefined) return;
  if (known.hash !== null) forgetToken(rows, known.hash);
  rows.run('delete from grants where grant_id = ?', grantId);
};

const forgetToken = (rows: Rows, hash: string) => rows.run('delete from token where token_hash = ?', hash);

/** A token that was issued and not revoked, with the grant it hangs on. */
export interface TokenRow {
  grantId: string;
  kind: 'access_token' | 'refresh_token';
  scope: string;
  certificateThumbprint: string | null;
  dpopKeyThumbprint: string | null;
  issuedAt: number;
  expiresAt: number;
  clientId: string;
  psuId: string | null;
  consentId: string | null;
  authTime: number | null;
  acr: string | null;
  /** Whether its consent holds authorization details. */
  hasAuthorizationDetails: 0 | 1;
}

/** The token behind a hash. One whose consent or client has ended is gone at once, whatever its grant still says. */
export const findToken = (rows: Rows, tokenHash: string): TokenRow | undefined =>
  rows.get<TokenRow>(
    `select grant_id as grantId, kind, scope, certificate_thumbprint as certificateThumbprint, dpop_key_thumbprint as dpopKeyThumbprint,
       issued_at as issuedAt, expires_at as expiresAt, client_id as clientId, psu_id as psuId, consent_id as consentId, auth_time as authTime, acr,
       has_authorization_details as hasAuthorizationDetails
     from token join grants using (grant_id) where token_hash = ? and revoke_reason is null`,
    tokenHash,
  );

/** The grants that must be revoked. */
export const revocationsDue = (
  rows: Rows,
  limit: number,
): readonly { grantId: string; consentId: string | null; reason: RevocationReason }[] =>
  rows.all(
    'select grant_id as grantId, consent_id as consentId, revoke_reason as reason from grants where revoke_reason is not null limit ?',
    limit,
  );
