import type { ConsentStatus } from '../domain/consent/decider.ts';
import type { ConsentContent } from '../domain/consent/events.ts';
import type { Rows } from '../domain/ports/rows.ts';
import type { Projection } from './projection.ts';

/** The consents with their state, and the answers that have not become a consent's yet. */
export const consentLookup: Projection = {
  name: 'consent_lookup',
  version: 2,
  tables: {
    consent: [
      `create table consent (
        consent_id text primary key, client_id text not null, psu_id text, status text not null, content text not null,
        expires_at integer, status_at integer not null
      ) strict, without rowid`,
      'create index consent_psu on consent (psu_id) where psu_id is not null',
      `create index consent_expiry on consent (expires_at) where expires_at is not null and status in ('awaitingAuthorisation', 'authorised')`,
    ],
    persist_due: [
      `create table persist_due (
        consent_id text primary key, request_id text not null, answered_at integer not null
      ) strict, without rowid`,
    ],
  },
  on: {
    ConsentLodged: (rows, { id, data }) =>
      rows.run(
        `insert into consent values (?, ?, null, 'awaitingAuthorisation', ?, ?, ?)`,
        id,
        data.clientId,
        JSON.stringify(data.content),
        data.expiresAt,
        data.at,
      ),
    CibaRequestApproved: (rows, { id, data }) => {
      if (data.consentOrigin === 'request') rows.run('insert into persist_due values (?, ?, ?)', data.consentId, id, data.at);
      else owePersist(rows, data.consentId, id, data.at);
    },
    CibaRequestDenied: (rows, { id, data }) => {
      if (data.consentOrigin === 'lodged') owePersist(rows, data.consentId, id, data.at);
    },
    AuthorizationApproved: (rows, { id, data }) => {
      if (data.consentOrigin === 'request') rows.run('insert into persist_due values (?, ?, ?)', data.consentId, id, data.at);
      else owePersist(rows, data.consentId, id, data.at);
    },
    AuthorizationDenied: (rows, { id, data }) => {
      if (data.consentOrigin === 'lodged') owePersist(rows, data.consentId, id, data.at);
    },
    ConsentAuthorised: (rows, { id, data }) => {
      rows.run(`update consent set status = 'authorised', psu_id = ?, status_at = ? where consent_id = ?`, data.psuId, data.at, id);
      nothingOwed(rows, id);
    },
    ConsentRejected: (rows, { id, data }) => {
      rows.run(`update consent set status = 'rejected', psu_id = ?, status_at = ? where consent_id = ?`, data.psuId, data.at, id);
      nothingOwed(rows, id);
    },
    ConsentRevoked: (rows, { id, data }) => ended(rows, id, 'revoked', data.at),
    ConsentExpired: (rows, { id, data }) => ended(rows, id, 'expired', data.at),
  },
};

const owePersist = (rows: Rows, consentId: string, requestId: string, at: number) =>
  rows.run(
    `insert or ignore into persist_due select consent_id, ?, ? from consent where consent_id = ? and status = 'awaitingAuthorisation'`,
    requestId,
    at,
    consentId,
  );

const nothingOwed = (rows: Rows, consentId: string) => rows.run('delete from persist_due where consent_id = ?', consentId);

const ended = (rows: Rows, consentId: string, status: ConsentStatus, at: number) => {
  rows.run('update consent set status = ?, status_at = ? where consent_id = ?', status, at, consentId);
  nothingOwed(rows, consentId);
};

/** One consent as its PSU and its TPP see it. */
export interface ConsentRow {
  consentId: string;
  clientId: string;
  status: ConsentStatus;
  content: ConsentContent;
  expiresAt: number | null;
  statusAt: number;
}

/** What a PSU has been asked for and answered, newest change first. */
export const consentsOf = (rows: Rows, psuId: string): readonly ConsentRow[] =>
  rows
    .all<Omit<ConsentRow, 'content'> & { content: string }>(
      `select consent_id as consentId, client_id as clientId, status, content, expires_at as expiresAt, status_at as statusAt
       from consent where psu_id = ? order by status_at desc, consent_id`,
      psuId,
    )
    .map((row) => ({ ...row, content: JSON.parse(row.content) }));

/** The answers whose persist is missing since before a moment. */
export const persistsDue = (rows: Rows, answeredBefore: number, limit: number): readonly { requestId: string }[] =>
  rows.all('select request_id as requestId from persist_due where answered_at < ? limit ?', answeredBefore, limit);

/** The consents whose own end has come. */
export const overdueConsents = (rows: Rows, at: number, limit: number): readonly string[] =>
  rows
    .all<{ consent_id: string }>(
      `select consent_id from consent
       where expires_at is not null and status in ('awaitingAuthorisation', 'authorised') and expires_at <= ? limit ?`,
      at,
      limit,
    )
    .map((row) => row.consent_id);
