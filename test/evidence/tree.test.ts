import { hash } from 'node:crypto';
import { describe, expect, test } from '@jest/globals';
import { leafHash } from '../../src/evidence/leaf.ts';
import {
  consistencyProof,
  EMPTY_ROOT,
  edgeAt,
  growing,
  type HashAt,
  inclusionProof,
  nodeHash,
  rootAt,
  verifyConsistency,
  verifyInclusion,
} from '../../src/evidence/tree.ts';
import { grown } from './support.ts';

const hex = (bytes: Buffer): string => bytes.toString('hex');
const bytes = (text: string): Buffer => Buffer.from(text, 'hex');

// The reference tree of certificate-transparency: its leaves, the roots after each of them, and proofs that were published with it.
const LEAVES = ['', '00', '10', '2021', '3031', '40414243', '5051525354555657', '606162636465666768696a6b6c6d6e6f'];
const ROOTS = [
  'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855',
  '6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d',
  'fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125',
  'aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77',
  'd37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7',
  '4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4',
  '76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef',
  'ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c',
  '5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328',
].map(bytes);
const CONSISTENCY: [number, number, string[]][] = [
  [1, 1, []],
  [
    1,
    8,
    [
      '96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7',
      '5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e',
      '6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4',
    ],
  ],
  [
    6,
    8,
    [
      '0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a',
      'ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0',
      'd37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7',
    ],
  ],
  [
    2,
    5,
    [
      '5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e',
      'bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b',
    ],
  ],
];
// Index, size, the way from the leaf to the root.
const INCLUSION: [number, number, string[]][] = [
  [0, 1, []],
  [
    0,
    8,
    [
      '96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7',
      '5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e',
      '6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4',
    ],
  ],
  [
    5,
    8,
    [
      'bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b',
      'ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0',
      'd37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7',
    ],
  ],
  [2, 3, ['fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125']],
  [
    1,
    5,
    [
      '6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d',
      '5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e',
      'bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b',
    ],
  ],
];

const hashed = (leaf: string): Buffer => leafHash(bytes(leaf).toString());

describe('the reference tree', () => {
  const { tree, hashAt } = grown(LEAVES.map(hashed));

  test('has the roots that were published', () => {
    expect(hex(EMPTY_ROOT)).toBe(hex(ROOTS[0] as Buffer));
    expect(ROOTS.map((_, size) => hex(rootAt(size, hashAt)))).toEqual(ROOTS.map(hex));
    expect(hex(tree.root())).toBe(hex(ROOTS[8] as Buffer));
  });

  test.each(CONSISTENCY)('%d goes on to %d by the proof that was published', (older, size, proof) => {
    expect(consistencyProof(older, size, hashAt).map(hex)).toEqual(proof);
    const claim = { older, olderRoot: ROOTS[older] as Buffer, size, root: ROOTS[size] as Buffer, proof: proof.map(bytes) };
    expect(verifyConsistency(claim)).toBe(true);
  });

  test.each(INCLUSION)('leaf %d is in %d by the proof that was published', (index, size, proof) => {
    expect(inclusionProof(index, size, hashAt).map(hex)).toEqual(proof);
    const claim = { index, size, leaf: hashed(LEAVES[index] as string), root: ROOTS[size] as Buffer, proof: proof.map(bytes) };
    expect(verifyInclusion(claim)).toBe(true);
  });
});

const SIZE = 300;
const leaves = Array.from({ length: SIZE }, (_, index) => leafHash(`leaf ${index}`));
// The definition of RFC 6962, section 2.1, with no cleverness in it.
const merkleTreeHash = (hashes: readonly Buffer[]): Buffer => {
  if (hashes.length < 2) return hashes[0] ?? hash('sha256', '', 'buffer');
  let half = 1;
  while (half * 2 < hashes.length) half *= 2;
  return hash('sha256', Buffer.concat([Buffer.of(1), merkleTreeHash(hashes.slice(0, half)), merkleTreeHash(hashes.slice(half))]), 'buffer');
};
const roots = Array.from({ length: SIZE + 1 }, (_, size) => merkleTreeHash(leaves.slice(0, size)));
const { hashAt } = grown(leaves);

/** Every proof that is nearly this one: a bit of each hash turned, one hash less, one more, two swapped. */
const nearly = (proof: readonly Buffer[]): Buffer[][] => {
  const turned = proof.map((one, at) => {
    const other = Buffer.from(one);
    const bit = (at * 37) % 256;
    other[bit >> 3] = (other[bit >> 3] as number) ^ (1 << (bit & 7));
    return proof.with(at, other);
  });
  const shorter = proof.map((_, at) => proof.toSpliced(at, 1));
  const swapped = proof.slice(1).map((second, at) => proof.with(at, second).with(at + 1, proof[at] as Buffer));
  const cut = proof.map((one, at) => proof.with(at, one.subarray(1)));
  return [...turned, ...shorter, ...swapped, ...cut, [...proof, EMPTY_ROOT], [EMPTY_ROOT, ...proof]];
};

describe('trees of up to 300 leaves', () => {
  test('have the root of the definition, however they came to be', () => {
    const tree = growing();
    for (const [size, root] of roots.entries()) {
      expect(hex(tree.root())).toBe(hex(root));
      expect(hex(rootAt(size, hashAt))).toBe(hex(root));
      expect(hex(growing(edgeAt(size, hashAt), size).root())).toBe(hex(root));
      if (size < SIZE) tree.append(leaves[size] as Buffer);
    }
  });

  test('show each of their leaves, and no other claim with the same proof', () => {
    let [wrong, right] = [0, 0];
    for (let size = 1; size <= SIZE; size += 1) {
      for (let index = 0; index < size; index += 1) {
        const proof = inclusionProof(index, size, hashAt);
        const claim = { index, size, leaf: leaves[index] as Buffer, root: roots[size] as Buffer, proof };
        if (verifyInclusion(claim)) right += 1;
        if ((size + index) % 41 !== 0) continue;
        const others = [
          ...nearly(proof).map((near) => ({ ...claim, proof: near })),
          { ...claim, leaf: leaves[(index + 1) % SIZE] as Buffer },
          { ...claim, leaf: roots[size - 1] as Buffer },
          { ...claim, root: roots[size - 1] as Buffer },
          ...(size > 1 ? [{ ...claim, index: (index + 1) % size }] : []),
          { ...claim, index: size },
          { ...claim, index: -1 },
          { ...claim, index: index + 0.5 },
        ];
        wrong += others.filter(verifyInclusion).length;
      }
    }
    expect([wrong, right]).toEqual([0, (SIZE * (SIZE + 1)) / 2]);
  });

  test('go on from each smaller one, and from no other', () => {
    let [wrong, right] = [0, 0];
    for (let size = 0; size <= SIZE; size += 1) {
      for (let older = 0; older <= size; older += 1) {
        const proof = consistencyProof(older, size, hashAt);
        const claim = { older, olderRoot: roots[older] as Buffer, size, root: roots[size] as Buffer, proof };
        if (verifyConsistency(claim)) right += 1;
        if ((size + older) % 41 !== 0) continue;
        const others = [
          ...nearly(proof).map((near) => ({ ...claim, proof: near })),
          { ...claim, olderRoot: roots[older + 1] ?? EMPTY_ROOT },
          // Every tree goes on from the empty one.
          ...(older > 0 ? [{ ...claim, root: roots[size + 1] ?? EMPTY_ROOT }] : []),
          { ...claim, older: size + 1 },
          { ...claim, older: -1 },
          ...(older > 0 && older < size
            ? [
                { ...claim, older: older - 1 },
                { ...claim, older: older + 1 },
              ]
            : []),
        ];
        wrong += others.filter(verifyConsistency).length;
      }
    }
    expect([wrong, right]).toEqual([0, ((SIZE + 1) * (SIZE + 2)) / 2]);
  });
});

describe('a proof', () => {
  test('is of a leaf and of a size that the tree has', () => {
    for (const [index, size] of [
      [0, 0],
      [5, 5],
      [-1, 5],
      [1.5, 5],
      [0, Number.NaN],
    ] as const)
      expect(() => inclusionProof(index, size, hashAt)).toThrow(RangeError);
    for (const [older, size] of [
      [6, 5],
      [-1, 5],
      [0.5, 5],
    ] as const)
      expect(() => consistencyProof(older, size, hashAt)).toThrow(RangeError);
  });

  test('is right where sizes have more than 32 bits', () => {
    // All leaves are the same, so that each level has one hash.
    const levels = [leafHash('same')];
    const same: HashAt = (level) => {
      while (levels.length <= level) levels.push(nodeHash(levels.at(-1) as Buffer, levels.at(-1) as Buffer));
      return levels[level] as Buffer;
    };
    const [older, size] = [2 ** 33 + 12_345, 2 ** 40 + 2 ** 31 + 7];
    const root = rootAt(size, same);
    for (const index of [0, 2 ** 32, 2 ** 40 + 2 ** 31 + 6]) {
      const claim = { index, size, leaf: leafHash('same'), root, proof: inclusionProof(index, size, same) };
      expect(verifyInclusion(claim)).toBe(true);
      expect(verifyInclusion({ ...claim, proof: claim.proof.slice(1) })).toBe(false);
    }
    const claim = { older, olderRoot: rootAt(older, same), size, root, proof: consistencyProof(older, size, same) };
    expect(verifyConsistency(claim)).toBe(true);
    expect(verifyConsistency({ ...claim, older: older - 1 })).toBe(false);
  });
});

describe('a growing tree', () => {
  test('says each full subtree that it completes once', () => {
    const seen: string[] = [];
    const tree = growing();
    for (const leaf of leaves.slice(0, 6)) tree.append(leaf, (level, index) => seen.push(`${level}/${index}`));
    expect(seen.join(' ')).toBe('0/0 0/1 1/0 0/2 0/3 1/1 2/0 0/4 0/5 1/2');
    expect(tree.size).toBe(6);
  });

  test('does not go on from the edge of another size', () => {
    expect(() => growing([EMPTY_ROOT], 3)).toThrow(RangeError);
  });

  test('keeps its edge to itself', () => {
    const edge = edgeAt(3, hashAt);
    const tree = growing(edge, 3);
    edge.pop();
    expect(hex(tree.root())).toBe(hex(roots[3] as Buffer));
  });
});
