import { existsSync, readdirSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { copyDurably } from '../adapters/durable-files.ts';
import { sqliteEventReader } from '../adapters/event-store/sqlite.ts';
import { CommandFailed } from './command-failed.ts';
import { bytesIn, checkedManifest, isUncompared, type Manifest } from './manifest.ts';
import { type Output, progressOf, progressOfBytes, type Say, sayTo } from './output.ts';
import { verifyLog } from './verify-sources.ts';

const PAGE = 1000;

/**
 * Makes a data directory from a backup, once every file of it is what was backed up and the log in it is whole. Nothing is written where that
 * is not so, nor over anything.
 */
export const restore = async ({ folder, dataDir }: { folder: string; dataDir: string }, output: Output): Promise<void> => {
  if (existsSync(dataDir) && readdirSync(dataDir).length > 0) throw new CommandFailed(`${dataDir} is not empty`);
  const manifest = await checkedManifest(folder, output);
  const { head, files, masterKey, logKey } = manifest;
  if (head !== null) await checkLog(join(folder, 'log.sqlite'), manifest, output);
  await mkdir(dataDir, { recursive: true, mode: 0o700 });
  const tell = progressOfBytes('restored', bytesIn(files), output);
  let done = 0;
  // The log comes last: without it there is nothing that an engine could go on with.
  for (const { name, bytes } of files.toSorted((one, other) => Number(one.name === 'log.sqlite') - Number(other.name === 'log.sqlite'))) {
    await mkdir(dirname(join(dataDir, name)), { recursive: true, mode: 0o700 });
    await copyDurably(join(folder, name), join(dataDir, name));
    done += bytes;
    tell(done);
  }
  const lines = [
    `${files.length} files${head === null ? '' : `, and the log up to ${head} is whole`}; the read models are built at the first start`,
    ...(isUncompared(manifest)
      ? ['the log was not compared with its checkpoints: the key of the evidence log is not known here. countersign verify --key does it']
      : []),
    ...(masterKey ? [] : ['the master key was not in the backup: put it where keys.master_file says, before the first start']),
  ];
  sayTo(output)(lines.join('\n'), { restored: { head, files: files.length, master_key: masterKey, log_key: logKey !== null } });
};

/** Refuses a log that is not whole: it ends elsewhere, has a gap, or is not the one that its checkpoints are about. */
const checkLog = async (file: string, { head, logKey }: Manifest, output: Output): Promise<void> => {
  const tell = output.progress === null ? () => undefined : progressOf('verified', head ?? 0, output);
  const end = logKey === null ? await endOfWhole(file, tell) : await endOfProven(file, logKey, { tell, say: sayTo(output) });
  if (end !== head) throw new CommandFailed(`the log of the backup ends at ${end}, not at ${head}`);
};

/** Compares it with its checkpoints. What it says may be in doubt for other reasons, too: that is told, and is no reason not to go on with it. */
const endOfProven = async (file: string, key: string, { tell, say }: { tell: (done: number) => void; say: Say }): Promise<number> => {
  const trust = { key, witnesses: [], quorum: 0, kept: [] };
  const { report } = await verifyLog(file, trust, null, { progress: tell, fact: () => undefined });
  const [broken] = report.doubts.filter(({ rule }) => BROKEN.test(rule));
  if (broken !== undefined) throw new CommandFailed(`the log of the backup is not whole, or another one (${broken.rule}): ${broken.text}`);
  const others = report.doubtCount - report.doubts.filter(({ rule }) => rule === NO_CHECKPOINT_YET).length;
  if (others > 0)
    say(`countersign verify has ${others} doubts about what the log says: they were there when it was backed up`, { doubts: others });
  return report.facts;
};

// The rules of docs/verify.md on checkpoints, the tree and the order of facts.
const NO_CHECKPOINT_YET = 'N2';
const BROKEN = /^(N[^2]|T\d|S\d)$/;

/** Every position and every revision of a stream follows on the one before. */
const endOfWhole = async (file: string, tell: (done: number) => void): Promise<number> => {
  const log = sqliteEventReader(file);
  const revisions = new Map<string, number>();
  let at = 0;
  try {
    for (let page = await log.readAll(at, PAGE); page.length > 0; page = await log.readAll(at, PAGE)) {
      for (const { position, stream, revision } of page) {
        if (position !== at + 1) throw new CommandFailed(`the log of the backup shows event ${position} behind event ${at}`);
        if (revision !== (revisions.get(stream) ?? -1) + 1)
          throw new CommandFailed(`the log of the backup has no revision ${revision - 1} of ${stream} before event ${position}`);
        revisions.set(stream, revision);
        at = position;
      }
      tell(at);
    }
    return at;
  } finally {
    await log.close();
  }
};
