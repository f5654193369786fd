import { beforeEach, expect, test } from '@jest/globals';
import { systemIds } from '../../src/adapters/clock.ts';
import { inMemoryEventStore } from '../../src/adapters/event-store/in-memory.ts';
import { psuKeys } from '../../src/adapters/keys/psu-keys.ts';
import { sqliteRows } from '../../src/adapters/rows/sqlite.ts';
import { amend, authorise, consent, lodge, uploadFile } from '../../src/domain/consent/decider.ts';
import { makeDecide } from '../../src/domain/decide.ts';
import type { EventStore } from '../../src/domain/ports/event-store.ts';
import type { Sealer } from '../../src/domain/ports/sealer.ts';
import { erase, psu } from '../../src/domain/psu/decider.ts';
import { projectionsOver } from '../../src/projections/all.ts';
import { conditionOf, searchConsents } from '../../src/projections/consent-lookup.ts';
import { latestFacts } from '../../src/projections/consent-service.ts';
import { runProjections } from '../../src/projections/runner.ts';
import { amended, authorised, lodged } from '../support/ceremony-facts.ts';

const any = { consentIds: null, clientIds: null, consentTypes: null, statuses: null, psuIds: null, accountIds: null, from: null, to: null };
const sealer = psuKeys(':memory:', Buffer.alloc(32, 1));
const erased: Sealer = { ...sealer, open: () => null };

let store: EventStore;
beforeEach(async () => {
  store = inMemoryEventStore();
  const decide = makeDecide({ store, sealer, ids: systemIds });
  for (const [consentId, psuId] of [
    ['c-1', 'alice'],
    ['c-2', 'bob'],
  ] as const) {
    const command = { id: systemIds.uuid(), actor: { kind: 'engine', id: 'test' } as const, correlationId: consentId, causationId: null };
    await decide(consent, consentId, lodge(lodged.data, null), command);
    const { hasAuthorizationDetails: _, ...data } = { ...authorised.data, psuId };
    const given = { data, consentRevision: 0, accountIds: ['shared', `of ${psuId}`], authorizationDetails: null, lodged: null };
    await decide(consent, consentId, authorise(given), { ...command, id: systemIds.uuid() });
  }
});

const rowsWith = async (by: Sealer) => {
  const rows = sqliteRows(':memory:');
  const running = runProjections(store, rows, projectionsOver(by), await store.head());
  await running.caughtUp;
  running.stop();
  return rows;
};
const foundBy = (rows: ReturnType<typeof sqliteRows>, ...accountIds: string[]) =>
  searchConsents(rows, { ...any, accountIds }, { limit: 10, offset: 0 }).consentIds.toSorted();

test('consents are found by the accounts that they were given for', async () => {
  const rows = await rowsWith(sealer);
  expect(foundBy(rows, 'shared')).toEqual(['c-1', 'c-2']);
  expect(foundBy(rows, 'of bob')).toEqual(['c-2']);
  expect(foundBy(rows, 'of nobody')).toEqual([]);
});

test('the accounts of one PSU are forgotten, and of others not', async () => {
  const command = { id: systemIds.uuid(), actor: { kind: 'engine', id: 'test' } as const, correlationId: 'bob', causationId: null };
  await makeDecide({ store, sealer, ids: systemIds })(psu, 'bob', erase({ psuId: 'bob', reason: 'case 4711', at: 1 }), command);
  const rows = await rowsWith(sealer);
  expect([foundBy(rows, 'of bob'), foundBy(rows, 'shared')]).toEqual([[], ['c-1']]);
});

test('a rebuild finds none of those who were erased', async () => expect(foundBy(await rowsWith(erased), 'shared', 'of bob')).toEqual([]));

test('the facts of all consents, newest first', async () => {
  const { facts, total } = latestFacts(await rowsWith(sealer), { consentIds: null, psuIds: null }, { limit: 3, offset: 0 });
  expect([facts.map(({ consentId }) => consentId), total]).toEqual([['c-2', 'c-2', 'c-1'], 4]);
});

test('the facts of the consents of one PSU, or of those that are named', async () => {
  const rows = await rowsWith(sealer);
  const page = { limit: 10, offset: 1 };
  const of = (psuIds: string[] | null, consentIds: string[] | null) => {
    const { facts, total } = latestFacts(rows, { consentIds, psuIds }, page);
    return [facts.map(({ consentId }) => consentId), total];
  };
  expect(of(['alice'], null)).toEqual([['c-1'], 2]);
  expect(of(null, ['c-2'])).toEqual([['c-2'], 2]);
  expect(of(['alice'], ['c-2'])).toEqual([[], 0]);
});

test('an amended consent is found by who had agreed to it, and awaits its file anew', async () => {
  const decide = makeDecide({ store, sealer, ids: systemIds });
  const as = () => ({ id: systemIds.uuid(), actor: { kind: 'engine', id: 'test' } as const, correlationId: 'c-1', causationId: null });
  const { endedRequests: _, ...data } = amended.data;
  const withFile = { ...lodged.data, awaitsUpload: true };
  await decide(consent, 'c-3', lodge(withFile, null), as());
  await decide(consent, 'c-3', uploadFile({ digest: 'digest', size: 4, at: 910 }, 'file'), as());
  for (const id of ['c-1', 'c-3'])
    await decide(
      consent,
      id,
      amend(data, amended.personal.receipt, () => null),
      as(),
    );
  const rows = await rowsWith(sealer);
  const search = (filter: object) => searchConsents(rows, { ...any, ...filter }, { limit: 10, offset: 0 }).consentIds;
  expect(search({ psuIds: ['alice'] })).toEqual(['c-1']);
  expect(search({ statuses: { among: ['awaitingAuthorisation'], at: 920 } })).toEqual(['c-1']);
  expect(search({ statuses: { among: ['awaitingUpload'], at: 920 } })).toEqual(['c-3']);
});

test('a search by an index reads no more than it finds', async () => {
  const rows = await rowsWith(sealer);
  const planOf = (filter: Parameters<typeof conditionOf>[0]) => {
    const { where, values } = conditionOf(filter);
    const plan = rows.all<{ detail: string }>(`explain query plan select consent_id from consent ${where}`, ...values);
    return plan.map(({ detail }) => detail).join('\n');
  };
  const byAccount = planOf({ accountIds: ['shared'] });
  expect(byAccount).toMatch(/SEARCH consent_account USING PRIMARY KEY/);
  expect(byAccount).toMatch(/SEARCH consent USING PRIMARY KEY/);
  expect(planOf({ statuses: { among: ['expired'], at: 920 } })).toMatch(/SEARCH consent USING INDEX consent_expiry/);
});

test('a PSU whom a consent names twice is asked once', async () => {
  const decide = makeDecide({ store, sealer, ids: systemIds });
  const command = { id: systemIds.uuid(), actor: { kind: 'engine', id: 'test' } as const, correlationId: 'c-3', causationId: null };
  await decide(consent, 'c-3', lodge({ ...lodged.data, authorisers: ['alice', 'alice'] }, null), command);
  const rows = await rowsWith(sealer);
  expect(rows.all('select psu_id, consent_id from consent_authoriser')).toEqual([{ psu_id: 'alice', consent_id: 'c-3' }]);
});
