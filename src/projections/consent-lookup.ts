import type { ConsentStatus } from '../domain/consent/decider.ts';
import type { ConsentContent } from '../domain/consent/events.ts';
import type { Rows } from '../domain/ports/rows.ts';
import type { Projection } from './projection.ts';

/** The type of a consent that began with its request. */
export const OF_REQUEST = 'scope';

/** The consents with their state, and the answers that have not become a consent's yet. */
export const consentLookup: Projection = {
  name: 'consent_lookup',
  version: 4,
  tables: {
    consent: [
      `create table consent (
        consent_id text primary key, client_id text not null, consent_type text not null, psu_id text, status text not null,
        content text not null, awaits_upload integer not null, expires_at integer, status_at integer not null
      ) strict, without rowid`,
      'create index consent_changed on consent (status_at)',
      'create index consent_client on consent (client_id, status_at)',
      'create index consent_psu on consent (psu_id) where psu_id is not null',
      `create index consent_expiry on consent (expires_at) where expires_at is not null and status not in ('rejected', 'revoked', 'expired')`,
    ],
    consent_authoriser: [
      `create table consent_authoriser (
        psu_id text, consent_id text, agreed integer not null, primary key (psu_id, consent_id)
      ) strict, without rowid`,
      'create index consent_authoriser_consent on consent_authoriser (consent_id)',
    ],
    persist_due: [
      `create table persist_due (
        consent_id text, request_id text, answered_at integer not null, primary key (consent_id, request_id)
      ) strict, without rowid`,
    ],
  },
  on: {
    ConsentLodged: (rows, { id, data }) => {
      rows.run(
        'insert into consent values (?, ?, ?, null, ?, ?, ?, ?, ?)',
        id,
        data.clientId,
        data.consentType ?? OF_REQUEST,
        data.awaitsUpload ? 'awaitingUpload' : 'awaitingAuthorisation',
        JSON.stringify(data.content),
        data.awaitsUpload ? 1 : 0,
        data.expiresAt,
        data.at,
      );
      for (const psuId of data.authorisers) rows.run('insert or ignore into consent_authoriser values (?, ?, 0)', psuId, id);
    },
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
    ConsentFileUploaded: (rows, { id, data }) =>
      rows.run(`update consent set status = 'awaitingAuthorisation', status_at = ? where consent_id = ?`, data.at, id),
    ConsentAuthorisationGiven: (rows, { id, data }) => {
      rows.run(`update consent set status = 'awaitingFurtherAuthorisation', status_at = ? where consent_id = ?`, data.at, id);
      rows.run('update consent_authoriser set agreed = 1 where psu_id = ? and consent_id = ?', data.psuId, id);
      rows.run('delete from persist_due where consent_id = ? and request_id = ?', id, data.requestId);
    },
    ConsentAmended: (rows, { id, data }) => {
      // Who had agreed to it is asked again.
      rows.run(
        'insert or ignore into consent_authoriser select psu_id, consent_id, 0 from consent where consent_id = ? and psu_id is not null',
        id,
      );
      rows.run(
        `update consent set status = iif(awaits_upload = 1, 'awaitingUpload', 'awaitingAuthorisation'), psu_id = null, content = ?,
         expires_at = ?, status_at = ? where consent_id = ?`,
        JSON.stringify(data.content),
        data.expiresAt,
        data.at,
        id,
      );
      rows.run('update consent_authoriser set agreed = 0 where consent_id = ?', id);
      nothingOwed(rows, id);
    },
    ConsentRevoked: (rows, { id, data }) => ended(rows, id, 'revoked', data.at),
    ConsentExpired: (rows, { id, data }) => ended(rows, id, 'expired', data.at),
  },
};

const owePersist = (rows: Rows, consentId: string, requestId: string, at: number) =>
  rows.run(
    `insert or ignore into persist_due select consent_id, ?, ? from consent
     where consent_id = ? and status in ('awaitingAuthorisation', 'awaitingFurtherAuthorisation')`,
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
       from consent where psu_id = ?1 or consent_id in (select consent_id from consent_authoriser where psu_id = ?1 and agreed = 1)
       order by status_at desc, consent_id`,
      psuId,
    )
    .map((row) => ({ ...row, content: JSON.parse(row.content) }));

/** The answers whose persist is missing since before a moment. */
export const persistsDue = (rows: Rows, answeredBefore: number, limit: number): readonly { requestId: string }[] =>
  rows.all('select request_id as requestId from persist_due where answered_at < ? limit ?', answeredBefore, limit);

// As the index consent_expiry has it.
const OVERDUE = `expires_at is not null and status not in ('rejected', 'revoked', 'expired') and expires_at <= ?`;

/** The consents whose own end has come. */
export const overdueConsents = (rows: Rows, at: number, limit: number): readonly string[] =>
  rows.all<{ consent_id: string }>(`select consent_id from consent where ${OVERDUE} limit ?`, at, limit).map((row) => row.consent_id);

/** What consents are searched by: each list is of alternatives, null for any. */
export interface ConsentFilter {
  consentIds: readonly string[] | null;
  clientIds: readonly string[] | null;
  consentTypes: readonly string[] | null;
  /** As they are told at a moment: what is past its own end is expired, though nobody has recorded that yet. */
  statuses: { among: readonly string[]; at: number } | null;
  /** Those who have answered, and those who are to. */
  psuIds: readonly string[] | null;
  accountIds: readonly string[] | null;
  /** Bounds of the last change. */
  from: number | null;
  to: number | null;
}

const WITHIN: Readonly<Record<keyof ConsentFilter, string>> = {
  consentIds: 'consent_id in (select value from json_each(?))',
  clientIds: 'client_id in (select value from json_each(?))',
  consentTypes: 'consent_type in (select value from json_each(?))',
  // Who is overdue is looked up once, and they are few: the reaction ends them.
  statuses: `iif(consent_id in (select consent_id from consent where ${OVERDUE}), 'expired', status) in (select value from json_each(?))`,
  psuIds: `consent_id in (
    with asked as (select value as psu_id from json_each(?))
    select consent_id from consent join asked using (psu_id) union select consent_id from consent_authoriser join asked using (psu_id)
  )`,
  accountIds: 'consent_id in (select consent_id from consent_account where account_id in (select value from json_each(?)))',
  from: 'status_at >= ?',
  to: 'status_at <= ?',
};

/** A filter as a condition on rows that have a consent's id. */
export const conditionOf = (filter: Partial<ConsentFilter>): { where: string; values: readonly (string | number)[] } => {
  const given = Object.entries(filter).filter(([, value]) => value !== null) as [keyof ConsentFilter, Given][];
  return {
    where: given.length === 0 ? '' : `where ${given.map(([name]) => WITHIN[name]).join(' and ')}`,
    values: given.flatMap(([, value]) => valuesOf(value)),
  };
};

type Given = NonNullable<ConsentFilter[keyof ConsentFilter]>;

const valuesOf = (value: Given): (string | number)[] => {
  if (typeof value === 'number') return [value];
  return 'among' in value ? [value.at, JSON.stringify(value.among)] : [JSON.stringify(value)];
};

/** The consents that fit, newest change first, and how many there are of them. */
export const searchConsents = (
  rows: Rows,
  filter: ConsentFilter,
  { limit, offset }: { limit: number; offset: number },
): { consentIds: readonly string[]; total: number } => {
  const { where, values } = conditionOf(filter);
  return {
    consentIds: rows
      .all<{ consent_id: string }>(
        `select consent_id from consent ${where} order by status_at desc, consent_id limit ? offset ?`,
        ...values,
        limit,
        offset,
      )
      .map((row) => row.consent_id),
    total: rows.get<{ total: number }>(`select count(*) as total from consent ${where}`, ...values)?.total ?? 0,
  };
};
