import { isDeepStrictEqual } from 'node:util';
import { beforeAll, describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { inMemoryEventStore } from '../../src/adapters/event-store/in-memory.ts';
import { psuKeys } from '../../src/adapters/keys/psu-keys.ts';
import { type Change, difference } from '../../src/domain/audit/difference.ts';
import { subjectsOf } from '../../src/domain/audit/subjects.ts';
import { decode } from '../../src/domain/catalogue.ts';
import type { StoredEvent } from '../../src/domain/ports/event-store.ts';
import { type Json, makeReplay } from '../../src/domain/replay.ts';
import { writeHistory } from '../support/history.ts';
import { type Auditing, auditing, type Diff, pathOf, statesAt } from './support.ts';

const sealer = psuKeys(':memory:', Buffer.alloc(32, 1));
let log: readonly StoredEvent[];
let audit: Auditing;

beforeAll(async () => {
  const store = inMemoryEventStore();
  await writeHistory(store, { ceremonies: 40, seed: 3, sealer });
  log = await store.readAll(0, 1_000_000);
  audit = await auditing(store, sealer);
});

/** The names of which a place in a state is made (RFC 6901). */
const namesIn = (path: string): string[] =>
  path
    .split('/')
    .slice(1)
    .map((name) => name.replaceAll('~1', '/').replaceAll('~0', '~'));

/** A state with changes made to it. */
const applied = (state: Json, changes: readonly Change[]): Json => {
  const root = { value: structuredClone(state) as unknown };
  for (const { path, after } of changes) {
    const names = ['value', ...namesIn(path)];
    const last = names.pop() as string;
    const holder = names.reduce<Record<string, unknown>>((value, name) => value[name] as Record<string, unknown>, root);
    if (after !== undefined) holder[last] = structuredClone(after);
    else if (Array.isArray(holder)) holder.splice(Number(last), 1);
    else delete holder[last];
  }
  return root.value as Json;
};

/** The value at a place in a state. */
const valueAt = (state: Json, path: string): unknown =>
  namesIn(path).reduce<unknown>((value, name) => (isRecord(value) && Object.hasOwn(value, name) ? value[name] : undefined), state);

const isRecord = (value: unknown): value is Readonly<Record<string, unknown>> => typeof value === 'object' && value !== null;

/** The facts behind a position after each of which something else stands at a place than before it. */
const makersOf = (events: readonly StoredEvent[], path: string, from: number): number[] => {
  const replay = makeReplay(sealer);
  const valueAfter = (event: StoredEvent) => {
    replay.apply(event);
    return valueAt(replay.state(event.stream), path);
  };
  let before = valueAt(makeReplay().state(events[0]?.stream ?? ''), path);
  return events.flatMap((event) => {
    const after = valueAfter(event);
    const isMaker = !isDeepStrictEqual(before, after);
    before = after;
    return isMaker && event.position > from ? [event.position] : [];
  });
};

describe('the difference between two moments', () => {
  test('leads from any value to any other one', () =>
    fc.assert(
      fc.property(fc.jsonValue(), fc.jsonValue(), (before, after) => {
        const [from, to] = JSON.parse(JSON.stringify([before, after])) as [Json, Json];
        expect(applied(from, difference(from, to))).toEqual(to);
      }),
    ));

  test('leads from the earlier state to the later one, and names the facts that made each change', async () => {
    const subjects = log.filter((_, index) => index % 41 === 0).flatMap((event) => subjectsOf(decode(event)));
    for (const [index, subject] of subjects.entries()) {
      const [from, to] = [(index * 7919) % log.length, (index * 104_729) % log.length].sort((one, other) => one - other) as [
        number,
        number,
      ];
      const path = pathOf(subject);
      const [earlier, later] = [await statesAt(audit, path, { as_of: from }), await statesAt(audit, path, { as_of: to })];
      const { streams, next } = await audit.get<Diff>(`${path}/diff`, { from, to, limit: 200 });
      expect(next).toBeNull();
      const states = new Map(earlier.map(({ stream, state }) => [stream, state]));
      for (const { stream, changes } of streams) {
        const known = states.get(stream);
        const events = log.filter((event) => event.stream === stream && event.position <= to);
        for (const { path: place, facts } of changes)
          expect([place, facts.map(({ position }) => position)]).toEqual([place, makersOf(events, place, known === undefined ? 0 : from)]);
        states.set(stream, applied(known ?? makeReplay().state(stream), changes));
      }
      expect(Object.fromEntries(states)).toEqual(Object.fromEntries(later.map(({ stream, state }) => [stream, state])));
    }
  });
});
