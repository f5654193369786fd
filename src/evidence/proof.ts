import { type OpenedCheckpoint, openCheckpoint, type Trust } from './checkpoint.ts';
import { Malformed } from './malformed.ts';
import { bytesIn, countIn, hashesIn, hashLines } from './text.ts';
import { verifyInclusion } from './tree.ts';

/** What shows without a server that a fact is in the log (C2SP tlog-proof). */
export interface Proof {
  /** The place of the leaf, from 0. */
  index: number;
  /** From its sibling upwards. */
  proof: readonly Buffer[];
  /** The signed checkpoint, word for word. */
  checkpoint: string;
  /** What one may need besides; nothing vouches for it. */
  extra?: Buffer | null;
}

const HEADER = 'c2sp.org/tlog-proof@v1\n';

/** The text of a proof, as a file `.tlog-proof` has it. */
export const proofText = ({ index, proof, checkpoint, extra = null }: Proof): string =>
  `${HEADER}${extra === null ? '' : `extra ${extra.toString('base64')}\n`}index ${index}\n${hashLines(proof)}\n${checkpoint}`;

/** Whether a text is to be a proof. */
export const isProof = (text: string): boolean => text.startsWith(HEADER);

const SHAPE = /^(?:extra (?<extra>\S*)\n)?index (?<index>\S+)\n(?<proof>(?:\S+\n)*)\n(?<checkpoint>.+)$/s;

/** Reads a proof; nothing of it is verified. */
export const parseProof = (text: string): Required<Proof> => {
  const found = isProof(text) ? SHAPE.exec(text.slice(HEADER.length))?.groups : undefined;
  if (found === undefined) throw new Malformed('a proof is its header, an index, hashes, an empty line and a checkpoint');
  const { extra, index = '', proof = '', checkpoint = '' } = found;
  return {
    index: countIn(index),
    proof: hashesIn(proof.split('\n').slice(0, -1)),
    checkpoint,
    extra: extra === undefined ? null : bytesIn(extra),
  };
};

/** Reads a proof and verifies it: its checkpoint, and that the leaf with this hash stands in that tree. Null where it does not. */
export const openProof = (text: string, leaf: Buffer, trust: Trust): (OpenedCheckpoint & { index: number }) | null => {
  const { index, proof, checkpoint } = parseProof(text);
  const opened = openCheckpoint(checkpoint, trust);
  return verifyInclusion({ ...opened, index, leaf, proof }) ? { ...opened, index } : null;
};
