import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { map } from 'rxjs';
import { inMemoryEventStore } from '../../src/adapters/event-store/in-memory.ts';
import { psuKeys } from '../../src/adapters/keys/psu-keys.ts';
import type { EventStore, StoredEvent } from '../../src/domain/ports/event-store.ts';
import { writeHistory } from '../support/history.ts';
import { type Auditing, auditing, factsOf, pathOf, type State } from './support.ts';

const START = Date.UTC(2026, 2, 15);
// Leaders take turns, and the clock of one is behind that of the other.
const TURN = 13;
const BEHIND_MS = 40_000;

/** When a leader says that it recorded the fact of a position: some at the same instant, and some before what stands before them. */
const toldAt = (position: number): number => START + Math.floor(position / 3) * 3000 - (Math.floor(position / TURN) % 2) * BEHIND_MS;

/** The same log, recorded by such leaders. */
const byLeaders = (store: EventStore): EventStore => {
  const told = (event: StoredEvent): StoredEvent => ({ ...event, recordedAt: toldAt(event.position) });
  return {
    ...store,
    read: async (stream, from) => (await store.read(stream, from)).map(told),
    readAll: async (after, limit) => (await store.readAll(after, limit)).map(told),
    follow: (after) => store.follow(after).pipe(map((page) => ({ ...page, events: page.events.map(told) }))),
  };
};

const sealer = psuKeys(':memory:', Buffer.alloc(32, 1));
const tpp = pathOf({ kind: 'client', id: 'tpp-1' });
let log: readonly StoredEvent[];
let instants: readonly number[];
/** One node has built its index in one go, the other one has followed fact by fact. */
let nodes: readonly Auditing[];

beforeAll(async () => {
  const [first, second] = [inMemoryEventStore(), inMemoryEventStore()];
  await writeHistory(first, { ceremonies: 6, seed: 7, sealer });
  const followed = await auditing(byLeaders(second), sealer);
  for (const event of await first.readAll(0, 1_000_000)) {
    await second.append(event.stream, [event], event.revision - 1);
    await followed.get('/audit/v1/events', { limit: 1 });
  }
  nodes = [await auditing(byLeaders(first), sealer), followed];
  log = await byLeaders(first).readAll(0, 1_000_000);
  instants = [...new Set(log.flatMap(({ recordedAt }) => [recordedAt - 1, recordedAt]))].sort((one, other) => one - other);
});
afterAll(() => {
  for (const { stop } of nodes) stop();
});

/** The position right before the first fact that was recorded later. */
const positionAt = (instant: number): number => (log.find(({ recordedAt }) => recordedAt > instant)?.position ?? log.length + 1) - 1;
const textOf = (instant: number) => new Date(instant).toISOString();
const positionsIn = (facts: readonly { position: number }[]) => facts.map(({ position }) => position);

describe('where the clocks of leaders differ, an instant', () => {
  test('is one place in the log, the same on every node', async () => {
    for (const node of nodes)
      for (const instant of instants) {
        const position = positionAt(instant);
        const state = await node.get<State>(`${tpp}/state`, { as_of: textOf(instant), limit: 2 });
        expect([textOf(instant), state.as_of]).toEqual([textOf(instant), position]);
        expect(state).toEqual(await node.get<State>(`${tpp}/state`, { as_of: position, limit: 2 }));
      }
  });

  test('bounds what is found, and what differs, as its position does', async () => {
    const [node] = nodes as [Auditing];
    const whole = positionsIn(await factsOf(node, `${tpp}/history`));
    let found = 0;
    for (let index = 0; index < instants.length; index += 3) {
      const [from = 0, to = from] = [instants[index], instants[index + 40 + (index % 60)]];
      const [after, until] = [positionAt(from), positionAt(to)];
      const within = { from: textOf(from), to: textOf(to) };
      const expected = whole.filter((position) => position > after && position <= until);
      expect([within, positionsIn(await factsOf(node, `${tpp}/history`, within))]).toEqual([within, expected]);
      expect(positionsIn(await factsOf(node, '/audit/v1/events', { client: 'tpp-1', ...within }))).toEqual(expected);
      expect(await node.get(`${tpp}/diff`, within)).toEqual(await node.get(`${tpp}/diff`, { from: after, to: until }));
      found += expected.length;
    }
    expect(found).toBeGreaterThan(instants.length / 3);
  });

  test('before the first fact is the beginning, with whatever offset it is written', async () => {
    const [node] = nodes as [Auditing];
    expect(await node.get<State>(`${tpp}/state`, { as_of: '2001-01-01T00:00:00+02:00' })).toMatchObject({ as_of: 0, streams: [] });
    const instant = instants[instants.length >> 1] as number;
    const offset = textOf(instant + 7_200_000).replace('Z', '+02:00');
    expect((await node.get<State>(`${tpp}/state`, { as_of: offset })).as_of).toBe(positionAt(instant));
  });
});
