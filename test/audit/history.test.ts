import { beforeAll, describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { inMemoryEventStore } from '../../src/adapters/event-store/in-memory.ts';
import { psuKeys } from '../../src/adapters/keys/psu-keys.ts';
import { sqliteRows } from '../../src/adapters/rows/sqlite.ts';
import { type Change, difference } from '../../src/domain/audit/difference.ts';
import { statusAfter } from '../../src/domain/audit/status.ts';
import { SUBJECT_KINDS, subjectsOf } from '../../src/domain/audit/subjects.ts';
import { decode } from '../../src/domain/catalogue.ts';
import type { StoredEvent } from '../../src/domain/ports/event-store.ts';
import { deciders, type Json, makeReplay, statesOf } from '../../src/domain/replay.ts';
import { auditIndex } from '../../src/projections/audit-index.ts';
import { runProjections } from '../../src/projections/runner.ts';
import { writeHistory } from '../support/history.ts';
import { type Auditing, allPages, auditing, type Diff, type Fact, type Found, type State } from './support.ts';

const sealer = psuKeys(':memory:', Buffer.alloc(32, 1));
const store = inMemoryEventStore();
let log: readonly StoredEvent[];
let audit: Auditing;

const PLURAL = { consent: 'consents', request: 'requests', device: 'devices', psu: 'psus', client: 'tpps' };
const pathOf = ({ kind, id }: { kind: keyof typeof PLURAL; id: string }) => `/audit/v1/${PLURAL[kind]}/${id}`;

beforeAll(async () => {
  await writeHistory(store, { ceremonies: 40, seed: 3, sealer });
  log = await store.readAll(0, 1_000_000);
  audit = await auditing(store, sealer);
});

const statesAt = async ({ get }: Auditing, path: string, query: Record<string, string | number> = {}) =>
  allPages(async (cursor) => {
    const { streams, next } = await get<State>(`${path}/state`, { limit: 200, ...query, ...cursor });
    return { items: streams, next };
  });

const factsOf = ({ get }: Auditing, path: string, query: Record<string, string | number> = {}): Promise<Fact[]> =>
  allPages(async (cursor) => {
    const { facts, next } = await get<Found>(path, { limit: 200, ...query, ...cursor });
    return { items: facts, next };
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

  test('is told by an instant as by the last position that was recorded then', async () => {
    const { recordedAt } = log[log.length >> 1] as StoredEvent;
    const { position } = log.findLast((event) => event.recordedAt <= recordedAt) as StoredEvent;
    const path = `${pathOf({ kind: 'client', id: 'tpp-1' })}/state`;
    const instant = await audit.get<State>(path, { as_of: new Date(recordedAt).toISOString() });
    expect(instant).toEqual(await audit.get<State>(path, { as_of: position }));
    expect(await audit.get<State>(path, { as_of: '2001-01-01T00:00:00+02:00' })).toMatchObject({ as_of: 0, streams: [] });
  });
});

/** A state with changes made to it, as RFC 6901 finds their places. */
const applied = (state: Json, changes: readonly Change[]): Json => {
  const root = { value: structuredClone(state) as unknown };
  for (const { path, after } of changes) {
    const names = ['value', ...path.split('/').slice(1)].map((name) => name.replaceAll('~1', '/').replaceAll('~0', '~'));
    const last = names.pop() as string;
    const holder = names.reduce<Record<string, unknown>>((value, name) => value[name] as Record<string, unknown>, root);
    if (after !== undefined) holder[last] = structuredClone(after);
    else if (Array.isArray(holder)) holder.splice(Number(last), 1);
    else delete holder[last];
  }
  return root.value as Json;
};

describe('the difference between two moments', () => {
  test('leads from any value to any other one', () =>
    fc.assert(
      fc.property(fc.jsonValue(), fc.jsonValue(), (before, after) => {
        const [from, to] = JSON.parse(JSON.stringify([before, after])) as [Json, Json];
        expect(applied(from, difference(from, to))).toEqual(to);
      }),
    ));

  test('leads from the earlier state to the later one, and names facts between them for each change', async () => {
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
        states.set(stream, applied(states.get(stream) ?? makeReplay().state(stream), changes));
        for (const { facts } of changes) {
          expect(facts.length).toBeGreaterThan(0);
          const positions = log.filter((event) => event.stream === stream).map(({ position }) => position);
          for (const { position } of facts) expect(positions).toContain(position);
          if (earlier.some((one) => one.stream === stream))
            for (const { position } of facts) expect(position > from && position <= to).toBe(true);
        }
      }
      expect(Object.fromEntries(states)).toEqual(Object.fromEntries(later.map(({ stream, state }) => [stream, state])));
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
    expect(await search({ type: 'CibaRequestApproved', actor: 'nobody' })).toEqual([]);
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

  test('finds every fact that names a subject', async () => {
    const all = log.flatMap((event) => subjectsOf(decode(event)).map((subject) => ({ ...subject, position: event.position })));
    for (const kind of SUBJECT_KINDS) {
      const [id = ''] = all.filter((subject) => subject.kind === kind).map((subject) => subject.id);
      const named = all.filter((subject) => subject.kind === kind && subject.id === id).map(({ position }) => position);
      const found = (await factsOf(audit, `${pathOf({ kind, id })}/history`)).map(({ position }) => position);
      expect(found).toEqual(expect.arrayContaining(named));
      expect(found).toEqual([...found].sort((one, other) => one - other));
    }
  });

  test('holds the whole story of a request: its pushes, its notification, its tokens, its sign-ins', async () => {
    const categories = new Set<string>();
    for (const { kind, id } of log.flatMap((event) => subjectsOf(decode(event))).filter(({ kind }) => kind === 'request'))
      for (const { stream } of await factsOf(audit, `${pathOf({ kind, id })}/history`))
        categories.add(stream.slice(0, stream.indexOf('-')));
    expect([...categories].sort()).toEqual(
      expect.arrayContaining(['authentication', 'authorization', 'cibaRequest', 'consent', 'grant', 'notification', 'push']),
    );
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
    for (const event of log.slice(0, 300)) await copy.append(event.stream, [event], event.revision - 1);
    const growing = await auditing(copy, sealer);
    const path = `${pathOf({ kind: 'client', id: 'tpp-1' })}`;
    const rest = log.slice(300);
    const arrive = async () => {
      for (const event of rest.splice(0, 20)) await copy.append(event.stream, [event], event.revision - 1);
    };
    for (const [what, of] of [
      ['history', 'facts'],
      ['state', 'streams'],
    ] as const) {
      const read = (query: object) =>
        growing.get<Record<string, unknown[]> & { next: string | null }>(`${path}/${what}`, { limit: 3, ...query });
      const whole = (await growing.get<Record<string, unknown[]>>(`${path}/${what}`, { limit: 200 }))[of];
      let { [of]: items = [], next } = await read({});
      const seen = [...items];
      while (next !== null) {
        await arrive();
        const again = await read({ cursor: next });
        expect(await read({ cursor: next })).toEqual(again);
        seen.push(...(again[of] ?? []));
        ({ next } = again);
      }
      expect(seen).toEqual(whole);
      items = (await growing.get<Record<string, unknown[]>>(`${path}/${what}`, { limit: 200 }))[of] ?? [];
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
