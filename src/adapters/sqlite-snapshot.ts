import { backup, DatabaseSync } from 'node:sqlite';
import { orClosed } from './sqlite-file.ts';

/** A SQLite file as it is at one moment, whoever goes on writing it. */
export interface Snapshot {
  bytes: number;
  /** Copies it page by page; says how many bytes are done. */
  copyTo(file: string, progress: (done: number) => void): Promise<void>;
  /** Lets go of it; more than once is once. */
  close(): void;
}

// Pages of one step: between two of them signals are heard.
const STEP_PAGES = 2000;

/** Takes a snapshot of a file that is there. Until it is closed, the file's write-ahead log grows. */
export const snapshotOf = (file: string): Snapshot => {
  const db = new DatabaseSync(file, { readOnly: true });
  return orClosed(db, () => {
    // What this connection reads stays as it is now, so that the copy need not begin again with every commit of another.
    db.exec('begin; select count(*) from sqlite_schema');
    const [pages, pageBytes] = ['page_count', 'page_size'].map((name) => Number(db.prepare(`pragma ${name}`).get()?.[name]));
    const bytesOf = (count: number) => count * (pageBytes ?? 0);
    return {
      bytes: bytesOf(pages ?? 0),
      async copyTo(copy, progress) {
        const told = ({ totalPages, remainingPages }: { totalPages: number; remainingPages: number }) =>
          progress(bytesOf(totalPages - remainingPages));
        await backup(db, copy, { rate: STEP_PAGES, progress: told });
        settle(copy);
      },
      close() {
        if (db.isOpen) db.close();
      },
    };
  });
};

/** One file that needs no other beside it, and all of it on the disk. */
const settle = (file: string): void => {
  const db = new DatabaseSync(file);
  try {
    db.exec('pragma synchronous=full; pragma journal_mode=delete');
  } finally {
    db.close();
  }
};
