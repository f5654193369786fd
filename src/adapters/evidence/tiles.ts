import { DatabaseSync } from 'node:sqlite';
import { LRUCache } from 'lru-cache';
import { hashFromTiles, TILE_HEIGHT, TILE_WIDTH } from '../../evidence/tiles.ts';
import { edgeAt, growing, rootAt } from '../../evidence/tree.ts';
import { orClosed } from '../sqlite-file.ts';
import { sharedReads } from '../sqlite-reading.ts';
import { EvidenceDiffers } from './evidence-differs.ts';

const HASH_BYTES = 32;
const PLACE_BYTES = 8;

// `position`: up to where the log has been seen. `place`: where the facts of each lowest tile stand in the log.
const SCHEMA = `create table if not exists tree (
    one integer primary key check (one = 1), origin text not null, size integer not null, position integer not null, fault text
  ) strict;
  create table if not exists tile (level integer not null, n integer not null, hashes blob not null, primary key (level, n)) strict;
  create table if not exists place (n integer primary key, first integer not null unique, positions blob not null) strict;
  create table if not exists record (name text primary key, text text not null, revision integer not null) strict, without rowid`;
const LOCKED_MS = 2000;
// Inner nodes that were worked out: proofs of facts that stand close together share most of theirs.
const NODES = 8192;

/** What is read of a tree: what was kept last. */
export interface Tiles {
  size(): number;
  /** Why nothing is added any more, or null. */
  fault(): string | null;
  /** The root of a full subtree. Throws `RangeError` beyond the tree. */
  hashAt(level: number, index: number): Buffer;
  /** The first hashes of a tile, or null where it does not have that many. */
  tile(level: number, n: number, width: number): Buffer | null;
  indexOf(position: number): number | null;
  positionOf(index: number): number | null;
  /** The name of the log. */
  origin(): string | null;
  /** The text of a record. */
  record(name: string): string | null;
}

/** The tree of one process, which adds to it. */
export interface GrowingTiles extends Tiles {
  /** The leaves that were added, also those that are not kept yet. */
  leaves(): number;
  /** The root over the first `size` of what was kept. */
  rootAt(size: number): Buffer;
  /** Up to where the log had been seen when it was kept last. */
  position(): number;
  /** Adds the leaf of the next fact. */
  append(leafHash: Buffer, position: number): void;
  /** Keeps what was added, and how far the log has been seen. */
  keep(position: number): void;
  /** Keeps a word on why it stands still. */
  stop(fault: string): void;
  close(): void;
}

/**
 * Opens the tree of a log in a file, which is made where there is none, and begins again where the file holds the tree of a log by another
 * name, or a part of one. The tree can be made again from the facts, so that a commit does not wait for the disk: after a power cut it is a
 * little smaller, and grows again. One that is not the first is not begun where there is no tree at all, for what was published is gone with
 * it: throws `EvidenceDiffers`.
 */
export const growingTiles = (file: string, origin: string, isFirst = true): GrowingTiles => {
  const db = openEvidenceFile(file, 'normal');
  return orClosed(db, () => {
    const known = originIn(db);
    if (known === null && !isFirst) throw evidenceGone(file);
    if (known !== origin || !isWhole(db)) begin(db, origin);
    db.exec('update tree set fault = null');
    return addingTo(db);
  });
};

const BEGIN_ANEW =
  'Put that file back from a backup. If it is lost for good, tell those who hold checkpoints of this log, remove keys/evidence.key, and set evidence.origin to a name that was never used: then a new evidence log begins';

/** What was published cannot be compared any more. */
export const evidenceGone = (file: string): EvidenceDiffers =>
  new EvidenceDiffers(`the evidence log is gone: ${file} does not have it`, { remedy: BEGIN_ANEW });

/** Whose tree is in a file; null where none was begun. */
const originIn = (db: DatabaseSync): string | null =>
  (db.prepare('select origin from tree').get()?.['origin'] as string | undefined) ?? null;

/** Whether the right edge of the tree can be read. */
const isWhole = (db: DatabaseSync): boolean => {
  const { size, hashAt } = readsOf(db, () => undefined);
  try {
    edgeAt(size(), hashAt);
    return true;
  } catch (error) {
    if (error instanceof RangeError) return false;
    throw error;
  }
};

/** The tree in a file to which another connection adds, maybe of another process. */
export const readTiles = (file: string): Tiles & { close(): void } => {
  const db = new DatabaseSync(file, { readOnly: true, timeout: LOCKED_MS });
  return orClosed(db, () => ({ ...readsOf(db, sharedReads(db)), close: () => db.close() }));
};

/** Opens the file of an evidence log for writing. */
export const openEvidenceFile = (file: string, synchronous: 'normal' | 'full'): DatabaseSync => {
  const db = new DatabaseSync(file, { timeout: LOCKED_MS });
  return orClosed(db, () => {
    db.exec(`pragma journal_mode=wal; pragma synchronous=${synchronous}; ${SCHEMA}`);
    return db;
  });
};

/** On the disk when it returns: a key that is made behind it says that there was a tree. */
const begin = (db: DatabaseSync, origin: string): void => {
  db.exec('pragma synchronous=full; begin immediate; delete from tile; delete from place; delete from tree');
  db.prepare('insert into tree values (1, ?, 0, 0, null)').run(origin);
  db.exec('commit; pragma synchronous=normal');
};

const readsOf = (db: DatabaseSync, beginReading: () => void): Tiles => {
  const tree = db.prepare('select size, fault from tree');
  const tileAt = db.prepare('select hashes from tile where level = ? and n = ?');
  const placeAt = db.prepare('select positions from place where n = ?');
  const placeOf = db.prepare('select n, positions from place where first <= ? order by first desc limit 1');
  const recordAt = db.prepare('select text from record where name = ?');
  const nodes = new LRUCache<string, Buffer>({ max: NODES });

  const bytesOf = (level: number, n: number): Buffer => {
    beginReading();
    const hashes = tileAt.get(level, n)?.['hashes'] as Uint8Array | undefined;
    return hashes === undefined ? Buffer.alloc(0) : Buffer.from(hashes.buffer, hashes.byteOffset, hashes.byteLength);
  };

  const fromTiles = hashFromTiles(bytesOf);
  const hashAt = (level: number, index: number): Buffer => {
    const name = `${level} ${index}`;
    const known = nodes.get(name);
    if (known !== undefined) return known;
    // A copy: what is remembered must not keep a whole tile.
    const hash = Buffer.from(fromTiles(level, index));
    nodes.set(name, hash);
    return hash;
  };

  return {
    size() {
      beginReading();
      return (tree.get()?.['size'] as number | undefined) ?? 0;
    },
    fault() {
      beginReading();
      return (tree.get()?.['fault'] as string | null | undefined) ?? null;
    },
    hashAt,
    tile(level, n, width) {
      const bytes = bytesOf(level, n);
      return bytes.length < width * HASH_BYTES ? null : bytes.subarray(0, width * HASH_BYTES);
    },
    indexOf(position) {
      beginReading();
      const row = placeOf.get(position);
      if (row === undefined) return null;
      const within = positionsIn(row['positions']).indexOf(position);
      return within === -1 ? null : (row['n'] as number) * TILE_WIDTH + within;
    },
    positionOf(index) {
      beginReading();
      const row = placeAt.get(Math.floor(index / TILE_WIDTH));
      return row === undefined ? null : (positionsIn(row['positions'])[index % TILE_WIDTH] ?? null);
    },
    origin() {
      beginReading();
      return originIn(db);
    },
    record(name) {
      beginReading();
      return (recordAt.get(name)?.['text'] as string | undefined) ?? null;
    },
  };
};

const positionsIn = (blob: unknown): Float64Array => {
  const bytes = blob as Uint8Array;
  // The bytes may begin anywhere, and numbers must not.
  return new Float64Array(bytes.slice().buffer);
};

/** A row that fills up: the hashes of a tile, or the positions of its facts. */
interface Filling {
  level: number;
  n: number;
  bytes: Buffer;
  filled: number;
}

const addingTo = (db: DatabaseSync): GrowingTiles => {
  const reads = readsOf(db, () => undefined);
  const { size, position } = db.prepare('select size, position from tree').get() as { size: number; position: number };
  const tree = growing(edgeAt(size, reads.hashAt), size);
  const keepTile = db.prepare('insert or replace into tile values (?, ?, ?)');
  const keepPlace = db.prepare('insert or replace into place values (?, ?, ?)');
  const keepTree = db.prepare('update tree set size = ?, position = ?');
  const keepFault = db.prepare('update tree set fault = ?');
  const [beginWriting, commit, rollback] = [db.prepare('begin immediate'), db.prepare('commit'), db.prepare('rollback')];
  const last: Filling[] = [];
  const changed = new Set<Filling>();
  let places: Filling | undefined;
  const changedPlaces = new Set<Filling>();
  let seen = position;

  /** The row in which an entry is the next; the one that was kept last goes on where it ended. */
  const rowOf = (known: Filling | undefined, level: number, index: number, entryBytes: number, keptBytes: () => Uint8Array): Filling => {
    const n = Math.floor(index / TILE_WIDTH);
    if (known?.n === n) return known;
    const bytes = Buffer.alloc(TILE_WIDTH * entryBytes);
    if (index % TILE_WIDTH > 0) bytes.set(keptBytes().subarray(0, (index % TILE_WIDTH) * entryBytes));
    return { level, n, bytes, filled: 0 };
  };

  const addNode = (level: number, index: number, hash: Buffer) => {
    if (level % TILE_HEIGHT !== 0) return;
    const tileLevel = level / TILE_HEIGHT;
    const kept = () => reads.tile(tileLevel, Math.floor(index / TILE_WIDTH), index % TILE_WIDTH) as Buffer;
    const row = rowOf(last[tileLevel], tileLevel, index, HASH_BYTES, kept);
    last[tileLevel] = row;
    row.bytes.set(hash, (index % TILE_WIDTH) * HASH_BYTES);
    row.filled = ((index % TILE_WIDTH) + 1) * HASH_BYTES;
    changed.add(row);
  };

  const addPlace = (index: number, position: number) => {
    const kept = () =>
      db.prepare('select positions from place where n = ?').get(Math.floor(index / TILE_WIDTH))?.['positions'] as Uint8Array;
    places = rowOf(places, 0, index, PLACE_BYTES, kept);
    places.bytes.writeDoubleLE(position, (index % TILE_WIDTH) * PLACE_BYTES);
    places.filled = ((index % TILE_WIDTH) + 1) * PLACE_BYTES;
    changedPlaces.add(places);
  };

  return {
    ...reads,
    leaves: () => tree.size,
    rootAt: (older) => rootAt(older, reads.hashAt),
    position: () => seen,
    append(leafHash, position) {
      addPlace(tree.size, position);
      tree.append(leafHash, addNode);
    },
    keep(position) {
      if (changed.size === 0 && position === seen) return;
      beginWriting.run();
      try {
        for (const { level, n, bytes, filled } of changed) keepTile.run(level, n, bytes.subarray(0, filled));
        for (const { n, bytes, filled } of changedPlaces) keepPlace.run(n, bytes.readDoubleLE(0), bytes.subarray(0, filled));
        keepTree.run(tree.size, position);
        commit.run();
      } catch (error) {
        if (db.isTransaction) rollback.run();
        throw error;
      }
      seen = position;
      changed.clear();
      changedPlaces.clear();
    },
    stop: (fault) => void keepFault.run(fault),
    close: () => db.close(),
  };
};
