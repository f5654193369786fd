import { type OpenedCheckpoint, openCheckpoint } from './checkpoint.ts';
import { Malformed } from './malformed.ts';
import { NotSigned } from './note.ts';
import { COSIGNATURE, NOTE, parseVerifierKey } from './note-key.ts';
import { verifyConsistency } from './tree.ts';

/** A checkpoint to compare with, and where it came from. */
export interface Compared {
  note: string;
  from: string;
  /** From this checkpoint to the one that the facts come with (RFC 6962, section 2.1.2). */
  proof?: readonly Buffer[] | undefined;
}

/** What facts are compared with. */
export interface Comparing {
  /** All facts from the first one on; consecutive ones; or those of one consent. */
  extent: 'whole' | 'range' | 'consent';
  /** The key of the log: name, id and key. */
  key: string;
  witnesses: readonly string[];
  quorum: number;
  /** The checkpoints that the facts come with, the newest first. */
  own: readonly Compared[];
  /** Those that were kept elsewhere. */
  kept: readonly Compared[];
}

/** A checkpoint that agrees with the facts. */
export interface Agreed {
  from: string;
  size: number;
  cosignatures: number;
}

interface Border extends OpenedCheckpoint {
  from: string;
  proof: readonly Buffer[];
  /** Whether it says for sure where the facts are as they were. */
  anchors: boolean;
}
type Note = (rule: string, text: string, index: number | null) => void;

/** Opens the checkpoints: the newest that the facts come with or, for a whole log, of all; and those that roots are compared with, in order. */
export const readCheckpoints = ({ key, witnesses, quorum, own, kept, extent }: Comparing, note: Note) => {
  const agreed: Agreed[] = [];
  const trust = trustIn(key, witnesses, note);
  const opened = (given: Compared): Border | null => {
    const { note: text, from, proof = [] } = given;
    if (trust === null) return null;
    try {
      return { ...openCheckpoint(text, trust), from, proof, anchors: kept.length === 0 || kept.includes(given) };
    } catch (error) {
      if (!(error instanceof NotSigned || error instanceof Malformed)) throw error;
      note('N1', `the checkpoint from ${from}: ${error.message}`, null);
      return null;
    }
  };
  const ownBorders = own.flatMap((one) => opened(one) ?? []);
  const keptBorders = kept.flatMap((one) => opened(one) ?? []);
  const all = [...ownBorders, ...keptBorders].sort((one, other) => one.size - other.size);
  const newest = (extent === 'whole' ? all.at(-1) : ownBorders[0]) ?? null;
  if (newest === null) note('N2', 'there is no signed checkpoint to compare with', null);
  else if (!all.some(({ cosignatures }) => cosignatures.length >= quorum))
    note('N3', `no checkpoint is cosigned by ${quorum} of these witnesses`, null);
  if (extent === 'whole') return { newest, borders: all, agreed };
  if (newest !== null) agreed.push({ from: newest.from, size: newest.size, cosignatures: newest.cosignatures.length });
  for (const { from, size, root, proof, cosignatures } of keptBorders) {
    const isOlder = newest !== null && verifyConsistency({ older: size, olderRoot: root, size: newest.size, root: newest.root, proof });
    if (isOlder) agreed.push({ from, size, cosignatures: cosignatures.length });
    else note('T5', `nothing proves that the log begins with the checkpoint of ${size} from ${from}`, null);
  }
  return { newest, borders: [], agreed };
};

const trustIn = (key: string, witnesses: readonly string[], note: Note) => {
  try {
    return { log: parseVerifierKey(key, NOTE), witnesses: witnesses.map((one) => parseVerifierKey(one, COSIGNATURE)) };
  } catch (error) {
    note('N1', `the key: ${(error as Error).message}`, null);
    return null;
  }
};
