import { deviceEvents } from '../domain/device/events.ts';
import type { Rows } from '../domain/ports/rows.ts';
import type { Sealer } from '../domain/ports/sealer.ts';
import type { Projection } from './projection.ts';

/**
 * The phones of the reference as their PSUs are shown them, so that a list of them opens nothing. What they are called is personal: the
 * phones of a PSU go when they are erased, and a rebuild finds none of a PSU whose key is gone.
 */
export const phoneLookup = (sealer: Sealer): Projection => ({
  name: 'phone_lookup',
  version: 2,
  tables: {
    phone: [
      `create table phone (
        psu_id text, registered_at integer, device_id text, name text not null, model text not null, last_used_at integer,
        primary key (psu_id, registered_at, device_id)
      ) strict, without rowid`,
    ],
  },
  on: {
    DeviceRegistered: (rows, { id, type, data, sealed }) => {
      if (data.dialect === 'countersign') return;
      const described = deviceEvents.open(type, sealed, sealer);
      if (described === null) return;
      rows.run('insert into phone values (?, ?, ?, ?, ?, null)', data.psuId, data.at, id, described.name, described.model);
    },
    DeviceRenamed: (rows, { id, type, data, sealed }) => {
      const renamed = deviceEvents.open(type, sealed, sealer);
      if (renamed !== null) rows.run('update phone set name = ? where psu_id = ? and device_id = ?', renamed.name, data.psuId, id);
    },
    DeviceRevoked: (rows, { id, data }) => rows.run('delete from phone where psu_id = ? and device_id = ?', data.psuId, id),
    PsuErased: (rows, { data }) => forgetPhonesOf(rows, data.psuId),
    // Also what came in between.
    PsuKeysDestroyed: (rows, { data }) => forgetPhonesOf(rows, data.psuId),
    PsuDataExpired: (rows, { data }) => {
      if (data.retention === 'device' || data.retention === 'all') forgetPhonesOf(rows, data.psuId);
    },
    CibaRequestApproved: (rows, { data }) => answered(rows, data),
    CibaRequestDenied: (rows, { data }) => answered(rows, data),
  },
});

const answered = (rows: Rows, { psuId, deviceId, at }: { psuId: string; deviceId: string | null; at: number }) =>
  rows.run('update phone set last_used_at = ? where psu_id = ? and device_id = ?', at, psuId, deviceId);

/** One phone of the reference. */
export interface PhoneRow {
  deviceId: string;
  name: string;
  model: string;
  registeredAt: number;
  /** When it last answered. */
  lastUsedAt: number | null;
}

/** The phones of the reference of a PSU, oldest first. */
export const phonesOf = (rows: Rows, psuId: string): readonly PhoneRow[] =>
  rows.all(
    `select device_id as deviceId, name, model, registered_at as registeredAt, last_used_at as lastUsedAt from phone
     where psu_id = ? order by registered_at, device_id`,
    psuId,
  );

/** Takes a PSU's phones out of these rows. */
const forgetPhonesOf = (rows: Rows, psuId: string): void => rows.run('delete from phone where psu_id = ?', psuId);
