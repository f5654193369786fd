import type { Rows } from '../domain/ports/rows.ts';
import type { Projection } from './projection.ts';

/** A PSU's devices, where to push, and the pushes that are still owed. */
export const deviceLookup: Projection = {
  name: 'device_lookup',
  version: 1,
  tables: {
    device: [
      `create table device (
        device_id text primary key, psu_id text not null, key_thumbprint text not null, registered_at integer not null,
        token_revision integer not null, reachable integer not null
      ) strict, without rowid`,
      'create index device_psu on device (psu_id)',
      'create index device_key on device (key_thumbprint)',
    ],
    push_due: [
      `create table push_due (
        request_id text not null, device_id text not null, psu_id text not null, expires_at integer not null, retry_at integer not null,
        primary key (request_id, device_id)
      ) strict, without rowid`,
      'create index push_due_at on push_due (retry_at)',
    ],
  },
  on: {
    DeviceRegistered: (rows, { id, data, revision }) =>
      rows.run(
        'insert into device values (?, ?, ?, ?, ?, ?)',
        id,
        data.psuId,
        data.keyThumbprint,
        data.at,
        revision,
        data.hasPushToken ? 1 : 0,
      ),
    DevicePushTokenReplaced: (rows, { id, revision }) =>
      rows.run('update device set token_revision = ?, reachable = 1 where device_id = ?', revision, id),
    DevicePushTokenDied: (rows, { id, data }) => {
      rows.run('update device set reachable = 0 where device_id = ? and token_revision = ?', id, data.tokenRevision);
      rows.run('delete from push_due where device_id = ?', id);
    },
    DeviceRevoked: (rows, { id }) => {
      rows.run('delete from device where device_id = ?', id);
      rows.run('delete from push_due where device_id = ?', id);
    },
    CibaRequestReceived: (rows, { id, data }) =>
      rows.run(
        `insert into push_due select ?, device_id, psu_id, ?, ? from device where psu_id = ? and reachable = 1`,
        id,
        data.expiresAt,
        data.at,
        data.psuId,
      ),
    CibaRequestApproved: (rows, { id }) => nothingOwedFor(rows, id),
    CibaRequestDenied: (rows, { id }) => nothingOwedFor(rows, id),
    CibaRequestExpired: (rows, { id }) => nothingOwedFor(rows, id),
    CibaRequestCancelled: (rows, { id }) => nothingOwedFor(rows, id),
    DevicePushAccepted: (rows, { data }) => pushed(rows, data.requestId, data.deviceId),
    DevicePushRejected: (rows, { data }) => {
      if (data.retryAt === null) pushed(rows, data.requestId, data.deviceId);
      else rows.run('update push_due set retry_at = ? where request_id = ? and device_id = ?', data.retryAt, data.requestId, data.deviceId);
    },
  },
};

const nothingOwedFor = (rows: Rows, requestId: string) => rows.run('delete from push_due where request_id = ?', requestId);

const pushed = (rows: Rows, requestId: string, deviceId: string) =>
  rows.run('delete from push_due where request_id = ? and device_id = ?', requestId, deviceId);

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

/** Whether a key is registered for another device already. */
export const keyOfAnotherDevice = (rows: Rows, keyThumbprint: string, deviceId: string): boolean =>
  rows.get('select 1 from device where key_thumbprint = ? and device_id <> ? limit 1', keyThumbprint, deviceId) !== undefined;

/** A push that is owed to a device. */
export interface PushDue {
  requestId: string;
  deviceId: string;
  psuId: string;
  expiresAt: number;
}

/** The pushes that are due, oldest first. */
export const pushesDue = (rows: Rows, at: number, limit: number): readonly PushDue[] =>
  rows.all(
    `select request_id as requestId, device_id as deviceId, psu_id as psuId, expires_at as expiresAt from push_due
     where retry_at <= ? order by retry_at limit ?`,
    at,
    limit,
  );
