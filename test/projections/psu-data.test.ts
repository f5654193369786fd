import { expect, test } from '@jest/globals';
import { systemIds } from '../../src/adapters/clock.ts';
import { inMemoryEventStore } from '../../src/adapters/event-store/in-memory.ts';
import { psuKeys } from '../../src/adapters/keys/psu-keys.ts';
import { sqliteRows } from '../../src/adapters/rows/sqlite.ts';
import { makeDecide } from '../../src/domain/decide.ts';
import type { Rows, Value } from '../../src/domain/ports/rows.ts';
import { expire, psu } from '../../src/domain/psu/decider.ts';
import { projectionsOver } from '../../src/projections/all.ts';
import { phonesOf } from '../../src/projections/phone-lookup.ts';
import { consentsOnlyOf, livingOf } from '../../src/projections/psu-data.ts';
import { runProjections } from '../../src/projections/runner.ts';
import { standingClock } from '../support/clock.ts';
import { steps } from '../support/steps.ts';

const PHONE = 'phone';
const REQUEST = 'request-1';

/** Alice, who has a phone of the reference and agreed to something. */
const world = async () => {
  const store = inMemoryEventStore();
  const sealer = psuKeys(':memory:', Buffer.alloc(32, 1));
  const { clock } = standingClock();
  const does = steps({ store, sealer, clock, ids: systemIds });
  await does.registerClient('tpp');
  await does.offerEnrolment(PHONE, 'alice');
  await does.registerDevice(PHONE, 'token', 'push-auth');
  await does.lodge('consent-1', 'tpp');
  await does.ask(REQUEST, { clientId: 'tpp', psuId: 'alice', consentId: 'consent-1' });
  await does.show(REQUEST, PHONE);
  await does.answer(REQUEST, PHONE, 'approved');
  await does.persist(REQUEST);
  const applyTo = async (rows: Rows) => {
    const running = runProjections(store, rows, projectionsOver(sealer), await store.head());
    await running.caughtUp;
    running.stop();
    return rows;
  };
  return { does, decide: makeDecide({ store, sealer, ids: systemIds }), clock, applyTo };
};

/** Rows that tell what they were asked. */
const telling = (rows: Rows) => {
  const statements = new Map<string, Value[]>();
  const told =
    <T>(call: (sql: string, ...values: Value[]) => T) =>
    (sql: string, ...values: Value[]): T => {
      statements.set(sql, values);
      return call(sql, ...values);
    };
  // Each keeps its own type of rows.
  return { statements, rows: { ...rows, run: told(rows.run), all: told(rows.all) as Rows['all'], get: told(rows.get) as Rows['get'] } };
};

test('what an erasure asks, and an amendment writes, looks through no table', async () => {
  const { does, applyTo } = await world();
  await does.lodgeJoint('consent-2', 'tpp', ['alice', 'bob']);
  await does.amendConsent('consent-1', 'a reason');
  const { rows, statements } = telling(sqliteRows(':memory:'));
  await applyTo(rows);
  const written = [...statements].filter(([sql]) => sql.startsWith('update consent_authoriser'));
  statements.clear();
  expect(livingOf(rows, 'alice').consentIds).toEqual(['consent-1', 'consent-2']);
  expect(consentsOnlyOf(rows, 'alice')).toEqual(['consent-1']);
  const asked = [...written, ...statements];
  expect(asked).toHaveLength(5);
  for (const [sql, values] of asked) {
    const plan = rows.all<{ detail: string }>(`explain query plan ${sql}`, ...values).map(({ detail }) => detail);
    expect([sql, plan.filter((detail) => /^SCAN (?!.*subquery)/.test(detail))]).toEqual([sql, []]);
  }
});

test('with the one key of older versions goes what stood under it: accounts and phones', async () => {
  const { decide, clock, applyTo } = await world();
  const held = (rows: Rows) => [
    rows.all('select account_id from consent_account').length,
    phonesOf(rows, 'alice').length,
    rows.all('select psu_id from device_data').length,
  ];
  expect(held(await applyTo(sqliteRows(':memory:')))).toEqual([2, 1, 1]);
  const command = { id: systemIds.uuid(), actor: { kind: 'engine', id: 'test' } as const, correlationId: 'alice', causationId: null };
  await decide(psu, 'alice', expire({ psuId: 'alice', retention: 'all', period: '-', at: clock() }), command);
  expect(held(await applyTo(sqliteRows(':memory:')))).toEqual([0, 0, 0]);
});
