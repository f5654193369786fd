import { type Checkpoint, parseCheckpoint } from './checkpoint.ts';
import { Malformed } from './malformed.ts';
import { NotSigned, openNote, partsOfNote } from './note.ts';
import type { VerifierKey } from './note-key.ts';
import { countIn, hashesIn, hashLines } from './text.ts';
import { EMPTY_ROOT, verifyConsistency } from './tree.ts';

/** What a log asks of a witness (C2SP tlog-witness): to cosign a checkpoint that goes on from the one it has cosigned before. */
export interface AddCheckpoint {
  /** The size of the checkpoint before. */
  older: number;
  /** That the tree begins with all of the older one. */
  proof: readonly Buffer[];
  /** The signed checkpoint. */
  note: string;
}

/** The type of the answer that tells the size which the witness has cosigned. */
export const SIZE_TYPE = 'text/x.tlog.size';

const MOST_HASHES = 63;

/** The body of an add-checkpoint. */
export const addCheckpointText = ({ older, proof, note }: AddCheckpoint): string => `old ${older}\n${hashLines(proof)}\n${note}`;

/** Reads the body of an add-checkpoint. */
export const parseAddCheckpoint = (body: string): AddCheckpoint => {
  const end = body.indexOf('\n\n');
  const [first = '', ...hashes] = body.slice(0, Math.max(0, end)).split('\n');
  if (!first.startsWith('old ') || hashes.length > MOST_HASHES)
    throw new Malformed('an old size, at most 63 hashes and a checkpoint are expected');
  return { older: countIn(first.slice('old '.length)), proof: hashesIn(hashes), note: body.slice(end + 2) };
};

/** Why a witness does not cosign. */
export class WitnessRefusal extends Error {
  override name = 'WitnessRefusal';
  readonly status: 400 | 403 | 404 | 409 | 422;
  /** With 409: the size of the checkpoint that the witness has cosigned, if that is what stands in the way. */
  readonly size: number | null;

  constructor(status: WitnessRefusal['status'], message: string, { size = null, cause }: { size?: number | null; cause?: unknown } = {}) {
    super(message, { cause });
    this.status = status;
    this.size = size;
  }
}

/** A checkpoint that its log did sign, and what is claimed about it. */
export interface Submitted extends Checkpoint, AddCheckpoint {
  /** The text that is to be cosigned. */
  text: string;
}

/** The checkpoint of an add-checkpoint, if one of the logs has signed it. */
export const submitted = (body: string, logs: readonly VerifierKey[]): Submitted => {
  const request = read(() => parseAddCheckpoint(body));
  const checkpoint = read(() => parseCheckpoint(partsOfNote(request.note).text));
  const keys = logs.filter(({ name }) => name === checkpoint.origin);
  if (keys.length === 0) throw new WitnessRefusal(404, 'this witness does not know the log');
  const { text } = read(() => openNote(request.note, keys));
  if (request.older > checkpoint.size) throw new WitnessRefusal(400, 'the old size is larger than that of the checkpoint');
  return { ...request, ...checkpoint, text };
};

const read = <T>(parse: () => T): T => {
  try {
    return parse();
  } catch (cause) {
    if (cause instanceof Malformed) throw new WitnessRefusal(400, cause.message, { cause });
    if (cause instanceof NotSigned) throw new WitnessRefusal(403, cause.message, { cause });
    throw cause;
  }
};

/**
 * Refuses what does not go on from the checkpoint that was cosigned last, if any was. To be asked while nobody else can cosign one of that
 * log: else a smaller tree could come behind a larger one.
 */
export const goesOn = ({ older, size, root, proof }: Submitted, cosigned: Pick<Checkpoint, 'size' | 'root'> | null): void => {
  const { size: last, root: olderRoot } = cosigned ?? { size: 0, root: EMPTY_ROOT };
  if (older !== last) throw new WitnessRefusal(409, `the checkpoint cosigned last has size ${last}`, { size: last });
  if (size === older && !root.equals(olderRoot)) throw new WitnessRefusal(409, 'a checkpoint of this size was cosigned with another root');
  if (!verifyConsistency({ older, olderRoot, size, root, proof }))
    throw new WitnessRefusal(422, 'the proof does not show that the tree goes on');
};
