import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterAll, afterEach, describe, expect, jest, test } from '@jest/globals';
import { systemIds } from '../../src/adapters/clock.ts';
import { localLimits } from '../../src/adapters/limits/local.ts';
import { makePaces } from '../../src/adapters/limits/paces.ts';
import { usedOnce } from '../../src/adapters/limits/used.ts';
import { writtenBehind } from '../../src/adapters/limits/written-behind.ts';
import { startProcess } from '../support/child-process.ts';

const dir = mkdtempSync(join(tmpdir(), 'countersign-limits-'));
afterAll(() => rmSync(dir, { recursive: true }));
afterEach(() => {
  jest.useRealTimers();
});
let files = 0;
const newFile = (): string => {
  files += 1;
  return join(dir, `${files}.sqlite`);
};

describe('an identifier', () => {
  test('is used once', async () => {
    const limits = localLimits(':memory:', { clock: () => 0 });
    expect(await limits.firstUse('jti-1', 100)).toBe(true);
    expect(await limits.firstUse('jti-1', 100)).toBe(false);
    expect(await limits.firstUse('jti-1', 200)).toBe(false);
    expect(await limits.firstUse('jti-2', 100)).toBe(true);
    expect(await limits.firstUse('JTI-1', 100)).toBe(true);
    limits.close();
  });

  test('of many uses at once has exactly one first', async () => {
    const limits = localLimits(':memory:', { clock: () => 0 });
    const uses = Array.from({ length: 500 }, (_, n) => limits.firstUse(`jti-${n % 10}`, 100));
    const first = await Promise.all(uses);
    expect(first).toEqual(uses.map((_, n) => n < 10));
    limits.close();
  });

  test('stays used when the file is opened again', async () => {
    const file = newFile();
    const limits = localLimits(file, { clock: () => 0 });
    await limits.firstUse('jti-1', 100);
    limits.close();
    const again = localLimits(file, { clock: () => 0 });
    expect(await again.firstUse('jti-1', 100)).toBe(false);
    again.close();
  });

  test('stays used when the process was killed', async () => {
    const file = newFile();
    const child = startProcess('use-identifiers', [file]);
    await child.printed(200);
    await child.kill();
    const limits = localLimits(file, { clock: () => 0 });
    const uses = await Promise.all(child.lines.map((identifier) => limits.firstUse(identifier as string, 10_000)));
    expect(uses).toEqual(child.lines.map(() => false));
    limits.close();
  });

  test('is forgotten once it has expired, and not before', async () => {
    jest.useFakeTimers({ doNotFake: ['setImmediate', 'nextTick', 'queueMicrotask'] });
    let at = 0;
    const limits = localLimits(':memory:', { clock: () => at });
    await Promise.all([limits.firstUse('short', 60), limits.firstUse('long', 61)]);
    at = 60;
    jest.runOnlyPendingTimers();
    expect(await limits.firstUse('short', 200)).toBe(true);
    expect(await limits.firstUse('long', 200)).toBe(false);
    limits.close();
  });
});

describe('limits that are closed', () => {
  test('have told those who were waiting', async () => {
    const file = newFile();
    const limits = localLimits(file, { clock: () => 0 });
    const uses = [limits.firstUse('jti-1', 100), limits.firstUse('jti-1', 100)];
    limits.close();
    expect(await Promise.all(uses)).toEqual([true, false]);
    await new Promise((resolve) => setImmediate(resolve));
  });

  test('let nothing pass', async () => {
    const limits = localLimits(':memory:', { clock: () => 0 });
    limits.close();
    await expect(limits.firstUse('jti-1', 100)).rejects.toThrow();
  });
});

test('a use that cannot be written is not a first one, nor is it lost for later', async () => {
  const file = newFile();
  const limits = localLimits(file, { clock: () => 0 });
  const other = new DatabaseSync(file);
  other.exec('begin immediate');
  await expect(limits.firstUse('jti-1', 100)).rejects.toThrow('locked');
  other.exec('rollback');
  expect(await limits.firstUse('jti-1', 100)).toBe(true);
  other.close();
  limits.close();
});

test('what was heard from another process stays used where a use here cannot be written', async () => {
  const file = newFile();
  const limits = localLimits(file, { clock: () => 0 });
  const other = new DatabaseSync(file);
  other.exec('begin immediate');
  const use = limits.firstUse('jti-1', 100);
  limits.hear.used('jti-1', 100);
  await expect(use).rejects.toThrow('locked');
  other.exec('rollback');
  expect(await limits.firstUse('jti-1', 100)).toBe(false);
  other.close();
  limits.close();
});

test('what has expired when it is heard takes nobody’s place', async () => {
  const used = usedOnce(new DatabaseSync(':memory:'), { clock: () => 100, tell: () => undefined, most: 3 });
  for (const old of ['a', 'b', 'c']) used.hear(old, 100);
  used.hear('live', 101);
  expect([await used.firstUse('live', 200), await used.firstUse('new', 200)]).toEqual([false, true]);
});

test('what has expired is removed bit by bit, from the memory and from the file, and nothing else', async () => {
  const db = new DatabaseSync(newFile());
  const given = { clock: () => 0, tell: () => undefined };
  const used = usedOnce(db, given);
  // Some that stay come first, some last.
  const endOf = (n: number) => (n % 5000 === 0 ? 200 : 100);
  await Promise.all(Array.from({ length: 35_001 }, (_, n) => used.firstUse(`jti-${n}`, endOf(n))));
  const left = () => (db.prepare('select count(*) as count from use').get() as { count: number }).count;
  used.prune(100);
  expect(left()).toBeGreaterThan(8);
  while (left() > 8) await new Promise((resolve) => setImmediate(resolve));
  const check = async (one: typeof used) => {
    for (let n = 0; n < 35_001; n += 5000) expect(await one.firstUse(`jti-${n}`, 300)).toBe(false);
  };
  await check(used);
  await check(usedOnce(db, given));
  expect(await used.firstUse('jti-1', 300)).toBe(true);
  // The file goes before the end is reached.
  await Promise.all(Array.from({ length: 20_000 }, (_, n) => used.firstUse(`more-${n}`, 300)));
  used.prune(300);
  db.close();
  await new Promise((resolve) => setImmediate(resolve));
});

const PACE = { intervalSeconds: 5, slowDownSeconds: 5 };
const SECRET = Buffer.alloc(32, 7);
const rowsOf = (file: string, table: 'pace' | 'share'): unknown[] => {
  const db = new DatabaseSync(file, { readOnly: true });
  const rows = db.prepare(`select * from ${table}`).all();
  db.close();
  return rows;
};

describe('paces and budgets', () => {
  test('outlive a killed process', async () => {
    const file = newFile();
    const child = startProcess('spend-and-poll', [file, SECRET.toString('hex')]);
    await child.printed(1);
    expect(child.lines).toEqual([[false, true, false, true, true, false]]);
    while (rowsOf(file, 'share').length === 0) await new Promise((resolve) => setTimeout(resolve, 10));
    await child.kill();
    let ms = 0;
    const limits = localLimits(file, { clock: () => 59, nowMs: () => ms, secret: SECRET });
    const budget = limits.budget('tries', { count: 2, seconds: 60 });
    expect([budget.spend('alice'), budget.spend('bob')]).toEqual([false, true]);
    // Its interval is ten seconds by now.
    ms = 9000;
    expect([limits.tooSoon('slowed', PACE, 100), limits.tooSoon('never', PACE, 100)]).toEqual([true, false]);
    ms = 18_400;
    expect([limits.tooSoon('slowed', PACE, 100), limits.tooSoon('never', PACE, 100)]).toEqual([true, false]);
    limits.close();
  });

  test('are in the file a second later at most, and at once when it is closed', () => {
    jest.useFakeTimers();
    const file = newFile();
    const limits = localLimits(file, { clock: () => 0, nowMs: () => 0, secret: SECRET });
    const budget = limits.budget('tries', { count: 2, seconds: 60 });
    const written = () => [rowsOf(file, 'pace').length, rowsOf(file, 'share').length];
    for (const requestId of ['slowed', 'slowed', 'never']) limits.tooSoon(requestId, PACE, 100);
    budget.spend('alice');
    jest.advanceTimersByTime(999);
    expect(written()).toEqual([0, 0]);
    jest.advanceTimersByTime(1);
    expect(written()).toEqual([1, 1]);
    budget.spend('bob');
    limits.close();
    expect(written()).toEqual([1, 2]);
  });

  test('that could not be written are written later', () => {
    jest.useFakeTimers();
    const file = newFile();
    const limits = localLimits(file, { clock: () => 0, nowMs: () => 0, secret: SECRET });
    const other = new DatabaseSync(file);
    other.exec('begin immediate');
    expect(limits.budget('tries', { count: 2, seconds: 60 }).spend('alice')).toBe(true);
    jest.advanceTimersByTime(1000);
    expect(rowsOf(file, 'share')).toEqual([]);
    other.exec('rollback');
    other.close();
    jest.advanceTimersByTime(1000);
    expect(rowsOf(file, 'share')).toHaveLength(1);
    limits.close();
  });

  test('leave no row of what was given back', () => {
    jest.useFakeTimers();
    const file = newFile();
    const limits = localLimits(file, { clock: () => 0, nowMs: () => 0, secret: SECRET });
    const budget = limits.budget('tries', { count: 2, seconds: 60 });
    for (const key of ['alice', 'bob']) budget.spend(key);
    jest.advanceTimersByTime(1000);
    expect(rowsOf(file, 'share')).toHaveLength(2);
    budget.refund('alice');
    budget.spend('made up');
    budget.refund('made up');
    jest.advanceTimersByTime(1000);
    expect(rowsOf(file, 'share')).toHaveLength(1);
    limits.close();
  });

  test('are taken over as far as the memory goes, the newest of each budget', () => {
    const file = newFile();
    localLimits(file, { clock: () => 0, secret: SECRET }).close();
    const db = new DatabaseSync(file);
    db.exec(`with recursive number (n) as (select 1 union all select n + 1 from number where n < 100002)
      insert into share select 'tries', 'key-' || n, 'before', n, 1, 1000 + n from number;
      insert into share values ('others', 'key', 'before', 1, 1, 1000)`);
    db.close();
    const behind = writtenBehind(new DatabaseSync(file));
    const seen: string[] = [];
    behind.read({ polled: () => undefined, spent: (budget, key) => seen.push(`${budget} ${key}`) });
    expect([seen.length, seen.at(0), seen.at(1), seen.at(-1)]).toEqual([100_001, 'others key', 'tries key-3', 'tries key-100002']);
  });

  test('leave the file when they are over', () => {
    jest.useFakeTimers();
    const file = newFile();
    let at = 0;
    const limits = localLimits(file, { clock: () => at, nowMs: () => at * 1000, secret: SECRET });
    limits.budget('tries', { count: 2, seconds: 60 }).spend('alice');
    for (const requestId of ['slowed', 'slowed']) limits.tooSoon(requestId, PACE, 60);
    jest.advanceTimersByTime(1000);
    expect([rowsOf(file, 'pace'), rowsOf(file, 'share')]).toEqual([[expect.anything()], [expect.anything()]]);
    at = 60;
    jest.advanceTimersByTime(60_000);
    expect([rowsOf(file, 'pace'), rowsOf(file, 'share')]).toEqual([[], []]);
    limits.close();
  });

  test('say in the file nothing of who they are about, nor a hash that could be guessed', async () => {
    const file = newFile();
    const key = systemIds.hash('alice');
    const limits = localLimits(file, { clock: () => 0, secret: SECRET });
    limits.budget('tries', { count: 2, seconds: 60 }).spend(key);
    limits.close();
    expect(JSON.stringify(rowsOf(file, 'share'))).not.toContain(key);
  });
});

test('a file of an earlier version is taken over', async () => {
  const file = newFile();
  const db = new DatabaseSync(file);
  db.exec(`pragma journal_mode=wal; create table use (identifier text not null, expires_at integer not null) strict;
    insert into use values ('jti-1', 100)`);
  db.close();
  const limits = localLimits(file, { clock: () => 0 });
  expect([await limits.firstUse('jti-1', 100), await limits.firstUse('jti-2', 100)]).toEqual([false, true]);
  limits.close();
});

describe('a flood', () => {
  test('of identifiers makes nobody forget one: new ones are refused', async () => {
    const used = usedOnce(new DatabaseSync(':memory:'), { clock: () => 0, tell: () => undefined, most: 2 });
    expect([await used.firstUse('jti-1', 100), await used.firstUse('jti-2', 100)]).toEqual([true, true]);
    await expect(used.firstUse('jti-3', 100)).rejects.toMatchObject({ error: 'temporarily_unavailable' });
    // Another process has let it pass: this one does not.
    used.hear('jti-4', 100);
    const known = ['jti-1', 'jti-2', 'jti-4'].map((identifier) => used.firstUse(identifier, 100));
    expect(await Promise.all(known)).toEqual([false, false, false]);
    used.prune(100);
    expect([await used.firstUse('jti-3', 200), await used.firstUse('jti-4', 200)]).toEqual([true, true]);
  });

  test('of polls is remembered so far', () => {
    const paces = makePaces(
      () => 0,
      () => undefined,
      20,
    );
    for (let n = 0; n < 10; n += 1) paces.tooSoon(`here-${n}`, PACE, 100);
    for (let n = 0; n < 11; n += 1) paces.hear(`there-${n}`, { polledAt: 0, intervalMs: 5000, slowedMs: 10_000, expiresAtMs: 100_000 });
    const known = ['here-0', 'here-1', 'here-2', 'there-0', 'there-10', 'there-11'].map((requestId) => paces.stillTooSoon(requestId));
    expect(known).toEqual([false, false, true, true, true, false]);
  });

  test('of keys is remembered so far', () => {
    const limits = localLimits(':memory:', { clock: () => 0 });
    const budget = limits.budget('tries', { count: 1, seconds: 60 });
    for (let n = 0; n < 100_001; n += 1) budget.spend(`key-${n}`);
    expect([budget.spend('key-0'), budget.spend('key-100000')]).toEqual([true, false]);
    limits.close();
  });
});
