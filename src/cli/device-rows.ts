import type { Registration } from '../domain/device/decider.ts';
import type { JwsReader } from '../domain/ports/jws.ts';
import type { PsuDirectory } from '../domain/ports/psu-directory.ts';
import { CommandFailed } from './command-failed.ts';
import { type CsvRecord, csvRecords, MalformedCsv } from './csv.ts';

const COLUMNS = ['ID', 'USER_ID', 'NAME', 'MODEL', 'PUSH_ID', 'PUBLIC_KEY', 'REGISTRATION_TIME'] as const;
type Row = Record<(typeof COLUMNS)[number], string>;

/** A device as a row has it, ready to be adopted. */
export type DeviceToAdopt = { line: number; deviceId: string } & Omit<Registration, 'challengeHash'> & { psuId: string };

/** A row that cannot be taken, and why; nothing personal is in it. */
export interface RefusedRow {
  line: number;
  deviceId: string;
  reason: string;
}

interface Deps {
  jws: JwsReader;
  directory: PsuDirectory;
  /** Whether RSA keys of 1024 bits may go on. */
  allowRsa1024: boolean;
  /** When a device was registered whose row does not say so. */
  now: number;
  /** Told how many rows were looked at, of how many. */
  progress?: ((done: number, all: number) => void) | undefined;
}

// The directory of a bank is asked about each user: so many questions at once.
const AT_ONCE = 32;

/** The rows of an export of the table PUSH_AUTHENTICATION_DEVICE; the first line names the columns, in any order. */
export const readDeviceRows = async (
  text: string,
  deps: Deps,
): Promise<{ devices: readonly DeviceToAdopt[]; refused: readonly RefusedRow[] }> => {
  const [header, ...records] = recordsOf(text);
  const names = header?.fields.map((name) => name.trim().toUpperCase()) ?? [];
  const missing = COLUMNS.filter((name) => !names.includes(name));
  if (missing.length > 0) throw new CommandFailed(`the first line must name the columns: ${missing.join(', ')} missing`);

  const devices: DeviceToAdopt[] = [];
  const refused: RefusedRow[] = [];
  const ids = new Map<string, number>();
  const tokens = new Map<string, number>();
  const take = (line: number, deviceId: string, device: Omit<DeviceToAdopt, 'line'> | string) => {
    const before = ids.get(deviceId);
    ids.set(deviceId, before ?? line);
    if (typeof device === 'string') return refused.push({ line, deviceId, reason: device });
    if (before !== undefined) return refused.push({ line, deviceId, reason: `ID stands in line ${before} already` });
    // The reference's key: a user has one device with a push id.
    const key = `${device.psuId}\n${device.pushToken}`;
    const same = device.pushToken === null ? undefined : tokens.get(key);
    if (same !== undefined) return refused.push({ line, deviceId, reason: `USER_ID has its PUSH_ID in line ${same} already` });
    tokens.set(key, line);
    return devices.push({ line, ...device });
  };
  for (let at = 0; at < records.length; at += AT_ONCE) {
    const some = records.slice(at, at + AT_ONCE).map(async ({ line, fields }) => {
      const row = Object.fromEntries(COLUMNS.map((name) => [name, fields[names.indexOf(name)] ?? ''])) as Row;
      const complete = fields.length === names.length;
      return { line, row, device: complete ? await deviceIn(row, deps) : `expected ${names.length} fields, got ${fields.length}` };
    });
    for (const { line, row, device } of await Promise.all(some)) take(line, row.ID, device);
    deps.progress?.(Math.min(at + AT_ONCE, records.length), records.length);
  }
  return { devices, refused };
};

const recordsOf = (text: string): readonly CsvRecord[] => {
  try {
    return [...csvRecords(text)];
  } catch (error) {
    if (error instanceof MalformedCsv) throw new CommandFailed(error.message, { cause: error });
    throw error;
  }
};

const ID = /^[\w.~-]{1,255}$/;
const MAX_TEXT = 255;

/** The device of a row, or why it is none. */
const deviceIn = async (row: Row, { jws, directory, allowRsa1024, now }: Deps): Promise<Omit<DeviceToAdopt, 'line'> | string> => {
  const { ID: deviceId, USER_ID: userId, NAME: name, MODEL: model, PUSH_ID: pushId } = row;
  if (!ID.test(deviceId)) return 'ID is no identifier';
  if (name.length > MAX_TEXT || model.length > MAX_TEXT || pushId.length > MAX_TEXT) return 'NAME, MODEL or PUSH_ID is too long';
  const key = jws.phoneKey(row.PUBLIC_KEY.replaceAll(/\s/g, ''), allowRsa1024 ? 1024 : 2048);
  if (key === null) return shortKey(row.PUBLIC_KEY, jws) ? 'PUBLIC_KEY has 1024 bits: see wso2.allow_rsa1024' : 'PUBLIC_KEY is no RSA key';
  const at = row.REGISTRATION_TIME === '' ? now : secondsOf(row.REGISTRATION_TIME);
  if (at === null) return 'REGISTRATION_TIME is no time';
  const psuId = (await directory.exists(userId)) ? userId : await directory.findByHint(userId);
  if (psuId === null) return 'USER_ID is nobody whom the directory knows';
  const pushToken = pushId === '' ? null : pushId;
  return { deviceId, psuId, publicKey: key.jwk, keyThumbprint: key.thumbprint, dialect: 'push-auth', name, model, pushToken, at };
};

const shortKey = (key: string, jws: JwsReader): boolean => jws.phoneKey(key.replaceAll(/\s/g, ''), 1024) !== null;

// `2024-05-01 10:20:30.123`, as databases print it, or ISO 8601; without a zone it is UTC.
const TIME = /^(\d{4}-\d\d-\d\d)[ T](\d\d:\d\d:\d\d)(?:\.\d+)?(Z|[+-]\d\d:?\d\d)?$/;

const secondsOf = (text: string): number | null => {
  const [, day, time, zone = 'Z'] = TIME.exec(text.trim()) ?? [];
  const ms = Date.parse(`${day}T${time}${zone}`);
  return Number.isNaN(ms) ? null : ms / 1000;
};
