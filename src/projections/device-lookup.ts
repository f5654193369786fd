import { sessionDataKeyOf } from '../domain/ciba-request/id.ts';
import type { Dialect } from '../domain/device/events.ts';
import type { Rows } from '../domain/ports/rows.ts';
import type { Projection } from './projection.ts';

/**
 * A PSU's devices, where to push, and the pushes of the requests that wait: those that are still owed, those that were sent, and what no
 * device could be told. Nothing here is personal: what devices are called is not.
 */
export const deviceLookup: Projection = {
  name: 'device_lookup',
  version: 5,
  tables: {
    device: [
      `create table device (
        device_id text primary key, psu_id text not null, key_thumbprint text not null, registered_at integer not null,
        token_revision integer not null, reachable integer not null, dialect text not null
      ) strict, without rowid`,
      'create index device_psu on device (psu_id)',
      'create index device_key on device (key_thumbprint)',
    ],
    // Of each device by the token that it has now; `retry_at` is null once nothing is owed to that token.
    push: [
      `create table push (
        request_id text not null, device_id text not null, token_revision integer not null, psu_id text not null,
        expires_at integer not null, retry_at integer, primary key (request_id, device_id)
      ) strict, without rowid`,
      'create index push_due on push (retry_at) where retry_at is not null',
      'create index push_device on push (device_id)',
    ],
    open_offer: [
      'create table open_offer (device_id text primary key, psu_id text not null, expires_at integer not null) strict, without rowid',
      'create index open_offer_psu on open_offer (psu_id)',
      'create index open_offer_expiry on open_offer (expires_at)',
    ],
    unheard_request: [
      'create table unheard_request (request_id text primary key, psu_id text not null, expires_at integer not null) strict, without rowid',
      'create index unheard_request_psu on unheard_request (psu_id)',
    ],
    push_session: [
      `create table push_session (
        session_data_key text primary key, request_id text not null, expires_at integer not null
      ) strict, without rowid`,
      'create index push_session_expiry on push_session (expires_at)',
    ],
  },
  on: {
    DeviceEnrolmentOffered: (rows, { id, data }) => {
      // A few of what is past, of anybody: more than come, and never so many that anybody waits for it.
      rows.run(
        'delete from open_offer where device_id in (select device_id from open_offer where expires_at <= ? order by expires_at, device_id limit 4)',
        data.at,
      );
      rows.run('insert into open_offer values (?, ?, ?)', id, data.psuId, data.expiresAt);
    },
    DeviceRegistered: (rows, { id, data, revision }) => {
      rows.run('delete from open_offer where device_id = ?', id);
      rows.run(
        'insert into device values (?, ?, ?, ?, ?, ?, ?)',
        id,
        data.psuId,
        data.keyThumbprint,
        data.at,
        revision,
        data.hasPushToken ? 1 : 0,
        data.dialect,
      );
      if (data.hasPushToken) tellWhatWaits(rows, data.psuId, data.at);
    },
    DevicePushTokenReplaced: (rows, { id, data, revision }) => {
      rows.run('update device set token_revision = ?, reachable = 1 where device_id = ?', revision, id);
      // What the token before was sent may have reached nobody; our own devices list what waits.
      rows.run(
        `update push set token_revision = ?1, retry_at = ?2 where device_id = ?3
         and (retry_at is not null or (select dialect from device where device_id = ?3) <> 'countersign')`,
        revision,
        data.at,
        id,
      );
      tellWhatWaits(rows, data.psuId, data.at);
    },
    DevicePushTokenDied: (rows, { id, data }) => {
      rows.run('update device set reachable = 0 where device_id = ? and token_revision = ?', id, data.tokenRevision);
      outOfReach(rows, id, data);
    },
    DeviceRevoked: (rows, { id, data }) => {
      rows.run('delete from device where device_id = ?', id);
      outOfReach(rows, id, data);
    },
    CibaRequestReceived: (rows, { id, data: { psuId, expiresAt, at } }) => {
      const reachable = rows.all<{ deviceId: string; tokenRevision: number }>(
        'select device_id as deviceId, token_revision as tokenRevision from device where psu_id = ? and reachable = 1',
        psuId,
      );
      for (const { deviceId, tokenRevision } of reachable)
        rows.run('insert into push values (?, ?, ?, ?, ?, ?)', id, deviceId, tokenRevision, psuId, expiresAt, at);
      if (reachable.length === 0) rows.run('insert into unheard_request values (?, ?, ?)', id, psuId, expiresAt);
    },
    ConsentRetrieved: (rows, { id, data }) => {
      const dialect = rows.get<{ dialect: Dialect }>('select dialect from device where device_id = ?', data.deviceId)?.dialect;
      if (dialect !== undefined && dialect !== 'countersign') sessionBegins(rows, id, data.at);
    },
    CibaRequestApproved: (rows, { id }) => nothingOwedFor(rows, id),
    CibaRequestDenied: (rows, { id }) => nothingOwedFor(rows, id),
    CibaRequestExpired: (rows, { id }) => nothingOwedFor(rows, id),
    CibaRequestCancelled: (rows, { id }) => nothingOwedFor(rows, id),
    PsuErased: (rows, { data }) => {
      rows.run('delete from push where psu_id = ?', data.psuId);
      rows.run('delete from unheard_request where psu_id = ?', data.psuId);
      rows.run('delete from open_offer where psu_id = ?', data.psuId);
    },
    DevicePushAccepted: (rows, { data }) => attempted(rows, data, null),
    DevicePushRejected: (rows, { data }) => attempted(rows, data, data.retryAt),
  },
};

const nothingOwedFor = (rows: Rows, requestId: string) => {
  rows.run('delete from push where request_id = ?', requestId);
  rows.run('delete from unheard_request where request_id = ?', requestId);
};

// An answer that is given again is taken for that long after the end of its request.
const SESSION_KEPT_SECONDS = 3600;

/** The end of the request stands with the push that is owed; where another node has made that, the session lasts from now on. */
const sessionBegins = (rows: Rows, requestId: string, at: number) => {
  rows.run(
    `delete from push_session where session_data_key in (
      select session_data_key from push_session where expires_at <= ? order by expires_at, session_data_key limit 4
    )`,
    at - SESSION_KEPT_SECONDS,
  );
  rows.run(
    'insert or ignore into push_session values (?1, ?2, (select coalesce(max(expires_at), ?3) from push where request_id = ?2))',
    sessionDataKeyOf(requestId),
    requestId,
    at,
  );
};

/** What no device could be told is owed to the phones of the reference that can be: they do not list what waits. */
const tellWhatWaits = (rows: Rows, psuId: string, at: number) =>
  rows.run(
    `insert or ignore into push
     select request_id, device_id, token_revision, psu_id, expires_at, ?2 from device join unheard_request using (psu_id)
     where psu_id = ?1 and reachable = 1 and dialect <> 'countersign' and expires_at > ?2`,
    psuId,
    at,
  );

/** What only this device was told, or was to be told, is told to others. */
const outOfReach = (rows: Rows, deviceId: string, { psuId, at }: { psuId: string; at: number }) => {
  rows.run(
    `insert or ignore into unheard_request select request_id, psu_id, expires_at from push where device_id = ?1
     and not exists (select 1 from push other where other.request_id = push.request_id and other.device_id <> ?1)`,
    deviceId,
  );
  rows.run('delete from push where device_id = ?', deviceId);
  tellWhatWaits(rows, psuId, at);
};

/** An attempt with a token that was replaced meanwhile says nothing of the one that took its place. */
const attempted = (
  rows: Rows,
  { requestId, deviceId, tokenRevision }: { requestId: string; deviceId: string; tokenRevision: number | null },
  retryAt: number | null,
) =>
  rows.run(
    'update push set retry_at = ?1 where request_id = ?2 and device_id = ?3 and token_revision = coalesce(?4, token_revision)',
    retryAt,
    requestId,
    deviceId,
    tokenRevision,
  );

/** One device of a PSU. */
export interface DeviceRow {
  deviceId: string;
  registeredAt: number;
  reachable: 0 | 1;
}

/** The devices of a PSU that are not revoked, oldest first. */
export const devicesOf = (rows: Rows, psuId: string): readonly DeviceRow[] =>
  rows.all(
    `select device_id as deviceId, registered_at as registeredAt, reachable from device
     where psu_id = ? order by registered_at, device_id`,
    psuId,
  );

/** How many offers of an enrolment a PSU has that are still good. */
export const openOffers = (rows: Rows, psuId: string, at: number): number =>
  rows.get<{ offers: number }>('select count(*) as offers from open_offer where psu_id = ? and expires_at > ?', psuId, at)?.offers ?? 0;

/** The request that phones of the reference know by this UUID. */
export const requestOfSession = (rows: Rows, sessionDataKey: string): string | undefined =>
  rows.get<{ requestId: string }>('select request_id as requestId from push_session where session_data_key = ?', sessionDataKey)?.requestId;

/** Whether a key is registered for another device already. */
export const keyOfAnotherDevice = (rows: Rows, keyThumbprint: string, deviceId: string): boolean =>
  rows.get('select 1 from device where key_thumbprint = ? and device_id <> ? limit 1', keyThumbprint, deviceId) !== undefined;

/** A push that is owed to a device, by the token that its event of this revision holds. */
export interface PushDue {
  requestId: string;
  deviceId: string;
  tokenRevision: number;
  psuId: string;
  expiresAt: number;
}

/** The pushes that are due, oldest first. */
export const pushesDue = (rows: Rows, at: number, limit: number): readonly PushDue[] =>
  rows.all(
    `select request_id as requestId, device_id as deviceId, token_revision as tokenRevision, psu_id as psuId, expires_at as expiresAt
     from push where retry_at <= ? order by retry_at limit ?`,
    at,
    limit,
  );
