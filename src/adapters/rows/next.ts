import { existsSync, renameSync, rmSync } from 'node:fs';

/** Where read models wait that are to take the place of those in a file. */
export const nextRowsOf = (file: string): string => `${file}.next`;

/**
 * Takes the read models into use that wait for it, if there are any, and gives the file. Nobody has it open. Cut in the middle it is done again:
 * what waits is there until it has taken the place of the others.
 */
export const withNextRows = (file: string): string => {
  const next = nextRowsOf(file);
  if (existsSync(next)) {
    // What is left of the log of the former file must not be read into the next one.
    for (const suffix of ['-wal', '-shm']) rmSync(file + suffix, { force: true });
    renameSync(next, file);
  }
  return file;
};
