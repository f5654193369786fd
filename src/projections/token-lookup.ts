import type { Rows } from '../domain/ports/rows.ts';
import type { Projection } from './projection.ts';

type RevocationReason = 'consent_ended' | 'client_disabled';

/** Token hash → grant, for introspection and revocation, and the grants that must end because their consent or client did. */
export const tokenLookup: Projection = {
  name: 'token_lookup',
  version: 3,
  tables: {
    grants: [
      `create table grants (
        grant_id text primary key, client_id text not null, psu_id text, consent_id text, auth_time integer, acr text,
        has_authorization_details integer not null, revoke_reason text
      ) strict, without rowid`,
      'create index grants_consent on grants (consent_id) where consent_id is not null',
      'create index grants_revoke on grants (revoke_reason) where revoke_reason is not null',
    ],
    token: [
      `create table token (
        token_hash text primary key, grant_id text not null, kind text not null, scope text not null, certificate_thumbprint text,
        dpop_key_thumbprint text, issued_at integer not null, expires_at integer not null
      ) strict, without rowid`,
    ],
    ended: ['create table ended (id text primary key, reason text not null) strict, without rowid'],
  },
  on: {
    GrantOpened: (rows, { id, data }) => {
      const { clientId, psuId, consentId, authTime, acr, hasAuthorizationDetails } = data;
      const details = hasAuthorizationDetails ? 1 : 0;
      rows.run(
        'insert into grants values (?1, ?2, ?3, ?4, ?5, ?6, ?7, (select reason from ended where id in (?2, ?4, ?8)))',
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
    AccessTokenIssued: (rows, { id, data }) =>
      rows.run(
        `insert into token values (?, ?, 'access_token', ?, ?, ?, ?, ?)`,
        data.tokenHash,
        id,
        data.scope,
        data.certificateThumbprint,
        data.dpopKeyThumbprint,
        data.at,
        data.expiresAt,
      ),
    RefreshTokenIssued: (rows, { id, data }) => {
      rows.run(`insert into token values (?, ?, 'refresh_token', '', null, null, ?, ?)`, data.tokenHash, id, data.at, data.expiresAt);
      if (data.replaces !== null) rows.run('delete from token where token_hash = ?', data.replaces);
    },
    AccessTokenRevoked: (rows, { data }) => rows.run('delete from token where token_hash = ?', data.tokenHash),
    // Its tokens are nobody's from then on: a token without its grant is not found.
    GrantRevoked: (rows, { id }) => rows.run('delete from grants where grant_id = ?', id),
    // By the requests, since those that follow may open grants of this consent again.
    ConsentAmended: (rows, { id, data: { endedRequests } }) => {
      for (const requestId of endedRequests) rows.run(`insert or ignore into ended values (?, 'consent_ended')`, requestId);
      rows.run(`update grants set revoke_reason = 'consent_ended' where consent_id = ?`, id);
    },
    ConsentRevoked: (rows, { id }) => end(rows, 'consent_id', id, 'consent_ended'),
    ConsentExpired: (rows, { id }) => end(rows, 'consent_id', id, 'consent_ended'),
    ClientDisabled: (rows, { id }) => end(rows, 'client_id', id, 'client_disabled'),
  },
};

const end = (rows: Rows, column: 'consent_id' | 'client_id', id: string, reason: RevocationReason) => {
  rows.run('insert or ignore into ended values (?, ?)', id, reason);
  rows.run(`update grants set revoke_reason = ? where ${column} = ?`, reason, id);
};

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
