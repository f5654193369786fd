import { cpSync, existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterAll, describe, expect, test } from '@jest/globals';
import { lastValueFrom, NEVER, takeWhile, toArray } from 'rxjs';
import type { Archiving } from '../../src/adapters/event-store/archiving.ts';
import { sqliteEventReader, sqliteEventStore } from '../../src/adapters/event-store/sqlite.ts';
import { ArchiveDiffers, ArchiveMissing, archiveFileOf } from '../../src/adapters/event-store/sqlite-archive.ts';
import { sharedEventStore } from '../../src/adapters/event-store/sqlite-shared.ts';
import { psuKeys } from '../../src/adapters/keys/psu-keys.ts';
import { sqliteRows } from '../../src/adapters/rows/sqlite.ts';
import { type Closing, closingAfter } from '../../src/domain/closing.ts';
import { type EventStore, RevisionConflict, type StoredEvent, StoreStopped } from '../../src/domain/ports/event-store.ts';
import { projectionsOver } from '../../src/projections/all.ts';
import { runProjections } from '../../src/projections/runner.ts';
import { startProcess } from '../support/child-process.ts';
import { writeHistory } from '../support/history.ts';
import { newEvent, newEvents } from '../support/new-events.ts';
import { eventStoreContract } from './event-store.contract.ts';

const dir = mkdtempSync(join(tmpdir(), 'countersign-archive-'));
afterAll(() => rmSync(dir, { recursive: true }));
let files = 0;
const newFile = (): string => {
  files += 1;
  return join(dir, `${files}.sqlite`);
};

const DAY = 86_400;
const DAYS = { requestDays: 10, deliveryDays: 10, grantDays: 10 };
const closing = closingAfter(DAYS);
/** All that is there is over, at once. */
const ALL: Closing = { soonestSeconds: 0, staysSeconds: () => 0, overAt: () => 0 };
const LATER = 4_000_000_000;

const archiveAll = (store: Archiving, what: Closing, at: number): void => {
  while (store.archiveSome(what, at));
};
/** How many events stand in a file. */
const eventsIn = (file: string): number => {
  const db = new DatabaseSync(file, { readOnly: true });
  const { events } = db.prepare('select count(*) as events from event').get() as { events: number };
  db.close();
  return events;
};
/** The events as they were stored: without what a reader has noted on them. */
const plain = (events: readonly StoredEvent[]): readonly StoredEvent[] => JSON.parse(JSON.stringify(events));

/** All that a log shows: in its order, and stream by stream. */
const everything = async (store: EventStore) => {
  const log = plain(await store.readAll(0, 1_000_000));
  const streams = new Map<string, readonly StoredEvent[]>();
  for (const { stream } of log) if (!streams.has(stream)) streams.set(stream, plain(await store.read(stream)));
  return { log, streams, head: await store.head() };
};

/** What a follower is shown until it has caught up. */
const followed = async (store: EventStore, after: number): Promise<readonly StoredEvent[]> => {
  const pages = await lastValueFrom(
    store.follow(after).pipe(
      takeWhile(({ caughtUp }) => !caughtUp, true),
      toArray(),
    ),
  );
  return plain(pages.flatMap(({ events }) => events));
};

// Whatever is appended is archived before anybody looks at it.
eventStoreContract('SQLite, of which all is archived', (options) => {
  const store = sqliteEventStore(newFile(), options);
  let isClosed = false;
  return {
    ...store,
    async append(...append) {
      const place = await store.append(...append);
      if (!isClosed) archiveAll(store, ALL, LATER);
      return place;
    },
    close() {
      isClosed = true;
      return store.close();
    },
  };
});

describe('a log of which streams were archived', () => {
  test('shows the same events, in their streams, in their order, and to those who follow', async () => {
    const file = newFile();
    const store = sqliteEventStore(file);
    const sealer = psuKeys(':memory:', Buffer.alloc(32, 1));
    await writeHistory(store, { ceremonies: 100, seed: 3, sealer });
    const before = await everything(store);
    const reader = sqliteEventReader(file);
    archiveAll(store, closing, LATER);

    const kept = before.log.filter(({ stream }) => closing.staysSeconds(stream) === null);
    expect(eventsIn(file)).toBe(kept.length);
    expect(eventsIn(archiveFileOf(file))).toBe(before.log.length - kept.length);
    expect(kept.length).toBeGreaterThan(100);
    expect(await everything(store)).toEqual(before);
    expect(await everything(reader)).toEqual(before);
    for (const after of [0, 1, 999, 1000, before.head - 1]) expect(await followed(store, after)).toEqual(before.log.slice(after));
    expect(await store.read('nothing-here')).toEqual([]);
    for (const { stream, revision } of before.log.slice(0, 200))
      expect(plain(await store.read(stream, revision + 1))).toEqual(before.streams.get(stream)?.slice(revision + 1));
    await reader.close();
    await store.close();

    const shared = sharedEventStore(file, { append: async () => ({ revision: 0, position: 0 }), commits: NEVER });
    expect(await everything(shared)).toEqual(before);
    await shared.close();
  });

  test('builds the same read models', async () => {
    const sealer = psuKeys(':memory:', Buffer.alloc(32, 1));
    const store = sqliteEventStore(newFile());
    await writeHistory(store, { ceremonies: 60, seed: 4, sealer });
    const projections = projectionsOver(sealer);
    const dump = async () => {
      const rows = sqliteRows(':memory:');
      const running = runProjections(store, rows, projections, await store.head());
      await running.caughtUp;
      running.stop();
      const tables = projections.flatMap(({ tables }) => Object.keys(tables));
      return tables.map((table) => [table, rows.all(`select * from ${table}`)]);
    };
    const before = await dump();
    archiveAll(store, closing, LATER);
    expect(await dump()).toEqual(before);
    await store.close();
  });

  test('goes on behind its last event, also where that was archived, with the same time', async () => {
    const file = newFile();
    const store = sqliteEventStore(file, { now: () => 5000 });
    const events = newEvents(3);
    await store.append('a-1', events, -1);
    archiveAll(store, ALL, LATER);
    expect(eventsIn(file)).toBe(0);
    await store.close();

    const again = sqliteEventStore(file, { now: () => 4000 });
    expect(await again.head()).toBe(3);
    await expect(again.append('a-1', newEvents(1), -1)).rejects.toThrow(RevisionConflict);
    expect(await again.append('a-1', events, -1)).toEqual({ revision: 2, position: 3 });
    expect(await again.append('a-1', newEvents(1), 2)).toEqual({ revision: 3, position: 4 });
    expect((await again.read('a-1')).map(({ recordedAt, revision }) => [recordedAt, revision])).toEqual([0, 1, 2, 3].map((n) => [5000, n]));
    archiveAll(again, ALL, LATER);
    expect(eventsIn(file)).toBe(0);
    expect(await again.read('a-1')).toHaveLength(4);
    await again.close();
  });

  test('that lost an event still fails its followers', async () => {
    const file = newFile();
    const store = sqliteEventStore(file);
    await store.append('kept-1', newEvents(1), -1);
    await store.append('a-1', newEvents(2000), -1);
    await store.append('kept-1', newEvents(1), 0);
    archiveAll(store, { ...ALL, staysSeconds: (stream) => (stream === 'kept-1' ? null : 0) }, LATER);
    await store.close();
    const db = new DatabaseSync(archiveFileOf(file));
    db.exec('delete from event where position between 500 and 1900');
    db.close();
    const torn = sqliteEventStore(file);
    await expect(lastValueFrom(torn.follow(0))).rejects.toThrow('shows event 1901 behind event 499');
    await torn.close();
  });
});

describe('what is archived', () => {
  const grantOf = (expiresAt: number) => newEvent({ type: 'AccessTokenIssued', data: JSON.stringify({ expiresAt }) });
  const streamsIn = (file: string): string[] => {
    const db = new DatabaseSync(file, { readOnly: true });
    const rows = db.prepare('select distinct stream from event order by stream').all();
    db.close();
    return rows.map((row) => row['stream'] as string);
  };

  test('goes by class and age: after the last event, and after what its events say expires', async () => {
    let at = 1000;
    const file = newFile();
    const store = sqliteEventStore(file, { now: () => at * 1000 });
    for (const stream of ['cibaRequest-1', 'consent-1', 'device-1', 'client-1', 'push-1', 'signingKey-ES256', 'eventSubscription-1'])
      await store.append(stream, newEvents(1), -1);
    await store.append('grant-1', [grantOf(1000 + 30 * DAY)], -1);
    at += 5 * DAY;
    await store.append('cibaRequest-2', newEvents(1), -1);
    await store.append('push-1', newEvents(1), 0);
    const stays = ['client-1', 'consent-1', 'device-1', 'eventSubscription-1', 'signingKey-ES256'];
    const left = (days: number): string[] => {
      archiveAll(store, closing, 1000 + days * DAY);
      return streamsIn(file).filter((stream) => !stays.includes(stream));
    };
    expect(left(9)).toEqual(['cibaRequest-1', 'cibaRequest-2', 'grant-1', 'push-1']);
    expect(left(10)).toEqual(['cibaRequest-2', 'grant-1', 'push-1']);
    expect(left(15)).toEqual(['grant-1']);
    at = 1000 + 29 * DAY;
    await store.append('grant-1', [grantOf(1000 + 50 * DAY)], 0);
    expect(left(40)).toEqual(['grant-1']);
    expect(left(59)).toEqual(['grant-1']);
    expect(left(60)).toEqual([]);
    expect(streamsIn(file)).toEqual(stays);
    await store.close();
  });

  test('moves a few streams at a time, and ends when nothing is left to do', async () => {
    const file = newFile();
    const store = sqliteEventStore(file, { now: () => 1000 });
    for (let n = 0; n < 100; n += 1) await store.append(`push-${n}`, newEvents(2), -1);
    const sizes = [eventsIn(file)];
    while (store.archiveSome(closing, LATER)) sizes.push(eventsIn(file));
    expect(sizes).toEqual([200, 136, 72, 8, 0]);
    expect(store.archiveSome(closing, LATER)).toBe(false);
    await store.close();
  });
});

describe('a long stream', () => {
  const MOST = 1000;
  const AT = 1000;
  const longGrants = async (streams: number, length: number) => {
    const file = newFile();
    const store = sqliteEventStore(file, { now: () => AT * 1000 });
    for (let n = 0; n < streams; n += 1) await store.append(`grant-${n}`, newEvents(length), -1);
    return { file, store };
  };

  test('is moved in parts: no step takes more than so many events, of however many streams', async () => {
    const { file, store } = await longGrants(5, 2300);
    const before = await everything(store);
    const taken: number[] = [];
    for (let left = eventsIn(file); store.archiveSome(closing, LATER); left = eventsIn(file)) {
      taken.push(left - eventsIn(file));
      if (taken.length % 4 === 0) expect(await everything(store)).toEqual(before);
    }
    expect(Math.max(...taken)).toBe(MOST);
    expect(eventsIn(file)).toBe(0);
    expect(await everything(store)).toEqual(before);
    await store.close();
  });

  test('of which a part was moved loses nothing to what comes then', async () => {
    const { file, store } = await longGrants(1, 2300);
    const events = await store.read('grant-0');
    store.archiveSome(closing, LATER);
    expect(eventsIn(file)).toBe(1300);
    await expect(store.append('grant-0', newEvents(1), -1)).rejects.toThrow(RevisionConflict);
    await expect(store.append('grant-0', newEvents(1), MOST - 1)).rejects.toThrow(RevisionConflict);
    expect(await store.append('grant-0', events.slice(MOST - 1, MOST + 1), MOST - 2)).toEqual({ revision: MOST, position: MOST + 1 });
    expect(await store.append('grant-0', newEvents(1), 2299)).toEqual({ revision: 2300, position: 2301 });
    expect((await store.read('grant-0')).map(({ revision }) => revision)).toEqual(Array.from({ length: 2301 }, (_, n) => n));
    await store.close();

    const again = sqliteEventStore(file, { now: () => AT * 1000 });
    archiveAll(again, closing, LATER);
    expect(eventsIn(file)).toBe(0);
    expect(plain((await again.read('grant-0')).slice(0, 2300))).toEqual(plain(events));
    await again.close();
  });

  test('stays while its last event is young, or something at its start has not expired', async () => {
    let at = AT;
    const file = newFile();
    const store = sqliteEventStore(file, { now: () => at * 1000 });
    const until = (expiresAt: number) => newEvent({ data: JSON.stringify({ expiresAt }) });
    await store.append('grant-live', newEvents(1500), -1);
    await store.append('grant-long', [until(AT + 50 * DAY), ...newEvents(1499)], -1);
    at += 30 * DAY;
    await store.append('grant-live', newEvents(1), 1499);
    archiveAll(store, closing, AT + 35 * DAY);
    expect(eventsIn(file)).toBe(3001);
    archiveAll(store, closing, AT + 40 * DAY);
    expect(eventsIn(file)).toBe(1500);
    archiveAll(store, closing, AT + 60 * DAY);
    expect(eventsIn(file)).toBe(0);
    await store.close();
  });

  test('may have more events than a call takes arguments', () => {
    const event = { data: '{"expiresAt":77}', recordedAt: 5000 } as StoredEvent;
    expect(closing.overAt(Array.from({ length: 200_000 }, () => event))).toBe(77);
  });
});

describe('an archive that is not that of its log', () => {
  const archived = async () => {
    const file = join(mkdtempSync(join(dir, 'log-')), 'log.sqlite');
    const store = sqliteEventStore(file);
    await store.append('grant-1', newEvents(3), -1);
    return { file, store };
  };
  const refusals = (file: string): unknown[] => {
    const open = [
      () => sqliteEventStore(file),
      () => sqliteEventReader(file),
      () => sharedEventStore(file, { append: async () => ({ revision: 0, position: 0 }), commits: NEVER }),
    ];
    return open.map((act) => {
      try {
        void act().close();
        return null;
      } catch (error) {
        return error;
      }
    });
  };
  const REFUSED = Array.from({ length: 3 }, () => expect.any(ArchiveMissing));
  const OPENED = [null, null, null];

  test('for there is none, is noticed by everybody who opens the log, and is not begun anew', async () => {
    const { file, store } = await archived();
    archiveAll(store, ALL, LATER);
    await store.append('grant-2', newEvents(1), -1);
    await store.close();
    const folder = dirname(archiveFileOf(file));
    cpSync(folder, `${folder}-copy`, { recursive: true });
    rmSync(folder, { recursive: true });
    const found = refusals(file);
    expect(found).toEqual(REFUSED);
    expect((found[0] as Error).message).toContain(archiveFileOf(file));
    expect(existsSync(folder)).toBe(false);
    cpSync(`${folder}-copy`, folder, { recursive: true });
    expect(refusals(file)).toEqual(OPENED);
  });

  test('for it is an older copy, or that of another log, is noticed', async () => {
    const { file, store } = await archived();
    archiveAll(store, ALL, LATER);
    await store.append('grant-2', newEvents(3), -1);
    await store.append('grant-3', newEvents(3), -1);
    archiveAll(store, { ...ALL, staysSeconds: (stream) => (stream === 'grant-3' ? 0 : LATER + 1) }, LATER);
    await store.close();
    const folder = dirname(archiveFileOf(file));
    cpSync(folder, `${folder}-copy`, { recursive: true });

    const again = sqliteEventStore(file);
    // What is moved later may stand further ahead in the log.
    archiveAll(again, ALL, LATER + 1);
    await again.close();
    expect(refusals(file)).toEqual(OPENED);
    cpSync(folder, `${folder}-newer`, { recursive: true });
    rmSync(folder, { recursive: true });
    cpSync(`${folder}-copy`, folder, { recursive: true });
    expect(refusals(file)).toEqual(REFUSED);

    const { file: another, store: other } = await archived();
    await other.append('grant-2', newEvents(6), -1);
    archiveAll(other, ALL, LATER);
    await other.close();
    rmSync(folder, { recursive: true });
    cpSync(dirname(archiveFileOf(another)), folder, { recursive: true });
    expect(refusals(file)).toEqual(REFUSED);
  });

  test('may be newer than its log, and is not asked for where nothing was taken out', async () => {
    const { file, store } = await archived();
    await store.close();
    rmSync(dirname(archiveFileOf(file)), { recursive: true });
    cpSync(file, `${file}-copy`);
    const again = sqliteEventStore(file);
    const before = await everything(again);
    archiveAll(again, ALL, LATER);
    await again.close();
    for (const suffix of ['', '-wal', '-shm']) rmSync(file + suffix, { force: true });
    cpSync(`${file}-copy`, file);
    const older = sqliteEventStore(file);
    expect(await everything(older)).toEqual(before);
    await older.close();
  });
});

describe('an archive that was interrupted', () => {
  test('between its copy and the removal has the events twice and shows them once, and goes on when it runs again', async () => {
    const file = newFile();
    const store = sqliteEventStore(file);
    for (let n = 0; n < 40; n += 1) await store.append(`push-${n}`, newEvents(3), -1);
    const before = await everything(store);
    const other = new DatabaseSync(file);
    other.exec(`create trigger kept before delete on event when old.position = 50 begin select raise(abort, 'kept'); end`);
    expect(() => store.archiveSome(closing, LATER)).toThrow('kept');
    await expect(store.append('a-1', newEvents(1), -1)).rejects.toThrow(StoreStopped);
    await store.close();
    expect([eventsIn(file), eventsIn(archiveFileOf(file))]).toEqual([120, 96]);

    const reader = sqliteEventReader(file);
    expect(await everything(reader)).toEqual(before);
    expect(await followed(reader, 0)).toEqual(before.log);
    await reader.close();
    other.exec('drop trigger kept');
    other.close();

    const again = sqliteEventStore(file);
    expect(await everything(again)).toEqual(before);
    await expect(again.append('push-1', newEvents(1), -1)).rejects.toThrow(RevisionConflict);
    archiveAll(again, closing, LATER);
    expect([eventsIn(file), eventsIn(archiveFileOf(file))]).toEqual([0, 120]);
    expect(await everything(again)).toEqual(before);
    await again.close();
  });

  test('by kill -9, at any moment, has lost nothing and doubled nothing', async () => {
    const file = newFile();
    const acknowledged: { ids: string[]; position: number }[] = [];
    for (const appends of [150, 40, 1, 90, 200]) {
      const child = startProcess('archive-for-ever', [file]);
      await child.printed(appends);
      await child.kill();
      acknowledged.push(...(child.lines as typeof acknowledged));
      const reader = sqliteEventReader(file);
      const log = await reader.readAll(0, 1_000_000);
      expect(log.map(({ position }) => position)).toEqual(log.map((_, index) => index + 1));
      expect(acknowledged.filter(({ ids, position }) => log[position - 1]?.id !== ids[0])).toEqual([]);
      for (const stream of new Set(log.map((event) => event.stream)))
        expect(await reader.read(stream)).toEqual(log.filter((event) => event.stream === stream));
      await reader.close();
    }
    expect(acknowledged.length).toBeGreaterThan(480);
    expect(eventsIn(archiveFileOf(file))).toBeGreaterThan(100);
  }, 60_000);
});

describe('an archive that does not hold what was copied to it', () => {
  test('takes nothing out of the log', async () => {
    const file = newFile();
    const store = sqliteEventStore(file);
    await store.append('push-1', newEvents(3), -1);
    const other = new DatabaseSync(archiveFileOf(file));
    other.exec(`create trigger changed after insert on event when new.revision = 1 begin
      update event set data = '{"changed":true}' where position = new.position; end`);
    other.close();
    expect(() => store.archiveSome(closing, LATER)).toThrow(ArchiveDiffers);
    expect(eventsIn(file)).toBe(3);
    expect((await store.read('push-1')).map(({ data }) => data)).toEqual(['{}', '{}', '{}']);
    expect(await store.append('push-1', newEvents(1), 2)).toEqual({ revision: 3, position: 4 });
    await store.close();
  });
});
