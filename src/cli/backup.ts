import { existsSync, readdirSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { copyDurably, writeDurably } from '../adapters/durable-files.ts';
import { sqliteEventReader } from '../adapters/event-store/sqlite.ts';
import { keyRecordOf } from '../adapters/evidence/checkpoints.ts';
import { logKeyIn, logKeyInPem } from '../adapters/evidence/log-key.ts';
import { readTiles } from '../adapters/evidence/tiles.ts';
import { masterKey } from '../adapters/keys/master-key.ts';
import { snapshotOf } from '../adapters/sqlite-snapshot.ts';
import type { Config } from '../config.ts';
import { logSigner } from '../evidence/note-key.ts';
import { evidenceFileOf, logKeyFileOf } from '../serve/evidence.ts';
import { nothingOpened } from '../serve/opened.ts';
import { CommandFailed } from './command-failed.ts';
import { bytesIn, describeFile, EVIDENCE, isUncompared, MANIFEST, type Manifest } from './manifest.ts';
import { type Output, progressOfBytes, sayTo } from './output.ts';

const MASTER_KEY = 'keys/master.key';
const PSU_KEYS = 'keys/psu-keys.sqlite';

/**
 * Copies the log, its archive, the evidence log and the keys to a new folder, also while an engine runs. What is copied fits together: the log as
 * it was at one moment, with every key that it needs, and an evidence log that is not ahead of it. The master key, without which nobody can
 * open the others, goes along only where that is wanted.
 */
export const backup = async (
  config: Config,
  { folder, withMasterKey }: { folder: string; withMasterKey: boolean },
  output: Output,
): Promise<void> => {
  const { dataDir } = config;
  const inData = (name: string) => join(dataDir, name);
  const inCluster = config.store.kind === 'kurrentdb';
  if (!inCluster && !existsSync(inData('log.sqlite'))) throw new CommandFailed(`there is no log in ${dataDir}`);
  await emptyFolder(folder);
  const files = [basename(evidenceFileOf(config)), ...(inCluster ? [] : ['log.sqlite', 'archive/log.sqlite']), PSU_KEYS];
  const copied = await copySnapshots(config, { folder, names: files.filter((name) => existsSync(inData(name))) }, output);
  // Behind the log: a key is kept before the first event that it signs.
  const keys = await copyKeys(config, folder);
  if (withMasterKey) await copyDurably(config.keys.masterFile, join(folder, MASTER_KEY));

  const names = [...copied, ...keys, ...(withMasterKey ? [MASTER_KEY] : [])];
  const manifest: Manifest = {
    ...{ countersign: 'backup', version: 1, createdAt: new Date().toISOString() },
    head: inCluster ? null : await headOf(join(folder, 'log.sqlite')),
    logKey: inCluster ? null : await logKeyOf(config, folder),
    masterKey: withMasterKey,
    files: await Promise.all(names.map((name) => describeFile(folder, name))),
  };
  await writeDurably(folder, MANIFEST, `${JSON.stringify(manifest, null, 2)}\n`);
  summarize(manifest, output);
};

const summarize = (manifest: Manifest, output: Output): void => {
  const { head, files, masterKey, logKey } = manifest;
  const bytes = bytesIn(files);
  const lines = [
    `${files.length} files, ${(bytes / 1e6).toFixed(1)} MB${head === null ? '' : `: the log up to ${head}`}`,
    ...(head === null ? ['the log, and the keys that are beside it, are in the cluster: back that up in its own way'] : []),
    ...(isUncompared(manifest)
      ? ['the key of the evidence log cannot be opened here: a restore will not compare the log with its checkpoints']
      : []),
    masterKey
      ? 'the master key is among them: whoever has this folder can open everything'
      : 'the master key is not among them, and without it nobody can open the others: keep it elsewhere',
  ];
  sayTo(output)(lines.join('\n'), { backup: { head, files: files.length, bytes, master_key: masterKey, log_key: logKey !== null } });
};

const emptyFolder = async (folder: string): Promise<void> => {
  await mkdir(folder, { recursive: true, mode: 0o700 });
  if (readdirSync(folder).length > 0) throw new CommandFailed(`${folder} is not empty`);
};

/**
 * Copies what stands in databases, all as it is now. They come in this order: a checkpoint is of facts that stand in the log, what was taken out
 * of the log stands in the archive before, and a key is kept before the first text that it seals. The last one is copied first: keys are few, and
 * one that is destroyed meanwhile is gone from its file for good only when nobody reads the file as it was before.
 */
const copySnapshots = async (
  { dataDir }: Config,
  { folder, names }: { folder: string; names: readonly string[] },
  output: Output,
): Promise<readonly string[]> => {
  const opened = nothingOpened();
  try {
    const snapshots = names.map((name) => ({ name, ...opened.keep(snapshotOf(join(dataDir, name))) }));
    const tell = progressOfBytes('copied', bytesIn(snapshots), output);
    let before = 0;
    for (const { name, bytes, copyTo, close } of snapshots.toReversed()) {
      await mkdir(dirname(join(folder, name)), { recursive: true, mode: 0o700 });
      await copyTo(join(folder, name), (done) => tell(before + done));
      close();
      before += bytes;
    }
    return names;
  } finally {
    await opened.closeAll();
  }
};

/** Copies the files of keys that the engine has made, all but the master key. What else is in that folder may be anything, and not sealed. */
const copyKeys = async (config: Config, folder: string): Promise<readonly string[]> => {
  const dir = join(config.dataDir, 'keys');
  if (!existsSync(dir)) return [];
  const given = [config.keys.masterFile, config.evidence.keyFile];
  const made = readdirSync(dir).filter((name) => MADE.test(name) && !given.includes(resolve(dir, name)));
  const names = made.map((name) => `keys/${name}`);
  await mkdir(join(folder, 'keys'), { recursive: true, mode: 0o700 });
  for (const name of names) await copyDurably(join(config.dataDir, name), join(folder, name));
  return names;
};

// Each of them is encrypted under the master key.
const MADE = /^(signing-[\w-]{43}\.key|evidence\.key)$/;

/** What the checkpoints in the backup are verified with; null where there is no evidence log, or its key cannot be opened here. */
const logKeyOf = async ({ dataDir, evidence, keys }: Config, folder: string): Promise<string | null> => {
  const made = logKeyFileOf(dataDir);
  const { origin, key: named } = evidenceIn(join(folder, EVIDENCE));
  // What is beside it may be of a log that was there before, and what the settings name, of the next one.
  if (origin === null || named !== null) return named;
  if (evidence.keyFile === null && !(existsSync(made) && existsSync(keys.masterFile))) return null;
  const key =
    evidence.keyFile === null ? logKeyIn(made, masterKey(keys.masterFile, { create: false })) : await logKeyInPem(evidence.keyFile);
  return logSigner(origin, key).verifierKey.text;
};

/** The name of the log whose tree is in a file, and its key where the file has that. */
const evidenceIn = (file: string): { origin: string | null; key: string | null } => {
  if (!existsSync(file)) return { origin: null, key: null };
  const tiles = readTiles(file);
  try {
    const origin = tiles.origin();
    return { origin, key: origin === null ? null : tiles.record(keyRecordOf(origin)) };
  } finally {
    tiles.close();
  }
};

/** Where the log in a file ends. */
const headOf = async (file: string): Promise<number> => {
  const log = sqliteEventReader(file);
  try {
    return await log.head();
  } finally {
    await log.close();
  }
};
