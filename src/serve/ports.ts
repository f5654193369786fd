import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { systemClock, systemIds } from '../adapters/clock.ts';
import { openConsentSteps } from '../adapters/consent-steps/from-settings.ts';
import { jwsReader } from '../adapters/jose/jws-reader.ts';
import { openLoginScript } from '../adapters/login-script.ts';
import { outboundClient } from '../adapters/outbound/outbound.ts';
import { ownService } from '../adapters/outbound/own-service.ts';
import { filePsuDirectory } from '../adapters/psu-directory/file.ts';
import { httpsPsuDirectory } from '../adapters/psu-directory/https.ts';
import { developmentPushSender } from '../adapters/push/development.ts';
import { fcmPushSender } from '../adapters/push/fcm.ts';
import { withNextRows } from '../adapters/rows/next.ts';
import { sqliteRows } from '../adapters/rows/sqlite.ts';
import type { Sandbox } from '../adapters/sandbox.ts';
import { secretIn } from '../adapters/secret-file.ts';
import type { Config } from '../config.ts';
import type { PsuDirectory } from '../domain/ports/psu-directory.ts';
import type { Rows } from '../domain/ports/rows.ts';
import type { Ports } from '../engine.ts';
import type { Committed } from './metrics/store.ts';
import type { Opened } from './opened.ts';
import { sandboxOf } from './sandbox.ts';
import { auditRowsOf, openStore, readModelsOf } from './store.ts';
import { askAuditReached } from './workers/answers.ts';
import type { Owner } from './workers/link.ts';

/** What the adapters are opened with, besides the settings. */
export interface Opening {
  opened: Opened;
  say(line: string): void;
  onFault(what: string, error: unknown): void;
  /** Given to a worker: what it has of the process that started it. */
  owner?: Owner | undefined;
  /** Is told of every commit of the log file. */
  onCommit?: Committed;
  /** Is waited for as soon as no other process can be at work on the data directory. What comes then may wait for a cluster. */
  onLocked?: () => Promise<void>;
}

/** Opens the adapters that the settings name, in order: the log first, for it says whether another process is at work here. */
export const openPorts = async (config: Config, opening: Opening): Promise<{ ports: Ports; sandbox: Sandbox | null }> => {
  const { opened, say, onFault, owner } = opening;
  mkdirSync(join(config.dataDir, 'keys'), { recursive: true, mode: 0o700 });
  const development = config.environment === 'development';
  const ofStore = await openStore(config, opening);
  const sandbox = await sandboxOf(config);
  const directory = await directoryOf(config, sandbox, onFault);
  const { sealer } = ofStore;
  const ports = {
    ...ofStore,
    rows: opened.keep(sqliteRows(rowsFile(config, owner), sharedRows(config, owner))),
    auditRows: opened.keep(sqliteRows(auditRowsOf(config), sharedRows(config, owner))),
    jws: jwsReader,
    directory,
    consentSteps: await openConsentSteps(config.consent.authorizeSteps, { directory, sealer, onFault }),
    loginScript: await openLoginScript(config.authentication.script, { psuChannel: config.authentication.psuChannel, onFault }),
    pushSender: opened.keep(await pushSenderOf(config, say)),
    outbound: outboundClient({ development, ...config.outbound }),
    clock: systemClock,
    ids: systemIds,
    ...(owner !== undefined && { following: owner.following, auditReached: askAuditReached(owner.ask) }),
  };
  return { ports, sandbox };
};

/** Those that wait to be taken into use are, where nobody else has them open. */
const rowsFile = (config: Config, owner: Owner | undefined): string => {
  const file = readModelsOf(config);
  return owner === undefined ? withNextRows(file) : file;
};

const sharedRows = ({ server }: Config, owner: Owner | undefined): Pick<Rows, 'shared'> => {
  if (owner !== undefined) return { shared: 'reader' };
  return server.workers > 1 ? { shared: 'writer' } : {};
};

const DIRECTORY_MS = 5000;

/** The directory of PSUs that the settings name, or that of the sandbox. */
export const directoryOf = async (
  { psu }: Config,
  sandbox: Sandbox | null,
  onFault: (what: string, error: unknown) => void,
): Promise<PsuDirectory> => {
  const { directoryFile, directoryUrl, directorySecretFile } = psu;
  if (directoryUrl === null) return filePsuDirectory(directoryFile ?? sandbox?.directoryFile ?? '');
  const token = directorySecretFile === null ? null : await secretIn(directorySecretFile);
  return httpsPsuDirectory({ url: directoryUrl.replace(/\/$/, ''), token, outbound: ownService(directoryUrl, DIRECTORY_MS), onFault });
};

const pushSenderOf = async ({ push, outbound }: Config, say: (line: string) => void) => {
  const { serviceAccountFile } = push.fcm;
  if (serviceAccountFile !== null) return fcmPushSender({ serviceAccountFile, ...outbound });
  say('push: no push.fcm.service_account_file, so wake-ups are printed here and reach no phone');
  return { ...developmentPushSender(say), close: () => undefined };
};
