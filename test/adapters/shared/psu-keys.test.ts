import { describe, expect, test } from '@jest/globals';
import { firstValueFrom } from 'rxjs';
import { systemIds } from '../../../src/adapters/clock.ts';
import { inMemoryEventStore } from '../../../src/adapters/event-store/in-memory.ts';
import { KeyErased, sharedPsuKeys } from '../../../src/adapters/shared/psu-keys.ts';
import { inMemoryRecords, type SharedRecords } from '../../../src/adapters/shared/records.ts';
import { device } from '../../../src/domain/device/decider.ts';
import { deviceEvents } from '../../../src/domain/device/events.ts';
import type { EventStore } from '../../../src/domain/ports/event-store.ts';
import { steps } from '../../support/steps.ts';

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
  return { records, open: () => node(store, records) };
};

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
