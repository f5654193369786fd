import { existsSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { sqliteEventReader } from '../adapters/event-store/sqlite.ts';
import { LogInUse } from '../adapters/sqlite-file.ts';
import type { Config } from '../config.ts';
import type { EventStore } from '../domain/ports/event-store.ts';
import { nothingOpened } from '../serve/opened.ts';
import { type LogWithKeys, openCluster, openLogWithKeys } from '../serve/store.ts';
import { CommandFailed } from './command-failed.ts';

/**
 * Opens the log for a command that writes to it. A log in a file has one writer: `inUse` says what to do while that is an engine. The nodes of
 * a cluster go on meanwhile.
 */
export const withLog = async (config: Config, inUse: string | null, use: (log: LogWithKeys) => Promise<void>): Promise<void> => {
  // The directory may not be there yet: some things are done before the first start.
  mkdirSync(join(config.dataDir, 'keys'), { recursive: true, mode: 0o700 });
  const opened = nothingOpened();
  try {
    await use(await openLogWithKeys(config, opened));
  } catch (error) {
    if (inUse !== null && error instanceof LogInUse) throw new CommandFailed(inUse, { cause: error });
    throw error;
  } finally {
    await opened.closeAll();
  }
};

/** The log for reading, also while engines write to it. */
export const openToRead = async (config: Config): Promise<EventStore> => {
  if (config.store.kind === 'kurrentdb') {
    const { store, close } = await openCluster(config);
    return { ...store, close };
  }
  const file = join(config.dataDir, 'log.sqlite');
  if (!existsSync(file)) throw new CommandFailed(`there is no log in ${config.dataDir}`);
  return sqliteEventReader(file);
};
