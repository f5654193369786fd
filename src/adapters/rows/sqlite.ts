import { DatabaseSync, type StatementSync } from 'node:sqlite';
import type { Rows } from '../../domain/ports/rows.ts';
import { removeDatabase } from '../sqlite-file.ts';
import { sharedReads } from '../sqlite-reading.ts';
import { nextRowsOf } from './next.ts';

const LOCKED_MS = 2000;
const SCRUB_MS = 50;

/**
 * Read models in a SQLite file, or in memory. They can be rebuilt from the log, so a commit does not wait for the disk:
 * after a power cut they are a little older than the log, and catch up.
 * A reader sees what another process has committed: all of it that was there when its turn of the event loop began.
 */
export const sqliteRows = (file: string | ':memory:', { shared }: Pick<Rows, 'shared'> = {}): Rows => {
  const readOnly = shared === 'reader';
  const db = new DatabaseSync(file, { readOnly, timeout: LOCKED_MS });
  // A page that changes often goes through the write-ahead log to the file once for many commits.
  if (!readOnly)
    db.exec(`pragma journal_mode=wal; pragma synchronous=normal; pragma temp_store=memory; pragma cache_size=-65536;
      pragma wal_autocheckpoint=4000; pragma secure_delete=on`);
  const statements = new Map<string, StatementSync>();
  const prepared = (sql: string): StatementSync => {
    const known = statements.get(sql);
    if (known !== undefined) return known;
    const statement = db.prepare(sql);
    statements.set(sql, statement);
    return statement;
  };
  const [begin, commit] = [db.prepare('begin'), db.prepare('commit')];
  // A lone select takes and frees the locks of the file, which costs more than the select: inside a transaction it does not.
  if (!readOnly) begin.run();
  const beginReading = readOnly ? sharedReads(db) : () => undefined;
  return {
    ...(shared !== undefined && { shared }),
    run: (sql, ...values) => {
      prepared(sql).run(...values);
    },
    all: <Row>(sql: string, ...values: (string | number | null)[]) => {
      beginReading();
      return prepared(sql).all(...values) as Row[];
    },
    get: <Row>(sql: string, ...values: (string | number | null)[]) => {
      beginReading();
      return prepared(sql).get(...values) as Row | undefined;
    },
    commit: () => {
      commit.run();
      begin.run();
    },
    scrub() {
      if (readOnly) return true;
      // Those that wait to be taken into use were made before, and can be made again.
      removeDatabase(nextRowsOf(file));
      commit.run();
      // Who reads for long is not waited for.
      db.exec(`pragma busy_timeout=${SCRUB_MS}`);
      try {
        // What deletes leaves zeroes behind it; what stood there before is still in the write-ahead log.
        return (db.prepare('pragma wal_checkpoint(truncate)').get() as { busy: number }).busy === 0;
      } finally {
        db.exec(`pragma busy_timeout=${LOCKED_MS}`);
        begin.run();
      }
    },
    close: () => db.close(),
  };
};
