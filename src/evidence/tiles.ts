import { type HashAt, nodeHash } from './tree.ts';

/** How many levels of the tree a tile spans, and how many hashes a full one has (C2SP tlog-tiles). */
export const TILE_HEIGHT = 8;
export const TILE_WIDTH = 256;

const HASH_BYTES = 32;
const MAX_LEVEL = 63;

/** A tile of hashes at a level (0 has the leaves' own), or a bundle of the leaves themselves. */
export interface Tile {
  level: number | 'entries';
  index: number;
  /** How many it has: less than 256 only at the right edge of a tree. */
  width: number;
}

/** Where a tile is served: `tile/0/x001/x234/067.p/12`. */
export const tilePath = ({ level, index, width }: Tile): string => {
  const digits = String(index);
  const padded = digits.padStart(Math.ceil(digits.length / 3) * 3, '0');
  const groups = padded.match(/\d{3}/g) as string[];
  const last = groups.length - 1;
  const path = groups.map((group, at) => (at === last ? group : `x${group}`)).join('/');
  return `tile/${level}/${path}${width === TILE_WIDTH ? '' : `.p/${width}`}`;
};

const PATH = /^tile\/(entries|\d{1,2})\/((?:x\d{3}\/){0,5}\d{3})(?:\.p\/(\d{1,3}))?$/;

/** The tile that is served there; null for a path of none, or another spelling of one. */
export const parseTilePath = (path: string): Tile | null => {
  const [, named = '', groups = '', partial] = PATH.exec(path) ?? [];
  const level = named === 'entries' ? named : Number(named);
  const tile: Tile = { level, index: Number(groups.replaceAll(/[x/]/g, '')), width: Number(partial ?? TILE_WIDTH) };
  const exists = tile.width > 0 && tile.width <= TILE_WIDTH && (level === 'entries' || level <= MAX_LEVEL);
  return exists && tilePath(tile) === path ? tile : null;
};

/** How many hashes a tile has in a tree of this size: 0 where there is none yet. */
export const tileWidth = ({ level, index }: Omit<Tile, 'width'>, size: number): number => {
  const all = Math.floor(size / TILE_WIDTH ** (level === 'entries' ? 0 : level));
  return Math.max(0, Math.min(TILE_WIDTH, all - index * TILE_WIDTH));
};

/** Every full subtree's root, from tiles that are at least as wide as the tree needs. Throws `RangeError` beyond their end. */
export const hashFromTiles =
  (tile: (level: number, index: number) => Buffer): HashAt =>
  (level, index) => {
    const [tileLevel, above] = [Math.floor(level / TILE_HEIGHT), level % TILE_HEIGHT];
    const [first, count] = [index * 2 ** above, 2 ** above];
    const bytes = tile(tileLevel, Math.floor(first / TILE_WIDTH));
    const start = (first % TILE_WIDTH) * HASH_BYTES;
    if (start + count * HASH_BYTES > bytes.length) throw new RangeError(`the tree has no node ${index} at level ${level} yet`);
    let row = Array.from({ length: count }, (_, at) => bytes.subarray(start + at * HASH_BYTES, start + (at + 1) * HASH_BYTES));
    while (row.length > 1) row = pairs(row);
    return row[0] as Buffer;
  };

const pairs = (row: readonly Buffer[]): Buffer[] =>
  Array.from({ length: row.length / 2 }, (_, at) => nodeHash(row[2 * at] as Buffer, row[2 * at + 1] as Buffer));

const LONGEST_LEAF = 65_535;

/** The bytes of a bundle of leaves: each behind its length. */
export const entryBundle = (leaves: readonly string[]): Buffer =>
  Buffer.concat(
    leaves.flatMap((leaf) => {
      const bytes = Buffer.from(leaf);
      if (bytes.length > LONGEST_LEAF) throw new RangeError(`a leaf has ${bytes.length} bytes, and ${LONGEST_LEAF} is the most`);
      const length = Buffer.alloc(2);
      length.writeUInt16BE(bytes.length);
      return [length, bytes];
    }),
  );
