import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { inMemoryEventStore } from '../../../src/adapters/event-store/in-memory.ts';
import { sqliteEventStore } from '../../../src/adapters/event-store/sqlite.ts';
import { CIBA_GRANT } from '../../../src/domain/client/metadata.ts';
import { type EventStore, StoreUnavailable } from '../../../src/domain/ports/event-store.ts';
import { type StandingClock, standingClock } from '../../support/clock.ts';
import { type TestDevice, testDevice } from '../../support/device.ts';
import { type TestEngine, testEngine } from '../../support/engine.ts';
import { expectRefusal, sendForm } from '../../support/http.ts';
import { facts } from '../../support/log.ts';
import { type RacingStore, racingStore } from '../../support/racing-store.ts';
import { temporaryFolder } from '../../support/served.ts';
import { ask, secretTpp } from '../../support/tpp.ts';

type Form = Record<string, string>;
type Tokens = { access_token: string; refresh_token: string; scope: string };

interface Bank {
  time: StandingClock;
  tested: TestEngine;
  store: RacingStore;
  auth: Form;
  phone: TestDevice;
}

const started = async (inner: EventStore): Promise<Bank> => {
  const time = standingClock();
  const store = racingStore(inner);
  const tested = await testEngine({ clock: time.clock, nowMs: time.nowMs, store }, { COUNTERSIGN_LIMITS_PENDING_REQUESTS_PER_PSU: '1000' });
  return { time, tested, store, auth: await secretTpp(tested), phone: await testDevice(tested, 'alice') };
};

const granted = async ({ tested, auth, phone }: Bank): Promise<Tokens> => {
  const { authReqId, requestId } = await ask(tested, auth);
  await phone.decide(requestId, 'approved');
  return (await sendForm(tested, '/oauth2/token', { ...auth, grant_type: CIBA_GRANT, auth_req_id: authReqId })).json() as Promise<Tokens>;
};
const send = ({ tested, auth }: Bank, refresh_token: string, more: Form = {}) =>
  sendForm(tested, '/oauth2/token', { ...auth, grant_type: 'refresh_token', refresh_token, ...more });
const refreshed = async (bank: Bank, token: string, more: Form = {}): Promise<Tokens> => {
  const response = await send(bank, token, more);
  expect(response.status).toBe(200);
  return (await response.json()) as Tokens;
};
const isActive = async ({ tested, auth }: Bank, token: string): Promise<unknown> => {
  await tested.engine.readModels.reached(await tested.ports.store.head());
  const response = await sendForm(tested, '/oauth2/introspect', { ...auth, token });
  return ((await response.json()) as { active: unknown }).active;
};
const grantIdIn = (refreshToken: string) => refreshToken.split('.')[0];
const grantOf = (refreshToken: string) => `grant-${grantIdIn(refreshToken)}`;

describe('a refresh token of the profile plain', () => {
  let bank: Bank;
  beforeAll(async () => {
    bank = await started(inMemoryEventStore());
  });
  afterAll(() => bank.tested.close());
  /** A refusal that revokes the grant, and nothing else. */
  const revokes = async (token: string) => {
    const before = await bank.tested.ports.store.head();
    const response = await send(bank, token);
    expect([response.status, await response.json()]).toEqual([400, expect.objectContaining({ error: 'invalid_grant' })]);
    const recorded = await facts(bank.tested, before);
    expect(recorded.map(({ type, data }) => [type, JSON.parse(data).reason])).toEqual([['GrantRevoked', 'refresh_token_reused']]);
  };
  const refuses = (token: string) => expectRefusal(bank.tested, () => send(bank, token), 400, 'invalid_grant');

  test('is replaced at each use', async () => {
    let { refresh_token: token } = await granted(bank);
    const tokens = new Set([token]);
    for (let use = 1; use <= 5; use += 1) {
      bank.time.pass(3600);
      const next = await refreshed(bank, token);
      expect(await isActive(bank, token)).toBe(false);
      expect(await isActive(bank, next.refresh_token)).toBe(true);
      expect(await isActive(bank, next.access_token)).toBe(true);
      token = next.refresh_token;
      tokens.add(token);
    }
    expect(tokens.size).toBe(6);
    for (const one of tokens) expect(one).toMatch(/^[\w-]+\.[\w-]{43}$/);
  });

  test('has a successor with the whole scope, and no longer life', async () => {
    const { refresh_token: token, scope } = await granted(bank);
    bank.time.pass(7_776_000 - 60);
    const narrow = await refreshed(bank, token, { scope: 'accounts' });
    expect([narrow.scope, (await refreshed(bank, narrow.refresh_token)).scope]).toEqual(['accounts', scope]);
    bank.time.pass(60);
    await refuses(narrow.refresh_token);
  });

  test('gives the same successor to a retry', async () => {
    const { refresh_token: token } = await granted(bank);
    const first = await refreshed(bank, token);
    bank.time.pass(30);
    const retried = await refreshed(bank, token);
    expect(retried.refresh_token).toBe(first.refresh_token);
    for (const { access_token } of [first, retried]) expect(await isActive(bank, access_token)).toBe(true);
    expect((await refreshed(bank, first.refresh_token)).refresh_token).not.toBe(first.refresh_token);
  });

  test('that was replaced ends the grant when it comes back', async () => {
    const { refresh_token: token, access_token } = await granted(bank);
    const next = await refreshed(bank, token);
    bank.time.pass(31);
    await revokes(token);
    for (const dead of [access_token, next.access_token, next.refresh_token]) expect(await isActive(bank, dead)).toBe(false);
    await refuses(next.refresh_token);
    await refuses(token);
  });

  test('that was replaced ends the grant at once when its successor was used', async () => {
    const { refresh_token: token } = await granted(bank);
    const next = await refreshed(bank, token);
    await refreshed(bank, next.refresh_token);
    await revokes(token);
  });

  test('that nobody was given ends nothing', async () => {
    const { refresh_token: token } = await granted(bank);
    await refuses(`${token.split('.')[0]}.${bank.tested.ports.ids.secret()}`);
    await refuses(`${token}x`);
    expect((await send(bank, token)).status).toBe(200);
  });

  test('that was replaced ends nothing in the hands of another client', async () => {
    const { refresh_token: token } = await granted(bank);
    const next = await refreshed(bank, token);
    bank.time.pass(31);
    const other = { ...bank, auth: await secretTpp(bank.tested) };
    await expectRefusal(bank.tested, () => send(other, token), 400, 'invalid_grant');
    expect((await send(bank, next.refresh_token)).status).toBe(200);
  });

  test('is used 120 times an hour, by each client for itself, and is as good as before afterwards', async () => {
    const { refresh_token: token } = await granted(bank);
    const other = { ...bank, auth: await secretTpp(bank.tested) };
    // What is refused counts too: the stream was read for it.
    for (let use = 1; use <= 119; use += 1) await send(bank, `${grantIdIn(token)}.${use}`);
    let next = await refreshed(bank, token);
    const before = await bank.tested.ports.store.head();
    const response = await send(bank, next.refresh_token);
    expect([response.status, response.headers.get('retry-after')]).toEqual([503, '3600']);
    expect(await response.json()).toMatchObject({ error: 'temporarily_unavailable' });
    expect(await bank.tested.ports.store.head()).toBe(before);
    await expectRefusal(bank.tested, () => send(other, next.refresh_token), 400, 'invalid_grant');
    expect((await send(bank, (await granted(bank)).refresh_token)).status).toBe(200);
    bank.time.pass(3600);
    next = await refreshed(bank, next.refresh_token);
    expect(await isActive(bank, next.access_token)).toBe(true);
  });

  test('is not used up by calls that failed, nor by those of others', async () => {
    let isAway = false;
    const store = inMemoryEventStore();
    const read: EventStore['read'] = async (...args) => {
      if (isAway && args[0].startsWith('grant-')) throw new StoreUnavailable();
      return store.read(...args);
    };
    const moody = await started({ ...store, read });
    const { refresh_token: token } = await granted(moody);
    const other = { ...moody, auth: await secretTpp(moody.tested) };
    isAway = true;
    for (let use = 1; use <= 121; use += 1) expect((await send(moody, token)).status).toBe(503);
    isAway = false;
    for (let use = 1; use <= 121; use += 1) expect((await send(other, token)).status).toBe(400);
    await refreshed(moody, token);
    await moody.tested.close();
  });

  test('stands nowhere in the log', async () => {
    const { refresh_token: token } = await granted(bank);
    const next = await refreshed(bank, token);
    const log = JSON.stringify(await bank.tested.log());
    for (const secret of [token, next.refresh_token]) expect(log).not.toContain(secret.split('.')[1]);
  });
});

describe.each<[string, () => EventStore]>([
  ['in memory', inMemoryEventStore],
  ['in SQLite', () => sqliteEventStore(join(temporaryFolder(), 'log.sqlite'))],
])('64 uses of one refresh token at once, %s', (_name, store) => {
  let bank: Bank;
  beforeAll(async () => {
    bank = await started(store());
  });
  afterAll(() => bank.tested.close());

  test('get one successor, which is good, and access tokens that are good', async () => {
    for (let round = 0; round < 3; round += 1) {
      const { refresh_token: token } = await granted(bank);
      const before = await bank.tested.ports.store.head();
      bank.store.gather(grantOf(token), 64);
      const all = await Promise.all(Array.from({ length: 64 }, () => refreshed(bank, token)));
      expect(new Set(all.map(({ refresh_token }) => refresh_token)).size).toBe(1);
      expect((await facts(bank.tested, before)).filter(({ type }) => type === 'RefreshTokenIssued')).toHaveLength(1);
      for (const { access_token } of all.slice(0, 8)) expect(await isActive(bank, access_token)).toBe(true);
      expect((await send(bank, all[0]?.refresh_token ?? '')).status).toBe(200);
    }
  }, 60_000);

  test('of which half come with the token that was replaced before: the grant ends once, and with it everything', async () => {
    const { refresh_token: token } = await granted(bank);
    const { refresh_token: next } = await refreshed(bank, token);
    bank.time.pass(31);
    const before = await bank.tested.ports.store.head();
    bank.store.gather(grantOf(token), 64);
    const all = await Promise.all(Array.from({ length: 64 }, (_, n) => send(bank, n % 2 === 0 ? token : next)));
    expect((await facts(bank.tested, before)).filter(({ type }) => type === 'GrantRevoked')).toHaveLength(1);
    for (const response of all) {
      expect([200, 400]).toContain(response.status);
      const body = (await response.json()) as Tokens;
      if (response.status === 200) expect(await isActive(bank, body.access_token)).toBe(false);
    }
  }, 60_000);
});
