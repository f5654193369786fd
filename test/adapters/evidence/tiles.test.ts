import { hash } from 'node:crypto';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { afterEach, describe, expect, test } from '@jest/globals';
import { type GrowingTiles, growingTiles, readTiles } from '../../../src/adapters/evidence/tiles.ts';
import { growing, inclusionProof, rootAt, verifyInclusion } from '../../../src/evidence/tree.ts';
import { tileBytes } from '../../evidence/support.ts';
import { temporaryFolder } from '../../support/served.ts';

const ORIGIN = 'bank.example/consents';

const opened: { close(): void }[] = [];
afterEach(() => {
  for (const one of opened.splice(0).reverse()) one.close();
});
const keep = <T extends { close(): void }>(one: T): T => {
  opened.push(one);
  return one;
};
const fresh = () => join(temporaryFolder(), 'evidence.sqlite');
const open = (file: string, origin = ORIGIN): GrowingTiles => keep(growingTiles(file, origin));

const leaf = (index: number): Buffer => hash('sha256', `leaf ${index}`, 'buffer');
/** Positions with gaps, as those of a cluster. */
const placeOf = (index: number): number => 100 + index * 7 + (index % 3);

const append = (tiles: GrowingTiles, size: number) => {
  for (let index = tiles.leaves(); index < size; index += 1) tiles.append(leaf(index), placeOf(index));
};
const keepUpTo = (tiles: GrowingTiles, size: number) => {
  append(tiles, size);
  tiles.keep(placeOf(size));
};

/** The root that a tree without tiles has. */
const rootOf = (size: number): Buffer => {
  const tree = growing();
  for (let index = 0; index < size; index += 1) tree.append(leaf(index));
  return tree.root();
};

const SIZES = [1, 2, 255, 256, 257, 511, 512, 1000, 65_535, 65_536, 65_537];

describe('a tree in tiles', () => {
  test('has the root of the leaves at every width', () => {
    const tiles = open(fresh());
    const tree = growing();
    for (const size of SIZES) {
      while (tree.size < size) tree.append(leaf(tree.size));
      keepUpTo(tiles, size);
      expect([size, tiles.rootAt(size)]).toEqual([size, tree.root()]);
    }
    for (const size of SIZES) expect([size, tiles.rootAt(size)]).toEqual([size, rootOf(size)]);
  });

  test('proves where each leaf stands, also to who reads the file', () => {
    const file = fresh();
    const tiles = open(file);
    keepUpTo(tiles, 70_000);
    const reader = keep(readTiles(file));
    for (const size of [1, 300, 65_536, 70_000])
      for (const index of [0, Math.floor(size / 3), size - 1]) {
        const proof = inclusionProof(index, size, reader.hashAt);
        expect(verifyInclusion({ index, size, leaf: leaf(index), proof, root: rootAt(size, reader.hashAt) })).toBe(true);
      }
  });

  test('goes on from what was kept, wherever that was', () => {
    for (const first of [0, 1, 255, 256, 257, 700]) {
      const file = fresh();
      keepUpTo(growingTilesClosed(file), first);
      const again = open(file);
      expect([again.leaves(), again.position()]).toEqual([first, first === 0 ? 100 : placeOf(first)]);
      keepUpTo(again, 1000);
      expect(again.rootAt(1000)).toEqual(rootOf(1000));
    }
  });

  test('has nothing of what was not kept', async () => {
    const file = fresh();
    const tiles = open(file);
    keepUpTo(tiles, 300);
    append(tiles, 400);
    const reader = keep(readTiles(file));
    expect([reader.size(), tiles.leaves()]).toEqual([300, 400]);
    expect(reader.indexOf(placeOf(300))).toBeNull();
    expect(reader.positionOf(300)).toBeNull();
    expect(() => reader.hashAt(0, 300)).toThrow(RangeError);
    expect(() => reader.hashAt(6, 4)).toThrow(RangeError);
    expect(reader.tile(0, 1, 45)).toBeNull();
    tiles.keep(placeOf(400));
    // What one callback reads shows one state.
    await nextTurn();
    expect(reader.hashAt(6, 4)).toEqual(rootOfRange(256, 320));
  });

  test('knows the place of each fact, and of what stands between them that it is none', () => {
    const tiles = open(fresh());
    keepUpTo(tiles, 1000);
    for (let index = 0; index < 1000; index += 1) {
      expect(tiles.positionOf(index)).toBe(placeOf(index));
      expect(tiles.indexOf(placeOf(index))).toBe(index);
      expect(tiles.indexOf(placeOf(index) + 1)).toBeNull();
    }
    expect([tiles.indexOf(0), tiles.indexOf(99)]).toEqual([null, null]);
  });

  test('has tiles of each width as they are served', () => {
    const tiles = open(fresh());
    keepUpTo(tiles, 66_000);
    for (const [level, n, width] of [
      [0, 0, 256],
      [0, 257, 208],
      [0, 257, 1],
      [1, 0, 256],
      [1, 1, 1],
      [2, 0, 1],
    ] as const)
      expect(tiles.tile(level, n, width)).toEqual(tileBytes(level, n, width, tiles.hashAt));
    expect([tiles.tile(0, 257, 209), tiles.tile(1, 1, 2), tiles.tile(3, 0, 1)]).toEqual([null, null, null]);
  });
});

describe('a file', () => {
  test('begins again for a log by another name', () => {
    const file = fresh();
    keepUpTo(growingTilesClosed(file), 300);
    expect(open(file, 'bank.example/consents/2').leaves()).toBe(0);
  });

  test('begins again where a part of the tree is missing', () => {
    const file = fresh();
    keepUpTo(growingTilesClosed(file), 300);
    const db = keep(new DatabaseSync(file));
    db.exec('delete from tile where n = 1');
    expect(open(file).leaves()).toBe(0);
  });

  test('says why nothing is added, until it is opened again', () => {
    const file = fresh();
    const tiles = open(file);
    tiles.stop('a reason');
    expect(keep(readTiles(file)).fault()).toBe('a reason');
    expect(open(file).fault()).toBeNull();
  });
});

/** A tree whose file is opened again afterwards, as by the next process. */
const growingTilesClosed = (file: string): GrowingTiles => {
  const tiles = growingTiles(file, ORIGIN);
  return {
    ...tiles,
    keep(position) {
      tiles.keep(position);
      tiles.close();
    },
  };
};

/** The root of the full subtree over these leaves. */
const rootOfRange = (start: number, end: number): Buffer => {
  const tree = growing();
  for (let index = start; index < end; index += 1) tree.append(leaf(index));
  return tree.root();
};
