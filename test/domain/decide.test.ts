import { beforeEach, describe, expect, test } from '@jest/globals';
import * as z from 'zod';
import { systemIds } from '../../src/adapters/clock.ts';
import { inMemoryEventStore } from '../../src/adapters/event-store/in-memory.ts';
import { psuKeys } from '../../src/adapters/keys/psu-keys.ts';
import { type Command, type Decide, type Load, makeDecide, makeLoad } from '../../src/domain/decide.ts';
import type { Decider, Decision } from '../../src/domain/decider.ts';
import { defineEvents, UnreadableEvent, versioned } from '../../src/domain/events.ts';
import { OAuthError } from '../../src/domain/oauth-error.ts';
import { type EventStore, RevisionConflict, StoreStopped, StoreUnavailable } from '../../src/domain/ports/event-store.ts';
import { newEvent } from '../support/new-events.ts';
import { type RacingStore, racingStore } from '../support/racing-store.ts';

const seats = defineEvents('seats', {
  SeatTaken: versioned(z.strictObject({ by: z.string() })),
  SeatGiven: versioned(z.strictObject({ psuId: z.string() }), z.strictObject({ row: z.string() })),
});
type Seats = typeof seats;

const seating: Decider<readonly string[], Seats> = {
  events: seats,
  initial: [],
  evolve: (taken, event) => [...taken, event.type === 'SeatTaken' ? event.data.by : event.data.psuId],
};

/** Takes so many seats of five. The same one again has said it all before. */
const take =
  (by: string, count = 1): Decision<readonly string[], Seats> =>
  (taken) => {
    if (taken.includes(by)) return [];
    if (taken.length + count > 5) throw new OAuthError('conflict', 'no seat is left');
    return Array.from({ length: count }, () => ({ type: 'SeatTaken', data: { by } }));
  };
const give =
  (psuId: string, row: string): Decision<readonly string[], Seats> =>
  () => [{ type: 'SeatGiven', data: { psuId }, personal: { row } }];

const command = (id: string): Command => ({ id, actor: { kind: 'psu', id: 'psu-1' }, correlationId: 'story', causationId: 'cause' });
const sealer = psuKeys(':memory:', Buffer.alloc(32, 1));
const deciding = (store: EventStore): Decide => makeDecide({ store, sealer, ids: systemIds });

let store: RacingStore;
let decide: Decide;
let load: Load;
beforeEach(() => {
  store = racingStore(inMemoryEventStore());
  decide = deciding(store);
  load = makeLoad(store);
});

describe('a decision', () => {
  test('that may have been kept before, without anybody knowing, is not kept twice', async () => {
    const unknowing: EventStore = {
      ...store,
      async append(...given) {
        await store.append(...given);
        throw new StoreUnavailable();
      },
    };
    const [kept, lost] = [command('c-1'), command('c-2')];
    await expect(deciding(unknowing)(seating, 'a-1', give('ann', '7'), kept)).rejects.toThrow(StoreUnavailable);
    await decide(seating, 'a-1', give('bob', '7'), command('between'));
    expect(await decide(seating, 'a-1', give('ann', '7'), { ...kept, again: true })).toMatchObject({ eventIds: [], position: 2 });
    await decide(seating, 'a-1', give('cid', '7'), { ...lost, again: true });
    expect(await load(seating, 'a-1')).toEqual(['ann', 'bob', 'cid']);
  });

  test('is appended with who took it, and why', async () => {
    expect(await decide(seating, 'a-1', take('ann', 2), command('c-1'))).toEqual({
      state: [],
      eventIds: [systemIds.derived('c-1/0'), systemIds.derived('c-1/1')],
      position: 2,
    });
    const [event] = await store.read('seats-a-1');
    expect(event).toMatchObject({
      id: systemIds.derived('c-1/0'),
      type: 'SeatTaken',
      version: 1,
      ...{ actor: { kind: 'psu', id: 'psu-1' }, correlationId: 'story', causationId: 'cause' },
      data: '{"by":"ann"}',
      sealed: null,
    });
  });

  test('is taken on all that its stream holds', async () => {
    await decide(seating, 'a-1', take('ann'), command('c-1'));
    await decide(seating, 'a-2', take('eve'), command('c-2'));
    expect(await decide(seating, 'a-1', take('bob'), command('c-3'))).toMatchObject({ state: ['ann'], position: 3 });
    expect(await load(seating, 'a-1')).toEqual(['ann', 'bob']);
    expect(await load(seating, 'a-3')).toEqual([]);
  });

  test('with nothing new to say appends nothing, and tells where its stream stands', async () => {
    await decide(seating, 'a-1', take('ann'), command('c-1'));
    await decide(seating, 'a-2', take('eve'), command('c-2'));
    expect(await decide(seating, 'a-1', take('ann'), command('c-3'))).toEqual({ state: ['ann'], eventIds: [], position: 1 });
    expect(await decide(seating, 'a-3', () => [], command('c-4'))).toEqual({ state: [], eventIds: [], position: 0 });
    expect(await store.head()).toBe(2);
  });

  test('that refuses appends nothing', async () => {
    await expect(decide(seating, 'a-1', take('ann', 6), command('c-1'))).rejects.toThrow(OAuthError);
    expect(await store.head()).toBe(0);
  });

  test('on a stream that cannot be read is not taken', async () => {
    await store.append('seats-a-1', [newEvent({ type: 'SeatTaken', version: 2 })], -1);
    const asked: unknown[] = [];
    const decision: Decision<readonly string[], Seats> = (state) => {
      asked.push(state);
      return [];
    };
    await expect(decide(seating, 'a-1', decision, command('c-1'))).rejects.toThrow(UnreadableEvent);
    await expect(load(seating, 'a-1')).rejects.toThrow(UnreadableEvent);
    expect(asked).toEqual([]);
  });

  test('fails as the store fails', async () => {
    await store.close();
    await expect(decide(seating, 'a-1', take('ann'), command('c-1'))).rejects.toThrow(StoreStopped);
  });

  test('of the same command has events of the same ids, of another command others', async () => {
    const idsOf = async (commandId: string) =>
      (await deciding(inMemoryEventStore())(seating, 'a-1', take('ann', 3), command(commandId))).eventIds;
    const ids = [...(await idsOf('c-1')), ...(await idsOf('c-2'))];
    expect(await idsOf('c-1')).toEqual(ids.slice(0, 3));
    expect(new Set(ids).size).toBe(6);
  });

  test('under an id that was made for it need not read, and still meets what stands there', async () => {
    const read: string[] = [];
    const watched: EventStore = {
      ...store,
      read: (stream) => {
        read.push(stream);
        return store.read(stream);
      },
    };
    const fresh = (id: string): Command => ({ ...command(id), fresh: true });
    expect(await deciding(watched)(seating, 'a-1', take('ann'), fresh('c-1'))).toMatchObject({ state: [], position: 1 });
    expect(read).toEqual([]);
    expect(await deciding(watched)(seating, 'a-1', take('bob'), fresh('c-2'))).toMatchObject({ state: ['ann'], position: 2 });
    expect(await deciding(watched)(seating, 'a-1', take('ann'), fresh('c-1'))).toMatchObject({ position: 1 });
    expect(await load(seating, 'a-1')).toEqual(['ann', 'bob']);
  });

  test('of the same command, taken by two at once, is recorded once', async () => {
    store.gather('seats-a-1', 2);
    const [one, other] = await Promise.all([1, 2].map(() => decide(seating, 'a-1', take('ann'), command('c-1'))));
    expect(one).toEqual(other);
    expect(await store.head()).toBe(1);
  });

  test('seals its personal part for the place where it stands', async () => {
    await decide(seating, 'a-1', take('ann'), command('c-1'));
    await decide(seating, 'a-1', give('psu-1', 'row 7'), command('c-2'));
    await decide(seating, 'a-1', give('psu-1', 'row 8'), command('c-3'));
    const [, seven, eight] = await store.read('seats-a-1');
    const opened = [seven, eight].map((stored) => {
      const event = seats.decode(stored as NonNullable<typeof stored>);
      return event.type === 'SeatGiven' && seats.open('SeatGiven', event.sealed, sealer);
    });
    expect(opened).toEqual([{ row: 'row 7' }, { row: 'row 8' }]);
    const moved = seats.decode({ ...(seven as NonNullable<typeof seven>), sealed: eight?.sealed as string });
    expect(() => moved.type === 'SeatGiven' && seats.open('SeatGiven', moved.sealed, sealer)).toThrow('another place');
  });
});

describe('decisions that meet', () => {
  test('are taken again on what the winner left', async () => {
    const seen: (readonly string[])[] = [];
    const watched =
      (by: string): Decision<readonly string[], Seats> =>
      (taken) => {
        seen.push(taken);
        return take(by)(taken);
      };
    store.gather('seats-a-1', 2);
    const [ann, bob] = await Promise.all([
      decide(seating, 'a-1', watched('ann'), command('c-1')),
      decide(seating, 'a-1', watched('bob'), command('c-2')),
    ]);
    expect(seen).toEqual([[], [], ['ann']]);
    expect([ann.state, bob.state]).toEqual([[], ['ann']]);
    expect(await load(seating, 'a-1')).toEqual(['ann', 'bob']);
  });

  test('are refused by the state that the winner left', async () => {
    store.gather('seats-a-1', 2);
    const outcomes = await Promise.allSettled([
      decide(seating, 'a-1', take('ann', 3), command('c-1')),
      decide(seating, 'a-1', take('bob', 3), command('c-2')),
    ]);
    expect(outcomes).toMatchObject([{ status: 'fulfilled' }, { status: 'rejected', reason: { error: 'conflict' } }]);
    expect(await load(seating, 'a-1')).toEqual(['ann', 'ann', 'ann']);
  });

  test('seal for the place where they come to stand', async () => {
    store.gather('seats-a-1', 8);
    await Promise.all(Array.from({ length: 8 }, (_, n) => decide(seating, 'a-1', give('psu-1', `row ${n}`), command(`c-${n}`))));
    const events = (await store.read('seats-a-1')).map(seats.decode);
    const rows = events.map((event) => event.type === 'SeatGiven' && seats.open('SeatGiven', event.sealed, sealer)?.row);
    expect(rows.toSorted()).toEqual(Array.from({ length: 8 }, (_, n) => `row ${n}`));
  });

  test('in two engines on one store share the seats, each once', async () => {
    for (let round = 0; round < 50; round += 1) {
      const engines = [deciding(store), deciding(store)];
      store.gather(`seats-${round}`, 64);
      const outcomes = await Promise.allSettled(
        Array.from({ length: 64 }, (_, n) =>
          (engines[n % 2] as Decide)(seating, String(round), take(`guest-${n}`), command(`c-${round}-${n}`)),
        ),
      );
      const seated = outcomes.filter((outcome) => outcome.status === 'fulfilled');
      const states = seated.map((outcome) => outcome.value.state.length);
      expect(states.toSorted()).toEqual([0, 1, 2, 3, 4]);
      for (const outcome of outcomes) if (outcome.status === 'rejected') expect(outcome.reason).toMatchObject({ error: 'conflict' });
      expect(new Set(await load(seating, String(round))).size).toBe(5);
    }
  });

  test('for ever end, for one of them, with the conflict', async () => {
    let attempts = 0;
    const busy: EventStore = {
      ...store,
      append: async (stream, _, expected) => {
        attempts += 1;
        throw new RevisionConflict(stream, expected, expected + 1);
      },
    };
    await expect(deciding(busy)(seating, 'a-1', take('ann'), command('c-1'))).rejects.toThrow(RevisionConflict);
    expect(attempts).toBe(256);
  });
});
