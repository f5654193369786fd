import { randomBytes } from 'node:crypto';
import { closeSync, fsyncSync, linkSync, openSync, rmSync, writeFileSync } from 'node:fs';
import { constants, copyFile, open, rename } from 'node:fs/promises';
import { dirname, join } from 'node:path';

/** Copies a file that only its owner may read, to where there is none; it is on the disk when this resolves. */
export const copyDurably = async (from: string, to: string): Promise<void> => {
  await copyFile(from, to, constants.COPYFILE_EXCL);
  const file = await open(to, 'r+');
  try {
    await file.chmod(0o600);
    await file.sync();
  } finally {
    await file.close();
  }
  await syncDirectory(dirname(to));
};

/** Writes a file that is there whole, or not at all. */
export const writeDurably = async (dir: string, name: string, text: string): Promise<void> => {
  const written = join(dir, `${name}.part`);
  const file = await open(written, 'w', 0o600);
  try {
    await file.writeFile(text);
    await file.sync();
  } finally {
    await file.close();
  }
  await rename(written, join(dir, name));
  await syncDirectory(dir);
};

/** Writes a file that only its owner may read, where there is none: whole, or not at all. Of two at once the first one counts. */
export const createDurably = (file: string, text: string): void => {
  const written = `${file}.${randomBytes(4).toString('hex')}`;
  try {
    writeFileSync(written, text, { mode: 0o600, flag: 'wx', flush: true });
    linkSync(written, file);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  } finally {
    rmSync(written, { force: true });
  }
  flushDirectory(dirname(file));
};

/** A file that has got its name is only there after a power cut when its directory was written, too. */
const flushDirectory = (dir: string): void => {
  const directory = openSync(dir, 'r');
  try {
    fsyncSync(directory);
  } finally {
    closeSync(directory);
  }
};

const syncDirectory = async (dir: string): Promise<void> => {
  const directory = await open(dir, 'r');
  try {
    await directory.sync();
  } finally {
    await directory.close();
  }
};
