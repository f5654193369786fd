import { status } from '@grpc/grpc-js';
import { afterEach, describe, expect, test } from '@jest/globals';
import { firstValueFrom, lastValueFrom, type Observable, takeWhile, toArray } from 'rxjs';
import { type KurrentdbSettings, kurrentdbEventStore } from '../../src/adapters/event-store/kurrentdb.ts';
import { toMessage } from '../../src/adapters/event-store/kurrentdb-envelope.ts';
import {
  AppendTooLarge,
  type EventStore,
  type NewEvent,
  type Page,
  RevisionConflict,
  StoreBusy,
  StoreStopped,
  StoreUnavailable,
} from '../../src/domain/ports/event-store.ts';
import { type ClusterOptions, type KurrentdbCluster, kurrentdbCluster } from '../support/kurrentdb-server/cluster.ts';
import { metadataOf } from '../support/kurrentdb-server/log.ts';
import { proposedIn } from '../support/kurrentdb-server/messages.ts';
import { settingsFor } from '../support/kurrentdb-server/settings.ts';
import { newEvent, newEvents } from '../support/new-events.ts';

const opened: { close(): unknown }[] = [];
afterEach(async () => {
  for (const one of opened.splice(0).reverse()) await one.close();
});

const clusterOf = async (options?: ClusterOptions): Promise<KurrentdbCluster> => {
  const cluster = await kurrentdbCluster(options);
  opened.push({ close: () => cluster.stop() });
  return cluster;
};

const storeIn = ({ connectionString }: Pick<KurrentdbCluster, 'connectionString'>, given?: Partial<KurrentdbSettings>): EventStore => {
  const store = kurrentdbEventStore(settingsFor(connectionString, given));
  opened.push(store);
  return store;
};

const idsOf = (events: readonly { id: string }[]): string[] => events.map(({ id }) => id);
const eventsUntil = async (follower: Observable<Page>, last: string) => {
  const pages = await lastValueFrom(
    follower.pipe(
      takeWhile(({ events }) => !idsOf(events).includes(last), true),
      toArray(),
    ),
  );
  return pages.flatMap(({ events }) => events);
};
const foreign = () => ({
  ...{ id: crypto.randomUUID(), type: 'Other', contentType: 'application/octet-stream' },
  ...{ data: Buffer.from('x'), metadata: Buffer.alloc(0) },
});
const until = async (condition: () => boolean | Promise<boolean>): Promise<void> => {
  while (!(await condition())) await new Promise((resolve) => setTimeout(resolve, 5));
};

test('an append that is more than the cluster takes is refused at once, and smaller ones go on', async () => {
  const cluster = await clusterOf();
  const store = storeIn(cluster);
  const large = { ...newEvent(), data: JSON.stringify('x'.repeat(1024 * 1024)) };
  await expect(store.append('a-1', [large], -1)).rejects.toThrow(AppendTooLarge);
  expect(cluster.node.calls()).toBe(1);
  expect(await store.append('a-1', newEvents(1), -1)).toMatchObject({ revision: 0 });
  const told = storeIn(await clusterOf({ maxAppendSize: 4 * 1024 * 1024 }));
  await told.append('a-1', [large], -1);
  expect((await told.read('a-1'))[0]?.data).toBe(large.data);
});

describe('an append whose answer never came', () => {
  test('was kept: it succeeds, once', async () => {
    const cluster = await clusterOf();
    const store = storeIn(cluster);
    await store.append('a-1', newEvents(1), -1);
    const events = newEvents(3);
    cluster.node.cutAfterCommit(3);
    const place = await store.append('a-1', events, 0);
    const stream = await store.read('a-1');
    expect(idsOf(stream.slice(1))).toEqual(idsOf(events));
    expect(place).toEqual({ revision: 3, position: stream[3]?.position });
    expect(cluster.node.calls()).toBeGreaterThan(4);
  });

  test.each(['forgetful', 'withoutPosition'] as const)('is found by what the stream holds, where the server is %s', async (quirk) => {
    const cluster = await clusterOf();
    const store = storeIn(cluster);
    cluster.node.quirks[quirk] = true;
    const events = newEvents(2);
    cluster.node.cutAfterCommit(1);
    const place = await store.append('a-1', events, -1);
    await store.append('a-1', newEvents(1), 1);
    expect(await store.append('a-1', events, -1)).toEqual(place);
    const stream = await store.read('a-1');
    expect(idsOf(stream.slice(0, 2))).toEqual(idsOf(events));
    expect([stream.length, stream[1]?.position]).toEqual([3, place.position]);
  });

  test.each([status.UNAVAILABLE, status.ABORTED, status.UNKNOWN, status.INTERNAL, status.CANCELLED, status.DEADLINE_EXCEEDED])(
    'with status %d was not kept: it is tried again',
    async (code) => {
      const cluster = await clusterOf();
      const store = storeIn(cluster);
      cluster.node.refuse(3, code);
      expect(await store.append('a-1', newEvents(1), -1)).toMatchObject({ revision: 0 });
      expect(await store.read('a-1')).toHaveLength(1);
    },
  );

  test('is given up in time, and safe to repeat, also when it is kept late', async () => {
    const cluster = await clusterOf();
    const store = storeIn(cluster, { deadlineMs: 300 });
    await store.head();
    const letGo = cluster.node.stall();
    const [events, begun] = [newEvents(2), Date.now()];
    await expect(store.append('a-1', events, -1)).rejects.toThrow(StoreUnavailable);
    expect(Date.now() - begun).toBeLessThan(5000);
    letGo();
    expect(await store.append('a-1', events, -1)).toMatchObject({ revision: 1 });
    expect(idsOf(await store.read('a-1'))).toEqual(idsOf(events));
  });

  test('loses to another one that came in between', async () => {
    const cluster = await clusterOf();
    const [store, other] = [storeIn(cluster), storeIn(cluster)];
    cluster.node.refuse(1, status.UNAVAILABLE);
    const late = store.append('a-1', newEvents(1), -1);
    await until(() => cluster.node.refusals() === 0);
    await other.append('a-1', newEvents(1), -1);
    await expect(late).rejects.toThrow(RevisionConflict);
  });
});

test('a refusal is told as it is, and not tried again', async () => {
  const cluster = await clusterOf();
  const store = storeIn(cluster);
  cluster.node.refuse(1, status.PERMISSION_DENIED);
  await expect(store.append('a-1', newEvents(1), -1)).rejects.toMatchObject({ code: status.PERMISSION_DENIED });
  expect(cluster.node.calls()).toBe(0);
});

describe('a cluster', () => {
  test('that comes up after those who call it keeps what they append', async () => {
    const cluster = await clusterOf({ started: false });
    const store = storeIn(cluster);
    const shown = firstValueFrom(store.follow(0));
    const append = store.append('a-1', newEvents(1), -1);
    await expect(Promise.race([append, new Promise((resolve) => setTimeout(resolve, 100, 'waits'))])).resolves.toBe('waits');
    await cluster.node.start();
    expect(await append).toMatchObject({ revision: 0 });
    expect(await shown).toBeDefined();
  });

  test('that is gone fails calls in time; when it is back, the same store goes on', async () => {
    const cluster = await clusterOf();
    const store = storeIn(cluster, { deadlineMs: 300 });
    await store.append('a-1', newEvents(1), -1);
    cluster.stop();
    await expect(store.append('a-1', newEvents(1), 0)).rejects.toThrow(StoreUnavailable);
    await expect(store.read('a-1')).rejects.toThrow(StoreUnavailable);
    await cluster.node.start();
    expect(await store.append('a-1', newEvents(1), 0)).toMatchObject({ revision: 1 });
  });

  test('whose nodes are all gone, while many call, fails those calls and nothing else', async () => {
    const cluster = await clusterOf({ nodes: 3 });
    const store = storeIn(cluster, { deadlineMs: 300 });
    await store.head();
    const unhandled: unknown[] = [];
    const note = (reason: unknown) => unhandled.push(reason);
    process.on('unhandledRejection', note);
    cluster.node.delay(20);
    const calls = Array.from({ length: 60 }, async (_, n) => {
      await new Promise((resolve) => setTimeout(resolve, n));
      return store.append(`a-${n}`, newEvents(1), -1);
    });
    await until(() => cluster.node.calls() > 5);
    cluster.stop();
    for (const outcome of await Promise.allSettled(calls))
      if (outcome.status === 'rejected') expect(outcome.reason).toBeInstanceOf(StoreUnavailable);
    process.off('unhandledRejection', note);
    expect(unhandled).toEqual([]);
  });

  test.each([0, 1, 2])('is found through any of its nodes: %d', async (index) => {
    const cluster = await clusterOf({ nodes: 3 });
    const { port = 0 } = cluster.nodes[index] ?? {};
    const store = storeIn({ connectionString: `esdb://127.0.0.1:${port}?tls=false` });
    expect(await store.append('a-1', newEvents(1), -1)).toMatchObject({ revision: 0 });
    expect(await store.read('a-1')).toHaveLength(1);
    // What is decided on is what the leader says.
    expect(cluster.nodes.map((node) => node.calls())).toEqual([2, 0, 0]);
  });

  test('that takes its time to say who leads is not looked for again and again', async () => {
    const cluster = await clusterOf({ nodes: 2 });
    const store = storeIn(cluster, { deadlineMs: 1000 });
    for (const node of cluster.nodes) node.delay(600);
    expect(await store.append('a-1', newEvents(1), -1)).toMatchObject({ revision: 0 });
  });

  test('with another leader is followed there, also when there was none for a while', async () => {
    const cluster = await clusterOf({ nodes: 3 });
    const store = storeIn(cluster);
    let revision = -1;
    for (const leader of [...cluster.nodes, ...cluster.nodes]) {
      cluster.elect(null);
      const append = store.append('a-1', newEvents(1), revision);
      await new Promise((resolve) => setTimeout(resolve, 30));
      cluster.elect(leader);
      ({ revision } = await append);
    }
    expect(revision).toBe(5);
    expect((await store.read('a-1')).map((event) => event.revision)).toEqual([0, 1, 2, 3, 4, 5]);
  });

  test('with a node that hangs is left for one that answers', async () => {
    const cluster = await clusterOf({ nodes: 2 });
    const store = storeIn(cluster, { deadlineMs: 1000 });
    await store.head();
    cluster.node.stall();
    cluster.elect(cluster.nodes[1] ?? null);
    expect(await store.append('a-1', newEvents(1), -1)).toMatchObject({ revision: 0 });
  });

  test('lets one of many nodes win on a stream', async () => {
    const cluster = await clusterOf({ nodes: 3 });
    const stores = [storeIn(cluster), storeIn(cluster)];
    for (let revision = -1; revision < 11; revision += 1) {
      const rivals = Array.from({ length: 64 }, () => newEvents(1));
      const outcomes = await Promise.allSettled(rivals.map((events, n) => (stores[n % 2] as EventStore).append('a-1', events, revision)));
      const refusals = outcomes.flatMap((outcome) => (outcome.status === 'rejected' ? [outcome.reason.constructor] : []));
      expect(refusals).toEqual(Array(63).fill(RevisionConflict));
    }
  });
});

describe('a follower', () => {
  test('is shown only the streams of its categories, and every one of them', async () => {
    const cluster = await clusterOf();
    const store = storeIn(cluster, { categories: ['a', 'b'] });
    const [events, last] = [newEvents(3), newEvent()];
    for (const stream of ['abc-1', 'c-1', 'A-1', '$a-1', 'b'])
      for (let n = 0; n < 1500; n += 1) cluster.log.append(stream, 'any', [foreign()]);
    await store.append('a-1', events, -1);
    await store.append('b-1', [last], -1);
    expect(idsOf(await eventsUntil(store.follow(0), last.id))).toEqual(idsOf([...events, last]));
    expect(idsOf(await store.readAll(0, 10))).toEqual(idsOf([...events, last]));
    for (let n = 0; n < 10; n += 1) cluster.log.append('c-2', 'any', [foreign()]);
    expect(await store.head()).toBe((await store.read('b-1'))[0]?.position);
  });

  test('is shown every event once, in order, however often the connection is lost', async () => {
    const cluster = await clusterOf();
    const store = storeIn(cluster);
    const [events, last] = [newEvents(120), newEvent()];
    const shown = eventsUntil(store.follow(0), last.id);
    for (const [index, event] of events.entries()) {
      await store.append('a-1', [event], index - 1);
      if (index % 20 === 10) await cluster.node.loseConnections();
    }
    await store.append('b-1', [last], -1);
    expect(idsOf(await shown)).toEqual(idsOf([...events, last]));
  });

  test('is told of the border again after a cut', async () => {
    const cluster = await clusterOf();
    const store = storeIn(cluster);
    const pages: Page[] = [];
    const following = store.follow(0).subscribe((page) => pages.push(page));
    await until(() => pages.length === 1);
    await cluster.node.loseConnections();
    await until(() => pages.length === 2);
    following.unsubscribe();
    expect(pages.map(({ caughtUp }) => caughtUp)).toEqual([true, true]);
  });

  test('is not shown twice what a server shows twice', async () => {
    const cluster = await clusterOf();
    const store = storeIn(cluster);
    cluster.node.quirks.twice = true;
    const events = newEvents(30);
    const shown = eventsUntil(store.follow(0), events.at(-1)?.id ?? '');
    for (const [index, event] of events.entries()) await store.append('a-1', [event], index - 1);
    expect(idsOf(await shown)).toEqual(idsOf(events));
  });

  test('fails at an event that comes behind a newer one', async () => {
    const cluster = await clusterOf();
    const store = storeIn(cluster);
    await store.append('a-1', newEvents(4), -1);
    cluster.node.quirks.swapped = true;
    const shown: number[] = [];
    const failed = lastValueFrom(store.follow(0)).catch((error: Error) => error.message);
    store.follow(0).subscribe({ next: ({ events }) => shown.push(...events.map(({ revision }) => revision)), error: () => undefined });
    expect(await failed).toMatch(/^the log shows event \d+ behind event \d+$/);
    expect(shown).toEqual([]);
  });

  test('fails at an event that Countersign did not write', async () => {
    const cluster = await clusterOf();
    cluster.log.append('a-1', 'no_stream', [{ ...foreign(), metadata: Buffer.from('{}') }]);
    const store = storeIn(cluster);
    await expect(lastValueFrom(store.follow(0))).rejects.toThrow('a-1/0 was not written by Countersign');
    await expect(store.read('a-1')).rejects.toThrow('a-1/0 was not written by Countersign');
  });

  test('of a connection that died without a word begins again', async () => {
    const cluster = await clusterOf();
    const store = storeIn(cluster, { deadlineMs: 300 });
    const [first, second] = [newEvent(), newEvent()];
    const seen: string[] = [];
    store.follow(0).subscribe(({ events }) => seen.push(...idsOf(events)));
    await store.append('a-1', [first], -1);
    await until(() => seen.length === 1);
    cluster.node.mute();
    await store.append('a-1', [second], 0);
    await until(() => seen.length === 2);
    expect(seen).toEqual([first.id, second.id]);
  });

  test('is told of the border by a server that does not speak of it', async () => {
    const cluster = await clusterOf();
    cluster.node.quirks.withoutCaughtUp = true;
    const store = storeIn(cluster, { deadlineMs: 300 });
    await store.append('a-1', newEvents(2), -1);
    const pages = await lastValueFrom(
      store.follow(0).pipe(
        takeWhile(({ caughtUp }) => !caughtUp, true),
        toArray(),
      ),
    );
    expect(pages.flatMap(({ events }) => events)).toEqual(await store.read('a-1'));
  });

  test('that still catches up is not told of the border because the head could not be asked for', async () => {
    const cluster = await clusterOf();
    const store = storeIn(cluster, { deadlineMs: 300 });
    for (let n = 0; n < 20; n += 1) await store.append(`a-${n}`, newEvents(100), -1);
    cluster.node.quirks.lookingMs = 50;
    const caughtUp = lastValueFrom(
      store.follow(0).pipe(
        takeWhile((page) => !page.caughtUp, true),
        toArray(),
      ),
    );
    await until(() => cluster.node.begun() === 1);
    cluster.node.refuse(1, status.ABORTED);
    await until(() => cluster.node.refusals() === 0);
    const pages = await caughtUp;
    expect(pages.reduce((sum, { events }) => sum + events.length, 0)).toBe(2000);
  });

  test('of a cluster that is away is told of the border when it is back', async () => {
    const cluster = await clusterOf();
    const [writer, store] = [storeIn(cluster), storeIn(cluster, { deadlineMs: 100 })];
    const { position } = await writer.append('a-1', newEvents(1), -1);
    await writer.append('a-1', newEvents(5), 0);
    const pages: Page[] = [];
    cluster.stop();
    store.follow(position).subscribe((page) => pages.push(page));
    // The follower asks with it.
    await expect(store.head()).rejects.toThrow(StoreUnavailable);
    expect(pages).toEqual([]);
    await cluster.node.start();
    await until(() => pages.some(({ caughtUp }) => caughtUp));
    expect(pages.flatMap(({ events }) => events)).toHaveLength(5);
    const { length } = pages;
    cluster.stop();
    await expect(store.head()).rejects.toThrow(StoreUnavailable);
    expect(pages).toHaveLength(length);
  });

  test('gets through a long stretch of what others wrote, however long that takes', async () => {
    const cluster = await clusterOf();
    const store = storeIn(cluster, { deadlineMs: 300 });
    for (let n = 0; n < 12_000; n += 1) cluster.log.append(`c-${n % 50}`, 'any', [foreign()]);
    const events = newEvents(2);
    await store.append('a-1', events, -1);
    cluster.node.quirks.lookingMs = 10;
    expect(idsOf(await eventsUntil(store.follow(0), events[1]?.id ?? ''))).toEqual(idsOf(events));
  });

  test.each(['is cut', 'falls silent'])('that %s behind what others wrote goes on from there, and misses nothing', async (what) => {
    const cluster = await clusterOf();
    const store = storeIn(cluster, { deadlineMs: 300 });
    // Two windows: the last place that a server names then is where the next event begins.
    while (cluster.log.all().length < 2000) cluster.log.append('c-1', 'any', [foreign()]);
    const event = newEvent();
    const shown: string[] = [];
    store.follow(0).subscribe(({ events, caughtUp }) => shown.push(...idsOf(events), ...(caughtUp ? ['border'] : [])));
    await until(() => shown.length === 1);
    if (what === 'is cut') cluster.stop();
    else cluster.node.mute();
    cluster.log.append('a-1', 'no_stream', [proposedIn(toMessage(event).getProposedMessage() as never)]);
    if (!cluster.node.isUp()) await cluster.node.start();
    await until(() => shown.length === 3);
    expect(shown).toEqual(['border', event.id, 'border']);
  });

  test('that is confirmed and then fails, as during an election, tries ever more seldom', async () => {
    const cluster = await clusterOf();
    const store = storeIn(cluster);
    cluster.node.quirks.confirmsOnly = true;
    const [event, shown, begun]: [NewEvent, string[], number] = [newEvent(), [], Date.now()];
    store.follow(0).subscribe(({ events }) => shown.push(...idsOf(events)));
    await until(() => cluster.node.begun() === 9);
    expect(Date.now() - begun).toBeGreaterThan(1600);
    cluster.node.quirks.confirmsOnly = false;
    await store.append('a-1', [event], -1);
    await until(() => shown.length > 0);
    expect(shown).toEqual([event.id]);
  });

  test('on another node sees what was appended here, and can read it', async () => {
    const cluster = await clusterOf({ nodes: 3 });
    const [here, there] = [storeIn(cluster), storeIn(cluster)];
    const event = newEvent();
    const shown = eventsUntil(there.follow(0), event.id);
    const { position } = await here.append('a-1', [event], -1);
    expect((await shown)[0]?.position).toBe(position);
    expect(await there.read('a-1')).toEqual(await here.read('a-1'));
  });
});

test('whatever happens to the nodes, nothing is lost, nothing doubled, and all see one order', async () => {
  const cluster = await clusterOf({ nodes: 3 });
  const stores = [storeIn(cluster, { deadlineMs: 500 }), storeIn(cluster, { deadlineMs: 500 })];
  const acknowledged: NewEvent[] = [];
  const last = newEvent();
  const followers = stores.map((store) => eventsUntil(store.follow(0), last.id));

  const write = async (store: EventStore, stream: string) => {
    for (let revision = -1; revision < 99; ) {
      const events = newEvents(2);
      // What is unknown is asked again, as a caller would.
      for (let done = false; !done; )
        await store.append(stream, events, revision).then(
          () => {
            done = true;
          },
          (error) => {
            if (!(error instanceof StoreUnavailable)) throw error;
          },
        );
      acknowledged.push(...events);
      revision += 2;
    }
  };
  const disturb = async () => {
    for (let n = 0; n < 63; n += 1) {
      const node = cluster.nodes[n % 3] as KurrentdbCluster['node'];
      const disturbances = [
        () => node.cutAfterCommit(2),
        () => node.refuse(2, status.UNAVAILABLE),
        () => node.loseConnections(),
        () => cluster.elect(node),
        () => cluster.elect(null),
        () => cluster.elect(node),
        () => node.mute(),
      ];
      await disturbances[n % disturbances.length]?.();
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    cluster.elect(cluster.node);
  };
  await Promise.all([disturb(), ...stores.flatMap((store, n) => [write(store, `a-${n}`), write(store, `b-${n}`)])]);
  const [store] = stores as [EventStore];
  await store.append('a-last', [last], -1);

  const log = await store.readAll(0, 10_000);
  expect(idsOf(log).sort()).toEqual(idsOf([...acknowledged, last]).sort());
  for (const follower of followers) expect(idsOf(await follower)).toEqual(idsOf(log));
});

describe('too many calls', () => {
  test('wait for their turn, and are refused where as many wait', async () => {
    const cluster = await clusterOf();
    const store = storeIn(cluster, { maxInFlight: 2, deadlineMs: 5000 });
    expect(store.pressure?.()).toBe(0);
    const letGo = cluster.node.stall();
    const calls = [1, 2, 3, 4].map((n) => store.append(`a-${n}`, newEvents(1), -1));
    expect(store.pressure?.()).toBe(2);
    await expect(store.append('a-5', newEvents(1), -1)).rejects.toThrow(StoreBusy);
    letGo();
    expect(await Promise.all(calls)).toHaveLength(4);
    expect(store.pressure?.()).toBe(0);
    expect(await store.read('a-5')).toEqual([]);
  });
});

describe('a store', () => {
  test('does not look through what others wrote for more than it was asked for', async () => {
    const cluster = await clusterOf();
    const store = storeIn(cluster, { deadlineMs: 1000 });
    await store.append('a-1', newEvents(1), -1);
    for (let n = 0; n < 10_000; n += 1) cluster.log.append('c-1', 'any', [foreign()]);
    const { position } = await store.append('a-1', newEvents(1), 0);
    // All of it would take five seconds.
    cluster.node.quirks.lookingMs = 50;
    expect(await store.head()).toBe(position);
    expect(await store.readAll(0, 1)).toHaveLength(1);
  });

  test('reads a long stream whole, also one of which the beginning is gone', async () => {
    const cluster = await clusterOf();
    const store = storeIn(cluster, { deadlineMs: 10_000 });
    await store.append('a-1', newEvents(1000), -1);
    await store.append('a-1', newEvents(1001), 999);
    expect((await store.read('a-1', 3)).map(({ revision }) => revision)).toEqual(Array.from({ length: 1998 }, (_, n) => n + 3));
    metadataOf(cluster, 'a-1', { $tb: 1999 });
    expect((await store.read('a-1')).map(({ revision }) => revision)).toEqual([1999, 2000]);
  });

  test('keeps the time that an event from another store had', async () => {
    const store = storeIn(await clusterOf());
    const given = { ...newEvent(), recordedAt: 1_700_000_000_123 };
    await store.append('a-1', [given], -1);
    expect((await store.read('a-1'))[0]?.recordedAt).toBe(1_700_000_000_123);
  });

  test('refuses positions that a number cannot hold', async () => {
    const store = storeIn(await clusterOf({ begin: Number.MAX_SAFE_INTEGER - 1 }));
    await expect(store.append('a-1', newEvents(1), -1)).rejects.toThrow(/is more than a number can hold/);
  });

  test('that is closed refuses calls and ends when those under way have', async () => {
    const cluster = await clusterOf();
    const store = storeIn(cluster, { deadlineMs: 5000 });
    cluster.node.delay(50);
    const [append, following] = [store.append('a-1', newEvents(1), -1), lastValueFrom(store.follow(0), { defaultValue: 'ended' })];
    const closing = store.close();
    await expect(store.read('a-1')).rejects.toThrow(StoreStopped);
    await closing;
    expect([await append, await following]).toMatchObject([{ revision: 0 }, 'ended']);
  });
});
