import { afterEach, describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { lastValueFrom, type Observable, takeWhile, toArray } from 'rxjs';
import {
  type Appended,
  type EventStore,
  type NewEvent,
  type Page,
  RevisionConflict,
  type StoredEvent,
  StoreStopped,
} from '../../src/domain/ports/event-store.ts';
import { newEvent, newEvents } from '../support/new-events.ts';

/** Opens an empty store. */
export type OpenStore = (options?: { now?: () => number }) => EventStore;

/** What only some stores have: positions without a gap, and a clock that a test can set. And how many events are more than some pages. */
interface Kind {
  gapFree: boolean;
  clock: boolean;
  many: number;
}

const OF_ONE_MACHINE: Kind = { gapFree: true, clock: true, many: 3500 };

/** The promises of the port, held against one adapter. The suite closes what it opens. */
export const eventStoreContract = (adapter: string, openStore: OpenStore, kind = OF_ONE_MACHINE): void => {
  const { many } = kind;
  /** The log has these events, in the order of their positions. */
  const expectLog = (log: readonly StoredEvent[], count: number): void => {
    expect(log).toHaveLength(count);
    expect(log.every(({ position }, index) => position > (log[index - 1]?.position ?? 0))).toBe(true);
    if (kind.gapFree) expect(positionsOf(log)).toEqual(upTo(count));
  };
  const opened: EventStore[] = [];
  const open: OpenStore = (options) => {
    const store = openStore(options);
    opened.push(store);
    return store;
  };
  afterEach(async () => {
    for (const store of opened.splice(0)) await store.close();
  });

  describe(`${adapter}: an append`, () => {
    test('gives its events the next places of the store and of their stream', async () => {
      const store = open();
      const first = await store.append('a-1', newEvents(1), -1);
      const second = await store.append('b-1', newEvents(2), -1);
      const third = await store.append('a-1', newEvents(1), 0);
      const log = await store.readAll(0, 10);
      expectLog(log, 4);
      expect(log.map(({ stream, revision }) => `${stream}/${revision}`)).toEqual(['a-1/0', 'b-1/0', 'b-1/1', 'a-1/1']);
      const places = [log[0], log[2], log[3]].map((event) => ({ revision: event?.revision, position: event?.position }));
      expect([first, second, third]).toEqual(places);
      expect(await store.head()).toBe(third.position);
    });

    test('keeps what it was given, letter for letter', async () => {
      const store = open({ now: () => 1234 });
      const given = newEvent({
        actor: { kind: 'device', id: 'a "quoted" \\ id' },
        causationId: 'cause',
        data: '{ "text" : "Zoë 🙂\\u0000 \u2028" }',
        sealed: 's'.repeat(100_000),
      });
      const { position } = await store.append('a-1', [given], -1);
      const recordedAt = kind.clock ? 1234 : expect.any(Number);
      expect(await store.read('a-1')).toEqual([{ ...given, stream: 'a-1', revision: 0, position, recordedAt }]);
    });

    test('keeps which older versions can read an event, where it says so', async () => {
      const store = open();
      await store.append('a-1', [newEvent({ version: 3, compatibleFrom: 2 }), newEvent({ version: 3 })], -1);
      expect((await store.read('a-1')).map(({ compatibleFrom }) => compatibleFrom)).toEqual([2, undefined]);
      expect((await store.readAll(0, 10)).map(({ compatibleFrom }) => compatibleFrom)).toEqual([2, undefined]);
    });

    test('of several events keeps them together', async () => {
      const store = open();
      const appends = Array.from({ length: 20 }, (_, n) => ({ stream: `a-${n}`, events: newEvents(5) }));
      await Promise.all(appends.map(({ stream, events }) => store.append(stream, events, -1)));
      const log = await store.readAll(0, 1000);
      for (const { stream, events } of appends) {
        const first = log.findIndex((event) => event.stream === stream);
        expect(idsOf(log.slice(first, first + 5))).toEqual(idsOf(events));
      }
    });

    test('without events is refused', () => expect(open().append('a-1', [], -1)).rejects.toThrow(TypeError));

    test.each([
      ['of a stream that does not exist', 0],
      ['too low', 1],
      ['too high', 3],
      ['of no stream, for one that exists', -1],
    ])('at a revision %s is a conflict and keeps nothing', async (_, expected) => {
      const store = open();
      await store.append('a-1', newEvents(3), -1);
      const before = await store.readAll(0, 10);
      const stream = expected === 0 ? 'a-2' : 'a-1';
      await expect(store.append(stream, newEvents(2), expected)).rejects.toThrow(RevisionConflict);
      expect(await store.readAll(0, 10)).toEqual(before);
      expect(await store.append('a-1', newEvents(1), 2)).toEqual({ revision: 3, position: await store.head() });
      expectLog(await store.readAll(0, 10), 4);
    });

    test('wins alone among many at the same revision', async () => {
      const store = open();
      for (let revision = -1; revision < 4; revision += 1) {
        const rivals = Array.from({ length: 64 }, () => newEvents(1));
        const outcomes = await Promise.allSettled(rivals.map((events) => store.append('a-1', events, revision)));
        const winners = rivals.filter((_, index) => outcomes[index]?.status === 'fulfilled');
        expect(reasons(outcomes)).toEqual(Array(63).fill(RevisionConflict));
        expect(idsOf(await store.read('a-1', revision + 1))).toEqual(winners.map(([event]) => event?.id));
      }
    });

    test('is one of hundreds at once, on as many streams', async () => {
      const store = open();
      const appends = Array.from({ length: 700 }, (_, n) => ({ stream: `a-${n}`, events: newEvents(1 + (n % 3)) }));
      const places = await Promise.all(appends.map(({ stream, events }) => store.append(stream, events, -1)));
      const log = await store.readAll(0, 10_000);
      expectLog(log, 1399);
      const indexes = new Map(log.map(({ position }, index) => [position, index]));
      for (const [index, { stream, events }] of appends.entries()) {
        const { position, revision } = places[index] as Appended;
        const end = (indexes.get(position) ?? 0) + 1;
        expect(revision).toBe(events.length - 1);
        expect(idsOf(log.slice(end - events.length, end))).toEqual(idsOf(events));
        expect(idsOf(await store.read(stream))).toEqual(idsOf(events));
      }
    });
  });

  describe(`${adapter}: an append that is repeated`, () => {
    test('is told its first place, and nothing is kept twice', async () => {
      const store = open();
      const events = newEvents(2);
      const place = await store.append('a-1', events, -1);
      expect(await store.append('a-1', events, -1)).toEqual(place);
      expect(await store.readAll(0, 10)).toHaveLength(2);
    });

    test('is known also when the stream has grown since', async () => {
      const store = open();
      await store.append('a-1', newEvents(2), -1);
      const events = newEvents(2);
      const place = await store.append('a-1', events, 1);
      await store.append('a-1', newEvents(3), 3);
      await store.append('b-1', newEvents(1), -1);
      expect(await store.append('a-1', events, 1)).toEqual(place);
      expect(await store.readAll(0, 10)).toHaveLength(8);
    });

    test('is one also when both run at once', async () => {
      const store = open();
      const events = newEvents(3);
      const places = await Promise.all(Array.from({ length: 10 }, () => store.append('a-1', events, -1)));
      expect(new Set(places.map((place) => JSON.stringify(place))).size).toBe(1);
      expect(await store.readAll(0, 10)).toHaveLength(3);
    });

    test.each<[string, (events: NewEvent[]) => NewEvent[], number]>([
      ['one of its ids differs', ([first]) => [first as NewEvent, newEvent()], 0],
      ['its ids come in another order', (events) => events.toReversed(), 0],
      ['it has grown', (events) => [...events, newEvent()], 0],
      ['its expected revision differs', (events) => events, 1],
    ])('is a conflict when %s', async (_, change, expectedRevision) => {
      const store = open();
      await store.append('a-1', newEvents(1), -1);
      const events = newEvents(2);
      await store.append('a-1', events, 0);
      await expect(store.append('a-1', change(events), expectedRevision)).rejects.toThrow(RevisionConflict);
      expect(await store.readAll(0, 10)).toHaveLength(3);
    });
  });

  describe(`${adapter}: reading`, () => {
    test('begins at any revision of a stream', async () => {
      const store = open();
      await store.append('a-1', newEvents(4), -1);
      expect(await store.read('a-1', 2)).toEqual((await store.read('a-1')).slice(2));
      expect((await store.read('a-1', 2)).map(({ revision }) => revision)).toEqual([2, 3]);
      expect(await store.read('a-1', 4)).toEqual([]);
    });

    test('finds nothing where nothing is', async () => {
      const store = open();
      expect(await store.read('a-1')).toEqual([]);
      expect(await store.readAll(0, 10)).toEqual([]);
      expect(await store.head()).toBe(0);
    });

    test('sees an append that succeeded, at once', async () => {
      const store = open();
      for (let revision = -1; revision < 10; revision += 1) {
        expect(await store.read('a-1')).toHaveLength(revision + 1);
        const { position } = await store.append('a-1', newEvents(1), revision);
        expect(await store.head()).toBe(position);
      }
    });

    test('page by page misses nothing while appends go on', async () => {
      const store = open();
      const writing = appendsOf(store, { writers: 5, each: 40 });
      const seen: StoredEvent[] = [];
      let finished = false;
      writing.then(() => (finished = true));
      for (;;) {
        const wasFinished = finished;
        const page = await store.readAll(seen.at(-1)?.position ?? 0, 7);
        expect(page.length).toBeLessThanOrEqual(7);
        seen.push(...page);
        if (page.length === 0 && wasFinished) break;
        if (page.length === 0) await nextTurn();
      }
      expectLog(seen, 400);
      expect(seen.at(-1)?.position).toBe(await writing);
    });
  });

  describe(`${adapter}: a follower`, () => {
    test('of an empty store is told at once that there is nothing', async () => {
      expect(await pagesWith(open().follow(0), 0)).toEqual([{ events: [], position: 0, caughtUp: true }]);
    });

    test('sees the past and then what is appended, each once, also while appends go on', async () => {
      const store = open();
      await store.append('past-1', newEvents(many), -1);
      const past = await store.readAll(0, 10_000);
      const counts = [0, 1, 999, many >> 1, many - 1, many];
      const total = many + 5 * 60 * 2;
      const writing = appendsOf(store, { writers: 5, each: 60 });
      const follow = (count: number) => pagesWith(store.follow(past[count - 1]?.position ?? 0), total - count);
      const early = counts.map(follow);
      await nextTurn();
      const late = counts.map(follow);
      await writing;
      const log = await store.readAll(0, 10_000);
      expectLog(log, total);
      for (const followers of [early, late])
        for (const [index, count] of counts.entries()) expect(eventsOf((await followers[index]) ?? [])).toEqual(log.slice(count));
    });

    test.each([999, 1000, 1001, 2000])('crosses the border behind %d events', async (count) => {
      const store = open();
      await store.append('past-1', newEvents(count), -1);
      const past = await store.readAll(0, 10_000);
      const following = pagesWith(store.follow(0), count + 1);
      expect(eventsOf(await pagesWithMark(store.follow(past.at(-2)?.position ?? 0)))).toEqual(past.slice(-1));
      await store.append('a-1', newEvents(1), -1);
      expect(eventsOf(await following)).toEqual(await store.readAll(0, 10_000));
    });

    test('is told of the border once everything of the past was shown, and not before', async () => {
      const store = open();
      await store.append('past-1', newEvents(many), -1);
      const pages = await pagesWithMark(store.follow(0));
      expect(eventsOf(pages)).toEqual(await store.readAll(0, 10_000));
      expect(pages.at(-1)?.position).toBe(await store.head());
    });

    test('may append, and all see the same order', async () => {
      const store = open();
      const before = pagesWith(store.follow(0), 20);
      const eager = store.follow(0).subscribe(({ events }) => {
        for (const { revision } of events) if (revision < 19) void store.append('a-1', newEvents(1), revision);
      });
      const behind = pagesWith(store.follow(0), 20);
      await store.append('a-1', newEvents(1), -1);
      const [first, second] = [eventsOf(await before), eventsOf(await behind)];
      expectLog(first, 20);
      expect(second).toEqual(first);
      eager.unsubscribe();
    });

    test('may append as soon as it is shown the past, and misses nothing', async () => {
      const store = open();
      await store.append('a-1', newEvents(1), -1);
      const eager = store.follow(0).subscribe(({ events }) => {
        for (const { revision } of events) if (revision < 19) void store.append('a-1', newEvents(1), revision);
      });
      expectLog(eventsOf(await pagesWith(store.follow(0), 20)), 20);
      eager.unsubscribe();
    });

    test('that unsubscribed is told nothing more', async () => {
      const store = open();
      await store.append('past-1', newEvents(many), -1);
      const seen: number[] = [];
      const see = ({ events }: Page) => seen.push(...events.map((event) => event.position));
      store.follow(0).subscribe(see).unsubscribe();
      const seenOfThePast = seen.length;
      expect(seenOfThePast).toBeLessThan(many);

      const { promise: shown, resolve } = Promise.withResolvers<void>();
      const live = store.follow(await store.head()).subscribe((page) => {
        see(page);
        if (page.events.length > 0) resolve();
      });
      const { position } = await store.append('a-1', newEvents(1), -1);
      await shown;
      live.unsubscribe();
      await store.append('a-1', newEvents(1), 0);
      expect(eventsOf(await pagesWith(store.follow(0), many + 2))).toHaveLength(many + 2);
      expect(seen.slice(seenOfThePast)).toEqual([position]);
    });
  });

  describe(`${adapter}: the time of an event`, () => {
    if (kind.clock)
      test('is when it was appended, and never earlier than that of the event before it', async () => {
        const times = [5000, 5001, 3000, 1, 5001, 6000];
        const store = open({ now: () => times.shift() ?? 6000 });
        for (let revision = -1; revision < 5; revision += 1) await store.append('a-1', newEvents(1), revision);
        expect((await store.read('a-1')).map((event) => event.recordedAt)).toEqual([5000, 5001, 5001, 5001, 5001, 6000]);
      });
    else
      test('is when it was appended, as far as the clocks agree', async () => {
        const store = open();
        const now = Date.now();
        await store.append('a-1', newEvents(1), -1);
        expect(Math.abs(((await store.read('a-1'))[0]?.recordedAt ?? 0) - now)).toBeLessThan(60_000);
      });
  });

  describe(`${adapter}: a store that was closed`, () => {
    test('takes no appends', async () => {
      const store = openStore();
      await store.append('a-1', newEvents(1), -1);
      await store.close();
      await expect(store.append('a-1', newEvents(1), 0)).rejects.toThrow(StoreStopped);
    });

    test('has kept what was appended before', async () => {
      const store = openStore();
      const append = store.append('a-1', newEvents(1), -1);
      await store.close();
      expect(await append).toEqual({ revision: 0, position: expect.any(Number) });
    });

    test('ends those who follow, also in the middle of the past', async () => {
      const store = openStore();
      await store.append('past-1', newEvents(many), -1);
      const past = await store.readAll(0, 10_000);
      const live = lastValueFrom(store.follow(await store.head()).pipe(toArray()));
      const catchingUp = lastValueFrom(store.follow(0).pipe(toArray()));
      await store.close();
      expect(eventsOf(await live)).toEqual([]);
      const seen = eventsOf(await catchingUp);
      expect(seen).toEqual(past.slice(0, seen.length));
    });
  });

  test(`${adapter}: whatever is appended, at whatever revision, the store ends as a simple model says`, async () => {
    const anAppend = fc.record({
      stream: fc.constantFrom('a-1', 'a-2', 'b-1'),
      count: fc.integer({ min: 1, max: 3 }),
      offset: fc.constantFrom(0, 0, 0, 0, -1, 1, -2, 5),
      // Repeats an earlier append of the stream instead, if there is one.
      repeats: fc.option(fc.nat(), { freq: 4 }),
    });
    // At once, but each on its own stream: what wins on one stream is the matter of another test.
    const atOnce = fc.uniqueArray(anAppend, { selector: ({ stream }) => stream, minLength: 1, maxLength: 3 });
    const property = fc.asyncProperty(fc.array(atOnce, { maxLength: 12 }), async (rounds) => {
      const store = openStore();
      const model = new Map<string, { ids: string[]; appends: { events: NewEvent[]; expected: number }[] }>();
      try {
        for (const round of rounds) {
          const calls = round.map(({ stream, count, offset, repeats }) => {
            const past = model.get(stream) ?? { ids: [], appends: [] };
            const earlier = repeats === null ? undefined : past.appends[repeats % past.appends.length];
            const { events, expected } = earlier ?? { events: newEvents(count), expected: Math.max(-1, past.ids.length - 1 + offset) };
            const fits = expected === past.ids.length - 1;
            if (fits) model.set(stream, { ids: [...past.ids, ...idsOf(events)], appends: [...past.appends, { events, expected }] });
            return { stream, events, expected, succeeds: fits || earlier !== undefined };
          });
          const outcomes = await Promise.allSettled(calls.map(({ stream, events, expected }) => store.append(stream, events, expected)));
          for (const [index, { stream, events, expected, succeeds }] of calls.entries()) {
            const outcome = outcomes[index] as PromiseSettledResult<Appended>;
            if (outcome.status === 'fulfilled') {
              const last = (await store.read(stream, outcome.value.revision))[0];
              expect(last).toMatchObject({ id: events.at(-1)?.id, revision: expected + events.length, position: outcome.value.position });
            } else expect(outcome.reason).toBeInstanceOf(RevisionConflict);
            expect(outcome.status === 'fulfilled').toBe(succeeds);
          }
        }
        const log = await store.readAll(0, 1000);
        expectLog(
          log,
          [...model.values()].reduce((sum, { ids }) => sum + ids.length, 0),
        );
        for (const [stream, { ids }] of model) {
          const events = await store.read(stream);
          expect(idsOf(events)).toEqual(ids);
          expect(events.map((event) => event.revision)).toEqual(upTo(ids.length).map((place) => place - 1));
          expect(log.filter((event) => event.stream === stream)).toEqual(events);
        }
        expect(eventsOf(await pagesWith(store.follow(0), log.length))).toEqual(log);
      } finally {
        await store.close();
      }
    });
    await fc.assert(property, { numRuns: 60 });
  });
};

const upTo = (count: number): number[] => Array.from({ length: count }, (_, index) => index + 1);
const idsOf = (events: readonly { id: string }[]): string[] => events.map((event) => event.id);
const positionsOf = (events: readonly StoredEvent[]): number[] => events.map((event) => event.position);
const eventsOf = (pages: readonly Page[]): StoredEvent[] => pages.flatMap((page) => page.events);
const reasons = (outcomes: readonly PromiseSettledResult<unknown>[]): unknown[] =>
  outcomes.filter((outcome) => outcome.status === 'rejected').map((outcome) => (outcome.reason as Error).constructor);
const nextTurn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** The pages of a follower until they have shown so many events; until the mark, if none. */
const pagesWith = (follower: Observable<Page>, count: number): Promise<Page[]> => {
  let shown = 0;
  const goesOn = ({ events, caughtUp }: Page) => {
    shown += events.length;
    return shown < count || (count === 0 && !caughtUp);
  };
  return lastValueFrom(follower.pipe(takeWhile(goesOn, true), toArray()));
};

const pagesWithMark = (follower: Observable<Page>): Promise<Page[]> =>
  lastValueFrom(
    follower.pipe(
      takeWhile(({ caughtUp }) => !caughtUp, true),
      toArray(),
    ),
  );

/** Writers that append two events at a time, each on its own stream and as fast as they are told; the head after the last. */
const appendsOf = async (store: EventStore, { writers, each }: { writers: number; each: number }): Promise<number> => {
  const write = async (stream: string) => {
    for (let n = 0; n < each; n += 1) await store.append(stream, newEvents(2), 2 * n - 1);
  };
  await Promise.all(Array.from({ length: writers }, (_, n) => write(`written-${n}`)));
  return store.head();
};
