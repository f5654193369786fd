import { createHash } from 'node:crypto';
import { createReadStream, existsSync } from 'node:fs';
import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import * as z from 'zod';
import { CommandFailed } from './command-failed.ts';
import { type Output, progressOfBytes } from './output.ts';

// Names within a data directory: nothing outside of it is ever written.
const NAME = /^(log\.sqlite|archive\/log\.sqlite|evidence(\.kurrentdb)?\.sqlite|keys\/[\w-]+(\.[\w-]+)*)$/;

const backedUpFile = z.strictObject({
  name: z.string().regex(NAME),
  bytes: z.int().nonnegative(),
  sha256: z.string().regex(/^[0-9a-f]{64}$/),
});
const manifest = z.strictObject({
  countersign: z.literal('backup'),
  version: z.literal(1),
  createdAt: z.iso.datetime(),
  /** The position of the last event of the log; null where the log is in a cluster. */
  head: z.int().nullable(),
  /** What the checkpoints of its evidence log are verified with; null where none is kept. */
  logKey: z.string().nullable(),
  /** Whether the key is among the files that all others are sealed with. */
  masterKey: z.boolean(),
  files: z.array(backedUpFile),
});

/** What is in a backup: its last file, so that a backup without it is none. */
export type Manifest = z.output<typeof manifest>;
export type BackedUpFile = Manifest['files'][number];

export const MANIFEST = 'manifest.json';

/** The evidence log of a log in a file. */
export const EVIDENCE = 'evidence.sqlite';

/** Whether there are checkpoints in a backup that its log cannot be compared with, for want of their key. */
export const isUncompared = ({ head, logKey, files }: Manifest): boolean =>
  head !== null && logKey === null && files.some(({ name }) => name === EVIDENCE);

/** The size and the digest of a file of a backup. */
export const describeFile = async (folder: string, name: string): Promise<BackedUpFile> => {
  const sha256 = createHash('sha256');
  await pipeline(createReadStream(join(folder, name)), sha256);
  return { name, bytes: (await stat(join(folder, name))).size, sha256: sha256.digest('hex') };
};

/** The manifest of a backup whose files are all there, and as they were written. */
export const checkedManifest = async (folder: string, output: Output): Promise<Manifest> => {
  const found = await readManifest(folder);
  const tell = progressOfBytes('compared', bytesIn(found.files), output);
  let done = 0;
  for (const file of found.files) {
    if (!existsSync(join(folder, file.name))) throw new CommandFailed(`${file.name} of the backup is missing`);
    const { bytes, sha256 } = await describeFile(folder, file.name);
    if (bytes !== file.bytes || sha256 !== file.sha256) throw new CommandFailed(`${file.name} of the backup is not what was backed up`);
    done += bytes;
    tell(done);
  }
  return found;
};

/** The size of some files. */
export const bytesIn = (files: readonly { bytes: number }[]): number => files.reduce((sum, { bytes }) => sum + bytes, 0);

const readManifest = async (folder: string): Promise<Manifest> => {
  let text: string;
  try {
    text = await readFile(join(folder, MANIFEST), 'utf8');
  } catch (cause) {
    throw new CommandFailed(`${folder} holds no finished backup: there is no ${MANIFEST}`, { cause });
  }
  try {
    return manifest.parse(JSON.parse(text));
  } catch (cause) {
    throw new CommandFailed(`${MANIFEST} of the backup is not one of this version of Countersign`, { cause });
  }
};
