import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { afterAll, afterEach, describe, expect, jest, test } from '@jest/globals';
import { firstValueFrom, lastValueFrom, map, Subject, skip } from 'rxjs';
import { systemClock, systemIds } from '../../src/adapters/clock.ts';
import { inMemoryEventStore } from '../../src/adapters/event-store/in-memory.ts';
import { psuKeys } from '../../src/adapters/keys/psu-keys.ts';
import { sqliteRows } from '../../src/adapters/rows/sqlite.ts';
import { UnreadableEvent } from '../../src/domain/events.ts';
import { type EventStore, type Page, type StoredEvent, StoreStopped } from '../../src/domain/ports/event-store.ts';
import type { Rows } from '../../src/domain/ports/rows.ts';
import type { Projection } from '../../src/projections/projection.ts';
import { ProjectionStopped, type Projections, runProjections } from '../../src/projections/runner.ts';
import { newEvent } from '../support/new-events.ts';
import { steps } from '../support/steps.ts';

const dir = mkdtempSync(join(tmpdir(), 'countersign-rows-'));
afterAll(() => rmSync(dir, { recursive: true }));
let files = 0;
const newFile = (): string => {
  files += 1;
  return join(dir, `${files}.sqlite`);
};
afterEach(() => {
  jest.useRealTimers();
});

/** The clients in the order of their registration; `poison` makes it fail half-way through its event. */
const roll = (name: string, { version = 1, poison = '' } = {}): Projection => ({
  name,
  version,
  tables: { [name]: [`create table ${name} (place integer primary key, client_id text not null unique) strict`] },
  on: {
    ClientRegistered: (rows, { id, position }) => {
      rows.run(`insert into ${name} values (?, ?)`, position, id);
      if (id === poison) throw new Error('half-way');
    },
  },
});
const onRoll = (rows: Rows, name: string): string[] =>
  rows.all<{ client_id: string }>(`select client_id from ${name} order by place`).map((row) => row.client_id);
const checkpoint = (rows: Rows, name: string): number | undefined =>
  rows.get<{ position: number }>('select position from projection where name = ?', name)?.position;

const logOf = async (...clients: string[]): Promise<{ store: EventStore; register(...clients: string[]): Promise<void> }> => {
  const store = inMemoryEventStore();
  const { registerClient } = steps({ store, sealer: psuKeys(':memory:', Buffer.alloc(32, 1)), clock: systemClock, ids: systemIds });
  const register = async (...more: string[]) => {
    for (const clientId of more) await registerClient(clientId);
  };
  await register(...clients);
  return { store, register };
};
const run = async (store: EventStore, rows: Rows, ...projections: Projection[]): Promise<Projections> =>
  runProjections(store, rows, projections, await store.head());

describe('projections', () => {
  test('apply the past and then what is appended', async () => {
    const { store, register } = await logOf('a', 'b');
    const rows = sqliteRows(':memory:');
    const running = await run(store, rows, roll('one'), roll('two'));
    await running.caughtUp;
    expect(onRoll(rows, 'one')).toEqual(['a', 'b']);
    expect(running.position()).toBe(2);
    await register('c');
    expect([onRoll(rows, 'one'), onRoll(rows, 'two')]).toEqual([
      ['a', 'b', 'c'],
      ['a', 'b', 'c'],
    ]);
    running.stop();
    expect([checkpoint(rows, 'one'), checkpoint(rows, 'two')]).toEqual([3, 3]);
    await register('d');
    expect(onRoll(rows, 'one')).toEqual(['a', 'b', 'c']);
  });

  test('go on where they stopped, and apply nothing twice', async () => {
    const { store, register } = await logOf('a', 'b');
    const rows = sqliteRows(':memory:');
    for (const [client, head] of [
      ['c', 3],
      ['d', 4],
    ] as const) {
      const running = await run(store, rows, roll('one'));
      await register(client);
      await running.reached(head);
      running.stop();
    }
    expect(onRoll(rows, 'one')).toEqual(['a', 'b', 'c', 'd']);
  });

  test('commit what they have caught up with also where nothing follows', async () => {
    jest.useFakeTimers({ doNotFake: ['setImmediate', 'nextTick', 'queueMicrotask'] });
    const { store } = await logOf('a', 'b');
    const file = newFile();
    const rows = sqliteRows(file);
    const running = await run(store, rows, roll('one'));
    await running.caughtUp;
    jest.runOnlyPendingTimers();
    const outside = sqliteRows(file, { shared: 'reader' });
    expect(onRoll(outside, 'one')).toEqual(['a', 'b']);
    running.stop();
  });

  test('keep rows and checkpoint together: who looks from outside never sees one without the other', async () => {
    jest.useFakeTimers({ doNotFake: ['setImmediate', 'nextTick', 'queueMicrotask'] });
    const { store, register } = await logOf('a');
    const file = newFile();
    const rows = sqliteRows(file);
    const running = await run(store, rows, roll('one'));
    const outside = sqliteRows(file, { shared: 'reader' });
    const seen: number[] = [];
    for (let n = 0; n < 6; n += 1) {
      await register(`b-${n}`, `c-${n}`);
      if (n % 2 === 1) jest.runOnlyPendingTimers();
      // Within a turn of the event loop a reader sees one state.
      await nextTurn();
      const { applied, position } = outside.get<{ applied: number; position: number }>(
        'select (select count(*) from one) as applied, position from projection',
      ) ?? { applied: 0, position: 0 };
      expect(applied).toBe(position);
      seen.push(position);
    }
    expect(seen).toEqual([0, 5, 5, 9, 9, 13]);
    await register('d');
    running.stop();
    await nextTurn();
    expect(checkpoint(outside, 'one')).toBe(14);
    expect(onRoll(outside, 'one')).toHaveLength(14);
  });

  test('of rows that others read are committed before anybody is told, in the past too', async () => {
    const { store, register } = await logOf(...Array.from({ length: 1000 }, (_, n) => `past-${n}`));
    const file = newFile();
    const running = await run(store, sqliteRows(file, { shared: 'writer' }), roll('one'));
    await running.caughtUp;
    const outside = sqliteRows(file, { shared: 'reader' });
    expect(checkpoint(outside, 'one')).toBe(1000);
    for (let n = 0; n < 5; n += 1) {
      await nextTurn();
      const told = firstValueFrom(running.applied.pipe(map(({ position }) => [position, checkpoint(outside, 'one')])));
      await register(`b-${n}`, `c-${n}`);
      expect(await told).toEqual([1001 + 2 * n, 1001 + 2 * n]);
    }
    running.stop();
  });

  test('of rows that others read are committed before anybody is told, also what is no border', async () => {
    const { store, register } = await logOf('a');
    const file = newFile();
    const pages = new Subject<Page>();
    const running = await run({ ...store, follow: () => pages }, sqliteRows(file, { shared: 'writer' }), roll('one'));
    const outside = sqliteRows(file, { shared: 'reader' });
    const told: [number, number | undefined][] = [];
    running.applied.subscribe(({ position }) => told.push([position, checkpoint(outside, 'one')]));
    const [a] = await store.readAll(0, 1);
    pages.next({ events: [a as StoredEvent], position: 1, caughtUp: true });
    await running.caughtUp;
    await register('b');
    const [b] = await store.readAll(1, 1);
    await nextTurn();
    pages.next({ events: [b as StoredEvent], position: 2, caughtUp: false });
    await nextTurn();
    pages.next({ events: [], position: 7, caughtUp: false });
    expect(told).toEqual([
      [1, 1],
      [2, 2],
      [7, 7],
    ]);
    running.stop();
  });
});

describe('a projection of a higher version', () => {
  test('is built again from the first event, and the others are left alone', async () => {
    const { store, register } = await logOf('a', 'b');
    const rows = sqliteRows(':memory:');
    (await run(store, rows, roll('one'), roll('two'))).stop();
    // Marked rows show which table was built again.
    for (const table of ['one', 'two']) rows.run(`update ${table} set client_id = 'marked' where client_id = 'a'`);
    const running = await run(store, rows, roll('one', { version: 2 }), roll('two'));
    await register('c');
    await running.reached(3);
    running.stop();
    expect(onRoll(rows, 'one')).toEqual(['a', 'b', 'c']);
    expect(onRoll(rows, 'two')).toEqual(['marked', 'b', 'c']);
  });

  test('may have other columns', async () => {
    const { store } = await logOf('a');
    const rows = sqliteRows(':memory:');
    (await run(store, rows, roll('one'))).stop();
    const next: Projection = {
      name: 'one',
      version: 2,
      tables: { one: ['create table one (client_id text primary key, name text) strict', 'create index one_name on one (name)'] },
      on: { ClientRegistered: (to, { id, data }) => to.run('insert into one values (?, ?)', id, data.metadata.client_name) },
    };
    (await run(store, rows, next)).stop();
    expect(rows.all('select * from one')).toEqual([{ client_id: 'a', name: 'a' }]);
  });
});

describe('rows that do not belong to the log', () => {
  test('for they are ahead of it, are built again', async () => {
    const { store: other } = await logOf('x', 'y', 'z');
    const rows = sqliteRows(':memory:');
    (await run(other, rows, roll('one'))).stop();
    const { store } = await logOf('a');
    (await run(store, rows, roll('one'))).stop();
    expect(onRoll(rows, 'one')).toEqual(['a']);
    expect(checkpoint(rows, 'one')).toBe(1);
  });

  test('for they did not run for a while, are built again', async () => {
    const { store, register } = await logOf('a');
    const rows = sqliteRows(':memory:');
    (await run(store, rows, roll('one'), roll('two'))).stop();
    await register('b');
    (await run(store, rows, roll('one'))).stop();
    await register('c');
    (await run(store, rows, roll('one'), roll('two'))).stop();
    expect(onRoll(rows, 'two')).toEqual(['a', 'b', 'c']);
  });
});

describe('what cannot be applied stops all projections', () => {
  const stopped = async (running: Projections) => {
    const error = await lastValueFrom(running.applied).then(
      () => new Error('the projections went on'),
      (cause: Error) => cause,
    );
    expect(error).toBeInstanceOf(ProjectionStopped);
    return error;
  };
  const unknown = newEvent({ type: 'ClientPraised' });

  test('an event of an unknown type', async () => {
    const { store, register } = await logOf('a', 'b');
    await store.append('client-x', [unknown], -1);
    await register('c');
    const running = await run(store, sqliteRows(':memory:'), roll('one'));
    await expect(running.caughtUp).rejects.toThrow('before event 3');
    await expect(running.caughtUp).rejects.toMatchObject({ cause: expect.any(UnreadableEvent) });
    expect((await stopped(running)).message).toContain('before event 3');
    await expect(running.reached(3)).rejects.toThrow(ProjectionStopped);
  });

  test('a handler that fails half-way, which leaves neither rows nor checkpoint', async () => {
    const { store } = await logOf('a', 'b', 'c');
    const rows = sqliteRows(':memory:');
    const running = await run(store, rows, roll('one'), roll('two', { poison: 'b' }));
    await expect(running.caughtUp).rejects.toMatchObject({
      message: expect.stringContaining('before event 2'),
      cause: { message: 'half-way' },
    });
    running.stop();
    for (const table of ['one', 'two']) expect([onRoll(rows, table), checkpoint(rows, table)]).toEqual([[], 0]);
    expect(running.position()).toBe(0);
    await expect(running.reached(1)).rejects.toThrow(ProjectionStopped);
  });

  test('and takes nothing back that was seen already', async () => {
    const { store, register } = await logOf('a');
    const rows = sqliteRows(':memory:');
    const running = await run(store, rows, roll('one'), roll('two', { poison: 'c' }));
    await running.caughtUp;
    await register('b');
    await running.reached(2);
    const failing = stopped(running);
    await register('c', 'd');
    await failing;
    await running.reached(2);
    running.stop();
    for (const table of ['one', 'two']) expect([onRoll(rows, table), checkpoint(rows, table)]).toEqual([['a', 'b'], 2]);

    const again = await run(store, rows, roll('one'), roll('two'));
    await again.caughtUp;
    expect(onRoll(rows, 'two')).toEqual(['a', 'b', 'c', 'd']);
    again.stop();
  });

  test.each<[string, (events: readonly StoredEvent[]) => StoredEvent[], string]>([
    [
      'that comes twice',
      (events) => events.flatMap((event) => (event.position === 1 ? [event, event] : [event])),
      'event 1 came behind event 1',
    ],
    ['that comes too early', (events) => events.toReversed(), 'event 2 came behind event 3'],
  ])('an event %s', async (_, change, message) => {
    const { store } = await logOf('a', 'b', 'c');
    const torn: EventStore = {
      ...store,
      follow: (after) => store.follow(after).pipe(map((page) => ({ ...page, events: change(page.events) }))),
    };
    const rows = sqliteRows(':memory:');
    const running = await run(torn, rows, roll('one'));
    await expect(running.caughtUp).rejects.toMatchObject({ cause: { message } });
    expect(onRoll(rows, 'one')).toEqual([]);
  });

  test('a full disk, which takes back more than the page, and the checkpoint with it', async () => {
    const { store, register } = await logOf('a', 'b');
    const file = newFile();
    const rows = sqliteRows(file);
    const heavy: Projection = {
      name: 'heavy',
      version: 1,
      tables: { heavy: ['create table heavy (client_id text primary key, weight any) strict'] },
      on: {
        ClientRegistered: (to, { id }) => to.run('insert into heavy values (?, zeroblob(?))', id, id === 'elephant' ? 1_000_000 : 100),
      },
    };
    const running = await run(store, rows, heavy);
    await running.caughtUp;
    rows.get('pragma max_page_count = 50');
    const failing = stopped(running);
    await register('c', 'elephant');
    expect(await failing).toMatchObject({
      message: expect.stringContaining('before event 4'),
      cause: { message: 'database or disk is full' },
    });
    running.stop();
    rows.close();
    const after = sqliteRows(file, { shared: 'reader' });
    expect(after.get('select count(*) as kept, (select position from projection) as position from heavy')).toEqual({
      kept: 0,
      position: 0,
    });
    after.close();
  });

  test('rows that cannot be committed', async () => {
    jest.useFakeTimers({ doNotFake: ['setImmediate', 'nextTick', 'queueMicrotask'] });
    const { store, register } = await logOf();
    const rows = sqliteRows(':memory:');
    rows.run('pragma foreign_keys = on');
    const orphans: Projection = {
      name: 'orphans',
      version: 1,
      tables: {
        orphan: ['create table orphan (id integer primary key, parent integer references orphan deferrable initially deferred) strict'],
      },
      on: { ClientRegistered: (to) => to.run('insert into orphan values (1, 77)') },
    };
    const running = await run(store, rows, orphans);
    await running.caughtUp;
    await register('a');
    const failing = stopped(running);
    jest.runOnlyPendingTimers();
    expect((await failing).cause).toMatchObject({ message: 'FOREIGN KEY constraint failed' });
  });

  test('the log itself', async () => {
    const { store } = await logOf('a');
    const commits = new Subject<never>();
    const running = await run({ ...store, follow: () => commits }, sqliteRows(':memory:'), roll('one'));
    const failing = stopped(running);
    commits.error(new StoreStopped('a write failed'));
    expect((await failing).cause).toBeInstanceOf(StoreStopped);
    await expect(running.caughtUp).rejects.toThrow(ProjectionStopped);
  });
});

describe('waiting for a position', () => {
  test('ends when the projections have reached it', async () => {
    const { store, register } = await logOf('a');
    const rows = sqliteRows(':memory:');
    const running = await run(store, rows, roll('one'));
    await running.reached(1);
    const waits = [2, 3, 4].map((position) => running.reached(position).then(() => onRoll(rows, 'one').length >= position));
    await register('b', 'c', 'd');
    expect(await Promise.all(waits)).toEqual([true, true, true]);
    running.stop();
  });

  test('ends when it takes too long', async () => {
    const { store } = await logOf('a');
    const running = await run(store, sqliteRows(':memory:'), roll('one'));
    await expect(running.reached(2, 1)).rejects.toThrow('did not reach position 2 in time');
    running.stop();
  });

  test.each<[string, (running: Projections, store: EventStore) => unknown]>([
    ['the projections stop', (running) => running.stop()],
    ['the log is closed', (_, store) => store.close()],
  ])('ends when %s', async (_, end) => {
    const { store } = await logOf('a');
    const running = await run(store, sqliteRows(':memory:'), roll('one'));
    const waiting = running.reached(2);
    end(running, store);
    await expect(waiting).rejects.toThrow(ProjectionStopped);
    await expect(running.reached(2)).rejects.toThrow(ProjectionStopped);
  });

  test('for all that stood in the log ends, too, when the log is closed before', async () => {
    const { store } = await logOf('a', 'b');
    const running = await run({ ...store, follow: (after) => store.follow(after).pipe(skip(1)) }, sqliteRows(':memory:'), roll('one'));
    await store.close();
    await expect(running.caughtUp).rejects.toThrow(ProjectionStopped);
    await expect(firstValueFrom(running.applied)).rejects.toThrow('no elements in sequence');
  });
});
