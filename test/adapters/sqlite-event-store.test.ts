import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterAll, afterEach, describe, expect, jest, test } from '@jest/globals';
import { firstValueFrom, lastValueFrom, toArray } from 'rxjs';
import { sqliteEventReader, sqliteEventStore } from '../../src/adapters/event-store/sqlite.ts';
import { LogInUse } from '../../src/adapters/sqlite-file.ts';
import { type Page, RevisionConflict, StoreStopped } from '../../src/domain/ports/event-store.ts';
import { startProcess } from '../support/child-process.ts';
import { newEvent, newEvents } from '../support/new-events.ts';

const dir = mkdtempSync(join(tmpdir(), 'countersign-log-'));
afterAll(() => rmSync(dir, { recursive: true }));
afterEach(() => {
  jest.restoreAllMocks();
  jest.useRealTimers();
});

let files = 0;
const newFile = (): string => {
  files += 1;
  return join(dir, `${files}.sqlite`);
};

/** A store together with the connection that it writes with. */
const storeAndConnection = (file: string, options?: { now?: () => number }) => {
  const exec = jest.spyOn(DatabaseSync.prototype, 'exec');
  const store = sqliteEventStore(file, options);
  const db = exec.mock.contexts.at(-1) as DatabaseSync;
  exec.mockRestore();
  return { store, db };
};

/** What is wrong between a log and the appends that were acknowledged: nothing lost, nothing doubled, nothing halved. */
const faults = async (file: string, acknowledged: readonly { ids: string[]; position: number }[]): Promise<string[]> => {
  const store = sqliteEventStore(file);
  const log = await store.readAll(0, 1_000_000);
  await store.close();
  const lost = acknowledged.filter(({ ids, position }) => ids.some((id, index) => log[position - ids.length + index]?.id !== id));
  const misplaced = log.filter(({ position }, index) => position !== index + 1);
  const halved = log.filter(({ data, stream, position }) => {
    const { index, of } = JSON.parse(data) as { index: number; of: number };
    const last = log[position - 1 + of - 1 - index];
    return last?.stream !== stream;
  });
  const doubled = log.length - new Set(log.map(({ id }) => id)).size;
  return [
    ...lost.map(({ position }) => `lost: ${position}`),
    ...misplaced.map(({ position }) => `misplaced: ${position}`),
    ...halved.map(({ position }) => `halved: ${position}`),
    ...(doubled > 0 ? [`doubled: ${doubled}`] : []),
  ];
};

const acknowledgedBy = (lines: readonly unknown[]) =>
  lines.filter((line): line is { ids: string[]; position: number } => typeof line === 'object' && line !== null && 'ids' in line);

describe('a log that lost an event', () => {
  test('fails its followers before the gap, and never shows what stands behind it', async () => {
    const file = newFile();
    const store = sqliteEventStore(file);
    await store.append('a-1', newEvents(5), -1);
    await store.close();
    const db = new DatabaseSync(file);
    db.exec('delete from event where position = 3');
    db.close();
    const torn = sqliteEventStore(file);
    for (const after of [0, 2]) await expect(lastValueFrom(torn.follow(after))).rejects.toThrow(`shows event 4 behind event 2`);
    await torn.close();
  });
});

describe('a log that is opened again', () => {
  test('is as it was closed, and goes on behind its last event', async () => {
    const file = newFile();
    const store = sqliteEventStore(file, { now: () => 5000 });
    await store.append('a-1', newEvents(3), -1);
    const events = newEvents(2);
    await store.append('a-1', events, 2);
    const log = await store.readAll(0, 10);
    await store.close();

    const again = sqliteEventStore(file, { now: () => 4000 });
    expect(await again.readAll(0, 10)).toEqual(log);
    expect(await again.head()).toBe(5);
    expect(await again.append('a-1', events, 2)).toEqual({ revision: 4, position: 5 });
    expect(await again.append('a-1', newEvents(1), 4)).toEqual({ revision: 5, position: 6 });
    expect((await again.read('a-1', 5))[0]?.recordedAt).toBe(5000);
    await again.close();
  });

  test('knows every stream of it: no revision is given twice, and a repeated append is told its place', async () => {
    const file = newFile();
    const store = sqliteEventStore(file);
    const first = newEvents(2);
    await store.append('a-1', first, -1);
    await store.append('a-1', newEvents(1), 1);
    await store.close();
    for (const read of [false, true]) {
      const again = sqliteEventStore(file);
      if (read) await again.read('a-1');
      await expect(again.append('a-1', newEvents(1), -1)).rejects.toThrow(RevisionConflict);
      await expect(again.append('a-1', newEvents(1), 1)).rejects.toThrow(RevisionConflict);
      expect(await again.append('a-1', first, -1)).toEqual({ revision: 1, position: 2 });
      const both = [again.append('b-1', newEvents(1), read ? 0 : -1), again.append('a-1', first, -1)];
      expect(await Promise.all(both)).toMatchObject([{ position: read ? 5 : 4 }, { position: 2 }]);
      expect(await again.read('a-1')).toHaveLength(3);
      await again.close();
    }
  });

  test('knows also the streams that it has not touched for long', async () => {
    const store = sqliteEventStore(newFile());
    const streams = Array.from({ length: 25 }, (_, n) => `a-${n}`);
    for (const stream of streams) await store.append(stream, newEvents(1000), -1);
    for (const stream of streams) {
      await expect(store.append(stream, newEvents(1), -1)).rejects.toThrow(RevisionConflict);
      await expect(store.append(stream, newEvents(1), 998)).rejects.toThrow(RevisionConflict);
      await store.append(stream, newEvents(1), 999);
      expect(await store.read(stream)).toHaveLength(1001);
    }
    await store.append('long-1', newEvents(21_000), -1);
    await store.append('long-1', newEvents(1), 20_999);
    expect(await store.read('long-1', 20_998)).toHaveLength(3);
    await store.close();
  });

  test('holds everything that was acknowledged before kill -9, once and whole', async () => {
    const file = newFile();
    const acknowledged: { ids: string[]; position: number }[] = [];
    for (const appends of [300, 1, 150]) {
      const child = startProcess('append-for-ever', [file]);
      await child.printed(appends);
      await child.kill();
      acknowledged.push(...acknowledgedBy(child.lines));
      expect(await faults(file, acknowledged)).toEqual([]);
    }
    expect(acknowledged.length).toBeGreaterThanOrEqual(451);
  });
});

describe('a log has one writer', () => {
  test('in a process', async () => {
    const file = newFile();
    const store = sqliteEventStore(file);
    expect(() => sqliteEventStore(file)).toThrow(LogInUse);
    await store.append('a-1', newEvents(1), -1);
    expect(() => sqliteEventStore(file)).toThrow(LogInUse);
    await store.close();
    await sqliteEventStore(file).close();
  });

  test('among all processes, until that one is closed or killed', async () => {
    const file = newFile();
    const own = sqliteEventStore(file);
    const refused = startProcess('append-for-ever', [file]);
    await refused.ended();
    expect(refused.lines).toEqual([{ stopped: 'LogInUse' }]);
    await own.close();

    const other = startProcess('append-for-ever', [file]);
    await other.printed(1);
    expect(() => sqliteEventStore(file)).toThrow(LogInUse);
    await other.kill();
    await sqliteEventStore(file).close();
  });
});

describe('a reader of the log', () => {
  test('sees what a running writer commits', async () => {
    const file = newFile();
    const store = sqliteEventStore(file);
    const reader = sqliteEventReader(file);
    for (let revision = -1; revision < 5; revision += 1) {
      const { position } = await store.append('a-1', newEvents(1), revision);
      expect(await reader.head()).toBe(position);
      expect(await reader.read('a-1')).toEqual(await store.read('a-1'));
      expect(await reader.readAll(0, 10)).toEqual(await store.readAll(0, 10));
    }
    await reader.close();
    await store.close();
  });

  test('reads on while another process writes', async () => {
    const file = newFile();
    const child = startProcess('append-for-ever', [file]);
    await child.printed(1);
    const reader = sqliteEventReader(file);
    const heads = [await reader.head()];
    for (const more of [50, 100]) {
      await child.printed(more);
      heads.push(await reader.head());
    }
    expect(heads).toEqual(heads.toSorted((one, other) => one - other));
    expect(heads.at(-1)).toBeGreaterThan(heads[0] as number);
    await child.kill();
    await reader.close();
  });

  test('appends nothing', async () => {
    const file = newFile();
    await sqliteEventStore(file).close();
    const reader = sqliteEventReader(file);
    await expect(reader.append('a-1', newEvents(1), -1)).rejects.toThrow(StoreStopped);
    await reader.close();
  });

  test('follows to the end of the log', async () => {
    const file = newFile();
    const store = sqliteEventStore(file);
    await store.append('a-1', newEvents(2500), -1);
    const reader = sqliteEventReader(file);
    const pages = await lastValueFrom(reader.follow(100).pipe(toArray()));
    expect(pages.flatMap((page) => page.events)).toHaveLength(2400);
    expect(pages.map((page) => page.caughtUp)).toEqual([false, false, true]);
    await reader.close();
    await store.close();
  });
});

describe('appends of one turn', () => {
  test('share a commit also with those that are refused', async () => {
    const store = sqliteEventStore(newFile());
    const outcomes = await Promise.allSettled([-1, 7, 0, 0, 1].map((revision) => store.append('a-1', newEvents(1), revision)));
    expect(outcomes.map((outcome) => outcome.status)).toEqual(['fulfilled', 'rejected', 'fulfilled', 'rejected', 'fulfilled']);
    expect(await store.head()).toBe(3);
    await store.close();
  });

  test('share a commit', async () => {
    let commits = 0;
    const store = sqliteEventStore(newFile(), { now: () => ++commits });
    const pages: Page[] = [];
    store.follow(0).subscribe((page) => pages.push(page));
    await Promise.all(Array.from({ length: 200 }, (_, n) => store.append(`a-${n}`, newEvents(2), -1)));
    await Promise.all(Array.from({ length: 100 }, (_, n) => store.append(`a-${n}`, newEvents(1), 1)));
    expect(pages.map((page) => page.events.length)).toEqual([0, 400, 100]);
    expect((await store.readAll(0, 1000)).map((event) => event.recordedAt)).toEqual([...Array(400).fill(1), ...Array(100).fill(2)]);
    await store.close();
  });
});

describe('what is acknowledged is on the disk', () => {
  test('for the log is written ahead and synchronised at every commit', async () => {
    const { store, db } = storeAndConnection(newFile());
    expect(db.prepare('pragma journal_mode').get()).toEqual({ journal_mode: 'wal' });
    expect(db.prepare('pragma synchronous').get()).toEqual({ synchronous: 2 });
    await store.close();
  });
});

describe('after a write that failed', () => {
  /** A store with one event acknowledged, whose next write that needs space finds the disk full. */
  const fullDisk = async () => {
    const file = newFile();
    const { store, db } = storeAndConnection(file);
    await store.append('a-1', newEvents(1), -1);
    const log = await store.readAll(0, 10);
    const { page_count: pages } = db.prepare('pragma page_count').get() as { page_count: number };
    db.exec(`pragma max_page_count = ${pages + 4}`);
    return { file, store, log, tooMuch: newEvent({ data: JSON.stringify('x'.repeat(100_000)) }) };
  };

  test('nothing is acknowledged any more, and nothing of its commit was kept', async () => {
    const { file, store, log, tooMuch } = await fullDisk();
    const sharing = [
      store.append('b-1', newEvents(1), -1),
      store.append('a-1', [tooMuch], 0),
      store.append('a-1', newEvents(1), 7),
      store.append('c-1', newEvents(1), -1),
    ];
    for (const append of sharing) await expect(append).rejects.toThrow(StoreStopped);
    await expect(store.append('d-1', newEvents(1), -1)).rejects.toThrow(StoreStopped);
    await expect(store.append('d-1', newEvents(1), -1)).rejects.toMatchObject({ cause: { errstr: 'database or disk is full' } });
    expect(await store.readAll(0, 10)).toEqual(log);
    expect(await store.read('b-1')).toEqual([]);
    expect(await store.head()).toBe(1);
    await store.close();

    const again = sqliteEventStore(file);
    expect(await again.readAll(0, 10)).toEqual(log);
    expect(await again.append('a-1', newEvents(1), 0)).toEqual({ revision: 1, position: 2 });
    await again.close();
  });

  test('that leaves its transaction open, nothing of it is read either', async () => {
    const file = newFile();
    const store = sqliteEventStore(file);
    await store.append('a-1', newEvents(1), -1);
    const log = await store.readAll(0, 10);
    const other = new DatabaseSync(file);
    other.exec(`create trigger poisoned before insert on event when new.type = 'Poison' begin select raise(abort, 'spoilt'); end`);
    other.close();
    const sharing = [store.append('b-1', newEvents(1), -1), store.append('a-1', [newEvent(), newEvent({ type: 'Poison' })], 0)];
    for (const append of sharing) await expect(append).rejects.toThrow(StoreStopped);
    expect(await store.readAll(0, 10)).toEqual(log);
    expect(await store.read('a-1')).toEqual(log);
    expect(await store.read('b-1')).toEqual([]);
    await store.close();
    const reader = sqliteEventReader(file);
    expect(await reader.readAll(0, 10)).toEqual(log);
    await reader.close();
  });

  test('those who follow are told so, also those who come later', async () => {
    const { store, tooMuch } = await fullDisk();
    const following = lastValueFrom(store.follow(0));
    const append = store.append('a-1', [tooMuch], 0);
    await expect(following).rejects.toThrow(StoreStopped);
    await expect(append).rejects.toThrow(StoreStopped);
    await expect(firstValueFrom(store.follow(0))).rejects.toThrow(StoreStopped);
    await store.close();
  });

  test('for a file that may not grow, the log holds what was acknowledged before', async () => {
    const file = newFile();
    const child = startProcess('append-for-ever', [file], { fileSizeLimit: 2000 });
    await child.ended();
    const acknowledged = acknowledgedBy(child.lines);
    expect(child.lines.slice(-2)).toEqual([{ followers: 'StoreStopped' }, { stopped: 'StoreStopped' }]);
    expect(acknowledged.length).toBe(child.lines.length - 2);
    expect(acknowledged.length).toBeGreaterThan(10);
    expect(await faults(file, acknowledged)).toEqual([]);
  });

  test('of a checkpoint, which runs by itself, the store stops as well', async () => {
    jest.useFakeTimers({ doNotFake: ['setImmediate', 'nextTick', 'queueMicrotask'] });
    const { store, db } = storeAndConnection(newFile());
    await store.append('a-1', newEvents(1), -1);
    const following = lastValueFrom(store.follow(1));
    const checkpoint = jest.spyOn(db, 'exec').mockImplementation(() => {
      throw new Error('disk I/O error');
    });
    jest.runOnlyPendingTimers();
    expect(checkpoint).toHaveBeenCalledTimes(1);
    await expect(following).rejects.toThrow(StoreStopped);
    await expect(store.append('a-1', newEvents(1), 0)).rejects.toThrow(StoreStopped);
    await store.close();
  });
});
