import { setImmediate as nextTurn } from 'node:timers/promises';
import { beforeAll, describe, expect, test } from '@jest/globals';
import { sqliteRows } from '../../src/adapters/rows/sqlite.ts';
import type { Rows } from '../../src/domain/ports/rows.ts';
import { auditIndex } from '../../src/projections/audit-index.ts';
import { findChangedStreams, findFacts } from '../../src/projections/audit-search.ts';

const FACTS = 250_000;
// Of two facts one is of the one term, and the other of the other: no fact has both. Each begins a stream of its own.
const [EVEN, ODD] = [1, 2];
// At the end, so many more happen to the first stream of the one term.
const MORE = 20_000;
const END = FACTS + MORE;

const numbered = (from: number, to: number) =>
  `with recursive number (n) as (select ${from} union all select n + 1 from number where n < ${to})`;

const filled = (): Rows => {
  const rows = sqliteRows(':memory:');
  for (const statement of Object.values(auditIndex.tables).flat()) rows.run(statement);
  for (const [table, columns] of [
    ['audit_stream', `n, 'note-' || n`],
    ['audit_fact', 'n, n, 0, n'],
    ['audit_posting', `case n % 2 when 0 then ${EVEN} else ${ODD} end, n, n`],
    ['audit_part', `case n % 2 when 0 then ${EVEN} else ${ODD} end, n, n`],
  ])
    rows.run(`insert into ${table} ${numbered(1, FACTS)} select ${columns} from number`);
  rows.run(`insert into audit_fact ${numbered(FACTS + 1, END)} select n, 2, n - ${FACTS}, n from number`);
  rows.run(`insert into audit_posting ${numbered(FACTS + 1, END)} select ${EVEN}, n, n from number`);
  return rows;
};

/** What came of it, and how often others had their turn meanwhile. */
const withTurns = async <T>(work: () => Promise<T>): Promise<{ result: T; turns: number }> => {
  let [turns, ended] = [0, false];
  const counting = (async () => {
    for (; !ended; turns += 1) await nextTurn();
  })();
  const result = await work();
  ended = true;
  await counting;
  return { result, turns };
};

let rows: Rows;
beforeAll(() => {
  rows = filled();
});

const places = (found: readonly { position: number }[]) => found.map(({ position }) => position);
const streams = (found: readonly { first: number }[]) => found.map(({ first }) => first);

describe('a search through very much', () => {
  test('lets others have their turn, also where it finds nothing', async () => {
    const { result, turns } = await withTurns(() => findFacts(rows, [EVEN, ODD], { after: 0, until: END, limit: 51 }));
    expect(result).toEqual([]);
    expect(turns).toBeGreaterThanOrEqual(10);
  });

  test('ends where the page is full', async () => {
    const { result, turns } = await withTurns(() => findFacts(rows, [EVEN], { after: 100, until: END, limit: 3 }));
    expect(places(result)).toEqual([102, 104, 106]);
    expect(turns).toBeLessThan(5);
  });

  test('finds the same over the border of what is looked through at once', async () => {
    const found = places(await findFacts(rows, [ODD], { after: 7, until: 60_001, limit: 100_000 }));
    expect(found).toEqual(Array.from({ length: 29_997 }, (_, index) => 9 + 2 * index));
  });
});

describe('the streams of a subject that has very many', () => {
  test('are found from what happened, where that is little', async () => {
    const page = { after: 0, until: END, limit: 51 };
    const { result, turns } = await withTurns(() => findChangedStreams(rows, EVEN, { ...page, from: END - 100 }));
    expect(streams(result)).toEqual([2]);
    expect(turns).toBeLessThan(5);
    const [from, until] = [FACTS - 10, FACTS - 4];
    expect(streams(await findChangedStreams(rows, EVEN, { ...page, from, until }))).toEqual([FACTS - 8, FACTS - 6, FACTS - 4]);
    expect(streams(await findChangedStreams(rows, EVEN, { from, until, after: FACTS - 8, limit: 1 }))).toEqual([FACTS - 6]);
  });

  test('are looked through a little at a time, where that is much', async () => {
    const { result, turns } = await withTurns(() => findChangedStreams(rows, EVEN, { after: 0, until: END, limit: 51, from: FACTS }));
    expect(streams(result)).toEqual([2]);
    expect(turns).toBeGreaterThanOrEqual(10);
    const next = { after: 2, until: END, limit: 2, from: FACTS - 40_000 };
    expect(streams(await findChangedStreams(rows, EVEN, next))).toEqual([FACTS - 39_998, FACTS - 39_996]);
  });

  test('are also those that became its own without a fact of theirs', async () => {
    rows.run('insert into audit_part values (?, ?, ?)', EVEN, 5, END - 1);
    expect(streams(await findChangedStreams(rows, EVEN, { after: 2, until: END, limit: 51, from: END - 2 }))).toEqual([5]);
    expect(streams(await findChangedStreams(rows, EVEN, { after: 2, until: END, limit: 51, from: END - 1 }))).toEqual([]);
    rows.run('delete from audit_part where term = ? and stream = ?', EVEN, 5);
  });
});
