import { describe, expect, test } from '@jest/globals';
import { BehaviorSubject, Subject } from 'rxjs';
import { inMemoryEventStore } from '../../src/adapters/event-store/in-memory.ts';
import { temporarySigningKeys } from '../../src/adapters/keys/signing-keys.ts';
import { makeHealth } from '../../src/api/operator/readiness.ts';
import { UnreadableEvent } from '../../src/domain/events.ts';
import type { EventStore, StoredEvent } from '../../src/domain/ports/event-store.ts';
import { type Outbox, runReactions } from '../../src/projections/reactions/runner.ts';
import { type Applied, ProjectionStopped } from '../../src/projections/runner.ts';
import type { TestEngine } from '../support/engine.ts';
import { stallingStore } from '../support/stalling-store.ts';
import { secretTpp } from '../support/tpp.ts';
import { enginesOfTests } from './support.ts';

const engine = enginesOfTests();

const seen = async (tested: TestEngine, path: string) => {
  const response = await fetch(tested.url + path);
  return { status: response.status, body: (await response.json()) as Record<string, unknown>, headers: response.headers };
};

/** Asks until the answer is another one: what is said may be a second old. */
const soon = async (tested: TestEngine, status: number) => {
  for (;;) {
    const answer = await seen(tested, '/readyz');
    if (answer.status === status) return answer;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
};

describe('a node that is well', () => {
  test('lives and is ready, and says what it looked at', async () => {
    const tested = await engine();
    expect(await seen(tested, '/livez')).toMatchObject({ status: 200, body: { live: true } });
    const { status, body, headers } = await seen(tested, '/readyz');
    expect([status, body]).toEqual([
      200,
      {
        ready: true,
        checks: {
          store: { ok: true },
          projections: { ok: true, behind_positions: 0, behind_seconds: 0 },
          outbox: { ok: true, due: expect.any(Number), oldest_seconds: expect.any(Number) },
          keys: { ok: true, published: expect.any(Number) },
        },
      },
    ]);
    expect(headers.get('cache-control')).toBe('no-store');
  });
});

describe('a node whose store stands still', () => {
  test('lives, is not ready, and is ready again when it goes on', async () => {
    const store = stallingStore(inMemoryEventStore());
    const tested = await engine({ store });
    store.stall();
    const { body } = await soon(tested, 503);
    expect(body['checks']).toMatchObject({
      store: { ok: false, fault: 'no answer in time' },
      projections: { ok: false, fault: 'no answer in time' },
      keys: { ok: true },
    });
    expect(await seen(tested, '/livez')).toMatchObject({ status: 200 });
    store.goOn();
    await soon(tested, 200);
  });
});

test('a node that has not seen its store for longer than it may be behind answers nothing, and answers again when it has', async () => {
  const store = stallingStore(inMemoryEventStore());
  const tested = await engine({ store }, { COUNTERSIGN_OPERATOR_READY_LAG_SECONDS: '1' });
  const tpp = await secretTpp(tested);
  const introspect = async () => (await tested.post('/oauth2/introspect', { ...tpp, token: 'x' })).status;
  const until = async (status: number) => {
    while ((await introspect()) !== status) await new Promise((resolve) => setTimeout(resolve, 50));
  };
  expect(await introspect()).toBe(200);
  store.stall();
  const answered = async (path: string) => (await fetch(tested.url + path)).status;
  while ((await answered('/approver/v1/requests')) !== 503) await new Promise((resolve) => setTimeout(resolve, 20));
  expect(await answered('/.well-known/openid-configuration')).toBe(200);
  expect((await seen(tested, '/livez')).status).toBe(200);
  store.goOn();
  await until(200);
}, 20_000);

describe('a node', () => {
  const past = Date.now() - 61_000;
  const withEvents = (events: readonly Partial<StoredEvent>[]): EventStore => {
    const log = inMemoryEventStore();
    return { ...log, head: async () => events.length, readAll: async (after) => events.slice(after) as StoredEvent[] };
  };
  const applied = new Subject<Applied>();
  const projections = { applied, position: () => 0, caughtUp: Promise.resolve(), reached: async () => undefined, stop: () => undefined };
  const signer = { ...temporarySigningKeys(), jwks: () => ({ keys: [{}] }) };
  const settings = { readyLagSeconds: 5, readyOutboxSeconds: 60, checkpointMs: 1000 };
  const checks = async (given: Partial<Parameters<typeof makeHealth>[0]>) =>
    (await makeHealth({ store: withEvents([]), projections, signer, outboxes: () => [], settings, ...given }).readiness()).checks;

  test('that is too far behind is not ready', async () => {
    const behind = await checks({ store: withEvents([{ recordedAt: past }, {}]) });
    expect(behind['projections']).toEqual({ ok: false, behind_positions: 2, behind_seconds: expect.any(Number) });
    const little = await checks({ store: withEvents([{ recordedAt: Date.now() - 1000 }]) });
    expect(little['projections']).toMatchObject({ ok: true, behind_positions: 1 });
  });

  test('that has seen all there is does not ask for what is behind that', async () => {
    const readAll = async () => Promise.reject(new Error('it looks through all that others wrote'));
    const { projections: looked } = await checks({ store: { ...withEvents([]), readAll } });
    expect(looked).toEqual({ ok: true, behind_positions: 0, behind_seconds: 0 });
  });

  test('that has owed something for too long is not ready', async () => {
    const none = { reaction: 'ping-client', due: 0, oldest: null, done: 3, failed: 1 };
    const owing = await checks({ outboxes: () => [none, { ...none, due: 2, oldest: past }] });
    expect(owing['outbox']).toEqual({ ok: false, due: 2, oldest_seconds: expect.any(Number) });
    expect((await checks({ outboxes: () => [none] }))['outbox']).toEqual({ ok: true, due: 0, oldest_seconds: 0 });
  });

  test('without keys is not ready', async () => {
    expect((await checks({ signer: { ...signer, jwks: () => ({ keys: [] }) } }))['keys']).toEqual({ ok: false, published: 0 });
  });

  test('says nothing of what a check failed with', async () => {
    const store = { ...withEvents([]), writable: async () => Promise.reject(new Error('connect ECONNREFUSED 10.1.2.3')) };
    expect((await checks({ store }))['store']).toEqual({ ok: false, fault: 'it failed' });
  });

  test('that is about to stop is not ready at once, whatever it said a moment ago', async () => {
    const health = makeHealth({ store: withEvents([]), projections, signer, outboxes: () => [], settings });
    expect((await health.readiness()).ready).toBe(true);
    health.beginStop();
    expect(await health.readiness()).toEqual({ ready: false, checks: { stopping: { ok: false } } });
  });

  test('that began to stop while it was asked is not ready either', async () => {
    const asked = Promise.withResolvers<void>();
    const health = makeHealth({
      ...{ projections, signer, outboxes: () => [], settings },
      store: { ...withEvents([]), writable: () => asked.promise },
    });
    const answer = health.readiness();
    health.beginStop();
    asked.resolve();
    expect((await answer).ready).toBe(false);
  });

  test('that nobody can reach is not ready', async () => {
    const health = makeHealth({ store: withEvents([]), projections, signer, outboxes: () => [], settings });
    let isReached = false;
    health.readyWhile(() => isReached);
    expect(await health.readiness()).toEqual({ ready: false, checks: { listeners: { ok: false } } });
    isReached = true;
    expect((await health.readiness()).ready).toBe(true);
  });

  test.each<[string, (applied: Subject<Applied>) => void]>([
    ['failed', (applied) => applied.error(new ProjectionStopped(17))],
    ['were stopped', (applied) => applied.complete()],
  ])('whose read models %s is not ready and may answer nothing', async (_, stop) => {
    const stopping = new Subject<Applied>();
    const health = makeHealth({
      ...{ store: { ...withEvents([]), writable: async () => undefined }, signer, outboxes: () => [], settings },
      projections: { ...projections, applied: stopping },
    });
    expect([health.mayAnswer(), (await health.readiness()).ready]).toEqual([true, true]);
    stop(stopping);
    expect(health.mayAnswer()).toBe(false);
    expect((await health.readiness()).checks['projections']).toEqual({ ok: false, fault: 'they have stopped' });
    expect(health.halted()).toBe(null);
  });

  test('whose store does not answer says so in time, and asks it once for all who want to know its lag', async () => {
    let asked = 0;
    const head = () => {
      asked += 1;
      return new Promise<number>(() => undefined);
    };
    const health = makeHealth({ store: { ...withEvents([]), head }, projections, signer, outboxes: () => [], settings });
    expect(await Promise.all([health.lag(), health.lag()])).toEqual([null, null]);
    expect(asked).toBe(1);
    health.close();
  });

  test('that came upon an event which it cannot read says which', async () => {
    const stopping = new Subject<Applied>();
    const health = makeHealth({
      ...{ store: withEvents([]), signer, outboxes: () => [], settings },
      projections: { ...projections, applied: stopping },
    });
    const event = { type: 'ConsentLodged', version: 9, position: 17, stream: 'consent-1' } as StoredEvent;
    stopping.error(new ProjectionStopped(17, { cause: new UnreadableEvent(event) }));
    expect((await health.readiness()).checks['projections']).toEqual({
      ...{ ok: false, fault: 'an event that this version cannot read' },
      ...{ type: 'ConsentLodged', version: 9, position: 17 },
    });
  });
});

test('a node asks its store once, however many ask it', async () => {
  let asked = 0;
  const log = inMemoryEventStore();
  const writable = async () => {
    asked += 1;
  };
  const tested = await engine({ store: { ...log, writable } });
  await Promise.all(Array.from({ length: 20 }, () => seen(tested, '/readyz')));
  expect(asked).toBe(1);
});

test('what is owed is seen in the outbox, also when it failed, until it is done or not wanted any more', async () => {
  let due = ['a', 'b'];
  let failing = true;
  const held = Promise.withResolvers<void>();
  const time = new Subject<void>();
  const act = async (key: string) => {
    if (key === 'b') return held.promise;
    if (failing) throw new Error('not now');
    due = due.filter((one) => one !== key);
    return undefined;
  };
  const reaction = { name: 'toys', after: [], due: () => due.map((key) => ({ key, act: () => act(key) })) };
  const { outboxes, stop } = runReactions({ reactions: [reaction], applied: new Subject(), time, onError: () => undefined });
  const until = async (wanted: Partial<Outbox>) => {
    while (!Object.entries(wanted).every(([name, value]) => outboxes()[0]?.[name as keyof Outbox] === value)) {
      time.next();
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
  };
  const began = Date.now();
  await until({ due: 2, failed: 2 });
  expect(outboxes()).toEqual([{ reaction: 'toys', due: 2, oldest: expect.any(Number), done: 0, failed: 2 }]);
  expect(outboxes()[0]?.oldest).toBeLessThan(began + 1000);
  failing = false;
  await until({ due: 1, done: 1 });
  due = [];
  held.reject(new Error('gone'));
  await until({ due: 0, oldest: null });
  await stop();
});

test('who is not on duty any more owes nothing, whatever failed before', async () => {
  const onDuty = new BehaviorSubject(true);
  const failed = Promise.withResolvers<void>();
  let acts = 0;
  const act = async () => {
    acts += 1;
    if (acts > 1) return failed.promise;
    throw new Error('the store is away');
  };
  const due = () => [{ key: 'a', act }];
  const time = new Subject<void>();
  const running = runReactions({
    ...{ reactions: [{ name: 'toys', after: [], due }], applied: new Subject(), time, onDuty },
    onError: () => undefined,
  });
  while (acts < 2) {
    time.next();
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  const owed = () => running.outboxes().map(({ due, oldest }) => [due, oldest]);
  expect(owed()).toEqual([[1, expect.any(Number)]]);
  onDuty.next(false);
  expect(owed()).toEqual([[0, null]]);
  failed.reject(new Error('the store is away'));
  await running.stop();
  expect(owed()).toEqual([[0, null]]);
});
