import {
  type AllStreamSubscription,
  EventStoreDBClient,
  jsonEvent,
  StreamDeletedError,
  StreamNotFoundError,
  streamNameFilter,
  WrongExpectedVersionError,
} from '@eventstore/db-client';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { kurrentdbEventStore } from '../../src/adapters/event-store/kurrentdb.ts';
import { type KurrentdbCluster, kurrentdbCluster } from '../support/kurrentdb-server/cluster.ts';
import { settingsFor } from '../support/kurrentdb-server/settings.ts';
import { newEvents } from '../support/new-events.ts';

// What the tests of the adapter stand on: the server in this process answers the client of KurrentDB as that client expects.
let cluster: KurrentdbCluster;
let client: EventStoreDBClient;
beforeEach(async () => {
  cluster = await kurrentdbCluster();
  client = EventStoreDBClient.connectionString(`esdb://127.0.0.1:${cluster.node.port}?tls=false`);
});
afterEach(async () => {
  await client.dispose();
  cluster.stop();
});

const noted = (n: number) => jsonEvent({ type: 'Noted', data: { n } });
const numbersIn = async (stream: string, options = {}): Promise<unknown[]> => {
  const numbers: unknown[] = [];
  for await (const { event } of client.readStream(stream, options)) numbers.push((event?.data as { n: number } | undefined)?.n);
  return numbers;
};

describe("the server of the tests, to KurrentDB's own client", () => {
  test('appends at the expected revision only, and knows a repeated append', async () => {
    const events = [noted(1), noted(2)];
    const first = await client.appendToStream('a-1', events, { expectedRevision: 'no_stream' });
    expect(await client.appendToStream('a-1', events, { expectedRevision: 'no_stream' })).toEqual(first);
    expect(first).toMatchObject({ success: true, nextExpectedRevision: 1n });
    await expect(client.appendToStream('a-1', noted(3), { expectedRevision: 0n })).rejects.toThrow(WrongExpectedVersionError);
    await expect(client.appendToStream('a-2', noted(3), { expectedRevision: 'stream_exists' })).rejects.toThrow(WrongExpectedVersionError);
    await client.appendToStream('a-1', noted(3), { expectedRevision: 1n });
    expect(await numbersIn('a-1')).toEqual([1, 2, 3]);
    expect(await numbersIn('a-1', { direction: 'backwards', fromRevision: 'end', maxCount: 2 })).toEqual([3, 2]);
    expect(await numbersIn('a-1', { fromRevision: 1n, maxCount: 1 })).toEqual([2]);
  });

  test('has no stream that was never written, was deleted, or is shown only in part', async () => {
    await expect(numbersIn('a-1')).rejects.toThrow(StreamNotFoundError);
    await client.appendToStream('a-1', [noted(1), noted(2), noted(3)]);
    await client.setStreamMetadata('a-1', { maxCount: 2 });
    expect(await numbersIn('a-1')).toEqual([2, 3]);
    await client.deleteStream('a-1');
    await expect(numbersIn('a-1')).rejects.toThrow(StreamNotFoundError);
    await client.tombstoneStream('a-2').catch(() => undefined);
    await client.appendToStream('a-3', noted(1));
    await client.tombstoneStream('a-3');
    await expect(numbersIn('a-3')).rejects.toThrow(StreamDeletedError);
    await expect(client.appendToStream('a-3', noted(2))).rejects.toThrow(StreamDeletedError);
  });

  test('shows the whole log, its own events among ours, in the order of positions', async () => {
    for (let n = 0; n < 10; n += 1) await client.appendToStream(`a-${n}`, [noted(n), noted(n)]);
    const positions: bigint[] = [];
    const streams = new Set<string>();
    for await (const { event } of client.readAll()) {
      positions.push(event?.position.commit ?? 0n);
      streams.add(event?.streamId.slice(0, 2) ?? '');
    }
    expect(positions).toEqual([...new Set(positions)].sort((a, b) => Number(a - b)));
    expect(streams).toEqual(new Set(['$s', 'a-']));
  });

  test('shows a filtered subscription its past, the border, what follows, and how far it is', async () => {
    for (let n = 0; n < 40; n += 1) await client.appendToStream(`${n % 2 ? 'a' : 'b'}-1`, noted(n));
    const checkpoints: bigint[] = [];
    const checkpointReached = (_: AllStreamSubscription, { commit }: { commit: bigint }) => void checkpoints.push(commit);
    const filter = streamNameFilter({ prefixes: ['a-'], maxSearchWindow: 4, checkpointReached });
    const subscription = client.subscribeToAll({ filter });
    const seen: unknown[] = [];
    subscription.on('caughtUp', async () => {
      seen.push('border');
      await client.appendToStream('b-1', noted(40));
      await client.appendToStream('a-1', noted(41));
    });
    for await (const { event } of subscription) {
      seen.push((event?.data as { n: number } | undefined)?.n);
      if (seen.includes(41)) break;
    }
    expect(seen).toEqual([...Array.from({ length: 20 }, (_, n) => 2 * n + 1), 'border', 41]);
    expect(checkpoints.length).toBeGreaterThan(5);
  });
});

test('a stream that was deleted reads as none, and one that is gone for ever is told loudly', async () => {
  const store = kurrentdbEventStore(settingsFor(cluster.connectionString));
  try {
    await store.append('a-1', newEvents(2), -1);
    await store.append('a-2', newEvents(1), -1);
    await client.deleteStream('a-1');
    await client.tombstoneStream('a-2');
    expect(await store.read('a-1')).toEqual([]);
    await expect(store.read('a-2')).rejects.toThrow('is deleted');
    await expect(store.append('a-2', newEvents(1), -1)).rejects.toThrow('is deleted');
  } finally {
    await store.close();
  }
});
