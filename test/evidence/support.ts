import { generateKeyPairSync, type KeyObject } from 'node:crypto';
import { checkpointText } from '../../src/evidence/checkpoint.ts';
import { leafHash } from '../../src/evidence/leaf.ts';
import { signNote } from '../../src/evidence/note.ts';
import { logSigner, type NoteSigner } from '../../src/evidence/note-key.ts';
import { TILE_HEIGHT, TILE_WIDTH } from '../../src/evidence/tiles.ts';
import { consistencyProof, type Growing, growing, type HashAt, rootAt } from '../../src/evidence/tree.ts';

export const newKey = (): KeyObject => generateKeyPairSync('ed25519').privateKey;

/** A tree over these leaf hashes, and all that it is made of. */
export const grown = (leafHashes: readonly Buffer[]): { tree: Growing; hashAt: HashAt } => {
  const nodes = new Map<string, Buffer>();
  const tree = growing();
  for (const leaf of leafHashes) tree.append(leaf, (level, index, hash) => void nodes.set(`${level}/${index}`, hash));
  return {
    tree,
    hashAt: (level, index) => {
      const found = nodes.get(`${level}/${index}`);
      if (found === undefined) throw new RangeError(`no node ${level}/${index}`);
      return found;
    },
  };
};

/** The bytes of a tile of hashes. */
export const tileBytes = (level: number, index: number, width: number, hashAt: HashAt): Buffer =>
  Buffer.concat(Array.from({ length: width }, (_, at) => hashAt(level * TILE_HEIGHT, index * TILE_WIDTH + at)));

/** A log of leaves that say their number, with its signed checkpoint at each size and the proofs between them. */
export const smallLog = (origin: string, leaves: number, { key = newKey(), says = 'leaf' } = {}) => {
  const { hashAt } = grown(Array.from({ length: leaves }, (_, index) => leafHash(`${says} ${index}`)));
  const signer: NoteSigner = logSigner(origin, key);
  return {
    key,
    signer,
    hashAt,
    rootAt: (size: number): Buffer => rootAt(size, hashAt),
    note: (size: number): string => signNote(checkpointText({ origin, size, root: rootAt(size, hashAt) }), [signer]),
    proof: (older: number, size: number): Buffer[] => consistencyProof(older, size, hashAt),
  };
};
