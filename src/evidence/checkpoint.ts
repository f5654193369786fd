import { Malformed } from './malformed.ts';
import { type NoteSignature, NotSigned, openNote } from './note.ts';
import type { VerifierKey } from './note-key.ts';
import { bytesIn, countIn } from './text.ts';

/** What a log says of itself at one moment. */
export interface Checkpoint {
  /** The name of the log. */
  origin: string;
  /** How many leaves its tree has. */
  size: number;
  root: Buffer;
}

/** The text of a checkpoint (C2SP tlog-checkpoint), to be signed. */
export const checkpointText = ({ origin, size, root }: Checkpoint): string => `${origin}\n${size}\n${root.toString('base64')}\n`;

/** Reads the text of a checkpoint. Lines behind the third are of no meaning here. */
export const parseCheckpoint = (text: string): Checkpoint => {
  const [origin = '', size = '', root = '', ...more] = text.split('\n');
  // Behind the end of the last line there is nothing more.
  if (origin === '' || more.pop() !== '' || more.includes('')) throw new Malformed('a checkpoint is three lines: origin, size and root');
  return { origin, size: countIn(size), root: bytesIn(root, 32) };
};

/** Whom one believes about a log: its key, and as many witnesses of these as the quorum says. */
export interface Trust {
  log: VerifierKey;
  witnesses?: readonly VerifierKey[];
  quorum?: number;
}

/** A checkpoint that is signed as one asks for it. */
export interface OpenedCheckpoint extends Checkpoint {
  text: string;
  /** Those of the witnesses. */
  cosignatures: NoteSignature[];
}

/** Reads a signed checkpoint. Throws `NotSigned` where the log did not sign it, calls itself otherwise than its key, or too few witnesses have cosigned. */
export const openCheckpoint = (note: string, { log, witnesses = [], quorum = 0 }: Trust): OpenedCheckpoint => {
  const { text, signatures } = openNote(note, [log, ...witnesses]);
  const isLog = ({ name, keyId }: NoteSignature) => name === log.name && keyId === log.keyId;
  const cosignatures = signatures.filter((one) => !isLog(one));
  const checkpoint = parseCheckpoint(text);
  if (checkpoint.origin !== log.name) throw new NotSigned(`the checkpoint is of ${checkpoint.origin}, not of ${log.name}`);
  if (cosignatures.length === signatures.length) throw new NotSigned(`${log.name} did not sign its checkpoint`);
  if (cosignatures.length < quorum) throw new NotSigned(`${cosignatures.length} of ${quorum} witnesses have cosigned the checkpoint`);
  return { ...checkpoint, text, cosignatures };
};
