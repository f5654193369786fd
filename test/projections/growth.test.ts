import { beforeAll, describe, expect, test } from '@jest/globals';
import { systemIds } from '../../src/adapters/clock.ts';
import { inMemoryEventStore } from '../../src/adapters/event-store/in-memory.ts';
import { psuKeys } from '../../src/adapters/keys/psu-keys.ts';
import { sqliteRows } from '../../src/adapters/rows/sqlite.ts';
import { grant, open } from '../../src/domain/grant/decider.ts';
import { includes } from '../../src/domain/grant/hashes.ts';
import type { EventStore } from '../../src/domain/ports/event-store.ts';
import type { Rows } from '../../src/domain/ports/rows.ts';
import { projectionsOver } from '../../src/projections/all.ts';
import { openOffers } from '../../src/projections/device-lookup.ts';
import { type Projections, runProjections } from '../../src/projections/runner.ts';
import { findToken, revocationsDue } from '../../src/projections/token-lookup.ts';
import { standingClock } from '../support/clock.ts';
import { steps } from '../support/steps.ts';

const DAY = 86_400;
const DAYS = 30;
const EACH_DAY = 8;

// What is kept of a ceremony for as long as its consent's history is: the facts of the consent and where they stand. Nothing else may grow.
const OF_HISTORY = ['consent', 'consent_fact', 'consent_account', 'consent_stream', 'consent_authoriser'];
const sealer = psuKeys(':memory:', Buffer.alloc(32, 1));
const projections = projectionsOver(sealer);

/** How many rows each table has, but for those of the history of consents. */
const sizes = (rows: Rows): Record<string, number> =>
  Object.fromEntries(
    projections
      .flatMap(({ tables }) => Object.keys(tables))
      .filter((table) => !OF_HISTORY.includes(table))
      .map((table) => [table, rows.get<{ size: number }>(`select count(*) as size from ${table}`)?.size ?? 0]),
  );

const world = async () => {
  const store: EventStore = inMemoryEventStore();
  const time = standingClock();
  const rows = sqliteRows(':memory:');
  const running: Projections = runProjections(store, rows, projections, 0);
  const seen = async () => running.reached(await store.head());
  return { ...time, ...steps({ store, sealer, clock: time.clock, ids: systemIds }), store, rows, running, seen };
};
type World = Awaited<ReturnType<typeof world>>;

/** A request, its approval, its grant, and what else happens of each kind to one of a few. */
const ceremony = async (node: World, day: number, n: number): Promise<void> => {
  const [id, deviceId, psuId] = [`request-${day}-${n}`, `device-${n}`, `psu-${n}`];
  const consentId = n % 4 === 0 ? `consent-${day}-${n}` : null;
  if (consentId !== null) await node.lodge(consentId, 'tpp');
  await node.ask(id, { clientId: 'tpp', psuId, consentId, deliveryMode: n % 2 === 0 ? 'ping' : 'poll' });
  await node.push(id, deviceId, { outcome: 'accepted', messageId: 'm' });
  await node.show(id, deviceId);
  await node.answer(id, deviceId, n % 5 === 4 ? 'denied' : 'approved');
  await node.persist(id);
  await node.notify(id, { outcome: 'accepted', status: 204 });
  await node.offerEnrolment(`unused-${day}-${n}`, `nobody-${day}-${n}`);
  if (n % 5 === 4) return;
  await node.redeem(id);
  await node.openGrant(id);
  await node.refresh(id, 1);
  await node.refresh(id, 2);
  if (n % 3 === 0) await node.revokeToken(id, 1);
  if (n % 7 === 0) await node.revokeGrant(id);
  if (n % 4 === 0) await node.revokeConsent(consentId as string);
};

/** What an introspection would say of every token that was ever issued, by the rows and by the streams. */
const answers = async ({ store, rows, load, clock }: World) => {
  const events = await store.readAll(0, 1_000_000);
  const issued = events.filter(({ type }) => type === 'AccessTokenIssued' || type === 'RefreshTokenIssued');
  return Promise.all(
    issued.map(async ({ stream, type, data }) => {
      const { tokenHash, expiresAt } = JSON.parse(data) as { tokenHash: string; expiresAt: number };
      const state = await load(grant, stream.slice('grant-'.length));
      if (state.status === 'absent') throw new Error(stream);
      const ended = events.some((event) => event.type === 'ConsentRevoked' && event.stream === `consent-${state.consentId}`);
      const current =
        type === 'AccessTokenIssued' ? !includes(state.revokedTokens, tokenHash) : state.refreshToken?.tokenHash === tokenHash;
      const found = findToken(rows, tokenHash);
      return {
        byRows: found !== undefined && found.expiresAt > clock(),
        byStreams: state.status === 'open' && !ended && current && expiresAt > clock(),
      };
    }),
  );
};

describe('rows of what is past', () => {
  let node: World;
  const sizesOfDays: Record<string, number>[] = [];
  let active = 0;

  beforeAll(async () => {
    node = await world();
    await node.registerClient('tpp', { grant_types: ['urn:openid:params:grant-type:ciba', 'refresh_token'] });
    for (let n = 0; n < EACH_DAY; n += 1) {
      await node.offerEnrolment(`device-${n}`, `psu-${n}`);
      await node.registerDevice(`device-${n}`, `token-${n}`, 'push-auth');
    }
    for (let day = 0; day < DAYS; day += 1) {
      for (let n = 0; n < EACH_DAY; n += 1) await ceremony(node, day, n);
      await node.seen();
      const said = await answers(node);
      expect(said.map(({ byRows }) => byRows)).toEqual(said.map(({ byStreams }) => byStreams));
      active += said.filter(({ byRows }) => byRows).length;
      sizesOfDays.push(sizes(node.rows));
      node.pass(DAY);
    }
    node.running.stop();
  }, 60_000);

  test('leave with what comes: no table grows but for the history of consents', () => {
    expect(active).toBeGreaterThan(DAYS);
    expect(sizesOfDays.at(-1)).toEqual(sizesOfDays[DAYS / 2]);
    expect(Math.max(...sizesOfDays.map(({ token }) => token ?? 0))).toBeLessThan(8 * EACH_DAY);
  });

  test('leave at the same event in a rebuild', async () => {
    const rebuilt = sqliteRows(':memory:');
    const again = runProjections(node.store, rebuilt, projections, await node.store.head());
    await again.caughtUp;
    again.stop();
    for (const { tables } of projections)
      for (const table of Object.keys(tables))
        expect(rebuilt.all(`select * from ${table}`)).toEqual(node.rows.all(`select * from ${table}`));
  });
});

test('a refresh token that has expired still leads to its grant, as long as one of its access tokens lives', async () => {
  const node = await world();
  const unbound = { certificateThumbprint: null, dpopKeyThumbprint: null };
  const at = node.clock();
  const opened = { clientId: 'tpp', psuId: null, consentId: null, requestId: null, authTime: null, acr: null, scope: 'accounts', at };
  const issue = (id: string, accessTokenEnds: number, refreshTokenEnds: number) =>
    node.decide(
      grant,
      id,
      open(
        { ...opened, ...unbound, hasAuthorizationDetails: false },
        { tokenHash: `access of ${id}`, scope: 'accounts', at: node.clock(), expiresAt: accessTokenEnds, ...unbound },
        { tokenHash: `refresh of ${id}`, at: node.clock(), expiresAt: refreshTokenEnds },
      ),
      { id: systemIds.uuid(), actor: { kind: 'client', id: 'tpp' }, correlationId: id, causationId: null },
    );
  await issue('long', at + 10 * DAY, at + DAY);
  await issue('short', at + DAY, at + 2 * DAY);
  const known = async (...hashes: string[]) => {
    node.pass(4 * DAY);
    await issue(`at ${node.clock()}`, node.clock() + 1, node.clock() + 1);
    await node.seen();
    return hashes.map((hash) => findToken(node.rows, hash) !== undefined);
  };
  const tokens = ['access of long', 'refresh of long', 'access of short', 'refresh of short'];
  expect(await known(...tokens)).toEqual([true, true, false, false]);
  expect(await known(...tokens)).toEqual([true, true, false, false]);
  expect(await known(...tokens)).toEqual([false, false, false, false]);
  node.running.stop();
});

test('a grant that is opened after the end of its consent must end, also where many have ended since', async () => {
  const node = await world();
  await node.registerClient('tpp');
  await node.lodge('consent', 'tpp');
  await node.ask('late', { clientId: 'tpp', psuId: 'alice', consentId: 'consent' });
  await node.revokeConsent('consent');
  for (let n = 0; n < 20; n += 1) {
    await node.lodge(`other-${n}`, 'tpp');
    await node.revokeConsent(`other-${n}`);
  }
  node.pass(6 * DAY);
  await node.openGrant('late');
  await node.seen();
  expect(revocationsDue(node.rows, 10).map(({ grantId }) => grantId)).toEqual(['late']);
  node.running.stop();
});

test('offers of an enrolment that nobody took leave with those of others', async () => {
  const node = await world();
  for (let n = 0; n < 50; n += 1) {
    await node.offerEnrolment(`unused-${n}`, `psu-${n}`);
    node.pass(100);
  }
  await node.seen();
  // Each is good for 300 seconds.
  expect(sizes(node.rows)['open_offer']).toBe(3);
  expect(openOffers(node.rows, 'psu-49', node.clock() - 1)).toBe(1);
  node.running.stop();
});
