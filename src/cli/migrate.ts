import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { compareLogs, copyEvents, EventTooLarge, LogsDiffer, proveEqual } from '../adapters/event-store/copy.ts';
import { sqliteEventStore } from '../adapters/event-store/sqlite.ts';
import { checkAll } from '../adapters/evidence/checked.ts';
import { EvidenceDiffers } from '../adapters/evidence/evidence-differs.ts';
import { moveLogKey } from '../adapters/evidence/log-key.ts';
import { moveStanding } from '../adapters/evidence/moved.ts';
import { masterKey } from '../adapters/keys/master-key.ts';
import { nextRowsOf } from '../adapters/rows/next.ts';
import { KeyNotMoved, movePrivateKeys, movePsuKeys } from '../adapters/shared/moved-keys.ts';
import { lockFile, removeDatabase } from '../adapters/sqlite-file.ts';
import type { Config } from '../config.ts';
import { type EventStore, RevisionConflict, StoreUnavailable } from '../domain/ports/event-store.ts';
import { evidenceFileOf, logKeyFileOf, publishedOf } from '../serve/evidence.ts';
import { nothingOpened } from '../serve/opened.ts';
import { auditRowsOf, type Cluster, openCluster, readModelsOf } from '../serve/store.ts';
import { CommandFailed } from './command-failed.ts';
import { type Output, progressOf, sayTo } from './output.ts';

const LARGER = 'Set MaxAppendSize of its nodes higher: KURRENTDB_MAX_APPEND_SIZE=4194304 takes all that an engine keeps';

/** What a log moves to: the log of a cluster, and the records that its nodes share. */
export type Target = Pick<Cluster, 'store' | 'records' | 'close'>;

/**
 * Copies the log in the data directory, its keys and what is published of it to a cluster, and proves the copy equal to the log, and the log
 * the published one. No engine may run on either. The cluster holds nothing of a log yet, or the beginning of this one: run again it goes on
 * where it was cut.
 */
export const migrate = async (config: Config, output: Output, open: () => Promise<Target> = targetOf(config)): Promise<void> => {
  const inData = (name: string) => join(config.dataDir, name);
  if (!existsSync(inData('log.sqlite'))) throw new CommandFailed(`there is no log in ${config.dataDir}`);
  const opened = nothingOpened();
  try {
    const source = opened.keep(sqliteEventStore(inData('log.sqlite')));
    // A node of the cluster has nothing but this in its data directory.
    const inCluster: Config = { ...config, store: { ...config.store, kind: 'kurrentdb' } };
    const rows = readModelsOf(inCluster);
    opened.keep(lockFile(rows));
    await move(config, { source, target: opened.keep(await open()) }, output);
    // Those of a cluster that this directory was used with before say where they stand in that one.
    for (const stale of [rows, nextRowsOf(rows), auditRowsOf(inCluster), evidenceFileOf(inCluster)]) removeDatabase(stale);
  } catch (error) {
    throw inWords(error);
  } finally {
    await opened.closeAll();
  }
};

const targetOf = (config: Config) => async (): Promise<Target> => {
  if (config.store.kurrentdb.connectionStringFile === null)
    throw new CommandFailed('store.kurrentdb.connection_string_file: expected, for it says where the cluster is');
  try {
    return await openCluster(config);
  } catch (cause) {
    throw new CommandFailed(`the cluster of store.kurrentdb cannot be opened: ${(cause as Error).message}`, { cause });
  }
};

const move = async (
  config: Config,
  { source, target: { store, records } }: { source: EventStore; target: Target },
  output: Output,
): Promise<void> => {
  const say = sayTo(output);
  const { dataDir, keys } = config;
  const all = await source.head();
  const master = masterKeyIn(keys.masterFile);
  const published = await publishedOf({ ...config, store: { ...config.store, kind: 'sqlite' } }, master);
  if (published !== null) await checkAll(published.standing.newest, source);
  const known = await compareLogs(source, store, progressOf('found', all, output));
  const psus = await movePsuKeys(join(dataDir, 'keys', 'psu-keys.sqlite'), records, master);
  const signing = await movePrivateKeys(join(dataDir, 'keys'), records, master);
  await moveLogKey(logKeyFileOf(dataDir), records, master);
  say(`${psus} keys of PSUs and ${signing} signing keys are there`, { step: 'keys', psu_keys: psus, signing_keys: signing });
  const copied = await copyEvents(source, store, known.position, progressOf('copied', all - known.source.events, output));
  const { source: from, target: to } = await proveEqual(source, store, progressOf('compared', all, output));
  if (published !== null) await moveStanding(published, { store, records });
  say(`${copied} events copied, ${known.source.events} were there`, { step: 'events', copied, known: known.source.events });
  say(`sha256 of the source ${from.sha256}`, { step: 'source', ...from });
  say(`sha256 of the target ${to.sha256}`, { step: 'target', ...to });
  if (published !== null) {
    const { size } = published.standing.newest;
    say(`the published checkpoint of ${size} facts is there: nodes go on behind it`, { step: 'evidence', size });
  }
  say(`equal: ${to.events} events in the same order, the same in everything but their positions; start with store.kind = "kurrentdb"`, {
    outcome: 'equal',
    events: to.events,
  });
};

const masterKeyIn = (file: string): Buffer => {
  try {
    return masterKey(file, { create: false });
  } catch (cause) {
    throw new CommandFailed(`keys.master_file: ${file} cannot be used, and the keys are sealed with what it holds`, { cause });
  }
};

const inWords = (error: unknown): unknown => {
  const cause = { cause: error };
  if (error instanceof RevisionConflict) return new CommandFailed(`somebody else writes to the cluster: ${error.message}`, cause);
  if (error instanceof LogsDiffer) return new CommandFailed(`the logs differ: ${error.message}`, cause);
  if (error instanceof EvidenceDiffers) return new CommandFailed(error.message, cause);
  if (error instanceof EventTooLarge)
    return new CommandFailed(`the cluster refuses an event: ${error.message}. ${LARGER}; run it again, and it goes on from there`, cause);
  if (error instanceof KeyNotMoved || error instanceof StoreUnavailable)
    return new CommandFailed(`${error.message}; run it again when that is mended, and it goes on from there`, cause);
  return error;
};
