import { expect, test } from '@jest/globals';
import { systemIds } from '../../src/adapters/clock.ts';
import { inMemoryEventStore } from '../../src/adapters/event-store/in-memory.ts';
import { psuKeys } from '../../src/adapters/keys/psu-keys.ts';
import { sqliteRows } from '../../src/adapters/rows/sqlite.ts';
import type { EventStore } from '../../src/domain/ports/event-store.ts';
import type { Rows } from '../../src/domain/ports/rows.ts';
import { projections } from '../../src/projections/all.ts';
import { pushSignInsDue } from '../../src/projections/push-sign-ins.ts';
import { runProjections } from '../../src/projections/runner.ts';
import { standingClock } from '../support/clock.ts';
import { steps } from '../support/steps.ts';

const HOUR = 3600;

const rowsOf = async (store: EventStore): Promise<Rows> => {
  const rows = sqliteRows(':memory:');
  const running = runProjections(store, rows, projections, await store.head());
  await running.caughtUp;
  running.stop();
  return rows;
};

/** Alice with a phone, a client of the reference's profile, and another. */
const node = async () => {
  const { clock, pass } = standingClock();
  const store = inMemoryEventStore();
  const world = steps({ store, sealer: psuKeys(':memory:', Buffer.alloc(32, 1)), clock, ids: systemIds });
  await world.registerClient('tpp', { profile: 'wso2-compat' });
  await world.registerClient('another', { profile: 'plain' });
  await world.offerEnrolment('phone', 'alice');
  await world.registerDevice('phone', 'token');
  return {
    ...world,
    pass,
    async asked(requestId: string, clientId = 'tpp') {
      await world.ask(requestId, { clientId, psuId: 'alice', consentId: null, lifeSeconds: 300 });
      await world.show(requestId, 'phone');
    },
    due: async () => pushSignInsDue(await rowsOf(store), 10).map(({ requestId, deviceId, refusal }) => [requestId, deviceId, refusal]),
    kept: async () => (await rowsOf(store)).get<{ kept: number }>('select count(*) as kept from push_sign_in_request')?.kept,
  };
};

test('the profile of the client says whether an answer is published', async () => {
  const world = await node();
  await world.asked('first');
  await world.asked('second', 'another');
  for (const requestId of ['first', 'second']) await world.answer(requestId, 'phone', 'denied');
  expect(await world.due()).toEqual([['first', 'phone', null]]);
});

test('refused answers are published too, for an hour after the end of the request', async () => {
  const world = await node();
  await world.asked('first');
  world.pass(300 + HOUR - 1);
  await world.asked('second');
  await world.refuseAnswer('first', 'phone');
  expect(await world.due()).toEqual([['first', 'phone', expect.any(String)]]);
  world.pass(1);
  await world.asked('third');
  await world.refuseAnswer('first', 'phone');
  expect(await world.due()).toHaveLength(1);
});

test('requests that are past leave a few at a time', async () => {
  const world = await node();
  for (let n = 0; n < 10; n += 1) await world.asked(`past-${n}`);
  world.pass(300 + HOUR);
  await world.asked('next');
  expect(await world.kept()).toBe(7);
  for (const id of ['third', 'fourth']) await world.asked(id);
  expect(await world.kept()).toBe(3);
});
