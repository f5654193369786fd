import { readFile } from 'node:fs/promises';
import { systemClock, systemIds } from '../adapters/clock.ts';
import { jwsReader } from '../adapters/jose/jws-reader.ts';
import type { Config } from '../config.ts';
import { type Decide, type Load, makeDecide, makeLoad } from '../domain/decide.ts';
import { adopt } from '../domain/device/adopt.ts';
import { device } from '../domain/device/decider.ts';
import { OAuthError } from '../domain/oauth-error.ts';
import { directoryOf } from '../serve/ports.ts';
import { sandboxOf } from '../serve/sandbox.ts';
import { CommandFailed } from './command-failed.ts';
import { type DeviceToAdopt, type RefusedRow, readDeviceRows } from './device-rows.ts';
import { withLog } from './log.ts';
import { type Output, sayTo } from './output.ts';

// Appends that are made at once share a commit.
const AT_ONCE = 256;

/**
 * Registers the devices of an export of the reference's table PUSH_AUTHENTICATION_DEVICE, under the ids that they have. Unless bad rows are
 * to be skipped, one bad row keeps all of them out. Run again it finds what is there.
 */
export const importDevices = async (
  config: Config,
  file: string,
  { skipBadRows, ...output }: { skipBadRows: boolean } & Output,
): Promise<void> => {
  const text = await readText(file);
  const say = sayTo(output);
  const { progress } = output;
  await withLog(config, 'an engine is running: devices are imported while it is stopped', async ({ store, sealer }) => {
    const decide = makeDecide({ store, sealer, ids: systemIds });
    const directory = await directoryOf(config, await sandboxOf(config), unreachable);
    const rows = await readDeviceRows(text, {
      ...{ jws: jwsReader, directory, allowRsa1024: config.wso2.allowRsa1024, now: systemClock() },
      progress: (done, all) => progress?.(`looked at ${done} of ${all} rows`),
    });
    const { devices, taken } = await withoutTaken(rows.devices, makeLoad(store));
    const refused = [...rows.refused, ...taken].toSorted((one, other) => one.line - other.line);
    for (const row of refused) say(`line ${row.line}: ${row.reason}`, { outcome: 'refused', ...row });
    if (refused.length > 0 && !skipBadRows)
      throw new CommandFailed(
        `${file}: nothing was imported because of ${refused.length} bad rows; mend them, or leave them out with --skip-bad-rows`,
      );
    let imported = 0;
    for (let at = 0; at < devices.length; at += AT_ONCE) {
      const some = devices.slice(at, at + AT_ONCE);
      const isNew = await Promise.all(some.map((one) => adoptOne(decide, one)));
      imported += isNew.filter((one) => one).length;
      if (progress === null)
        for (const [n, { line, deviceId }] of some.entries()) say('', { outcome: isNew[n] ? 'imported' : 'known', line, deviceId });
      else progress(`${at + some.length} of ${devices.length}`);
    }
    const counts = { imported, known: devices.length - imported, refused: refused.length };
    say(`${counts.imported} devices imported, ${counts.known} known already, ${counts.refused} rows refused`, counts);
  });
};

const unreachable = (what: string, cause: unknown) => {
  throw new CommandFailed(`${what}: the directory of PSUs could not be asked`, { cause });
};

const readText = async (file: string): Promise<string> => {
  try {
    return await readFile(file, 'utf8');
  } catch (cause) {
    throw new CommandFailed(`${file} cannot be read`, { cause });
  }
};

/** Whether it was new. */
const adoptOne = async (decide: Decide, { line: _, deviceId, ...registered }: DeviceToAdopt): Promise<boolean> => {
  const actor = { kind: 'operator', id: 'command-line' } as const;
  const command = { id: systemIds.derived(`import-device/${deviceId}`), actor, correlationId: deviceId, causationId: null };
  const { eventIds } = await decide(device, deviceId, adopt(registered), command);
  return eventIds.length > 0;
};

/** Parts those whose id has another device here already. */
const withoutTaken = async (
  devices: readonly DeviceToAdopt[],
  load: Load,
): Promise<{ devices: readonly DeviceToAdopt[]; taken: readonly RefusedRow[] }> => {
  const free: DeviceToAdopt[] = [];
  const taken: RefusedRow[] = [];
  for (const one of devices) {
    const { line, deviceId, ...registered } = one;
    try {
      adopt(registered)(await load(device, deviceId));
      free.push(one);
    } catch (error) {
      if (!(error instanceof OAuthError)) throw error;
      taken.push({ line, deviceId, reason: error.message });
    }
  }
  return { devices: free, taken };
};
