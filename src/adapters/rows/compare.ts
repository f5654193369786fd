import { DatabaseSync } from 'node:sqlite';
import { orClosed } from '../sqlite-file.ts';

/** A row that is not the same in two files: in the one that it should be in, or in one where it should not be, or with other contents. */
export interface RowDifference {
  table: string;
  /** The members of its primary key. */
  key: Readonly<Record<string, unknown>>;
  found: 'missing' | 'extra' | 'changed';
}

/** Where the read models in a file stand. */
export interface Standing {
  version: number;
  position: number;
}

/** Read models in use beside others, both as they are at one moment. */
export interface Comparison {
  /** Of each projection; empty where the file holds no read models. */
  standing: ReadonlyMap<string, Standing>;
  /** Compares the rows of a table with those that it should have. */
  differences(table: string): Iterable<RowDifference>;
  close(): void;
}

/**
 * Opens a file of read models that somebody may write meanwhile: it is seen as it stands now until it is closed. What it should be is read from
 * the other file, as that stands when it is first asked about.
 */
export const compareRows = (file: string, shouldBe: string): Comparison =>
  reading(file, (db) => {
    db.prepare('attach ? as should_be').run(shouldBe);
    db.exec('begin');
    return { standing: standingIn(db), differences: (table) => differencesOf(db, table), close: () => db.close() };
  });

/** Where the read models in a file stand now. */
export const standingOf = (file: string): Comparison['standing'] =>
  reading(file, (db) => {
    const standing = standingIn(db);
    db.close();
    return standing;
  });

const reading = <T>(file: string, use: (db: DatabaseSync) => T): T => {
  const db = new DatabaseSync(file, { readOnly: true });
  return orClosed(db, () => use(db));
};

const standingIn = (db: DatabaseSync): Comparison['standing'] => {
  const known = db.prepare(`select 1 from main.sqlite_schema where name = 'projection'`).get();
  const rows = known === undefined ? [] : db.prepare('select name, version, position from main.projection').all();
  return new Map(rows.map(({ name, version, position }) => [name as string, { version: Number(version), position: Number(position) }]));
};

function* differencesOf(db: DatabaseSync, table: string): Generator<RowDifference> {
  const columns = columnsOf(db, table);
  const key = columns.filter(({ pk }) => pk > 0);
  const list = (of: readonly Column[], prefix = '') => of.map(({ name }) => prefix + name).join(', ');
  const [file, should] = [`main.${table}`, `should_be.${table}`];
  function* found(what: RowDifference['found'], sql: string): Generator<RowDifference> {
    for (const key of db.prepare(sql).iterate()) yield { table, key, found: what };
  }
  const onlyIn = (one: string, other: string) =>
    `select ${list(key, 'one.')} from ${one} as one left join ${other} as other using (${list(key)}) where other.${key[0]?.name} is null`;
  yield* found('missing', onlyIn(should, file));
  yield* found('extra', onlyIn(file, should));
  yield* found(
    'changed',
    `select ${list(key, 'one.')} from ${should} as one join ${file} as other using (${list(key)})
     where (${list(columns, 'one.')}) is not (${list(columns, 'other.')})`,
  );
}

interface Column {
  name: string;
  /** Its place in the primary key, from 1 on; 0 for one that is none of it. */
  pk: number;
}

const columnsOf = (db: DatabaseSync, table: string): readonly Column[] =>
  db.prepare('select name, pk from pragma_table_info(?, ?) order by pk').all(table, 'should_be') as unknown as Column[];
