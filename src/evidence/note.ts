import { Malformed } from './malformed.ts';
import { isKeyName, type NoteSigner, type VerifierKey, verified } from './note-key.ts';
import { bytesIn } from './text.ts';

/** A note that is not signed by a key that is asked for, or has a signature of one that is wrong. */
export class NotSigned extends Error {
  override name = 'NotSigned';
}

/** One line under a note, verified. */
export interface NoteSignature {
  name: string;
  keyId: number;
  /** When it was made, in epoch seconds: said by witnesses only. */
  at: number | null;
  /** The line itself, without its end. */
  line: string;
}

const SIGNATURES = 100;
const KEY_ID_BYTES = 4;

/** The lines of signature for a text. */
export const signatureLines = (text: string, signers: readonly NoteSigner[]): string[] =>
  signers.map(({ verifierKey: { name, keyId }, sign }) => {
    const id = Buffer.alloc(KEY_ID_BYTES);
    id.writeUInt32BE(keyId);
    return `— ${name} ${Buffer.concat([id, sign(text)]).toString('base64')}`;
  });

/** A text, which ends with the end of a line, signed (C2SP signed-note). */
export const signNote = (text: string, signers: readonly NoteSigner[]): string => withLines(`${text}\n`, signatureLines(text, signers));

/** A note, or what is to become one, with more lines of signature under it. */
export const withLines = (note: string, lines: readonly string[]): string => note + lines.map((line) => `${line}\n`).join('');

/** The text of a note and its signatures, of which nothing has been verified. */
export const partsOfNote = (note: string): { text: string; lines: string[] } => {
  const end = note.lastIndexOf('\n\n');
  const text = note.slice(0, end + 1);
  const lines = note.slice(end + 2, -1).split('\n');
  if (end < 0 || !note.endsWith('\n') || lines.length > SIGNATURES) throw new Malformed('a note is a text, an empty line and signatures');
  if (!note.isWellFormed() || [...note].some((one) => one < ' ' && one !== '\n')) throw new Malformed('a note has no control characters');
  return { text, lines };
};

/**
 * Reads a note and verifies the signatures of the keys given; those of others are passed over. Throws `NotSigned` where none of them signed
 * it, or one of theirs is wrong. Each key is listed once, however often it signed.
 */
export const openNote = (note: string, keys: readonly VerifierKey[]): { text: string; signatures: NoteSignature[] } => {
  const { text, lines } = partsOfNote(note);
  const signatures = new Map<VerifierKey, NoteSignature>();
  for (const line of lines) {
    const { name, keyId, signature } = signatureIn(line);
    const key = keys.find((known) => known.name === name && known.keyId === keyId);
    if (key === undefined) continue;
    const found = verified(key, text, signature);
    if (found === null) throw new NotSigned(`the signature of ${name} is not of this text`);
    if (!signatures.has(key)) signatures.set(key, { name, keyId, at: found.at, line });
  }
  if (signatures.size === 0) throw new NotSigned('the note has no signature of a known key');
  return { text, signatures: [...signatures.values()] };
};

const signatureIn = (line: string): { name: string; keyId: number; signature: Buffer } => {
  const [dash, name = '', base64 = '', ...more] = line.split(' ');
  if (dash !== '—' || !isKeyName(name) || more.length > 0) throw new Malformed('a line of signature is a dash, a name and base64');
  const bytes = bytesIn(base64);
  if (bytes.length <= KEY_ID_BYTES) throw new Malformed('a signature stands behind the id of its key');
  return { name, keyId: bytes.readUInt32BE(), signature: bytes.subarray(KEY_ID_BYTES) };
};
