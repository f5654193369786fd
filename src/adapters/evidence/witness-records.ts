import { DatabaseSync } from 'node:sqlite';
import type { Checkpoint } from '../../evidence/checkpoint.ts';
import { goesOn, type Submitted } from '../../evidence/witness.ts';
import { orClosed } from '../sqlite-file.ts';

/** What a witness remembers: of each log the checkpoint that it has cosigned last. */
export interface WitnessRecords {
  /** Takes the checkpoint of a log in the place of the one before; throws `WitnessRefusal` where it does not go on from it. Durable when it returns. */
  advance(checkpoint: Submitted): void;
  close(): void;
}

const LOCKED_MS = 5000;

/** What a witness has cosigned is gone: it would cosign another history. */
export class RecordsGone extends Error {
  override name = 'RecordsGone';
}

/**
 * Records in a SQLite file, which many processes may have: what is checked and what is kept is one transaction, begun as a writer. They are begun
 * for a witness that is new; throws `RecordsGone` where another one has none.
 */
export const witnessRecords = (file: string, isNew = true): WitnessRecords => {
  const db = new DatabaseSync(file, { timeout: LOCKED_MS });
  return orClosed(db, () => recordsIn(db, isNew));
};

const recordsIn = (db: DatabaseSync, isNew: boolean): WitnessRecords => {
  if (!isNew && db.prepare("select 1 from sqlite_schema where name = 'cosigned'").get() === undefined) throw new RecordsGone();
  db.exec(`pragma journal_mode=wal; pragma synchronous=full;
    create table if not exists cosigned (origin text primary key, size integer not null, root blob not null, note text not null) strict`);
  const [begin, commit, rollback] = [db.prepare('begin immediate'), db.prepare('commit'), db.prepare('rollback')];
  const select = db.prepare('select size, root from cosigned where origin = ?');
  const replace = db.prepare('insert or replace into cosigned values (:origin, :size, :root, :note)');

  const cosigned = (origin: string): Pick<Checkpoint, 'size' | 'root'> | null => {
    const row = select.get(origin);
    return row === undefined ? null : { size: row['size'] as number, root: Buffer.from(row['root'] as Uint8Array) };
  };

  return {
    advance(checkpoint) {
      const { origin, size, root, note } = checkpoint;
      begin.run();
      try {
        goesOn(checkpoint, cosigned(origin));
        replace.run({ origin, size, root, note });
        commit.run();
      } catch (error) {
        // A commit that failed may have ended the transaction by itself.
        if (db.isTransaction) rollback.run();
        throw error;
      }
    },
    close: () => db.close(),
  };
};
