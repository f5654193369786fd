import { describe, expect, test } from '@jest/globals';
import { firstValueFrom, lastValueFrom, takeWhile, tap } from 'rxjs';
import { systemIds } from '../../../src/adapters/clock.ts';
import { inMemoryEventStore } from '../../../src/adapters/event-store/in-memory.ts';
import { KeyErased, recordOfPsuKey, sharedPsuKeys } from '../../../src/adapters/shared/psu-keys.ts';
import { inMemoryRecords, type SharedRecords } from '../../../src/adapters/shared/records.ts';
import { device } from '../../../src/domain/device/decider.ts';
import { deviceEvents } from '../../../src/domain/device/events.ts';
import { type EventStore, type Page, StoreUnavailable } from '../../../src/domain/ports/event-store.ts';
import { newEvent } from '../../support/new-events.ts';
import { steps } from '../../support/steps.ts';
import { eventStoreContract } from '../event-store.contract.ts';

const MASTER = Buffer.alloc(32, 5);

/** One node over a log and records that it shares with the others. */
const node = (store: EventStore, records: SharedRecords) => {
  const keys = sharedPsuKeys(records, MASTER);
  const own = keys.keysFirst(store);
  const ports = { store: own, sealer: keys, clock: () => 1_700_000_000, ids: systemIds };
  const does = steps(ports);
  const enrol = async (deviceId: string, psuId: string) => {
    await does.offerEnrolment(deviceId, psuId);
    await does.registerDevice(deviceId, 'push-token');
  };
  return { keys, store: own, enrol, ...does };
};
const world = () => {
  const [store, records] = [inMemoryEventStore(), inMemoryRecords()];
  return { records, store, open: () => node(store, records) };
};

eventStoreContract('in memory, keys first', (options) => sharedPsuKeys(inMemoryRecords(), MASTER).keysFirst(inMemoryEventStore(options)));

describe('the keys of PSUs that nodes share', () => {
  test.each<[string, (reader: ReturnType<typeof node>) => Promise<unknown>]>([
    ['reads the stream', async (reader) => (await reader.store.read('device-d-1')).at(-1)],
    ['reads the log', async (reader) => (await reader.store.readAll(0, 10)).at(-1)],
    ['follows the log', async (reader) => (await firstValueFrom(reader.store.follow(0))).events.at(-1)],
  ])('open what another node has sealed, for one that %s', async (_, read) => {
    const { open } = world();
    await open().enrol('d-1', 'psu-1');
    const reader = open();
    const event = deviceEvents.decode((await read(reader)) as never);
    if (event.type !== 'DeviceRegistered') throw new Error(event.type);
    expect(deviceEvents.open(event.type, event.sealed, reader.keys)).toMatchObject({ name: 'Phone', pushToken: 'push-token' });
  });

  test('are made once, by however many nodes at once', async () => {
    const { open } = world();
    const nodes = Array.from({ length: 16 }, open);
    const texts = await Promise.all(
      nodes.map(async ({ keys }, index) => {
        await keys.prepare(['psu-1']);
        return keys.seal('psu-1', `by ${index}`, 'a place');
      }),
    );
    for (const { keys } of nodes)
      for (const [index, text] of texts.entries())
        expect(keys.open({ psuId: 'psu-1', version: 1, context: 'a place', text })).toBe(`by ${index}`);
  });

  test('are found by a follower, though this node had looked for them before they were made', async () => {
    const { records, store, open } = world();
    const [asked, made] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
    const slow: SharedRecords = {
      ...records,
      async read(name) {
        const found = await records.read(name);
        asked.resolve();
        await made.promise;
        return found;
      },
    };
    const late = node(store, slow);
    const preparing = late.keys.prepare(['psu-1']);
    await asked.promise;
    await open().enrol('d-1', 'psu-1');
    const followed = firstValueFrom(late.store.follow(0));
    made.resolve();
    const event = deviceEvents.decode((await followed).events.at(-1) as never);
    if (event.type !== 'DeviceRegistered') throw new Error(event.type);
    expect(deviceEvents.open(event.type, event.sealed, late.keys)).toMatchObject({ name: 'Phone' });
    await preparing;
  });

  test('are waited for by a follower while the store is away', async () => {
    const { records, store, open } = world();
    await open().enrol('d-1', 'psu-1');
    let away = 2;
    const moody: SharedRecords = {
      ...records,
      async read(name) {
        away -= 1;
        if (away >= 0) throw new StoreUnavailable();
        return records.read(name);
      },
    };
    const late = node(store, moody);
    expect((await firstValueFrom(late.store.follow(0))).events.length).toBeGreaterThan(0);
    expect(away).toBeLessThan(0);
  });

  test.each(['the past', 'what is appended'])('that are slow to come do not make a follower keep all of %s', async (when) => {
    const { records, store, open } = world();
    const [writer, pages, size] = [open(), 40, 1000];
    const write = async () => {
      for (let n = 0; n < pages; n += 1) {
        const psuId = `psu-${n}`;
        await writer.keys.prepare([psuId]);
        const sealed = writer.keys.seal(psuId, 'something', 'a place');
        const events = Array.from({ length: size }, () => newEvent({ data: JSON.stringify({ psuId }), sealed }));
        await store.append(`written-${n}`, events, -1);
      }
    };
    const slow: SharedRecords = {
      ...records,
      async read(name) {
        for (let turn = 0; turn < 10; turn += 1) await new Promise((resolve) => setImmediate(resolve));
        return records.read(name);
      },
    };
    let [shown, taken, ahead] = [0, 0, 0];
    const follow: EventStore['follow'] = (afterPosition) =>
      store.follow(afterPosition).pipe(
        tap(({ events }) => {
          shown += events.length;
          ahead = Math.max(ahead, shown - taken);
        }),
      );
    const late = node({ ...store, follow }, slow);
    const seen: Page[] = [];
    if (when === 'the past') await write();
    const following = late.store.follow(0).pipe(
      tap((page) => {
        seen.push(page);
        taken += page.events.length;
      }),
      takeWhile(({ caughtUp }) => taken < pages * size || !caughtUp),
    );
    await Promise.all([lastValueFrom(following), when === 'the past' ? null : write()]);
    expect(seen.flatMap(({ events }) => events.map(({ position }) => position))).toEqual(
      Array.from({ length: pages * size }, (_, n) => n + 1),
    );
    for (const { events, position } of seen) expect(position).toBe(events.at(-1)?.position ?? position);
    expect(ahead).toBeLessThanOrEqual(11 * size);
  });

  test('that are erased are used no longer than ten minutes more by a node that has them', async () => {
    const { records, store } = world();
    let now = 1;
    const keys = sharedPsuKeys(records, MASTER, { now: () => now });
    await keys.prepare(['psu-1']);
    const text = keys.seal('psu-1', 'something', 'a place');
    await store.append('written-1', [newEvent({ data: '{"psuId":"psu-1"}', sealed: text })], -1);
    const opened = async () => {
      await keys.keysFirst(store).read('written-1');
      return keys.open({ psuId: 'psu-1', version: 1, context: 'a place', text });
    };
    await records.erase(recordOfPsuKey('psu-1'));
    now += 600_000;
    expect(await opened()).toBe('something');
    now += 1;
    // What was read before can be opened still. The cache looks at its clock once a millisecond.
    expect(keys.open({ psuId: 'psu-1', version: 1, context: 'a place', text })).toBe('something');
    while ((await opened()) !== null) await new Promise((resolve) => setImmediate(resolve));
  });

  test('stand in the records under names that tell nothing, wrapped', async () => {
    const { records, open } = world();
    const written: string[] = [];
    const spied: SharedRecords = {
      ...records,
      write: (name, text, revision) => {
        written.push(name, text);
        return records.write(name, text, revision);
      },
    };
    const { keys } = node(inMemoryEventStore(), spied);
    await keys.prepare(['psu-alice']);
    expect(written).toHaveLength(2);
    expect(written.join()).not.toContain('alice');
    await expect(sharedPsuKeys(records, Buffer.alloc(32, 6)).prepare(['psu-alice'])).rejects.toThrow();
    await open().keys.prepare(['psu-alice']);
  });

  test('that were erased open nothing and seal nothing, at a node that had not used them', async () => {
    const { records, open } = world();
    const writer = open();
    await writer.enrol('d-1', 'psu-1');
    await records.erase(`psu-key-${systemIds.hash('psu-1')}`);
    const reader = open();
    const state = await reader.load(device, 'd-1');
    if (state.status !== 'active') throw new Error(state.status);
    expect(deviceEvents.open('DeviceRegistered', state.sealed as never, reader.keys)).toBeNull();
    await expect(reader.keys.prepare(['psu-1'])).rejects.toThrow(KeyErased);
  });
});
