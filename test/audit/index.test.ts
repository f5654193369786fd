import { afterEach, describe, expect, test } from '@jest/globals';
import { EMPTY, firstValueFrom, ReplaySubject, Subject, take, toArray } from 'rxjs';
import { systemIds } from '../../src/adapters/clock.ts';
import { inMemoryEventStore } from '../../src/adapters/event-store/in-memory.ts';
import { psuKeys } from '../../src/adapters/keys/psu-keys.ts';
import { sqliteRows } from '../../src/adapters/rows/sqlite.ts';
import { type EventStore, StoreUnavailable } from '../../src/domain/ports/event-store.ts';
import { runAuditIndex } from '../../src/projections/audit-runner.ts';
import { lastUpTo } from '../../src/projections/audit-search.ts';
import { leisurely } from '../../src/projections/leisurely.ts';
import { type TestEngine, testEngine } from '../support/engine.ts';
import { steps } from '../support/steps.ts';
import { auditor, type Found } from './support.ts';

const PAGE = 100;
const sealer = psuKeys(':memory:', Buffer.alloc(32, 1));

const storeWith = async (consents: number): Promise<EventStore> => {
  const store = inMemoryEventStore();
  const world = steps({ store, sealer, clock: () => 1_750_000_000, ids: systemIds });
  for (let n = 0; n < consents; n += 1) await world.lodge(`consent-${n}`, 'tpp');
  return store;
};

describe('the index follows', () => {
  test('at leisure while nobody waits, and without a rest for who does', async () => {
    const pages = 60;
    const store = await storeWith(pages * PAGE);
    const unhurried = leisurely(store, EMPTY);
    let began = performance.now();
    await firstValueFrom(unhurried.follow(0).pipe(take(5), toArray()));
    // Four rests of at least 50 ms.
    expect(performance.now() - began).toBeGreaterThan(150);

    const rows = sqliteRows(':memory:');
    const faults: unknown[] = [];
    const index = runAuditIndex(store, rows, { head: pages * PAGE, news: EMPTY, onFault: (error) => faults.push(error) });
    began = performance.now();
    await index.reached(pages * PAGE);
    expect(performance.now() - began).toBeLessThan(pages * 50);
    expect(lastUpTo(rows, Number.MAX_SAFE_INTEGER)).toBe(pages * PAGE);
    index.stop();
    expect(faults).toEqual([]);
  });

  test('at once for who waits for what was recorded while a page was read, however long that took', async () => {
    const store = await storeWith(1);
    const reading = Promise.withResolvers<void>();
    const begun = Promise.withResolvers<void>();
    let reads = 0;
    const slow: EventStore = {
      ...store,
      async readAll(after, limit) {
        const events = await store.readAll(after, limit);
        reads += 1;
        begun.resolve();
        if (reads === 1) await reading.promise;
        return events;
      },
    };
    const faults: unknown[] = [];
    const index = runAuditIndex(slow, sqliteRows(':memory:'), { head: 1, news: EMPTY, onFault: (error) => faults.push(error) });
    await begun.promise;
    const began = performance.now();
    await steps({ store, sealer, clock: () => 1_750_000_000, ids: systemIds }).lodge('another', 'tpp');
    const reached = index.reached(2);
    // As long as a page takes where there is much else to do.
    setTimeout(reading.resolve, 200);
    await reached;
    // It would rest nineteen times as long.
    expect(performance.now() - began).toBeLessThan(2000);
    index.stop();
    expect(faults).toEqual([]);
  });

  test('goes on by itself where there is news, and where the store was away', async () => {
    const store = await storeWith(1);
    let away = true;
    const leaving: EventStore = {
      ...store,
      async readAll(after, limit) {
        if (after === 0 && away) {
          away = false;
          throw new StoreUnavailable();
        }
        return store.readAll(after, limit);
      },
    };
    const news = new Subject<void>();
    const seen = new ReplaySubject<number>();
    leisurely(leaving, news)
      .follow(0)
      .subscribe(({ events }) => {
        for (const { position } of events) seen.next(position);
      });
    expect(await firstValueFrom(seen)).toBe(1);
    await steps({ store, sealer, clock: () => 1_750_000_000, ids: systemIds }).lodge('another', 'tpp');
    news.next();
    expect(await firstValueFrom(seen.pipe(take(2), toArray()))).toEqual([1, 2]);
    expect(away).toBe(false);
  });
});

describe('a search', () => {
  let tested: TestEngine;
  afterEach(() => tested.close());

  test('finds what was recorded just before it', async () => {
    tested = await testEngine();
    const alice = await auditor(tested);
    for (let n = 0; n < 30; n += 1) {
      const clientId = await tested.client({ client_name: `TPP ${n}` }, 's3cret');
      expect((await alice.read<Found>(`/tpps/${clientId}/history`)).facts).toHaveLength(1);
    }
  });

  test('is put off while the index cannot come so far, and nothing else waits for it', async () => {
    const store = inMemoryEventStore();
    let isStill = false;
    const waiting = Promise.withResolvers<never>();
    tested = await testEngine({
      store: { ...store, readAll: (after, limit) => (isStill && limit === PAGE ? waiting.promise : store.readAll(after, limit)) },
    });
    const alice = await auditor(tested);
    await alice.read<Found>('/events');
    isStill = true;
    const clientId = await tested.client({}, 's3cret');
    const before = await store.head();
    const response = await alice.get(`/tpps/${clientId}/history`);
    expect([response.status, response.headers.get('retry-after')]).toEqual([503, '1']);
    expect(await response.json()).toMatchObject({ error: 'temporarily_unavailable' });
    expect(await store.head()).toBe(before);
    expect((await fetch(`${tested.url}/readyz`)).status).toBe(200);
  });
});
