import { beforeAll, describe, expect, test } from '@jest/globals';
import { inMemoryEventStore } from '../../src/adapters/event-store/in-memory.ts';
import { psuKeys } from '../../src/adapters/keys/psu-keys.ts';
import { sqliteRows } from '../../src/adapters/rows/sqlite.ts';
import { authorization } from '../../src/domain/authorization/decider.ts';
import { type DomainEvent, decode, families } from '../../src/domain/catalogue.ts';
import { cibaRequest } from '../../src/domain/ciba-request/decider.ts';
import { client, type RegisteredClient } from '../../src/domain/client/decider.ts';
import { consent, waits } from '../../src/domain/consent/decider.ts';
import { makeLoad } from '../../src/domain/decide.ts';
import { device } from '../../src/domain/device/decider.ts';
import { describedAs } from '../../src/domain/device/described.ts';
import { eventNotification } from '../../src/domain/event-notification/decider.ts';
import { grant } from '../../src/domain/grant/decider.ts';
import { includes } from '../../src/domain/grant/hashes.ts';
import { notification } from '../../src/domain/notification/decider.ts';
import type { EventStore, StoredEvent } from '../../src/domain/ports/event-store.ts';
import type { Rows } from '../../src/domain/ports/rows.ts';
import { projectionsOver } from '../../src/projections/all.ts';
import { findClient } from '../../src/projections/client-lookup.ts';
import { consentStreams } from '../../src/projections/consent-history.ts';
import { persistsDue } from '../../src/projections/consent-lookup.ts';
import { devicesOf } from '../../src/projections/device-lookup.ts';
import { notificationsToMake, openNotifications } from '../../src/projections/event-notifications.ts';
import { notificationsDueAt } from '../../src/projections/notifications-due.ts';
import { findPending, findWaiting, pendingCount } from '../../src/projections/pending-requests.ts';
import { phonesOf } from '../../src/projections/phone-lookup.ts';
import type { Projection } from '../../src/projections/projection.ts';
import { runProjections } from '../../src/projections/runner.ts';
import { findToken, revocationsDue } from '../../src/projections/token-lookup.ts';
import { writeHistory } from '../support/history.ts';

const CEREMONIES = 600;
const sealer = psuKeys(':memory:', Buffer.alloc(32, 1));
const projections = projectionsOver(sealer);
let store: EventStore;
let log: readonly StoredEvent[];
/** The rows that followed the log while it was written. */
let followed: Rows;

const run = async (rows: Rows, which: readonly Projection[] = projections, log: EventStore = store) => {
  const running = runProjections(log, rows, which, await log.head());
  await running.caughtUp;
  return running;
};

beforeAll(async () => {
  store = inMemoryEventStore();
  followed = sqliteRows(':memory:');
  const running = await run(followed);
  await writeHistory(store, { ceremonies: CEREMONIES, seed: 7, sealer });
  log = await store.readAll(0, 1_000_000);
  await running.reached(log.length);
  running.stop();
});

/** Every table, row by row, and where each projection stands. */
const dump = (rows: Rows): Record<string, readonly unknown[]> => {
  const tables = ['projection', ...projections.flatMap((projection) => Object.keys(projection.tables))];
  return Object.fromEntries(tables.map((table) => [table, rows.all(`select * from ${table}`)]));
};

test('the history holds every type of event, and several pages of them', () => {
  const types = families.flatMap((family) => Object.keys(family.definitions));
  expect(types.filter((type) => !log.some((event) => event.type === type))).toEqual([]);
  expect(log.length).toBeGreaterThan(4000);
});

describe('the rows of all projections, byte for byte, are the same', () => {
  test('when they are built from the log as when they followed it', async () => {
    const rebuilt = sqliteRows(':memory:');
    (await run(rebuilt)).stop();
    expect(JSON.stringify(dump(rebuilt))).toBe(JSON.stringify(dump(followed)));
    for (const [table, content] of Object.entries(dump(rebuilt))) expect([table, content.length > 0]).toEqual([table, true]);
  });

  test('however often they stopped and went on', async () => {
    const copy = inMemoryEventStore();
    const rows = sqliteRows(':memory:');
    for (const [index, event] of log.entries()) {
      await copy.append(event.stream, [event], event.revision - 1);
      if (index % 97 === 0 || index === log.length - 1) (await run(rows, projections, copy)).stop();
    }
    expect(JSON.stringify(dump(rows))).toBe(JSON.stringify(dump(followed)));
  });

  test('when each was built again in turn, so that the others met each event twice', async () => {
    const rows = sqliteRows(':memory:');
    (await run(rows)).stop();
    for (const again of projections) {
      const bumped = projections.map((projection) =>
        projection === again ? { ...projection, version: projection.version + 1 } : projection,
      );
      (await run(rows, bumped)).stop();
      (await run(rows)).stop();
    }
    expect(JSON.stringify(dump(rows))).toBe(JSON.stringify(dump(followed)));
  });
});

describe('the read models say what the streams say', () => {
  const load = makeLoad({ read: (stream: string) => store.read(stream) } as EventStore);
  const idsOf = (category: string): string[] => [
    ...new Set(log.filter((event) => event.stream.startsWith(`${category}-`)).map((event) => event.stream.slice(category.length + 1))),
  ];
  const eventsOf = <T extends DomainEvent['type']>(type: T) =>
    log.map(decode).filter((event): event is Extract<DomainEvent, { type: T }> => event.type === type);
  const consentEnded = async (consentId: string | null) =>
    consentId !== null && ['revoked', 'expired'].includes((await load(consent, consentId)).status);
  const amendedSince = (requestId: string | null) =>
    eventsOf('ConsentAmended').some(({ data }) => data.endedRequests.includes(String(requestId)));
  const clientEnded = async (clientId: string) => (await load(client, clientId)).status === 'disabled';

  test('of every client', async () => {
    for (const clientId of idsOf('client')) {
      const { registrationTokenHash: _token, registeredAt: _at, ...state } = (await load(client, clientId)) as RegisteredClient;
      expect(findClient(followed, clientId)).toMatchObject(state);
    }
  });

  test('of every device', async () => {
    const withToken = new Set(
      eventsOf('DeviceRegistered')
        .filter((event) => event.data.hasPushToken)
        .map((event) => event.id),
    );
    const expected = new Map<string, string[]>();
    for (const deviceId of idsOf('device')) {
      const state = await load(device, deviceId);
      if (state.status !== 'active') continue;
      const hasToken = state.token !== null && (state.token.type === 'DevicePushTokenReplaced' || withToken.has(deviceId));
      expected.set(state.psuId, [...(expected.get(state.psuId) ?? []), `${deviceId} ${hasToken ? 1 : 0}`]);
      const seen = phonesOf(followed, state.psuId).find((phone) => phone.deviceId === deviceId);
      expect(seen && { name: seen.name, model: seen.model }).toEqual(
        state.dialect === 'countersign' ? undefined : (describedAs(state, sealer) ?? undefined),
      );
    }
    for (const [psuId, devices] of expected)
      expect(
        devicesOf(followed, psuId)
          .map((row) => `${row.deviceId} ${row.reachable}`)
          .toSorted(),
      ).toEqual(devices.toSorted());
    expect(expected.size).toBeGreaterThan(0);
  });

  test('of every request', async () => {
    const lastAt = Math.max(...eventsOf('CibaRequestApproved').map(({ data }) => data.at));
    const pending = new Map<string, number>();
    for (const requestId of idsOf('cibaRequest')) {
      const state = await load(cibaRequest, requestId);
      if (state.status === 'absent') throw new Error(requestId);
      expect([requestId, findPending(followed, requestId) !== undefined]).toEqual([requestId, state.status === 'pending']);
      const of = await load(consent, state.consentId);
      const agreed = of.status === 'awaitingFurtherAuthorisation' && of.authorisations.some((one) => one.requestId === requestId);
      const stillWaits = state.status === 'pending' || (agreed && state.expiresAt > lastAt);
      if (state.expiresAt > lastAt || !agreed)
        expect([requestId, findWaiting(followed, requestId) !== undefined]).toEqual([requestId, stillWaits]);
      pending.set(state.clientId, (pending.get(state.clientId) ?? 0) + (state.status === 'pending' ? 1 : 0));
    }
    for (const [clientId, count] of pending) expect(pendingCount(followed, clientId)).toBe(count);
  });

  test("of every consent, and of the answers that have not become a consent's yet", async () => {
    for (const consentId of idsOf('consent')) {
      const state = await load(consent, consentId);
      if (state.status === 'absent') throw new Error(consentId);
      expect(followed.get('select status, client_id, status_at, expires_at from consent where consent_id = ?', consentId)).toEqual({
        status: state.status,
        client_id: state.clientId,
        status_at: state.statusAt,
        expires_at: state.expiresAt,
      });
    }
    const isOwed = async (requestId: string, consentId: string, { consentRevision }: { consentRevision: number }): Promise<boolean> => {
      const state = await load(consent, consentId);
      const given = state.status !== 'absent' && state.authorisations.some((one) => one.requestId === requestId);
      return waits(state, consentRevision) && !given;
    };
    const owed: string[] = [];
    for (const requestId of idsOf('cibaRequest')) {
      const state = await load(cibaRequest, requestId);
      if (state.status === 'absent' || state.answer === null || (state.answer.verdict === 'denied' && state.consentOrigin === 'request'))
        continue;
      if (await isOwed(requestId, state.consentId, state.answer)) owed.push(requestId);
    }
    for (const requestId of idsOf('authorization')) {
      const state = await load(authorization, requestId);
      if (state.status === 'absent' || state.answer === null || (state.answer.verdict === 'denied' && state.consentOrigin === 'request'))
        continue;
      if (await isOwed(requestId, state.consentId, state.answer)) owed.push(requestId);
    }
    expect(
      persistsDue(followed, Number.MAX_SAFE_INTEGER, 1000)
        .map((due) => due.requestId)
        .toSorted(),
    ).toEqual(owed.toSorted());
  });

  test('of every token, and of the grants that must end', async () => {
    const due: string[] = [];
    for (const grantId of idsOf('grant')) {
      const state = await load(grant, grantId);
      if (state.status === 'absent') throw new Error(grantId);
      const ended = (await consentEnded(state.consentId)) || amendedSince(state.requestId) || (await clientEnded(state.clientId));
      if (state.status === 'open' && ended) due.push(grantId);
      for (const { id, data } of eventsOf('AccessTokenIssued').filter((event) => event.id === grantId)) {
        const lives = state.status === 'open' && !ended && !includes(state.revokedTokens, data.tokenHash);
        expect([id, findToken(followed, data.tokenHash)?.grantId]).toEqual([id, lives ? grantId : undefined]);
      }
      for (const { data } of eventsOf('RefreshTokenIssued').filter((event) => event.id === grantId)) {
        const lives = state.status === 'open' && !ended && state.refreshToken?.tokenHash === data.tokenHash;
        expect([data.tokenHash, findToken(followed, data.tokenHash)?.grantId]).toEqual([data.tokenHash, lives ? grantId : undefined]);
      }
    }
    expect(
      revocationsDue(followed, 1000)
        .map((row) => row.grantId)
        .toSorted(),
    ).toEqual(due.toSorted());
    expect(due).not.toEqual([]);
  });

  test('of every notification that is owed to a client', async () => {
    let held = 0;
    for (const mode of ['ping', 'push'] as const) {
      const owed: string[] = [];
      for (const requestId of idsOf('cibaRequest')) {
        const state = await load(cibaRequest, requestId);
        if (state.status === 'absent' || state.status === 'pending' || state.deliveryMode !== mode) continue;
        const { status } = await load(notification, requestId);
        const of = await load(consent, state.consentId);
        const given = of.status === 'awaitingFurtherAuthorisation' && of.authorisations.some((one) => one.requestId === requestId);
        if (given) {
          held += 1;
          continue;
        }
        const undelivered = mode === 'push' && status === 'rejected' && (await load(grant, requestId)).status === 'open';
        if (status === 'open' || undelivered) owed.push(requestId);
      }
      const due = notificationsDueAt(followed, mode, { at: Number.MAX_SAFE_INTEGER, perClient: 1000, limit: 1000 });
      expect(due.map(({ requestId }) => requestId).toSorted()).toEqual(owed.toSorted());
      expect(owed).not.toEqual([]);
      const few = notificationsDueAt(followed, mode, { at: Number.MAX_SAFE_INTEGER, perClient: 2, limit: 1000 });
      for (const { clientId } of due) {
        const all = due.filter((one) => one.clientId === clientId);
        expect(few.filter((one) => one.clientId === clientId)).toHaveLength(Math.min(2, all.length));
      }
    }
    expect(held).toBeGreaterThan(0);
  });

  test('of every event notification, and of the changes of consents that are still to be told', async () => {
    const open = new Map<string, string[]>();
    for (const id of idsOf('eventNotification')) {
      const state = await load(eventNotification, id);
      if (state.status === 'open') open.set(state.clientId, [...(open.get(state.clientId) ?? []), id]);
    }
    expect(open.size).toBeGreaterThan(0);
    for (const [clientId, ids] of open)
      if (!(await clientEnded(clientId))) expect(openNotifications(followed, clientId, 10_000).toSorted()).toEqual(ids.toSorted());
    const told = new Set(eventsOf('EventNotificationCreated').map(({ data }) => data.changeId));
    const toTell = notificationsToMake(followed, 10_000);
    expect(toTell).not.toEqual([]);
    for (const { changeId, clientId, consentId } of toTell) {
      expect(told.has(changeId)).toBe(false);
      expect(await load(consent, consentId)).toMatchObject({ clientId });
    }
  });

  test('of the streams in which the story of a consent stands', () => {
    for (const consentId of idsOf('consent')) {
      const told = new Set(log.filter((event) => event.correlationId === consentId).map((event) => event.stream));
      const { streams, position } = consentStreams(followed, consentId);
      // It may name streams that have not begun.
      const begun = streams.filter((stream) => log.some((event) => event.stream === stream));
      expect(begun.toSorted()).toEqual([...told].toSorted());
      expect(position).toBe(log.length);
    }
  });
});
