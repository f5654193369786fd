import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { BehaviorSubject, defer, of } from 'rxjs';
import { systemClock, systemIds } from '../adapters/clock.ts';
import { bounded } from '../adapters/event-store/bounded.ts';
import { sqliteEventReader, sqliteEventStore } from '../adapters/event-store/sqlite.ts';
import { sharedEventStore } from '../adapters/event-store/sqlite-shared.ts';
import { masterKey } from '../adapters/keys/master-key.ts';
import { psuKeys } from '../adapters/keys/psu-keys.ts';
import { signerOver, signingKeys } from '../adapters/keys/signing-keys.ts';
import { gossipingLimits } from '../adapters/limits/gossip.ts';
import { localLimits } from '../adapters/limits/local.ts';
import { KEPT_SECONDS } from '../adapters/limits/teller.ts';
import { secretIn } from '../adapters/secret-file.ts';
import { type Duty, sharedDuty } from '../adapters/shared/duty.ts';
import { isMasterOf } from '../adapters/shared/master-mark.ts';
import { sharedPrivateKeys } from '../adapters/shared/private-keys.ts';
import { sharedPsuKeys } from '../adapters/shared/psu-keys.ts';
import type { SharedRecords } from '../adapters/shared/records.ts';
import { lockFile } from '../adapters/sqlite-file.ts';
import { type Config, ConfigError } from '../config.ts';
import { families } from '../domain/catalogue.ts';
import type { EventStore } from '../domain/ports/event-store.ts';
import type { News } from '../domain/ports/news.ts';
import type { Ports } from '../engine.ts';
import { keepArchiving } from './archiving.ts';
import { openEvidence } from './evidence.ts';
import type { Opened } from './opened.ts';
import type { Opening } from './ports.ts';

/** The log, and the ports that stand or fall with where it is kept. */
type OfStore = Pick<Ports, 'store' | 'sealer' | 'signer' | 'limits' | 'evidence' | 'onDuty' | 'takesWrites' | 'leaveDuty'>;

/** Opens the store that the settings name: the log first, or the lock of the directory, for it says whether another process is at work here. */
export const openStore = (config: Config, opening: Opening): Promise<OfStore> =>
  config.store.kind === 'kurrentdb' ? inCluster(config, opening) : inFiles(config, opening);

/** The log in a file of the data directory, with the keys beside it. */
const inFiles = async (config: Config, opening: Opening): Promise<OfStore> => {
  const { opened, owner } = opening;
  const log = openLog(config, opening);
  await opening.onLocked?.();
  const store = bounded(log, { most: config.limits.appends });
  const master = masterKeyOf(config);
  return {
    store,
    ...keysInFiles(config, master, opened),
    limits: owner?.limits ?? opened.keep(limitsIn(config, master)),
    evidence: await openEvidence(config, opening, { log, master }),
    ...(owner !== undefined && { onDuty: of(false) }),
  };
};

const keysInFiles = ({ dataDir }: Config, master: Buffer, opened: Opened) => ({
  sealer: opened.keep(psuKeys(join(dataDir, 'keys', 'psu-keys.sqlite'), master)),
  signer: signingKeys(join(dataDir, 'keys'), master),
});

const limitsIn = ({ dataDir }: Config, master: Buffer) =>
  localLimits(join(dataDir, 'replay.sqlite'), { clock: systemClock, secret: master });

/** The log, which the process that writes it archives now and then. */
const openLog = ({ dataDir, archive }: Config, { opened, owner, onCommit, onFault }: Opening): EventStore => {
  const file = join(dataDir, 'log.sqlite');
  if (owner !== undefined) return opened.keep(sharedEventStore(file, owner.log));
  const log = opened.keep(sqliteEventStore(file, { onCommit }));
  if (archive.enabled) opened.keep(keepArchiving(log, { ...archive, clock: systemClock, onFault }));
  return log;
};

/** The log in a cluster that many nodes share, with the keys, the duty and the news of the limits beside it. */
const inCluster = async (config: Config, opening: Opening): Promise<OfStore> => {
  const { opened, onFault } = opening;
  opened.keep(lockFile(readModelsOf(config)));
  await opening.onLocked?.();
  const master = masterKeyOf(config);
  const cluster = opened.keep(await openCluster(config));
  const { records, news } = cluster;

  let duty: Duty | undefined;
  opened.atEnd(() => duty?.close());
  let hasLeft = false;
  // For who watches without asking for it.
  const isOnDuty = new BehaviorSubject(false);
  const begin = () => {
    const begun = sharedDuty(records, { nodeId: systemIds.uuid(), onFault: (error) => onFault('duty', error) });
    begun.onDuty.subscribe(isOnDuty);
    return begun;
  };
  // Waits for the cluster, where that is not there yet.
  const limits = opened.keep(await gossipingLimits(limitsIn(config, master), news, { clock: systemClock, onFault }));
  await checkMaster(cluster, master);
  // Asked for when the engine can do what is due: a node that still catches up leaves it to the others.
  const onDuty = defer(() => {
    if (!hasLeft) duty ??= begin();
    return duty?.onDuty ?? isOnDuty;
  });
  const leaveDuty = () => {
    hasLeft = true;
    void duty?.close();
  };
  return {
    ...keysInCluster(cluster, master, (error) => onFault('signing keys', error)),
    limits,
    evidence: await openEvidence(config, opening, { log: cluster.store, master, shared: { records, onDuty: isOnDuty, leaveDuty } }),
    onDuty,
    takesWrites: () => duty?.isWell() ?? true,
    leaveDuty,
  };
};

const keysInCluster = ({ store, records }: Cluster, master: Buffer, onFault: (error: unknown) => void): LogWithKeys => {
  const keys = sharedPsuKeys(records, master);
  return { store: keys.keysFirst(store), sealer: keys, signer: signerOver(sharedPrivateKeys(records, { master, onFault })) };
};

const checkMaster = async ({ records }: Cluster, master: Buffer): Promise<void> => {
  if (!(await isMasterOf(records, master))) throw new ConfigError(['keys.master_file: the other nodes have another master key']);
};

/** The log, and what seals and signs what goes into it. */
export type LogWithKeys = Pick<Ports, 'store' | 'sealer' | 'signer'>;

/** Opens them for a command, without anything that an engine has besides. Throws `LogInUse` while an engine writes to a log in a file. */
export const openLogWithKeys = async (config: Config, opened: Opened): Promise<LogWithKeys> => {
  if (config.store.kind === 'kurrentdb') {
    const master = masterKeyOf(config);
    const cluster = opened.keep(await openCluster(config));
    await checkMaster(cluster, master);
    return keysInCluster(cluster, master, console.error);
  }
  const store = opened.keep(sqliteEventStore(join(config.dataDir, 'log.sqlite')));
  return { store, ...keysInFiles(config, masterKeyOf(config), opened) };
};

/** Opens the log, and what seals what is in it, for a command that only reads, also while engines write. */
export const openToReadWithKeys = async (config: Config, opened: Opened): Promise<Pick<LogWithKeys, 'store' | 'sealer'>> => {
  if (config.store.kind === 'kurrentdb') return openLogWithKeys(config, opened);
  const store = opened.keep(sqliteEventReader(join(config.dataDir, 'log.sqlite')));
  return { store, ...keysInFiles(config, masterKeyOf(config), opened) };
};

/** The file of the read models: where they stand in one log says nothing about another one. */
export const readModelsOf = ({ dataDir, store }: Config): string =>
  join(dataDir, store.kind === 'sqlite' ? 'read-models.sqlite' : 'read-models.kurrentdb.sqlite');

/** The file of what auditors search. It is made again from the log where it is missing. */
export const auditRowsOf = ({ dataDir, store }: Config): string =>
  join(dataDir, store.kind === 'sqlite' ? 'audit.sqlite' : 'audit.kurrentdb.sqlite');

const masterKeyOf = ({ keys, environment }: Config): Buffer => masterKey(keys.masterFile, { create: environment === 'development' });

/** What a cluster holds: the log, and beside it what its nodes share. */
export interface Cluster {
  store: EventStore;
  records: SharedRecords;
  news: News;
  close(): Promise<void>;
}

/** Opens the cluster that the settings name. */
export const openCluster = async ({ store, environment }: Config): Promise<Cluster> => {
  const { connectionStringFile, caFile, username, passwordFile, deadlineMs, maxInFlight } = store.kurrentdb;
  // Loaded only when it is wanted.
  const { kurrentdbEventStore } = await import('../adapters/event-store/kurrentdb.ts');
  const { kurrentdbShared } = await import('../adapters/shared/kurrentdb.ts');
  const settings = {
    connectionString: await secretIn(connectionStringFile ?? ''),
    ca: caFile === null ? null : await readFile(caFile),
    credentials: username === null || passwordFile === null ? null : { username, password: await secretIn(passwordFile) },
    requireTls: environment === 'production',
    ...{ deadlineMs, maxInFlight },
    categories: families.map(({ category }) => category),
  };
  const log = kurrentdbEventStore(settings);
  const { records, news, close } = kurrentdbShared(settings, { kept: KEPT_SECONDS });
  return {
    ...{ store: log, records, news },
    async close() {
      close();
      await log.close();
    },
  };
};
