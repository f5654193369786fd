import { rmSync } from 'node:fs';
import { DatabaseSync } from 'node:sqlite';

const SQLITE_BUSY = 5;

/** The log is in use by another process: one file has one writer. */
export class LogInUse extends Error {
  constructor(file: string) {
    super(`another Countersign process is writing to ${file}; stop it first, or give this one its own COUNTERSIGN_DATA_DIR`);
    this.name = 'LogInUse';
  }
}

/** What opening a file leads to; where it fails, the file is closed again. */
export const orClosed = <T>(db: DatabaseSync, open: () => T): T => {
  try {
    return open();
  } catch (error) {
    db.close();
    throw error;
  }
};

/** Keeps a file for this process until the lock is closed. Throws `LogInUse` when another process has it. */
export const lockFile = (file: string): DatabaseSync => {
  // SQLite's exclusive lock lives as long as the process and is freed by the system when it dies, also at kill -9.
  const lock = new DatabaseSync(`${file}.lock`);
  try {
    lock.exec('pragma locking_mode=exclusive; begin exclusive');
  } catch (error) {
    lock.close();
    throw (error as { errcode?: number }).errcode === SQLITE_BUSY ? new LogInUse(file) : error;
  }
  return lock;
};

/** Removes a file that holds a database, and what SQLite keeps beside it. */
export const removeDatabase = (file: string): void => {
  for (const suffix of ['', '-wal', '-shm']) rmSync(file + suffix, { force: true });
};
