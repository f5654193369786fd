import { sha256 } from './sha256.ts';

const HASH_BYTES = 32;

/** The root of the full subtree over the 2^level leaves that begin at index · 2^level. */
export type HashAt = (level: number, index: number) => Buffer;

/** The root of a tree without leaves. */
export const EMPTY_ROOT: Buffer = sha256('');

// Filled and hashed within one call: a node is hashed for each fact, and needs no memory of its own.
const node = Buffer.alloc(1 + 2 * HASH_BYTES, 1);

/** The hash of a node over its two children, of 32 bytes each (RFC 6962, section 2.1). */
export const nodeHash = (left: Buffer, right: Buffer): Buffer => {
  node.set(left, 1);
  node.set(right, 1 + HASH_BYTES);
  return sha256(node);
};

/** The root of the tree over the first `size` leaves. */
export const rootAt = (size: number, hashAt: HashAt): Buffer => (size === 0 ? EMPTY_ROOT : rootOf(0, size, hashAt));

/** The edge of the tree over the first `size` leaves: the roots of the full subtrees that they fall into, the largest first. */
export const edgeAt = (size: number, hashAt: HashAt): Buffer[] => peaksOf(0, size).map(({ level, index }) => hashAt(level, index));

/** The way from a leaf to the root, from its sibling upwards (RFC 6962, section 2.1.1). */
export const inclusionProof = (index: number, size: number, hashAt: HashAt): Buffer[] => {
  if (!isCount(index) || !isCount(size) || index >= size) throw new RangeError(`a tree of ${size} leaves has no leaf ${index}`);
  const proof: Buffer[] = [];
  for (let [start, end] = [0, size]; end - start > 1; ) {
    const middle = start + leftOf(end - start);
    if (index < middle) {
      proof.push(rootOf(middle, end, hashAt));
      end = middle;
    } else {
      proof.push(rootOf(start, middle, hashAt));
      start = middle;
    }
  }
  return proof.reverse();
};

/** What shows that a tree begins with all of an older one (RFC 6962, section 2.1.2); nothing where the older one is empty. */
export const consistencyProof = (older: number, size: number, hashAt: HashAt): Buffer[] => {
  if (!isCount(older) || !isCount(size) || older > size) throw new RangeError(`a tree of ${size} leaves has none of ${older} in it`);
  if (older === 0 || older === size) return [];
  const proof: Buffer[] = [];
  let [start, end] = [0, size];
  while (end !== older) {
    const middle = start + leftOf(end - start);
    if (older <= middle) {
      proof.push(rootOf(middle, end, hashAt));
      end = middle;
    } else {
      proof.push(rootOf(start, middle, hashAt));
      start = middle;
    }
  }
  // Where the older tree is itself one full subtree, its root is known to who asks.
  if (start > 0) proof.push(rootOf(start, end, hashAt));
  return proof.reverse();
};

/** Whether the leaf with this hash stands at this index of the tree with this root (RFC 9162, section 2.1.3.2). */
export const verifyInclusion = (claim: { index: number; size: number; leaf: Buffer; proof: readonly Buffer[]; root: Buffer }): boolean => {
  const { index, size, leaf, proof, root } = claim;
  if (!isCount(index) || !isCount(size) || index >= size || !areHashes([leaf, root, ...proof])) return false;
  let [at, last] = [index, size - 1];
  let reached = leaf;
  for (const sibling of proof) {
    if (last === 0) return false;
    if (isOdd(at) || at === last) {
      reached = nodeHash(sibling, reached);
      [at, last] = raised(at, last);
    } else reached = nodeHash(reached, sibling);
    [at, last] = [half(at), half(last)];
  }
  return last === 0 && reached.equals(root);
};

/** Whether the tree with this root begins with all of the older one (RFC 9162, section 2.1.4.2). */
export const verifyConsistency = (claim: {
  older: number;
  olderRoot: Buffer;
  size: number;
  root: Buffer;
  proof: readonly Buffer[];
}): boolean => {
  const { older, olderRoot, size, root, proof } = claim;
  if (!isCount(older) || !isCount(size) || older > size || !areHashes([olderRoot, root, ...proof])) return false;
  if (older === size) return proof.length === 0 && olderRoot.equals(root) && (size > 0 || root.equals(EMPTY_ROOT));
  if (older === 0) return proof.length === 0 && olderRoot.equals(EMPTY_ROOT);
  let [at, last] = [older - 1, size - 1];
  while (isOdd(at)) [at, last] = [half(at), half(last)];
  const [first, ...rest] = at === 0 ? [olderRoot, ...proof] : proof;
  if (first === undefined) return false;
  let [reachedOlder, reached] = [first, first];
  for (const sibling of rest) {
    if (last === 0) return false;
    if (isOdd(at) || at === last) {
      reachedOlder = nodeHash(sibling, reachedOlder);
      reached = nodeHash(sibling, reached);
      [at, last] = raised(at, last);
    } else reached = nodeHash(reached, sibling);
    [at, last] = [half(at), half(last)];
  }
  return last === 0 && reachedOlder.equals(olderRoot) && reached.equals(root);
};

/** A tree that only grows, and keeps nothing but its right edge. */
export interface Growing {
  readonly size: number;
  /** Adds a leaf. Says each full subtree that it completes, itself (level 0) first. */
  append(leafHash: Buffer, onNode?: (level: number, index: number, hash: Buffer) => void): void;
  root(): Buffer;
}

/** Goes on from the edge of a tree of this size. */
export const growing = (edge: readonly Buffer[] = [], size = 0): Growing => {
  const peaks = [...edge];
  if (peaks.length !== peaksOf(0, size).length) throw new RangeError(`a tree of ${size} leaves has another edge`);
  return {
    get size() {
      return size;
    },
    append(leafHash, onNode) {
      let [level, index, reached] = [0, size, leafHash];
      onNode?.(level, index, reached);
      for (; isOdd(index); index = half(index)) {
        reached = nodeHash(peaks.pop() as Buffer, reached);
        level += 1;
        onNode?.(level, half(index), reached);
      }
      peaks.push(reached);
      size += 1;
    },
    root: () => folded(peaks),
  };
};

const isCount = (number: number): boolean => Number.isSafeInteger(number) && number >= 0;
const areHashes = (hashes: readonly Buffer[]): boolean => hashes.every(({ length }) => length === HASH_BYTES);

// Without the operators on bits, which know 32 of them.
const isOdd = (number: number): boolean => number % 2 === 1;
const half = (number: number): number => Math.floor(number / 2);

/** Up to where the node is a right child: from here it has been the last one of its level, without a sibling. */
const raised = (at: number, last: number): [number, number] => {
  while (at > 0 && !isOdd(at)) [at, last] = [at / 2, half(last)];
  return [at, last];
};

/** How many leaves the left child of a node over this many has: the largest power of two below. */
const leftOf = (leaves: number): number => {
  let power = 1;
  while (power * 2 < leaves) power *= 2;
  return power;
};

/** The full subtrees that the leaves from `start` on fall into, the largest first. */
const peaksOf = (start: number, end: number): { level: number; index: number }[] => {
  const peaks: { level: number; index: number }[] = [];
  for (let from = start; from < end; ) {
    let [level, leaves] = [0, 1];
    while (from + leaves * 2 <= end) [level, leaves] = [level + 1, leaves * 2];
    peaks.push({ level, index: from / leaves });
    from += leaves;
  }
  return peaks;
};

/** The root over a range that begins where a node of the tree does. */
const rootOf = (start: number, end: number, hashAt: HashAt): Buffer =>
  folded(peaksOf(start, end).map(({ level, index }) => hashAt(level, index)));

const folded = (peaks: readonly Buffer[]): Buffer =>
  peaks.length === 0 ? EMPTY_ROOT : peaks.reduceRight((right, left) => nodeHash(left, right));
