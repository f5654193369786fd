import { describe, expect, test } from '@jest/globals';
import { leafHash } from '../../src/evidence/leaf.ts';
import { entryBundle, hashFromTiles, parseTilePath, TILE_WIDTH, type Tile, tilePath, tileWidth } from '../../src/evidence/tiles.ts';
import { inclusionProof, nodeHash, rootAt, verifyInclusion } from '../../src/evidence/tree.ts';
import { grown, tileBytes } from './support.ts';

const PATHS: [string, Tile][] = [
  ['tile/0/000', { level: 0, index: 0, width: 256 }],
  ['tile/0/x001/x234/067', { level: 0, index: 1_234_067, width: 256 }],
  ['tile/0/x001/x234/067.p/12', { level: 0, index: 1_234_067, width: 12 }],
  ['tile/1/273.p/255', { level: 1, index: 273, width: 255 }],
  ['tile/63/001.p/1', { level: 63, index: 1, width: 1 }],
  ['tile/entries/x123/000', { level: 'entries', index: 123_000, width: 256 }],
  ['tile/entries/999.p/112', { level: 'entries', index: 999, width: 112 }],
];

describe('the path of a tile', () => {
  test.each(PATHS)('%s is read and written', (path, tile) => {
    expect(tilePath(tile)).toBe(path);
    expect(parseTilePath(path)).toEqual(tile);
  });

  test.each([
    ...['tile/0/0', 'tile/0/0000', 'tile/00/000', 'tile/64/000', 'tile/-1/000', 'tile/x/000', '/tile/0/000', 'tile/0/000/'],
    ...['tile/0/x000/000', 'tile/0/001/000', 'tile/0/x001', 'tile/0/x001/x002', 'tile/0/x1/000', 'tile/0/000.p/0', 'tile/0/000.p/256'],
    ...['tile/0/000.p/01', 'tile/0/000.p/', 'tile/0/000.p/1/2', 'tile/0/000.P/1', 'tile/entries', 'tile/Entries/000', 'tile//000', ''],
  ])('%s is none', (path) => {
    expect(parseTilePath(path)).toBeNull();
  });
});

describe('the tiles of a tree', () => {
  test('of 70,000 leaves are as wide as the specification says', () => {
    const width = (level: number | 'entries', index: number) => tileWidth({ level, index }, 70_000);
    expect([width(0, 0), width(0, 272), width(0, 273), width(0, 274)]).toEqual([256, 256, 112, 0]);
    expect([width(1, 0), width(1, 1), width(1, 2), width(2, 0), width(3, 0)]).toEqual([256, 17, 0, 1, 0]);
    expect([width('entries', 272), width('entries', 273)]).toEqual([256, 112]);
    expect([tileWidth({ level: 0, index: 0 }, 256), tileWidth({ level: 1, index: 0 }, 256)]).toEqual([256, 1]);
  });

  test.each([1, 255, 256, 257, 65_535, 65_536, 65_537])('of %d leaves give every hash that proofs need', (size) => {
    const leaves = Array.from({ length: size }, (_, index) => leafHash(String(index)));
    const { hashAt, tree } = grown(leaves);
    const reads: string[] = [];
    const fromTiles = hashFromTiles((level, index) => {
      const width = tileWidth({ level, index }, size);
      reads.push(tilePath({ level, index, width }));
      return tileBytes(level, index, width, hashAt);
    });
    const root = rootAt(size, fromTiles);
    expect(root.equals(tree.root())).toBe(true);
    for (const index of new Set([0, size >> 1, size - 1]))
      expect(verifyInclusion({ index, size, leaf: leaves[index] as Buffer, root, proof: inclusionProof(index, size, fromTiles) })).toBe(
        true,
      );
    expect(reads.map((path) => parseTilePath(path)?.width ?? 0).every((width) => width > 0)).toBe(true);
    expect(() => fromTiles(0, size)).toThrow(RangeError);
  });

  test('give no hash of a subtree that is not full', () => {
    const { hashAt } = grown([leafHash('0'), leafHash('1'), leafHash('2')]);
    const fromTiles = hashFromTiles((level, index) => tileBytes(level, index, tileWidth({ level, index }, 3), hashAt));
    expect(fromTiles(1, 0).equals(nodeHash(leafHash('0'), leafHash('1')))).toBe(true);
    expect(() => fromTiles(1, 1)).toThrow(RangeError);
    expect(() => fromTiles(8, 0)).toThrow(RangeError);
  });
});

describe('a bundle of leaves', () => {
  test('has each behind its length', () => {
    expect(entryBundle(['', 'a', 'é']).toString('hex')).toBe(`0000${'0001'}61${'0002'}c3a9`);
    const full = entryBundle(Array.from({ length: TILE_WIDTH }, () => 'x'.repeat(500)));
    expect(full.length).toBe(TILE_WIDTH * 502);
    expect(entryBundle(['x'.repeat(65_535)]).length).toBe(65_537);
    expect(() => entryBundle(['x'.repeat(65_536)])).toThrow(RangeError);
  });
});
