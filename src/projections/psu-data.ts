import type { Rows } from '../domain/ports/rows.ts';
import type { Sealed } from '../domain/ports/sealer.ts';
import { keyNameOf } from '../domain/psu/decider.ts';
import { keyNameIn } from '../domain/psu/retention.ts';
import type { Projection } from './projection.ts';

/**
 * The PSUs who were erased, and what is kept of the others: the keys that something is sealed with, the consents that they were asked for and
 * have not answered, and when there was last anything of their devices. Nothing here is personal: a psuId is a pseudonym.
 */
export const psuData: Projection = {
  name: 'psu_data',
  version: 3,
  tables: {
    // `late`: something of the PSU was on its way into the log when they were erased, and is to be ended, too.
    erased_psu: [
      `create table erased_psu (
        psu_id text primary key, event_id text not null, erased_at integer not null, late integer not null, destroyed_at integer
      ) strict, without rowid`,
      'create index erased_psu_undone on erased_psu (psu_id) where destroyed_at is null',
    ],
    asked_consent: [
      'create table asked_consent (psu_id text, consent_id text, primary key (psu_id, consent_id)) strict, without rowid',
      'create index asked_consent_consent on asked_consent (consent_id)',
    ],
    sealing_key: [
      'create table sealing_key (psu_id text, name text, primary key (psu_id, name)) strict, without rowid',
      'create index sealing_key_name on sealing_key (name)',
    ],
    device_data: ['create table device_data (psu_id text primary key, last_at integer not null) strict, without rowid'],
    // For a while: their keys are destroyed right behind the fact.
    lately_expired: [
      'create table lately_expired (psu_id text, name text, at integer not null, primary key (psu_id, name)) strict, without rowid',
      'create index lately_expired_at on lately_expired (at)',
    ],
  },
  on: {
    CibaRequestReceived: (rows, { data, sealed }) => {
      sealedBy(rows, sealed);
      cameLate(rows, data);
      if (data.consentOrigin === 'lodged') asked(rows, data.psuId, data.consentId);
    },
    ConsentRetrieved: (rows, { sealed }) => sealedBy(rows, sealed),
    CibaRequestApproved: (rows, { sealed }) => sealedBy(rows, sealed),
    CibaRequestDenied: (rows, { sealed }) => sealedBy(rows, sealed),
    AuthorizationRequested: (rows, { sealed }) => sealedBy(rows, sealed),
    AuthorizationPsuAuthenticated: (rows, { correlationId, data }) => {
      cameLate(rows, data);
      asked(rows, data.psuId, correlationId);
    },
    AuthorizationShown: (rows, { sealed }) => sealedBy(rows, sealed),
    AuthorizationApproved: (rows, { sealed }) => sealedBy(rows, sealed),
    TokenResponseKept: (rows, { sealed }) => sealedBy(rows, sealed),
    EventNotificationCreated: (rows, { sealed }) => sealedBy(rows, sealed),
    EventNotificationErrorReported: (rows, { sealed }) => sealedBy(rows, sealed),
    ConsentLodged: (rows, { data, sealed }) => {
      sealedBy(rows, sealed);
      for (const psuId of data.authorisers) cameLate(rows, { psuId });
    },
    ConsentFileUploaded: (rows, { sealed }) => sealedBy(rows, sealed),
    ConsentAmended: (rows, { sealed }) => sealedBy(rows, sealed),
    ConsentAuthorisationGiven: (rows, { data, sealed }) => {
      sealedBy(rows, sealed);
      cameLate(rows, data);
    },
    ConsentAuthorised: (rows, { id, data, sealed }) => {
      sealedBy(rows, sealed);
      cameLate(rows, data);
      answered(rows, data.psuId, id);
    },
    ConsentRejected: (rows, { id, data }) => answered(rows, data.psuId, id),
    DeviceEnrolmentOffered: (rows, { data, sealed }) => {
      sealedBy(rows, sealed);
      if (sealed !== null) deviceUntil(rows, data.psuId, data.expiresAt);
    },
    DeviceRegistered: (rows, { data, sealed }) => {
      sealedBy(rows, sealed);
      cameLate(rows, data);
      deviceUntil(rows, data.psuId, data.at);
    },
    DeviceRenamed: (rows, { sealed }) => sealedBy(rows, sealed),
    DevicePushTokenReplaced: (rows, { sealed }) => sealedBy(rows, sealed),
    DeviceRevoked: (rows, { data }) => rows.run('update device_data set last_at = max(last_at, ?) where psu_id = ?', data.at, data.psuId),
    PsuErased: (rows, { eventId, data }) =>
      rows.run('insert or ignore into erased_psu values (?, ?, ?, 0, null)', data.psuId, eventId, data.at),
    PsuKeysDestroyed: (rows, { data }) => {
      rows.run('update erased_psu set destroyed_at = iif(late = 1, null, ?), late = 0 where psu_id = ?', data.at, data.psuId);
      rows.run('delete from sealing_key where psu_id = ?', data.psuId);
      rows.run('delete from device_data where psu_id = ?', data.psuId);
    },
    PsuDataExpired: (rows, { data }) => {
      const { psuId, retention, at } = data;
      const name = keyNameOf(data);
      rows.run('delete from sealing_key where psu_id = ? and name = ?', psuId, name);
      if (retention === 'device' || retention === 'all') rows.run('delete from device_data where psu_id = ?', psuId);
      rows.run(
        'delete from lately_expired where (psu_id, name) in (select psu_id, name from lately_expired where at <= ? order by at, psu_id, name limit 4)',
        at - LATELY_SECONDS,
      );
      rows.run('insert or ignore into lately_expired values (?, ?, ?)', psuId, name, at);
    },
  },
};

// A process that died between a fact and what follows from it is back long before.
const LATELY_SECONDS = 30 * 86_400;

const sealedBy = (rows: Rows, sealed: Sealed | null) => {
  if (sealed !== null) rows.run('insert or ignore into sealing_key values (?, ?)', sealed.psuId, keyNameIn(sealed.text));
};

const cameLate = (rows: Rows, { psuId }: { psuId: string }) =>
  rows.run('update erased_psu set late = iif(destroyed_at is null, 1, 0), destroyed_at = null where psu_id = ?', psuId);

const asked = (rows: Rows, psuId: string, consentId: string) =>
  rows.run('insert or ignore into asked_consent values (?, ?)', psuId, consentId);

const answered = (rows: Rows, psuId: string, consentId: string) =>
  rows.run('delete from asked_consent where psu_id = ? and consent_id = ?', psuId, consentId);

const deviceUntil = (rows: Rows, psuId: string, at: number) =>
  rows.run('insert into device_data values (?1, ?2) on conflict (psu_id) do update set last_at = max(last_at, ?2)', psuId, at);

/** What has become of a PSU who was erased. */
export interface ErasedRow {
  erasedAt: number;
  /** Null until every key is destroyed. */
  destroyedAt: number | null;
}

/** A PSU, if they were erased. */
export const erasedPsu = (rows: Rows, psuId: string): ErasedRow | undefined =>
  rows.get('select erased_at as erasedAt, destroyed_at as destroyedAt from erased_psu where psu_id = ?', psuId);

/** Whether anything was ever kept of a PSU. */
export const isKnown = (rows: Rows, psuId: string): boolean =>
  rows.get(
    `select 1 where exists (select 1 from sealing_key where psu_id = ?1) or exists (select 1 from device_data where psu_id = ?1)
     or exists (select 1 from asked_consent where psu_id = ?1) or exists (select 1 from consent where psu_id = ?1)
     or exists (select 1 from consent_authoriser where psu_id = ?1) or exists (select 1 from erased_psu where psu_id = ?1)`,
    psuId,
  ) !== undefined;

/** The PSUs whose erasure is not finished, each with the event that began it. */
export const erasuresDue = (rows: Rows, limit: number): readonly { psuId: string; eventId: string }[] =>
  rows.all('select psu_id as psuId, event_id as eventId from erased_psu where destroyed_at is null limit ?', limit);

// Another PSU, who was not erased, has answered for it or is to, or is being asked.
const OF_OTHERS = `exists (
    select 1 from consent_authoriser other
    where other.consent_id = consent.consent_id and other.psu_id <> ?1 and other.psu_id not in (select psu_id from erased_psu)
  ) or exists (
    select 1 from asked_consent other
    where other.consent_id = consent.consent_id and other.psu_id <> ?1 and other.psu_id not in (select psu_id from erased_psu)
  ) or (coalesce(consent.psu_id, ?1) <> ?1 and consent.psu_id not in (select psu_id from erased_psu))`;
const ANSWERS_FOR = `select consent_id from consent where psu_id = ?1 union select consent_id from consent_authoriser where psu_id = ?1`;
const ASKED = `select consent_id from asked_consent where psu_id = ?1`;

/** What lives of a PSU: the requests that wait for them, the consents that they answer for or alone were asked for, and their devices. */
export const livingOf = (
  rows: Rows,
  psuId: string,
): { requestIds: readonly string[]; consentIds: readonly string[]; deviceIds: readonly string[] } => {
  const idsOf = (sql: string) => rows.all<{ id: string }>(sql, psuId).map(({ id }) => id);
  return {
    requestIds: idsOf('select request_id as id from pending_request where psu_id = ?1'),
    consentIds: idsOf(
      `select consent_id as id from consent where status not in ('rejected', 'revoked', 'expired')
       and (consent_id in (${ANSWERS_FOR}) or (consent_id in (${ASKED}) and not (${OF_OTHERS})))`,
    ),
    deviceIds: idsOf('select device_id as id from device where psu_id = ?1'),
  };
};

/** The consents whose own key goes with a PSU: no other PSU has to do with them. */
export const consentsOnlyOf = (rows: Rows, psuId: string): readonly string[] =>
  rows
    .all<{ id: string }>(
      `select consent_id as id from consent where consent_id in (${ANSWERS_FOR} union ${ASKED}) and not (${OF_OTHERS})`,
      psuId,
    )
    .map(({ id }) => id);
