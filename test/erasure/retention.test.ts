import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, test } from '@jest/globals';
import { of } from 'rxjs';
import { systemIds } from '../../src/adapters/clock.ts';
import { sqliteEventStore } from '../../src/adapters/event-store/sqlite.ts';
import { psuKeys } from '../../src/adapters/keys/psu-keys.ts';
import { temporarySigningKeys } from '../../src/adapters/keys/signing-keys.ts';
import { sqliteRows } from '../../src/adapters/rows/sqlite.ts';
import { erasePsu, expireData } from '../../src/cli/psu.ts';
import { loadConfig } from '../../src/config.ts';
import { cibaRequest } from '../../src/domain/ciba-request/decider.ts';
import { cibaRequestEvents } from '../../src/domain/ciba-request/events.ts';
import { consent, revoke } from '../../src/domain/consent/decider.ts';
import { consentEvents } from '../../src/domain/consent/events.ts';
import { type Decide, makeDecide } from '../../src/domain/decide.ts';
import { device } from '../../src/domain/device/decider.ts';
import { describedAs } from '../../src/domain/device/described.ts';
import { OAuthError } from '../../src/domain/oauth-error.ts';
import type { Rows } from '../../src/domain/ports/rows.ts';
import type { SealingKeys } from '../../src/domain/ports/sealer.ts';
import { expiredKeys, type RetentionDays } from '../../src/projections/expired-data.ts';
import { destroyExpired } from '../../src/projections/reactions/expire-data.ts';
import { type TestEngine, testEngine } from '../support/engine.ts';
import { temporaryFolder } from '../support/served.ts';
import { steps } from '../support/steps.ts';
import { until } from './support.ts';

const DAY = 86_400;
const DAYS: RetentionDays = { requestDays: 400, consentDays: 2557, deviceDays: 90, deliveryDays: 30 };
// 15 March 2026.
const START = Date.UTC(2026, 2, 15) / 1000;

let tested: TestEngine | undefined;
afterEach(async () => {
  await tested?.close();
  tested = undefined;
});

/** An engine whose clock the test moves, with one PSU who has a phone and agreed to something. */
const world = async ({
  sealer = psuKeys(':memory:', Buffer.alloc(32, 1)),
  rows: ownRows = sqliteRows(':memory:'),
  isOnDuty = false,
}: {
  sealer?: SealingKeys;
  rows?: Rows;
  isOnDuty?: boolean;
} = {}) => {
  let at = START;
  const clock = () => at;
  const engine = await testEngine({ clock, sealer, rows: ownRows, signer: temporarySigningKeys(), onDuty: of(isOnDuty) });
  tested = engine;
  const { store, rows } = engine.ports;
  const does = steps({ store, sealer, clock, ids: systemIds });
  await does.registerClient('tpp');
  await does.offerEnrolment('phone', 'alice');
  await does.registerDevice('phone', 'push-token');
  await does.ask('request-1', { clientId: 'tpp', psuId: 'alice', consentId: null });
  await does.show('request-1', 'phone');
  await does.answer('request-1', 'phone', 'approved');
  await does.persist('request-1');
  await engine.engine.readModels.latest();
  const decide = makeDecide({ store, sealer, ids: systemIds });
  const expired = () => [...expiredKeys(rows, at, DAYS)].flat().map(({ psuId, retention, period }) => `${psuId} ${retention}.${period}`);
  const asked = async () => {
    const request = await engine.engine.load(cibaRequest, 'request-1');
    if (request.status === 'absent') throw new Error('it is not there');
    return cibaRequestEvents.open('CibaRequestReceived', request.sealed, sealer);
  };
  const given = async () => {
    const state = await engine.engine.load(consent, 'request-1');
    if (state.status === 'absent' || state.authorisation === null) throw new Error('it is not there');
    return consentEvents.open('ConsentAuthorised', state.authorisation.sealed as never, sealer);
  };
  const described = async () => {
    const state = await engine.engine.load(device, 'phone');
    if (!('sealed' in state)) throw new Error('it is not there');
    return describedAs(state, sealer);
  };
  return {
    ...{ engine, does, rows, expired, asked, given, described, decide, sealer, clock },
    later(days: number) {
      at = START + days * DAY;
    },
    destroy: async (by: Decide = decide) => {
      const { latest } = engine.engine.readModels;
      const count = await destroyExpired({ decide: by, rows, latest, sealer, clock, ids: systemIds }, DAYS);
      await engine.engine.readModels.latest();
      return count;
    },
    end: async () => {
      const command = { id: systemIds.uuid(), actor: { kind: 'operator', id: 'test' } as const, correlationId: 'c', causationId: null };
      await decide(consent, 'request-1', revoke({ by: 'operator', at }), command);
      await engine.engine.readModels.latest();
    },
  };
};

describe('what was kept long enough', () => {
  test('of a request goes so many days after its month, and nothing else with it', async () => {
    const { later, expired, destroy, asked, given, described } = await world();
    // March has 16 days left.
    later(400 + 16);
    expect(expired()).toEqual([]);
    later(400 + 17);
    expect(expired()).toEqual(['alice request.2026-03']);
    expect(await asked()).not.toBeNull();
    expect(await destroy()).toBe(1);
    expect(await asked()).toBeNull();
    expect(await given()).not.toBeNull();
    expect(await described()).not.toBeNull();
    expect(await destroy()).toBe(0);
    const facts = ((await tested?.log()) ?? []).filter(({ stream }) => stream === 'psu-alice');
    expect(facts.map(({ type, data }) => [type, JSON.parse(data)])).toEqual([
      ['PsuDataExpired', { psuId: 'alice', retention: 'request', period: '2026-03', at: START + (400 + 17) * DAY }],
    ]);
  });

  test('of devices goes so many days after the last of them, and what comes after has another key', async () => {
    const { later, does, expired, destroy, described, engine } = await world();
    later(300);
    expect(expired()).toEqual([]);
    await does.revokeDevice('phone', 'alice');
    await engine.engine.readModels.latest();
    later(300 + 89);
    expect(expired()).toEqual([]);
    later(300 + 90);
    expect(expired()).toEqual(['alice device.-']);
    await destroy();
    expect(await described()).toBeNull();
    await does.offerEnrolment('phone-2', 'alice');
    await does.registerDevice('phone-2', 'push-token');
    await engine.engine.readModels.latest();
    const state = await engine.engine.load(device, 'phone-2');
    if (!('sealed' in state)) throw new Error('it is not there');
    expect(state.sealed.text).toMatch(/^2\.device\.2\./);
    expect(describedAs(state, engine.ports.sealer)).not.toBeNull();
    expect(await described()).toBeNull();
  });

  test('of consents goes so many days after the last of them', async () => {
    const { later, expired, end, destroy, given } = await world();
    later(100);
    await end();
    later(100 + 2556);
    await destroy();
    expect(await given()).not.toBeNull();
    later(100 + 2557);
    expect(expired()).toEqual(['alice consent.-']);
    await destroy();
    expect(await given()).toBeNull();
  });

  test('is destroyed after a process has died between the fact and the key', async () => {
    const sealer = psuKeys(':memory:', Buffer.alloc(32, 1));
    const { later, destroy, asked, decide, rows, clock, engine } = await world({ sealer });
    later(450);
    const dying = { ...sealer, destroy: () => Promise.reject(new OAuthError('server_error', 'it died')) };
    const { latest } = engine.engine.readModels;
    await expect(destroyExpired({ decide, rows, latest, clock, sealer: dying, ids: systemIds }, DAYS)).rejects.toThrow('it died');
    await tested?.engine.readModels.latest();
    // This process has heard of it all the same.
    await until(async () => (await asked()) === null);
    const fresh = { psuId: 'alice', retention: 'request', at: START } as const;
    await destroy();
    expect(() => sealer.seal(fresh, 'again', 'a place')).toThrow('unknown');
  });

  test('keeps its key where something was sealed with it right before the fact', async () => {
    const file = join(temporaryFolder(), 'keys.sqlite');
    const { later, end, does, destroy, decide } = await world({ sealer: psuKeys(file, Buffer.alloc(32, 1)) });
    later(100);
    await end();
    later(100 + 2556);
    // What goes by the month is gone: of what is left one key is over a day later.
    await destroy();
    later(100 + 2557);
    const agreed = async () => {
      await does.offerEnrolment('phone-2', 'alice');
      await does.registerDevice('phone-2', 'push-token');
      await does.ask('request-2', { clientId: 'tpp', psuId: 'alice', consentId: null });
      await does.show('request-2', 'phone-2');
      await does.answer('request-2', 'phone-2', 'approved');
      await does.persist('request-2');
    };
    const late: Decide = async (decider, id, decision, command) => {
      const state = await does.load(consent, 'request-2');
      if (id === 'alice' && state.status === 'absent') await agreed();
      return decide(decider, id, decision, command);
    };
    await destroy(late);
    await destroy();
    const fresh = psuKeys(file, Buffer.alloc(32, 1));
    const state = await does.load(consent, 'request-2');
    if (state.status === 'absent' || state.authorisation === null) throw new Error('it is not there');
    const { sealed } = state.authorisation;
    expect(sealed?.text).toMatch(/^2\.consent\.-\./);
    expect(consentEvents.open('ConsentAuthorised', sealed as never, fresh)).not.toBeNull();
    fresh.close();
  });

  test('leaves nothing in the files of the read models', async () => {
    const file = join(temporaryFolder(), 'rows.sqlite');
    const rows = sqliteRows(file);
    const { later, end, destroy } = await world({ rows });
    const held = () => ['', '-wal'].some((suffix) => readFileSync(file + suffix).includes('account-1'));
    rows.commit();
    expect(held()).toBe(true);
    await end();
    later(2557);
    await destroy();
    await until(() => !held());
  });

  test('is done by the engine every day, by itself', async () => {
    const { later, asked } = await world({ isOnDuty: true });
    later(450);
    await until(async () => (await asked()) === null);
  });
});

test('countersign psu expire prints what would go, and destroys it; psu erase refuses who is not known', async () => {
  const dataDir = temporaryFolder();
  const { config } = loadConfig({ env: { COUNTERSIGN_DATA_DIR: dataDir }, cwd: '/nonexistent' });
  const open = () => psuKeys(join(dataDir, 'keys/psu-keys.sqlite'), Buffer.alloc(32, 1));
  mkdirSync(join(dataDir, 'keys'));
  writeFileSync(config.keys.masterFile, Buffer.alloc(32, 1).toString('base64url'));
  const [store, sealer] = [sqliteEventStore(join(dataDir, 'log.sqlite')), open()];
  const does = steps({ store, sealer, clock: () => Date.UTC(2024, 0, 5) / 1000, ids: systemIds });
  await does.registerClient('tpp');
  await does.ask('request-1', { clientId: 'tpp', psuId: 'alice', consentId: null });
  await store.close();
  sealer.close();
  sqliteRows(join(dataDir, 'read-models.sqlite')).close();
  const said: string[] = [];
  await expireData(config, { dryRun: false }, (line) => said.push(line));
  await expireData(config, { dryRun: true }, (line) => said.push(line));
  await expect(erasePsu(config, 'alicia', 'case 4711', (line) => said.push(line))).rejects.toThrow('nothing is kept of a PSU alicia');
  expect(said).toEqual(['1 keys are destroyed', '0 keys would be destroyed']);
  const again = open();
  expect(() => again.seal({ psuId: 'alice', retention: 'request', at: Date.UTC(2024, 0, 5) / 1000 }, 'a text', 'a place')).toThrow();
  again.close();
});

test.each(['sqlite', 'kurrentdb'] as const)('countersign psu erase takes nothing but a PSU, over %s', async (kind) => {
  const { config } = loadConfig({ env: { COUNTERSIGN_DATA_DIR: temporaryFolder() }, cwd: '/nonexistent' });
  const over = { ...config, store: { ...config.store, kind } };
  for (const name of ['consent request-1', 'client tpp', ''])
    await expect(async () => erasePsu(over, name, 'case 4711', () => undefined)).rejects.toThrow('nothing is kept of a PSU');
});
