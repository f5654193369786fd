import { beforeAll, describe, expect, test } from '@jest/globals';
import { systemIds } from '../../src/adapters/clock.ts';
import { inMemoryEventStore } from '../../src/adapters/event-store/in-memory.ts';
import { psuKeys } from '../../src/adapters/keys/psu-keys.ts';
import { sqliteRows } from '../../src/adapters/rows/sqlite.ts';
import { statusAfter } from '../../src/domain/audit/status.ts';
import { type SubjectKind, subjectsOf } from '../../src/domain/audit/subjects.ts';
import { decode } from '../../src/domain/catalogue.ts';
import type { StoredEvent } from '../../src/domain/ports/event-store.ts';
import { deciders, makeReplay, statesOf } from '../../src/domain/replay.ts';
import { auditIndex } from '../../src/projections/audit-index.ts';
import { runProjections } from '../../src/projections/runner.ts';
import { writeHistory } from '../support/history.ts';
import { showInSession } from '../support/session-steps.ts';
import { steps } from '../support/steps.ts';
import { type Auditing, auditing, factsOf, pathOf, statesAt } from './support.ts';

const sealer = psuKeys(':memory:', Buffer.alloc(32, 1));
const store = inMemoryEventStore();
let log: readonly StoredEvent[];
let byStream: ReadonlyMap<string, readonly StoredEvent[]>;
let audit: Auditing;

/** What is each a part of one request's story. */
const OF_REQUESTS = [
  ...['DevicePushAccepted', 'DevicePushRejected', 'ClientNotificationAccepted', 'ClientNotificationRejected', 'GrantOpened'],
  ...['AccessTokenIssued', 'RefreshTokenIssued', 'TokenResponseKept', 'AuthenticationFailed', 'AuthenticationSucceeded'],
];

const memberOf = ({ data }: StoredEvent, member: string): unknown => (JSON.parse(data) as Record<string, unknown>)[member];
const subjectsIn = (event: StoredEvent) => subjectsOf(decode(event)).map(({ kind, id }) => `${kind} ${id}`);

beforeAll(async () => {
  await writeHistory(store, { ceremonies: 40, seed: 3, sealer });
  const ports = { store, sealer, clock: () => 1_760_000_000, ids: systemIds };
  await steps(ports).ask('in-a-browser', { clientId: 'tpp-0', psuId: 'psu-0', consentId: null });
  await showInSession(ports, 'in-a-browser', 'session');
  log = await store.readAll(0, 1_000_000);
  byStream = Map.groupBy(log, ({ stream }) => stream);
  audit = await auditing(store, sealer);
});

describe('the state as of a moment', () => {
  test('is, at every position, what the log said when it ended there', async () => {
    const small = inMemoryEventStore();
    await writeHistory(small, { ceremonies: 8, seed: 2, sealer });
    const past = await small.readAll(0, 1_000_000);
    const whole = await auditing(small, sealer);
    let now = 0;
    const growing = inMemoryEventStore({ now: () => now });
    const then = await auditing(growing, sealer);
    for (const event of past) {
      now = event.recordedAt;
      await growing.append(event.stream, [event], event.revision - 1);
      const folded = statesOf(past.slice(0, event.position), sealer);
      for (const subject of subjectsOf(decode(event))) {
        const asOf = await statesAt(whole, pathOf(subject), { as_of: event.position });
        expect(asOf).toEqual(await statesAt(then, pathOf(subject)));
        expect(asOf.map(({ stream }) => stream)).toContain(event.stream);
        for (const { stream, state } of asOf) expect(state).toEqual(folded.get(stream));
      }
    }
    then.stop();
    whole.stop();
  });

  test('is the fold of the prefix, stream by stream', async () => {
    for (let position = 0; position <= log.length; position += 37) {
      const states = statesOf(log.slice(0, position), sealer);
      for (const { kind, id } of [{ kind: 'client', id: 'tpp-1' } as const, { kind: 'psu', id: 'psu-2' } as const])
        for (const { stream, state } of await statesAt(audit, pathOf({ kind, id }), { as_of: position }))
          expect(state).toEqual(states.get(stream));
    }
  });
});

describe('the index', () => {
  test('says of every fact to which status it led', () => {
    const replay = makeReplay();
    const statusOf = (stream: string) => (replay.state(stream) as { status?: string }).status;
    const changing = new Set<string>();
    for (const event of log) {
      const before = statusOf(event.stream);
      replay.apply(event);
      const [after, said] = [statusOf(event.stream), statusAfter(decode(event))];
      if (before !== after) {
        changing.add(event.type);
        expect([event.type, said]).toEqual([event.type, after]);
        // Several nodes may notify a client: the first attempt that ends it decides.
      } else if (said !== null && !event.type.startsWith('ClientNotification')) expect([event.type, said]).toEqual([event.type, after]);
    }
    expect(changing.size).toBeGreaterThan(25);
  });

  test('finds facts by type, actor, status and subject, and by all of them together', async () => {
    const search = (query: Record<string, string | number>) => factsOf(audit, '/audit/v1/events', query);
    const positions = (facts: readonly { position: number }[]) => facts.map(({ position }) => position);
    expect(positions(await search({}))).toEqual(positions(log));
    const approved = log.filter(({ type }) => type === 'CibaRequestApproved');
    expect(positions(await search({ type: 'CibaRequestApproved' }))).toEqual(positions(approved));
    expect(positions(await search({ actor: 'device-3' }))).toEqual(positions(log.filter(({ actor }) => actor.id === 'device-3')));
    const led = log.filter((event) => statusAfter(decode(event)) === 'expired');
    expect(positions(await search({ status: 'expired' }))).toEqual(positions(led));
    const both = approved.filter(({ actor }) => actor.id === 'device-3');
    expect(both.length).toBeGreaterThan(0);
    expect(positions(await search({ type: 'CibaRequestApproved', actor: 'device-3' }))).toEqual(positions(both));
    await expect(search({ type: 'CibaRequestApproved', actor: 'nobody' })).rejects.toThrow('no such actor');
    const half = log.length >> 1;
    const later = both.filter(({ position }) => position > half);
    expect(positions(await search({ type: 'CibaRequestApproved', actor: 'device-3', from: half }))).toEqual(positions(later));
    expect(positions(await search({ type: 'CibaRequestApproved', actor: 'device-3', to: half }))).toEqual(
      positions(both.filter(({ position }) => position <= half)),
    );
    // A fact is about whoever its stream is about: also where only another fact of it says so.
    const redeemed = log.filter((event) => event.type === 'CibaRequestRedeemed');
    const ofTpp = redeemed.filter(({ stream }) => {
      const [first] = log.filter((event) => event.stream === stream);
      return JSON.parse(first?.data ?? '{}').clientId === 'tpp-2';
    });
    expect(ofTpp.length).toBeGreaterThan(0);
    expect(positions(await search({ type: 'CibaRequestRedeemed', client: 'tpp-2' }))).toEqual(positions(ofTpp));
  });

  test('finds all facts of every subject, and none that has nothing to do with it', async () => {
    const named = new Map([...byStream].map(([stream, facts]) => [stream, new Set(facts.flatMap(subjectsIn))]));
    // Without the order of things, a stream may take over more than it does.
    const near = new Map([...named].map(([stream, own]) => [stream, new Set(own)]));
    const takeOver = (stream: string, from: string) => {
      for (const one of near.get(from) ?? []) near.get(stream)?.add(one);
    };
    for (const event of log)
      for (const category of ['cibaRequest', 'authorization']) takeOver(event.stream, `${category}-${memberOf(event, 'requestId')}`);
    for (const event of log) takeOver(`authentication-${memberOf(event, 'sessionId')}`, event.stream);
    for (const name of new Set(log.flatMap(subjectsIn))) {
      const [kind, id] = name.split(' ') as [SubjectKind, string];
      const found = (await factsOf(audit, `${pathOf({ kind, id })}/history`)).map(({ position }) => position);
      expect((await factsOf(audit, '/audit/v1/events', { [kind]: id })).map(({ position }) => position)).toEqual(found);
      expect([name, found]).toEqual([name, [...new Set(found)].sort((one, other) => one - other)]);
      const [own, all] = [named, near].map((of) => log.filter(({ stream }) => of.get(stream)?.has(name)).map(({ position }) => position));
      expect([name, found]).toEqual([name, expect.arrayContaining(own ?? [])]);
      expect([name, all]).toEqual([name, expect.arrayContaining(found)]);
    }
  });

  test.each([
    ['actor', ({ actor }: StoredEvent) => actor.id],
    ['status', (event: StoredEvent) => statusAfter(decode(event))],
    ['type', ({ type }: StoredEvent) => type],
  ] as const)('finds the facts of every %s', async (kind, valueIn) => {
    for (const [value, facts] of Map.groupBy(log, valueIn)) {
      if (value === null) continue;
      const found = await factsOf(audit, '/audit/v1/events', { [kind]: value });
      expect([value, found.map(({ position }) => position)]).toEqual([value, facts.map(({ position }) => position)]);
    }
  });

  test('holds the whole story of each request: its pushes, its notifications, its tokens, its sign-ins, its consent', async () => {
    const told = new Map<string, number>();
    const requests = log.flatMap((event) => subjectsOf(decode(event))).filter(({ kind }) => kind === 'request');
    for (const id of new Set(requests.map((request) => request.id))) {
      const own = ['cibaRequest', 'authorization', 'grant', 'notification'].map((category) => `${category}-${id}`);
      const saying = log.filter((event) => memberOf(event, 'requestId') === id).map(({ stream }) => stream);
      const sessions = own.flatMap((stream) => byStream.get(stream) ?? []).map((event) => `authentication-${memberOf(event, 'sessionId')}`);
      const streams = new Set([...own, ...saying, ...sessions]);
      const facts = log.filter(({ stream }) => streams.has(stream));
      const found = await factsOf(audit, `${pathOf({ kind: 'request', id })}/history`);
      expect([id, found.map(({ position }) => position)]).toEqual([id, facts.map(({ position }) => position)]);
      for (const { type } of facts) told.set(type, (told.get(type) ?? 0) + 1);
    }
    for (const type of OF_REQUESTS) expect([type, told.get(type)]).toEqual([type, log.filter((event) => event.type === type).length]);
  });

  test('is the same when it is built in one go as when it followed, fact by fact', async () => {
    const dumpOf = async (events: readonly StoredEvent[], oneByOne: boolean) => {
      const copy = inMemoryEventStore({ now: () => 0 });
      const rows = sqliteRows(':memory:');
      for (const event of oneByOne ? [] : events) await copy.append(event.stream, [event], event.revision - 1);
      const running = runProjections(copy, rows, [auditIndex], await copy.head());
      await running.caughtUp;
      for (const event of oneByOne ? events : []) await copy.append(event.stream, [event], event.revision - 1);
      await running.reached(events.length);
      running.stop();
      return Object.fromEntries(Object.keys(auditIndex.tables).map((table) => [table, rows.all(`select * from ${table}`)]));
    };
    const events = log.slice(0, 500);
    expect(await dumpOf(events, false)).toEqual(await dumpOf(events, true));
  });
});

describe('pages', () => {
  test('stay the same while facts arrive', async () => {
    const copy = inMemoryEventStore();
    for (const event of log.slice(0, 200)) await copy.append(event.stream, [event], event.revision - 1);
    const growing = await auditing(copy, sealer);
    const path = pathOf({ kind: 'client', id: 'tpp-1' });
    const rest = log.slice(200);
    const arrive = async () => {
      for (const event of rest.splice(0, 10)) await copy.append(event.stream, [event], event.revision - 1);
    };
    for (const [what, of, more] of [
      [`${path}/history`, 'facts', {}],
      [`${path}/state`, 'streams', {}],
      ['/audit/v1/events', 'facts', { client: 'tpp-1' }],
      ['/audit/v1/events', 'facts', { type: 'CibaRequestReceived' }],
      [`${path}/diff`, 'streams', { from: 100 }],
    ] as const) {
      const read = (query: object) => growing.get<Record<string, unknown[]> & { next: string | null }>(what, { ...more, ...query });
      const { [of]: whole = [] } = await read({ limit: 200 });
      let { [of]: items = [], next } = await read({ limit: 3 });
      const seen = [...items];
      while (next !== null) {
        await arrive();
        const again = await read({ limit: 3, cursor: next });
        expect(await read({ limit: 3, cursor: next })).toEqual(again);
        seen.push(...(again[of] ?? []));
        ({ next } = again);
      }
      expect(seen).toEqual(whole);
      expect(seen.length).toBeGreaterThan(9);
      ({ [of]: items = [] } = await read({ limit: 200 }));
      expect(items).not.toEqual(whole);
    }
    growing.stop();
  });
});

describe('what was sealed', () => {
  test('is opened, but for what is still a secret', async () => {
    const facts = await factsOf(audit, '/audit/v1/events');
    const personalOf = (type: string) => facts.filter((one) => one.type === type && one.personal !== null).map(({ personal }) => personal);
    expect(personalOf('ConsentRetrieved')).toContainEqual({ shown: expect.stringMatching(/^what device-\d+ shows$/) });
    expect(personalOf('DeviceRegistered')).toContainEqual({ name: 'Phone', model: 'One', pushToken: 'withheld' });
    expect(personalOf('CibaRequestReceived')).toContainEqual(
      expect.objectContaining({ notificationToken: 'withheld', authReqId: 'withheld' }),
    );
    expect(personalOf('TokenResponseKept')).toContainEqual({ response: 'withheld' });
    const states = [];
    for (const kind of ['tpp-0', 'tpp-1', 'tpp-2']) states.push(...(await statesAt(audit, pathOf({ kind: 'client', id: kind }))));
    for (const device of ['device-0', 'device-1']) states.push(...(await statesAt(audit, pathOf({ kind: 'device', id: device }))));
    for (const secret of [/token of device/, /token for request/, /auth_req_id of/, /response of/])
      expect(JSON.stringify([facts, states])).not.toMatch(secret);
  });

  test('withholds every member that sounds like a secret', () => {
    const suspects = [...deciders.values()].flatMap(({ events }) =>
      Object.values(events.definitions as Record<string, { personal: { schemas: ({ shape: object } | null)[] } | null }>).flatMap(
        ({ personal }) => (personal?.schemas ?? []).flatMap((schema) => Object.keys(schema?.shape ?? {})),
      ),
    );
    const secret = [...new Set(suspects)].filter((name) => /token|secret|password|challenge|reqid|response/i.test(name));
    expect(secret.sort()).toEqual(['authReqId', 'challenge', 'notificationToken', 'pushToken', 'response']);
  });

  test('says that it was erased', async () => {
    const own = inMemoryEventStore();
    const keys = psuKeys(':memory:', Buffer.alloc(32, 1));
    await writeHistory(own, { ceremonies: 30, seed: 4, sealer: keys });
    await keys.erase('psu-0');
    const erased = await auditing(own, keys);
    const shown = await factsOf(erased, '/audit/v1/events', { type: 'ConsentRetrieved' });
    const [theirs, others] = [true, false].map((isErased) => shown.filter(({ data }) => (data['psuId'] === 'psu-0') === isErased));
    expect(new Set(theirs?.map(({ personal }) => personal))).toEqual(new Set(['erased']));
    for (const { personal } of others ?? []) expect(personal).toEqual({ shown: expect.any(String) });
    expect(JSON.stringify(await statesAt(erased, pathOf({ kind: 'device', id: 'device-0' })))).toContain('"erased"');
    expect(JSON.stringify(await statesAt(erased, pathOf({ kind: 'device', id: 'device-1' })))).not.toContain('"erased"');
    erased.stop();
    keys.close();
  });
});
