import { afterAll, beforeAll, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { kurrentdbEventStore } from '../../src/adapters/event-store/kurrentdb.ts';
import type { Actor, EventStore, NewEvent } from '../../src/domain/ports/event-store.ts';
import { type KurrentdbCluster, kurrentdbCluster } from '../support/kurrentdb-server/cluster.ts';
import { settingsFor } from '../support/kurrentdb-server/settings.ts';

let cluster: KurrentdbCluster;
let store: EventStore;
beforeAll(async () => {
  cluster = await kurrentdbCluster();
  store = kurrentdbEventStore(settingsFor(cluster.connectionString, { deadlineMs: 10_000 }));
});
afterAll(async () => {
  await store.close();
  cluster.stop();
});

const text = fc.string({ unit: 'grapheme', maxLength: 40 });
// JSON that a parser would not give back as it was: numbers beyond a double, exponents, spaces, repeated keys, escapes, any order of keys.
const oddJson = fc.oneof(
  fc.json(),
  fc.constantFrom(
    '{"n":12345678901234567890123}',
    '{ "b" : 1.0 , "a" : 1e2, "1":-0 }',
    '{"a":1,"a":2}',
    '{"\\u0061":"\\/\\ud83d\\ude42 \u2028 \\u0000"}',
    '0.1000000000000000055511151231257827021181583404541015625',
    '{"__proto__":{"x":1}}',
  ),
);
const anEvent = fc.record<NewEvent>({
  id: fc.uuid(),
  type: fc.stringMatching(/^[A-Z][A-Za-z]{1,20}$/),
  version: fc.integer({ min: 1, max: 99 }),
  compatibleFrom: fc.option(fc.integer({ min: 1, max: 99 }), { nil: undefined }),
  actor: fc.record({ kind: fc.constantFrom<Actor['kind'][]>('client', 'device', 'psu', 'operator', 'engine'), id: text }),
  correlationId: text,
  causationId: fc.option(text),
  data: oddJson,
  sealed: fc.option(text),
});

test('an event comes back letter for letter, whatever is in it', async () => {
  let streams = 0;
  const property = fc.asyncProperty(fc.array(anEvent, { minLength: 1, maxLength: 5 }), async (events) => {
    streams += 1;
    await store.append(`a-${streams}`, events, -1);
    const read = await store.read(`a-${streams}`);
    expect(read).toEqual(
      events.map((event, revision) => ({
        ...event,
        stream: `a-${streams}`,
        revision,
        position: expect.any(Number),
        recordedAt: expect.any(Number),
      })),
    );
  });
  await fc.assert(property, { numRuns: 150 });
});

test('its bytes in the cluster are those of its text, marked as JSON, and its story is in the names that the cluster knows', async () => {
  const data = '{ "b" : 1.0, "a":12345678901234567890 }';
  const event: NewEvent = {
    id: crypto.randomUUID(),
    type: 'SomethingNoted',
    version: 2,
    actor: { kind: 'engine', id: 'test' },
    correlationId: 'a-story',
    causationId: 'a-cause',
    data,
    sealed: 'sealed',
  };
  await store.append('b-1', [event], -1);
  const entry = cluster.log.visible('b-1')?.[0];
  expect([entry?.contentType, entry?.type, Buffer.from(entry?.data ?? []).toString()]).toEqual([
    'application/json',
    'SomethingNoted',
    data,
  ]);
  expect(JSON.parse(Buffer.from(entry?.metadata ?? []).toString())).toEqual({
    $correlationId: 'a-story',
    $causationId: 'a-cause',
    version: 2,
    actor: { kind: 'engine', id: 'test' },
    sealed: 'sealed',
  });
});
