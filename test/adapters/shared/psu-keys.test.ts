import { createSecretKey } from 'node:crypto';
import { describe, expect, test } from '@jest/globals';
import { firstValueFrom, lastValueFrom, takeWhile, tap } from 'rxjs';
import { systemIds } from '../../../src/adapters/clock.ts';
import { inMemoryEventStore } from '../../../src/adapters/event-store/in-memory.ts';
import { newWrappedKey } from '../../../src/adapters/keys/psu-key.ts';
import { recordOfPsuKey, sharedPsuKeys } from '../../../src/adapters/shared/psu-keys.ts';
import { inMemoryRecords, type SharedRecords } from '../../../src/adapters/shared/records.ts';
import { device } from '../../../src/domain/device/decider.ts';
import { deviceEvents } from '../../../src/domain/device/events.ts';
import { type EventStore, type Page, StoreUnavailable } from '../../../src/domain/ports/event-store.ts';
import type { SealedFor } from '../../../src/domain/ports/sealer.ts';
import { KeyErased } from '../../../src/domain/psu/key-erased.ts';
import { newEvent } from '../../support/new-events.ts';
import { steps } from '../../support/steps.ts';
import { eventStoreContract } from '../event-store.contract.ts';

const MASTER = Buffer.alloc(32, 5);
const of = (psuId: string, at = 1_700_000_000): SealedFor => ({ psuId, retention: 'request', at });

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
        await keys.prepare([of('psu-1')]);
        return keys.seal(of('psu-1'), `by ${index}`, 'a place');
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
    const preparing = late.keys.prepare([of('psu-1')]);
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
        await writer.keys.prepare([of(psuId)]);
        const sealed = writer.keys.seal(of(psuId), 'something', 'a place');
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
    await keys.prepare([of('psu-1')]);
    const text = keys.seal(of('psu-1'), 'something', 'a place');
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
    await keys.prepare([of('psu-alice')]);
    expect(written).toHaveLength(2);
    expect(written.join()).not.toContain('alice');
    await expect(sharedPsuKeys(records, Buffer.alloc(32, 6)).prepare([of('psu-alice')])).rejects.toThrow();
    await open().keys.prepare([of('psu-alice')]);
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
    await expect(reader.keys.prepare([of('psu-1')])).rejects.toThrow(KeyErased);
  });

  test('are one record for each PSU: erased with one call, for ever, and at once where a node is told', async () => {
    const { records, open } = world();
    const [one, other] = [open(), open()];
    const [first, later] = [of('psu-1'), of('psu-1', 1_703_000_000)];
    await one.keys.prepare([first, later]);
    await other.keys.prepare([first, later]);
    const textOf = (subject: SealedFor) => ({
      psuId: 'psu-1',
      version: 1,
      context: 'a place',
      text: one.keys.seal(subject, 'something', 'a place'),
    });
    const [text, next] = [textOf(first), textOf(later)];
    expect(other.keys.open(next)).toBe('something');

    await one.keys.destroy([{ psuId: 'psu-1', name: 'request.2023-11' }]);
    other.keys.forget('psu-1', ['request.2023-11']);
    for (const { keys } of [one, other]) {
      expect([keys.open(text), keys.open(next), keys.eventKey(text)]).toEqual([null, 'something', null]);
      await keys.prepare([first]);
      expect(() => keys.seal(first, 'again', 'a place')).toThrow(KeyErased);
    }

    other.keys.forget('psu-1', 'all');
    expect(other.keys.open(next)).toBeNull();
    // What the record still holds does not come back.
    await expect(other.keys.prepare([later])).rejects.toThrow(KeyErased);
    await one.keys.erase('psu-1');
    expect(one.keys.open(next)).toBeNull();
    const fresh = open();
    await expect(fresh.keys.prepare([later])).rejects.toThrow(KeyErased);
    expect(await records.read(recordOfPsuKey('psu-1'))).toBeNull();
  });

  test('of a record of older versions stay, beside those that are made now', async () => {
    const { records, open } = world();
    const master = createSecretKey(MASTER);
    await records.write(recordOfPsuKey('psu-1'), newWrappedKey(master, 'psu-1', 'all.-'), -1);
    const [one, other] = [open(), open()];
    await one.keys.prepare([of('psu-1')]);
    const text = one.keys.seal(of('psu-1'), 'something', 'a place');
    await other.keys.prepare([of('psu-1')]);
    expect(other.keys.open({ psuId: 'psu-1', version: 1, context: 'a place', text })).toBe('something');
    expect(Object.keys(JSON.parse((await records.read(recordOfPsuKey('psu-1')))?.text ?? ''))).toEqual(['all.-', 'request.2023-11']);
  });
});
