import { closeSync, createReadStream, existsSync, openSync, readSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import type { Readable } from 'node:stream';
import { sqliteEventReader } from '../adapters/event-store/sqlite.ts';
import { readTiles } from '../adapters/evidence/tiles.ts';
import type { StoredEvent } from '../domain/ports/event-store.ts';
import { logSigner } from '../evidence/note-key.ts';
import { TILE_WIDTH } from '../evidence/tiles.ts';
import { type Compared, makeVerification, type Report } from '../evidence/verify.ts';
import { type BundleTrust, verifyBundle } from '../evidence/verify-bundle.ts';
import { CommandFailed } from './command-failed.ts';
import { type KeysOfLog, openKeysOfLog } from './verify-keys.ts';

/** What is told while it goes on: how many facts are done of how many, and each fact. */
export interface Watching {
  progress(done: number, total: number): void;
  fact(index: number, event: Omit<StoredEvent, 'position'>): void;
}

/** What was found, and the key of the log that it was found with: given, or one that came with the facts. */
export interface Verified {
  report: Report;
  key: string;
}

const PAGE = 1000;
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
    const { report, fact, say } = makeVerification({
      ...{ extent: 'whole', key, witnesses: trust.witnesses, quorum: trust.quorum, growing: true },
      ...{ own: evidence?.checkpoints ?? [], kept: trust.kept, open: keys?.open ?? null, hasAllKeys: keys !== null },
      ...(evidence !== null && { leaves: evidence.leaves }),
    });
    const total = await store.head();
    let index = 0;
    for (let position = 0; position < total; ) {
      const page = await store.readAll(position, PAGE);
      for (const event of page) {
        if (event.position !== position + 1) say('S1', `position ${position + 1} of the store is empty`, index);
        position = event.position;
        fact({ index, event });
        watching.fact(index, event);
        index += 1;
      }
      watching.progress(index, total);
      if (page.length === 0) break;
    }
    return { report: report(), key };
  } finally {
    await store.close();
    evidence?.close();
    keys?.close();
  }
};

const keyFrom = (keys: KeysOfLog | null, evidence: ReturnType<typeof openEvidence>): string => {
  const origin = evidence?.origin;
  if (keys?.logKey != null && origin !== undefined) return logSigner(origin, keys.logKey).verifierKey.text;
  throw new CommandFailed('--key is needed: the key of the log, as /tlog/key says it');
};

/** What a log in a file says of itself: its checkpoints and the leaves of its tree; null where it keeps none. */
const openEvidence = (file: string) => {
  if (!existsSync(file)) return null;
  const db = new DatabaseSync(file, { readOnly: true });
  const record = db.prepare(`select name, text from record where name like 'tlog %'`).get() as { name: string; text: string } | undefined;
  db.close();
  const tiles = readTiles(file);
  const size = tiles.size();
  const { newest, cosigned } = (record === undefined ? {} : JSON.parse(record.text)) as Record<string, { note: string } | null | undefined>;
  const from = (name: string, one: { note: string } | null | undefined): Compared[] =>
    one == null ? [] : [{ note: one.note, from: name }];
  let at = -1;
  let tile: Buffer = Buffer.alloc(0);
  return {
    origin: record?.name.slice('tlog '.length),
    checkpoints: [...from('the log', newest), ...from('the log, cosigned', cosigned?.note === newest?.note ? null : cosigned)],
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
  if (!existsSync(log)) throw new CommandFailed(`there is no log in ${source}; of a log in KurrentDB, verify an exported bundle`);
  return { log };
};

const isSqlite = (file: string): boolean => {
  const head = Buffer.alloc(SQLITE.length);
  const descriptor = openSync(file, 'r');
  readSync(descriptor, head);
  closeSync(descriptor);
  return head.toString('latin1') === SQLITE;
};
