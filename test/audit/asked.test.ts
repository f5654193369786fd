import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { inMemoryEventStore } from '../../src/adapters/event-store/in-memory.ts';
import { psuKeys } from '../../src/adapters/keys/psu-keys.ts';
import { loadConfig } from '../../src/config.ts';
import { STATUSES, statusAfter } from '../../src/domain/audit/status.ts';
import { decode } from '../../src/domain/catalogue.ts';
import type { EvidenceLog, Published } from '../../src/evidence/log.ts';
import { openEvidence } from '../../src/serve/evidence.ts';
import { nothingOpened } from '../../src/serve/opened.ts';
import { type TestEngine, testEngine } from '../support/engine.ts';
import { writeHistory } from '../support/history.ts';
import { temporaryFolder } from '../support/served.ts';
import { auditing, auditor, type Diff, type Found, readsIn, type State } from './support.ts';

const sealer = psuKeys(':memory:', Buffer.alloc(32, 1));

describe('what an auditor types', () => {
  let tested: TestEngine;
  let alice: Awaited<ReturnType<typeof auditor>>;
  beforeAll(async () => {
    tested = await testEngine({});
    alice = await auditor(tested);
  });
  afterAll(() => tested.close());

  const reads = async () => readsIn(await tested.log()).map(({ what }) => what);

  test('leaves nothing where nobody knows it', async () => {
    for (const kind of ['psu', 'consent', 'request', 'device', 'client', 'actor']) {
      const response = await alice.get(`/events?type=ClientRegistered&${kind}=anna@example.com`);
      expect([kind, response.status]).toEqual([kind, 404]);
    }
    for (const kind of ['type', 'status']) expect((await alice.get(`/events?${kind}=anna@example.com`)).status).toBe(400);
    expect(await reads()).toEqual([]);
  });

  test('may be a word that no fact has yet', async () => {
    const path = `/events?client=${alice.clientId}&type=GrantRevoked&status=revoked`;
    expect(await alice.read<Found>(path)).toEqual({ facts: [], next: null });
    expect(await reads()).toEqual([path]);
  });
});

test('every status that a fact may give can be asked for', async () => {
  const store = inMemoryEventStore();
  await writeHistory(store, { ceremonies: 40, seed: 3, sealer });
  const given = (await store.readAll(0, 1_000_000)).map((event) => statusAfter(decode(event)));
  expect(STATUSES).toEqual(expect.arrayContaining([...new Set(given.filter((status) => status !== null))]));
});

test('all pages as of an instant are of the same log, whatever arrives in that very moment', async () => {
  const now = 1_800_000_000_000 - 200 * 86_400_000;
  const store = inMemoryEventStore({ now: () => now });
  await writeHistory(store, { ceremonies: 10, seed: 3, sealer });
  const { get, stop } = await auditing(store, sealer);
  const instant = new Date(now).toISOString();
  const path = '/audit/v1/tpps/tpp-1';
  const state = await get<State>(`${path}/state`, { as_of: instant, limit: 1 });
  const diff = await get<Diff>(`${path}/diff`, { from: 0, to: instant, limit: 1 });
  const late = (await store.readAll(0, 1_000_000)).filter(({ stream }) => stream === 'client-tpp-1');
  await store.append('client-late', late.slice(0, 1), -1);
  expect(await get<State>(`${path}/state`, { as_of: instant, limit: 1 })).toMatchObject({ as_of: state.as_of + 1 });
  expect(await get<State>(`${path}/state`, { as_of: instant, limit: 1, cursor: state.next ?? '' })).toMatchObject({ as_of: state.as_of });
  expect(await get<Diff>(`${path}/diff`, { from: 0, to: instant, limit: 1, cursor: diff.next ?? '' })).toMatchObject({ to: diff.to });
  stop();
});

test('a checkpoint is proved that witnesses have not cosigned yet', async () => {
  const dataDir = temporaryFolder();
  mkdirSync(join(dataDir, 'keys'));
  const { config } = loadConfig({ env: { COUNTERSIGN_DATA_DIR: dataDir, COUNTERSIGN_EVIDENCE_CHECKPOINT_MS: '100' }, cwd: '/nonexistent' });
  const [opened, store] = [nothingOpened(), inMemoryEventStore()];
  const onFault = (what: string, error: unknown) => {
    throw new Error(what, { cause: error });
  };
  const own = (await openEvidence(
    config,
    { opened, say: () => undefined, onFault },
    { log: store, master: Buffer.alloc(32, 2) },
  )) as EvidenceLog;
  let cosigned: Published | null = null;
  const tested = await testEngine({ store, evidence: { ...own, cosigned: async () => cosigned } });
  const { get, read, clientId } = await auditor(tested);
  const size = async () => (await own.checkpoint())?.size ?? 0;
  const proved = (query: string) => read<{ from: number; to: number }>(`/proofs/consistency?${query}`);

  while ((await size()) === 0) await read(`/tpps/${clientId}/history`);
  cosigned = await own.checkpoint();
  const older = await size();
  while ((await size()) === older) await read(`/tpps/${clientId}/history`);
  const newer = await size();
  expect(await proved(`from=1`)).toMatchObject({ from: 1, to: older });
  expect(await proved(`from=${older}&to=${newer}`)).toMatchObject({ from: older, to: newer });
  const { from, to } = await proved(`from=${newer}`);
  expect([from, to >= newer]).toEqual([newer, true]);
  expect((await get('/proofs/consistency?from=999999')).status).toBe(400);
  await tested.close();
  await opened.closeAll();
});
