import { closeSync, createReadStream, existsSync, openSync, readSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { Readable } from 'node:stream';
import { sqliteEventReader } from '../adapters/event-store/sqlite.ts';
import { keyRecordOf, recordOf } from '../adapters/evidence/checkpoints.ts';
import { readTiles } from '../adapters/evidence/tiles.ts';
import { logSigner } from '../evidence/note-key.ts';
import { TILE_WIDTH } from '../evidence/tiles.ts';
import { type BundleTrust, verifyBundle } from '../evidence/verify-bundle.ts';
import { CommandFailed } from './command-failed.ts';
import { type KeysOfLog, openKeysOfLog } from './verify-keys.ts';
import { checkpointsIn, type Verified, verifyStore, type Watching } from './verify-store.ts';

const HASH_BYTES = 32;

/** Verifies a log in a file, also while an engine writes to it. */
export const verifyLog = async (file: string, trust: BundleTrust, keysPath: string | null, watching: Watching): Promise<Verified> => {
  const dataDir = dirname(file);
  const keys = keysPath === null ? null : openKeysOfLog(keysPath, dataDir);
  // What is published is read first: the log may only be longer than that.
  const evidence = openEvidence(join(dataDir, 'evidence.sqlite'));
  const store = sqliteEventReader(file);
  try {
    const key = trust.key ?? keyFrom(keys, evidence);
    const report = await verifyStore(
      store,
      {
        ...{ extent: 'whole', key, witnesses: trust.witnesses, quorum: trust.quorum, growing: true, isDense: true },
        ...{ own: evidence?.checkpoints ?? [], kept: trust.kept, open: keys?.open ?? null, hasAllKeys: keys !== null },
        ...(evidence !== null && { leaves: evidence.leaves }),
      },
      watching,
    );
    return { report, key };
  } finally {
    await store.close();
    evidence?.close();
    keys?.close();
  }
};

const keyFrom = (keys: KeysOfLog | null, evidence: ReturnType<typeof openEvidence>): string => {
  const { origin = null, key: named = null } = evidence ?? {};
  const own = keys?.logKey && origin !== null ? logSigner(origin, keys.logKey).verifierKey.text : null;
  // Either somebody put another key beside the tree, or that among the keys is of a log which was there before.
  if (own !== null && named !== null && own !== named)
    throw new CommandFailed(`the tree names ${named} as its key, and among the keys is ${own}: say with --key which is the log’s`);
  const key = named ?? own;
  if (key === null) throw new CommandFailed('--key is needed: the key of the log, as /tlog/key says it');
  return key;
};

/** What a log in a file says of itself: its checkpoints and the leaves of its tree; null where it keeps none. */
const openEvidence = (file: string) => {
  if (!existsSync(file)) return null;
  const tiles = readTiles(file);
  const [origin, size] = [tiles.origin(), tiles.size()];
  // Of a log that had another name before, its checkpoints are still there.
  const record = origin === null ? null : tiles.record(recordOf(origin));
  let at = -1;
  let tile: Buffer = Buffer.alloc(0);
  return {
    origin,
    key: origin === null ? null : tiles.record(keyRecordOf(origin)),
    checkpoints: record === null ? [] : checkpointsIn(record),
    leaves: {
      size,
      hashAt(index: number): Buffer {
        const n = Math.floor(index / TILE_WIDTH);
        if (n !== at) {
          tile = tiles.tile(0, n, Math.min(TILE_WIDTH, size - n * TILE_WIDTH)) ?? Buffer.alloc(0);
          at = n;
        }
        const start = (index % TILE_WIDTH) * HASH_BYTES;
        return tile.subarray(start, start + HASH_BYTES);
      },
    },
    close: () => tiles.close(),
  };
};

/** Verifies a bundle as it is read. */
export const verifyLines = async (input: Readable, trust: BundleTrust, watching: Watching): Promise<Verified> => {
  let bundle: ReturnType<typeof verifyBundle> | null = null;
  for await (const lines of linesOf(input)) {
    const [first, ...rest] = bundle === null ? lines : [null, ...lines];
    bundle ??= verifyBundle(first ?? Buffer.alloc(0), trust, watching.fact);
    bundle.lines(rest as Buffer[]);
    watching.progress(bundle.facts(), bundle.total);
  }
  const read = bundle ?? verifyBundle(Buffer.alloc(0), trust, watching.fact);
  return { report: read.report(), key: read.key };
};

const NEWLINE = 0x0a;

/** The lines of a stream, without their ends, as they come. */
async function* linesOf(input: Readable): AsyncGenerator<Buffer[]> {
  let rest: Buffer[] = [];
  for await (const chunk of input as AsyncIterable<Buffer>) {
    const lines: Buffer[] = [];
    let start = 0;
    for (let end = chunk.indexOf(NEWLINE); end !== -1; end = chunk.indexOf(NEWLINE, start)) {
      lines.push(Buffer.concat([...rest, chunk.subarray(start, end)]));
      rest = [];
      start = end + 1;
    }
    if (start < chunk.length) rest.push(chunk.subarray(start));
    if (lines.length > 0) yield lines;
  }
  if (rest.length > 0) yield [Buffer.concat(rest)];
}

const SQLITE = 'SQLite format 3\0';

/** What a source is: a log in a file, or the text of a bundle. */
export const openSource = (source: string): { log: string } | { lines: Readable } => {
  if (source === '-') return { lines: process.stdin };
  if (!existsSync(source)) throw new CommandFailed(`${source} is not there`);
  if (!statSync(source).isDirectory()) return isSqlite(source) ? { log: source } : { lines: createReadStream(source) };
  const log = join(source, 'log.sqlite');
  if (!existsSync(log))
    throw new CommandFailed(`there is no log in ${source}; the log of a cluster is verified without naming a source, by the settings`);
  return { log };
};

const isSqlite = (file: string): boolean => {
  const head = Buffer.alloc(SQLITE.length);
  const descriptor = openSync(file, 'r');
  readSync(descriptor, head);
  closeSync(descriptor);
  return head.toString('latin1') === SQLITE;
};
