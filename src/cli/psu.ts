import { existsSync } from 'node:fs';
import { setTimeout as passed } from 'node:timers/promises';
import { systemClock, systemIds } from '../adapters/clock.ts';
import { withNextRows } from '../adapters/rows/next.ts';
import { sqliteRows } from '../adapters/rows/sqlite.ts';
import { recordOfPsuKey } from '../adapters/shared/psu-keys.ts';
import { erasureReason } from '../api/erasure/routes.ts';
import type { Config } from '../config.ts';
import { type Decide, makeDecide, makeLoad } from '../domain/decide.ts';
import type { Rows } from '../domain/ports/rows.ts';
import { erase, psu } from '../domain/psu/decider.ts';
import { psuId as psuIdSchema } from '../domain/psu/psu-id.ts';
import { projectionsOver } from '../projections/all.ts';
import { expiredKeys } from '../projections/expired-data.ts';
import { isKnown } from '../projections/psu-data.ts';
import { finishErasure } from '../projections/reactions/erasure.ts';
import { destroyExpired } from '../projections/reactions/expire-data.ts';
import { runProjections } from '../projections/runner.ts';
import { type LogWithKeys, openCluster, readModelsOf } from '../serve/store.ts';
import { CommandFailed } from './command-failed.ts';
import { withLog } from './log.ts';
import { allCommitted } from './rebuild.ts';

const ENGINE_RUNS =
  'an engine is running: have it erase the PSU with POST /admin/v1/psus/{psu_id}/erasure, which needs a client with the scope psus:erase, or stop it first';

/**
 * Erases a PSU. Of a log in a file all of it is done before this returns, whatever is cut off goes on with the next start or call. In a cluster
 * the fact is recorded, and the nodes do the rest.
 */
export const erasePsu = (config: Config, psuId: string, reason: string, print: (line: string) => void): Promise<void> => {
  const { success } = erasureReason.safeParse(reason);
  if (!success) throw new CommandFailed('--reason must have between 1 and 200 characters that are seen');
  if (!psuIdSchema.safeParse(psuId).success) throw unknown(psuId);
  return withLog(config, ENGINE_RUNS, async (log) => {
    if (config.store.kind === 'kurrentdb') {
      if (!(await isKnownInCluster(config, log, psuId))) throw unknownInCluster(psuId);
      await recordErasure(log, psuId, reason);
      print(`${psuId} is erased; the node on duty destroys the keys, or the next one that starts`);
      return;
    }
    await eraseInFiles(config, log, psuId, reason);
    print(`${psuId} is erased: nothing that was sealed for them can be opened any more`);
  });
};

const eraseInFiles = async (config: Config, log: LogWithKeys, psuId: string, reason: string): Promise<void> =>
  withReadModels(config, log, async ({ rows, latest, decide }) => {
    if (!isKnown(rows, psuId)) throw unknown(psuId);
    const eventId = await recordErasure(log, psuId, reason);
    await latest();
    await finishErasure({ decide, rows, latest, sealer: log.sealer, clock: systemClock, ids: systemIds }, psuId, eventId);
  });

/** Whether a PSU ever had a key, or is erased already. Read models there need not be where the command is given. */
const isKnownInCluster = async (config: Config, { store }: LogWithKeys, psuId: string): Promise<boolean> => {
  const { records, close } = await openCluster(config);
  try {
    if ((await records.read(recordOfPsuKey(psuId))) !== null) return true;
  } finally {
    await close();
  }
  return (await makeLoad(store)(psu, psuId)).erased !== null;
};

const unknownInCluster = (psuId: string) =>
  new CommandFailed(
    `no key was ever made for a PSU ${psuId}: who has none and is named all the same is erased with POST /admin/v1/psus/{psu_id}/erasure`,
  );

const unknown = (psuId: string) => new CommandFailed(`nothing is kept of a PSU ${psuId}`);

interface Current {
  rows: Rows;
  decide: Decide;
  /** Resolves when the rows hold all that stands in the log. */
  latest(): Promise<void>;
}

/** The read models of a data directory on which no engine runs, up to date; what was taken out of them leaves no trace on the disk. */
const withReadModels = async (config: Config, { store, sealer }: LogWithKeys, use: (current: Current) => Promise<void>): Promise<void> => {
  const rows = sqliteRows(withNextRows(readModelsOf(config)));
  try {
    const running = runProjections(store, rows, projectionsOver(sealer), await store.head());
    await running.caughtUp;
    const latest = async () => running.reached(await store.head());
    await use({ rows, latest, decide: makeDecide({ store, sealer, ids: systemIds }) });
    await latest();
    await allCommitted(running);
    await scrubbed(rows);
  } finally {
    rows.close();
  }
};

const SCRUB_AGAIN_MS = 100;
const SCRUBBED_AGAIN = 5;

/** When this resolves no file of the read models holds what was taken out of them. */
const scrubbed = async (rows: Rows): Promise<void> => {
  for (let left = SCRUBBED_AGAIN; !rows.scrub(); left -= 1) {
    if (left === 0)
      throw new CommandFailed(
        'the keys are destroyed, and the write-ahead log of the read models, which still holds what was opened with them, is in use: stop who reads it, and call again',
      );
    await passed(SCRUB_AGAIN_MS);
  }
};

/** Records that the PSU is erased, unless they are; gives the event that says so. */
const recordErasure = async ({ store, sealer }: LogWithKeys, psuId: string, reason: string): Promise<string> => {
  const decide = makeDecide({ store, sealer, ids: systemIds });
  const actor = { kind: 'operator', id: 'command-line' } as const;
  const command = { id: systemIds.uuid(), actor, correlationId: psuId, causationId: null };
  await decide(psu, psuId, erase({ psuId, reason, at: systemClock() }), command);
  const { erased } = await makeLoad(store)(psu, psuId);
  if (erased === null) throw new CommandFailed(`${psuId} could not be erased`);
  return erased.eventId;
};

/**
 * Destroys the keys of what was kept long enough, as the engine does every day. `dryRun` only prints which those are, also while an engine runs:
 * as the read models know them.
 */
export const expireData = async (config: Config, { dryRun }: { dryRun: boolean }, print: (line: string) => void): Promise<void> => {
  if (dryRun) return printExpired(config, print);
  if (config.store.kind === 'kurrentdb') throw new CommandFailed('the node on duty does so every day: with --dry-run it is only printed');
  return withLog(config, ENGINE_EXPIRES, (log) =>
    withReadModels(config, log, async ({ rows, latest, decide }) => {
      const deps = { decide, rows, latest, sealer: log.sealer, clock: systemClock, ids: systemIds };
      print(`${await destroyExpired(deps, config.retention)} keys are destroyed`);
    }),
  );
};

const ENGINE_EXPIRES = 'an engine is running: it does so every day; with --dry-run it is only printed';

const printExpired = async (config: Config, print: (line: string) => void): Promise<void> => {
  const file = readModelsOf(config);
  if (!existsSync(file)) throw new CommandFailed(`there are no read models in ${config.dataDir}`);
  const rows = sqliteRows(file, { shared: 'reader' });
  try {
    let count = 0;
    for (const keys of expiredKeys(rows, systemClock(), config.retention)) {
      count += keys.length;
      for (const { psuId, retention, period } of keys) print(`${retention} ${period} ${psuId}`);
    }
    print(`${count} keys would be destroyed`);
  } finally {
    rows.close();
  }
};
