import { z } from 'zod';
import { openCheckpoint } from '../../evidence/checkpoint.ts';
import type { Contradiction, Published } from '../../evidence/log.ts';
import { NotSigned } from '../../evidence/note.ts';
import type { VerifierKey } from '../../evidence/note-key.ts';
import type { SharedRecords } from '../shared/records.ts';
import { EvidenceDiffers } from './evidence-differs.ts';
import { openEvidenceFile } from './tiles.ts';

/** Where the chain of checkpoints is kept, by exact revisions. */
export type CheckpointRecords = Pick<SharedRecords, 'read' | 'write'>;

const note = z.strictObject({ note: z.string(), at: z.int() });
type NoteAt = z.infer<typeof note>;
const standing = z.strictObject({
  newest: note,
  position: z.int(),
  cosigned: note.nullable(),
  unwitnessedSince: z.int().nullable(),
  witnesses: z.record(z.string(), z.int()),
});

/** What is published of a log. Moments are epoch milliseconds, by the clock of who published. */
export interface Standing {
  /** The newest checkpoint. */
  newest: Published & { at: number };
  /** The position of the last fact that it covers. */
  position: number;
  /** The newest that as many witnesses as are wanted have cosigned. */
  cosigned: (Published & { at: number }) | null;
  /** When the oldest checkpoint was published that is newer than the cosigned one. */
  unwitnessedSince: number | null;
  /** When each witness has cosigned last. */
  witnesses: Readonly<Record<string, number>>;
}

/** The same, as it stands in its record. */
export interface Kept {
  standing: Standing;
  text: string;
  revision: number;
}

/** The name of the record of a log. */
export const recordOf = (origin: string): string => `tlog ${origin}`;

/** The record of what witnesses say against the log of a file: it is of this process, and ends with it. */
export const CONTRADICTION = 'contradiction';

/** What to keep there. */
export const contradictionText = (contradiction: Contradiction | null): Pick<Kept, 'text' | 'revision'> => ({
  text: JSON.stringify(contradiction),
  revision: 0,
});

/** The name of the record of its key, in the file of an evidence log: for those who have it from nowhere else. */
export const keyRecordOf = (origin: string): string => `tlog-key ${origin}`;

/** What stands in the record. */
export const standingText = ({ newest, position, cosigned, unwitnessedSince, witnesses }: Standing): string => {
  const noteOf = ({ note, at }: Published & { at: number }) => ({ note, at });
  const kept: z.infer<typeof standing> = {
    newest: noteOf(newest),
    position,
    cosigned: cosigned && noteOf(cosigned),
    unwitnessedSince,
    witnesses: { ...witnesses },
  };
  return JSON.stringify(kept);
};

/** Reads what stands in the record. Throws `EvidenceDiffers` where the key of the log did not sign it. */
export const standingIn = (text: string, log: VerifierKey): Standing => {
  const kept = standing.parse(JSON.parse(text));
  const opened = ({ note, at }: NoteAt) => ({ note, at, ...checkpointIn(note, log) });
  return { ...kept, newest: opened(kept.newest), cosigned: kept.cosigned && opened(kept.cosigned) };
};

const checkpointIn = (note: string, log: VerifierKey): { size: number; root: Buffer } => {
  try {
    const { size, root } = openCheckpoint(note, { log });
    return { size, root };
  } catch (cause) {
    if (cause instanceof NotSigned)
      throw new EvidenceDiffers('the published checkpoint was not signed with the key of the evidence log', { cause });
    throw cause;
  }
};

/** The one chain of checkpoints of a log: whoever adds to it adds behind what was seen. */
export interface Chain {
  newest(): Promise<Kept | null>;
  /** Writes it behind what was seen; null, and nothing is kept, where somebody else was first. */
  write(next: Standing, seen: Kept | null): Promise<Kept | null>;
}

/** The chain in the record of a log. */
export const chainIn = (records: CheckpointRecords, log: VerifierKey): Chain => {
  const name = recordOf(log.name);
  return {
    async newest() {
      const record = await records.read(name);
      return record === null ? null : { ...record, standing: standingIn(record.text, log) };
    },
    async write(next, seen) {
      const text = standingText(next);
      const revision = seen?.revision ?? -1;
      return (await records.write(name, text, revision)) ? { standing: next, text, revision: revision + 1 } : null;
    },
  };
};

/** Records in the file of an evidence log. What is written is on the disk before anybody reads it. */
export const recordsInFile = (
  file: string,
): CheckpointRecords & { keep(name: string, kept: Pick<Kept, 'text' | 'revision'>): void; close(): void } => {
  const db = openEvidenceFile(file, 'full');
  const select = db.prepare('select text, revision from record where name = ?');
  const insert = db.prepare('insert or ignore into record values (?, ?, 0)');
  const update = db.prepare('update record set text = ?, revision = revision + 1 where name = ? and revision = ?');
  const replace = db.prepare('insert or replace into record values (?, ?, ?)');
  return {
    async read(name) {
      const row = select.get(name);
      return row === undefined ? null : { text: row['text'] as string, revision: row['revision'] as number };
    },
    async write(name, text, expectedRevision) {
      const { changes } = expectedRevision === -1 ? insert.run(name, text) : update.run(text, name, expectedRevision);
      return changes === 1;
    },
    /** Keeps what was read elsewhere. */
    keep: (name, { text, revision }) => void replace.run(name, text, revision),
    close: () => db.close(),
  };
};
