import { status } from '@grpc/grpc-js';
import { afterEach, describe, expect, test } from '@jest/globals';
import { kurrentdbEventStore } from '../../src/adapters/event-store/kurrentdb.ts';
import { type EventStore, StoreStopped, StoreUnavailable } from '../../src/domain/ports/event-store.ts';
import { type KurrentdbCluster, kurrentdbCluster } from '../support/kurrentdb-server/cluster.ts';
import { settingsFor } from '../support/kurrentdb-server/settings.ts';
import { newEvents } from '../support/new-events.ts';

// A hundred events are looked through in so long: all in more than four deadlines, which is how long a call is tried for.
const LOOKING_MS = 70;
const MANY = 2000;
const DEADLINE_MS = 300;

let cluster: KurrentdbCluster;
const opened: EventStore[] = [];
afterEach(async () => {
  for (const store of opened.splice(0)) await store.close();
  cluster.stop();
});

const open = (deadlineMs = DEADLINE_MS): EventStore => {
  const store = kurrentdbEventStore(settingsFor(cluster.connectionString, { deadlineMs }));
  opened.push(store);
  return store;
};
const foreign = { type: 'Other', contentType: 'application/octet-stream', data: Buffer.from('x'), metadata: Buffer.alloc(0) };
/** What others write, or our own nodes beside the log. */
const writeOther = (count: number) => {
  for (let n = 0; n < count; n += 1)
    cluster.log.append(n % 2 === 0 ? 'c-1' : 'countersign.duty', 'any', [{ ...foreign, id: crypto.randomUUID() }]);
};
/** The log's last event, with so many others behind it. */
const quietBehind = async (count: number): Promise<number> => {
  cluster = await kurrentdbCluster();
  const { position } = await open(1000).append('a-1', newEvents(2), -1);
  writeOther(count);
  return position;
};

describe('where thousands of events of others stand behind the newest of the log, the head', () => {
  test('is found, and then again at once, also where others go on', async () => {
    const position = await quietBehind(10_000);
    cluster.node.quirks.lookingMs = 14;
    const store = open();
    expect(await store.head()).toBe(position);
    for (let round = 0; round < 5; round += 1) {
      writeOther(20);
      expect(await store.head()).toBe(position);
    }
  }, 60_000);

  test('is what was appended before it was asked for, however many ask at once', async () => {
    await quietBehind(MANY);
    const [writer, store] = [open(1000), open(1000)];
    await store.head();
    cluster.node.quirks.lookingMs = LOOKING_MS;
    for (let revision = 1; revision < 10; revision += 1) {
      const { position } = await writer.append('a-1', newEvents(1), revision);
      writeOther(revision % 3);
      for (const head of await Promise.all(Array.from({ length: 8 }, store.head))) expect(head).toBe(position);
    }
  });

  test('comes also where less than a page of what others wrote comes in time', async () => {
    const position = await quietBehind(600);
    cluster.node.quirks.lookingMs = 200;
    expect(await open().head()).toBe(position);
  });

  test('is found once more where so much came meanwhile that reading on takes too long', async () => {
    await quietBehind(10);
    const [writer, store] = [open(1000), open()];
    await store.head();
    const { position } = await writer.append('a-1', newEvents(1), 1);
    writeOther(MANY);
    cluster.node.quirks.lookingMs = LOOKING_MS;
    await expect(store.head()).rejects.toThrow(StoreUnavailable);
    expect(await store.head()).toBe(position);
  });

  test('is not looked for through what was looked through: reading behind it is as quick, also when an event has come', async () => {
    const position = await quietBehind(MANY);
    const [writer, store] = [open(1000), open()];
    expect(await store.head()).toBe(position);
    cluster.node.quirks.lookingMs = LOOKING_MS;
    expect(await store.readAll(position, 1)).toEqual([]);
    const next = await writer.append('a-1', newEvents(2), 1);
    expect(await store.head()).toBe(next.position);
    expect(await store.readAll(position, 10)).toMatchObject([{ revision: 2 }, { revision: 3, position: next.position }]);
    expect(await store.readAll(position, 1)).toMatchObject([{ revision: 2 }]);
  });
});

test('a head that cannot be looked for is told in time, and a store that is closed looks no further', async () => {
  const position = await quietBehind(MANY);
  cluster.node.quirks.lookingMs = LOOKING_MS;
  const store = open();
  cluster.node.refuse(3, status.UNAVAILABLE);
  expect(await store.head()).toBe(position);
  const letGo = cluster.node.stall();
  await expect(open().head()).rejects.toThrow(StoreUnavailable);
  letGo();
  const other = open();
  const looking = other.head();
  await Promise.all([expect(looking).rejects.toThrow(StoreStopped), other.close()]);
});

test('where nothing of the log stands yet it is 0, and then the first event', async () => {
  cluster = await kurrentdbCluster();
  writeOther(1000);
  const store = open(1000);
  expect(await store.head()).toBe(0);
  writeOther(10);
  expect(await store.head()).toBe(0);
  const { position } = await store.append('b-1', newEvents(1), -1);
  expect(await store.head()).toBe(position);
  expect(await store.readAll(0, 10)).toHaveLength(1);
});
