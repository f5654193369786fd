import { beforeAll, describe, expect, test } from '@jest/globals';
import { inMemoryEventStore } from '../../src/adapters/event-store/in-memory.ts';
import { psuKeys } from '../../src/adapters/keys/psu-keys.ts';
import { families } from '../../src/domain/catalogue.ts';
import { makeLoad } from '../../src/domain/decide.ts';
import { UnreadableEvent } from '../../src/domain/events.ts';
import type { StoredEvent } from '../../src/domain/ports/event-store.ts';
import type { Sealer } from '../../src/domain/ports/sealer.ts';
import { deciders, makeReplay, statesOf } from '../../src/domain/replay.ts';
import { foldAll } from '../support/fold-all.ts';
import { writeHistory } from '../support/history.ts';
import { newEvent } from '../support/new-events.ts';

const sealer = psuKeys(':memory:', Buffer.alloc(32, 1));
const store = inMemoryEventStore();
let log: readonly StoredEvent[];

beforeAll(async () => {
  await writeHistory(store, { ceremonies: 60, seed: 11, sealer });
  log = await store.readAll(0, 1_000_000);
});

/** A state without what a replay shows in another way. */
const withoutSealed = (state: unknown): unknown =>
  JSON.parse(
    JSON.stringify(state, (name, value) => {
      if (name === 'replacedTokens' || name === 'revokedTokens') return undefined;
      return value?.context !== undefined ? null : value;
    }),
  );
const membersNamed = (value: unknown, name: string): unknown[] => {
  if (typeof value !== 'object' || value === null) return [];
  return Object.entries(value).flatMap(([key, member]) => [...(key === name ? [member] : []), ...membersNamed(member, name)]);
};

describe('a replay', () => {
  test('has a decider for every family of events', () => {
    const categories = families.map(({ category }) => category);
    expect([...deciders.keys()].sort()).toEqual(categories.sort());
  });

  test('ends in the states that decisions are made on', async () => {
    const load = makeLoad(store);
    const states = statesOf(log);
    expect(states.size).toBeGreaterThan(100);
    for (const [stream, state] of states) {
      const [category = ''] = stream.split('-', 1);
      const decider = deciders.get(category) as Parameters<typeof load>[0];
      const loaded = await load(decider, stream.slice(category.length + 1));
      expect([stream, withoutSealed(state)]).toEqual([stream, withoutSealed(loaded)]);
    }
  });

  test('shows after each fact what a replay of the facts up to it ends in', () => {
    const steps = [...foldAll(log)];
    expect(steps.map(({ event }) => event)).toEqual(log);
    for (const at of [0, 1, 17, 200, log.length - 1]) {
      const { stream, state } = steps[at] ?? { stream: '', state: null };
      expect(statesOf(log.slice(0, at + 1)).get(stream)).toEqual(state);
    }
  });

  test('is the same JSON whenever it is read again', () => {
    for (const { state } of foldAll(log, sealer)) expect(JSON.parse(JSON.stringify(state))).toEqual(state);
  });

  test('opens what is personal only with a sealer, says what was erased, and withholds what a bearer could use', () => {
    const parts = (by: Sealer | null) => membersNamed([...statesOf(log, by)], 'sealed');
    expect(parts(null).every((part) => part === null)).toBe(true);
    expect(parts(psuKeys(':memory:', Buffer.alloc(32, 1))).every((part) => part === null || part === 'erased')).toBe(true);
    expect(parts(sealer)).toContainEqual(expect.objectContaining({ accountIds: ['account-1', 'account-2'] }));
    const opened = [...statesOf(log, sealer)];
    for (const secret of ['authReqId', 'notificationToken', 'pushToken', 'response']) {
      const shown = new Set(membersNamed(opened, secret).map(String));
      expect([secret, [...shown].filter((value) => value !== 'null')]).toEqual([secret, ['withheld']]);
    }
  });

  test('lists the tokens that were replaced, however many', () => {
    const [opened, issued] = ['GrantOpened', 'RefreshTokenIssued'].map((name) => log.find(({ type }) => type === name));
    const stream = opened?.stream ?? '';
    const many = Array.from({ length: 20_000 }, (_, n): StoredEvent => {
      const data = { ...JSON.parse(issued?.data ?? ''), tokenHash: `hash-${n + 1}`, replaces: `hash-${n}`, nonce: 'nonce' };
      return { ...(issued as StoredEvent), stream, revision: n + 1, data: JSON.stringify(data) };
    });
    const replay = makeReplay();
    for (const event of [opened as StoredEvent, ...many]) replay.apply({ ...event });
    const { replacedTokens } = replay.state(stream) as { replacedTokens: string[] };
    expect([replacedTokens.length, replacedTokens[0], replacedTokens.at(-1)]).toEqual([20_000, 'hash-0', 'hash-19999']);
  });

  test('stops at what it does not know', () => {
    const unknown = { ...newEvent(), stream: 'consent-1', revision: 0, position: 1, recordedAt: 1 };
    expect(() => makeReplay().apply(unknown)).toThrow(UnreadableEvent);
    expect(() => makeReplay().apply({ ...unknown, stream: 'toy-1' })).toThrow('no category');
  });
});
