import { expect, test } from '@jest/globals';
import { systemIds } from '../../src/adapters/clock.ts';
import { inMemoryEventStore } from '../../src/adapters/event-store/in-memory.ts';
import { psuKeys } from '../../src/adapters/keys/psu-keys.ts';
import { sqliteRows } from '../../src/adapters/rows/sqlite.ts';
import { requestIdOf, sessionDataKeyOf } from '../../src/domain/ciba-request/id.ts';
import type { Sealer } from '../../src/domain/ports/sealer.ts';
import { projectionsOver } from '../../src/projections/all.ts';
import { requestOfSession } from '../../src/projections/device-lookup.ts';
import { phonesOf } from '../../src/projections/phone-lookup.ts';
import { runProjections } from '../../src/projections/runner.ts';
import { standingClock } from '../support/clock.ts';
import { steps } from '../support/steps.ts';

const LIFE_SECONDS = 300;
const HOUR = 3600;

/** Alice and Bob, each with a phone of the reference, and a client. */
const node = async () => {
  const { clock, pass } = standingClock();
  const store = inMemoryEventStore();
  const sealer = psuKeys(':memory:', Buffer.alloc(32, 1));
  const world = steps({ store, sealer, clock, ids: systemIds });
  const rowsWith = async (by: Sealer) => {
    const rows = sqliteRows(':memory:');
    const running = runProjections(store, rows, projectionsOver(by), await store.head());
    await running.caughtUp;
    running.stop();
    return rows;
  };
  await world.registerClient('tpp');
  for (const psuId of ['alice', 'bob']) {
    await world.offerEnrolment(`phone of ${psuId}`, psuId);
    await world.registerDevice(`phone of ${psuId}`, `token of ${psuId}`, 'push-auth');
  }
  return { ...world, clock, pass, rows: () => rowsWith(sealer), rowsAfterErasure: () => rowsWith({ ...sealer, open: () => null }) };
};

test('a session of a phone is known for an hour after the end of its request, and goes when another begins', async () => {
  const world = await node();
  /** A request that Alice's phone is shown so many seconds after the one before. */
  const shownAfter = async (seconds: number, authReqId: string) => {
    world.pass(seconds);
    const requestId = requestIdOf(authReqId, systemIds);
    await world.ask(requestId, { clientId: 'tpp', psuId: 'alice', consentId: null, lifeSeconds: LIFE_SECONDS });
    await world.show(requestId, 'phone of alice');
    return requestId;
  };
  const known = async (...requestIds: string[]) => {
    const rows = await world.rows();
    return requestIds.map((requestId) => requestOfSession(rows, sessionDataKeyOf(requestId)) === requestId);
  };
  const first = await shownAfter(0, 'first');
  const second = await shownAfter(LIFE_SECONDS + HOUR - 1, 'second');
  expect(await known(first, second)).toEqual([true, true]);
  const third = await shownAfter(1, 'third');
  expect(await known(first, second, third)).toEqual([false, true, true]);
});

test('the phones of the reference are listed with their names, and when they last answered', async () => {
  const world = await node();
  await world.renameDevice('phone of alice', 'alice', 'renamed');
  await world.ask('r-1', { clientId: 'tpp', psuId: 'alice', consentId: null });
  await world.show('r-1', 'phone of alice');
  await world.answer('r-1', 'phone of alice', 'approved');
  const rows = await world.rows();
  expect(phonesOf(rows, 'alice')).toMatchObject([{ deviceId: 'phone of alice', name: 'renamed', lastUsedAt: world.clock() }]);
  expect(phonesOf(rows, 'bob')).toMatchObject([{ deviceId: 'phone of bob', lastUsedAt: null }]);
});

test('the phones of one PSU are forgotten, and of others not; a rebuild finds none of those who were erased', async () => {
  const world = await node();
  await world.erasePsu('alice');
  const rows = await world.rows();
  expect([phonesOf(rows, 'alice').length, phonesOf(rows, 'bob').length]).toEqual([0, 1]);
  expect(phonesOf(await world.rowsAfterErasure(), 'bob')).toEqual([]);
});

test('a list of phones is read in the order of its index', async () => {
  const plan = (await (await node()).rows()).all<{ detail: string }>(
    `explain query plan select name from phone where psu_id = 'alice' order by registered_at, device_id`,
  );
  expect(plan.map(({ detail }) => detail)).toEqual(['SEARCH phone USING PRIMARY KEY (psu_id=?)']);
});
