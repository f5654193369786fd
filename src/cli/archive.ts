import { existsSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { systemClock } from '../adapters/clock.ts';
import { sqliteEventStore } from '../adapters/event-store/sqlite.ts';
import { archiveFileOf } from '../adapters/event-store/sqlite-archive.ts';
import { lockFile } from '../adapters/sqlite-file.ts';
import type { Config } from '../config.ts';
import { closingAfter } from '../domain/closing.ts';
import { CommandFailed } from './command-failed.ts';

/**
 * Moves every stream that is over from the log to its archive, while no engine runs. The log keeps its size and fills the room again;
 * `compact` gives it back to the disk, which needs as much room as the log has left.
 */
export const archive = async (config: Config, { compact }: { compact: boolean }, print: (line: string) => void): Promise<void> => {
  if (config.store.kind !== 'sqlite') throw new CommandFailed('the log is in a cluster: archiving it is a matter of the cluster');
  const file = join(config.dataDir, 'log.sqlite');
  if (!existsSync(file)) throw new CommandFailed(`there is no log in ${config.dataDir}`);
  const store = sqliteEventStore(file);
  try {
    const closing = closingAfter(config.archive);
    // A signal is heard between two steps.
    while (store.archiveSome(closing, systemClock())) await nextTurn();
  } finally {
    await store.close();
  }
  if (compact) shrink(file);
  print(`the log has ${megabytes(file)} MB, its archive ${megabytes(archiveFileOf(file))} MB`);
};

const shrink = (file: string) => {
  const lock = lockFile(file);
  try {
    const db = new DatabaseSync(file);
    db.exec('vacuum; pragma wal_checkpoint(truncate)');
    db.close();
  } finally {
    lock.close();
  }
};

const megabytes = (file: string): string => (statSync(file).size / 1e6).toFixed(1);
