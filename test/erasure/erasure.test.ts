import { join } from 'node:path';
import { afterEach, describe, expect, test } from '@jest/globals';
import { of } from 'rxjs';
import { inMemoryEventStore } from '../../src/adapters/event-store/in-memory.ts';
import { sqliteEventStore } from '../../src/adapters/event-store/sqlite.ts';
import { psuKeys } from '../../src/adapters/keys/psu-keys.ts';
import { temporarySigningKeys } from '../../src/adapters/keys/signing-keys.ts';
import { cibaRequest, receive } from '../../src/domain/ciba-request/decider.ts';
import { cibaRequestEvents } from '../../src/domain/ciba-request/events.ts';
import { CIBA_GRANT } from '../../src/domain/client/metadata.ts';
import { consent } from '../../src/domain/consent/decider.ts';
import { receiptOf } from '../../src/domain/consent/receipt.ts';
import { makeDecide } from '../../src/domain/decide.ts';
import { device } from '../../src/domain/device/decider.ts';
import { describedAs } from '../../src/domain/device/described.ts';
import type { EventStore } from '../../src/domain/ports/event-store.ts';
import { type Outbound, OutboundFailed } from '../../src/domain/ports/outbound.ts';
import type { PushSender } from '../../src/domain/ports/push-sender.ts';
import type { Ports } from '../../src/engine.ts';
import { erasedPsu } from '../../src/projections/psu-data.ts';
import { findToken } from '../../src/projections/token-lookup.ts';
import { askedWith } from '../support/ceremony-facts.ts';
import { type TestEngine, testEngine } from '../support/engine.ts';
import { temporaryFolder } from '../support/served.ts';
import { ask, lodge, secretTpp } from '../support/tpp.ts';
import { lodgeAs } from '../wso2/support/officer.ts';
import { approve, destroyed, enrolled, eraserOf, nodePorts, until } from './support.ts';

const open: TestEngine[] = [];
const started = async (ports: Partial<Ports> = {}): Promise<TestEngine> => {
  const engine = await testEngine(ports, { COUNTERSIGN_LIMITS_PENDING_REQUESTS_PER_PSU: '1000' });
  open.push(engine);
  return engine;
};
afterEach(async () => {
  for (const engine of open.splice(0).reverse()) await engine.close();
});

const CIBA = { grant_types: [CIBA_GRANT, 'refresh_token', 'client_credentials'] } as const;
const tppOf = (tested: TestEngine) => secretTpp(tested, { ...CIBA, grant_types: [...CIBA.grant_types] });
const poll = (tested: TestEngine, auth: Record<string, string>, authReqId: string) =>
  tested.post('/oauth2/token', { ...auth, grant_type: CIBA_GRANT, auth_req_id: authReqId });
const refusalOf = (error: unknown) => error as { status: number; error: string };

describe('a PSU who is erased', () => {
  test('is unknown, has no phone, and no token of theirs is active', async () => {
    const tested = await started();
    const [auth, eraser] = [await tppOf(tested), await eraserOf(tested)];
    const [phone, other] = [await enrolled(tested), await enrolled(tested, 'bob')];
    const intent = await lodge(tested, auth);
    const redeemed = await ask(tested, auth, { openbanking_intent_id: intent });
    await approve(phone, redeemed.requestId);
    const tokens = (await poll(tested, auth, redeemed.authReqId)).body;
    const introspected = async () =>
      (await tested.post('/oauth2/introspect', { ...auth, token: String(tokens['access_token']) })).body['active'];
    expect(await introspected()).toBe(true);
    const pending = await ask(tested, auth, { binding_message: 'TAXI-7' });

    expect((await eraser.erase('psu-alice')).status).toBeLessThan(300);
    await destroyed(tested, 'psu-alice');
    expect((await eraser.call('GET', 'psu-alice')).body).toMatchObject({ psu_id: 'psu-alice', destroyed_at: expect.any(Number) });

    const asked = await tested.post('/oauth2/ciba', { ...auth, scope: 'openid accounts', login_hint: 'alice' });
    expect([asked.status, asked.body['error']]).toEqual([400, 'unknown_user_id']);
    await until(async () => !(await introspected()));
    const refreshed = await tested.post('/oauth2/token', {
      ...auth,
      grant_type: 'refresh_token',
      refresh_token: String(tokens['refresh_token']),
    });
    expect([refreshed.status, refreshed.body['error']]).toEqual([400, 'invalid_grant']);
    expect((await poll(tested, auth, pending.authReqId)).body['error']).toBe('access_denied');
    expect(refusalOf(await phone.requests().catch((error) => error))).toMatchObject({ status: 401, error: 'invalid_token' });
    const again = await enrolled(tested).catch((error) => error);
    expect(refusalOf(again).status).toBe(401);
    expect(await other.requests()).toEqual([]);
    // What a request of another PSU is told is as before.
    await approve(other, (await ask(tested, auth, { login_hint: 'bob' })).requestId);
  });

  test('leaves nothing that can be opened: not what was asked, shown, answered and lodged for them, not what their phone is called', async () => {
    const tested = await started();
    const { sealer } = tested.ports;
    const [auth, eraser, phone] = [await tppOf(tested), await eraserOf(tested), await enrolled(tested)];
    const intent = await lodge(tested, auth);
    const { requestId } = await ask(tested, auth, { openbanking_intent_id: intent, binding_message: 'TAXI-7' });
    await approve(phone, requestId);
    const opened = async () => {
      const request = await tested.engine.load(cibaRequest, requestId);
      const registered = await tested.engine.load(device, phone.deviceId);
      const lodged = await tested.engine.load(consent, intent);
      if (request.status === 'absent' || !('sealed' in registered) || lodged.status === 'absent') throw new Error('it is not there');
      return [
        cibaRequestEvents.open('CibaRequestReceived', request.sealed, sealer),
        ...request.retrievals.map(({ sealed }) => cibaRequestEvents.open('ConsentRetrieved', sealed, sealer)),
        request.answer && cibaRequestEvents.open('CibaRequestApproved', request.answer.sealed as never, sealer),
        describedAs(registered, sealer),
        receiptOf(lodged, sealer),
      ];
    };
    expect((await opened()).every((part) => part !== null)).toBe(true);
    await eraser.erase('psu-alice');
    await destroyed(tested, 'psu-alice');
    expect((await opened()).every((part) => part === null)).toBe(true);
    const { rows } = tested.ports;
    expect(rows.all(`select * from consent_account union all select psu_id, device_id, name from phone`)).toEqual([]);
  });

  test('is erased once, and stays so; nobody is erased of whom nothing is kept, and not by everybody', async () => {
    const tested = await started();
    const eraser = await eraserOf(tested);
    await enrolled(tested);
    const answers = await Promise.all(Array.from({ length: 8 }, () => eraser.erase('psu-alice')));
    expect(answers.every(({ status }) => status < 300)).toBe(true);
    await destroyed(tested, 'psu-alice');
    await eraser.erase('psu-alice');
    const facts = (await tested.log()).filter(({ stream }) => stream === 'psu-psu-alice').map(({ type }) => type);
    expect(facts).toEqual(['PsuErased', 'PsuKeysDestroyed']);
    expect((await eraser.erase('psu-nobody')).status).toBe(404);
    expect((await eraser.call('GET', 'psu-bob')).status).toBe(404);
    expect((await eraser.call('POST', 'psu-bob', { reason: '' })).status).toBe(400);
    const tpp = await tppOf(tested);
    const authorization = `Basic ${Buffer.from(`${tpp.client_id}:${tpp.client_secret}`).toString('base64')}`;
    const denied = await fetch(`${tested.url}/admin/v1/psus/psu-bob/erasure`, { method: 'POST', headers: { authorization }, body: '{}' });
    expect([401, 403]).toContain(denied.status);
  });

  test('ends a consent with others, whose receipt stays for these', async () => {
    const tested = await started();
    const { sealer } = tested.ports;
    const [auth, eraser] = [await tppOf(tested), await eraserOf(tested)];
    // Asked of Alice first, by mistake; it is Bob who answers.
    const intent = await lodge(tested, auth);
    await ask(tested, auth, { openbanking_intent_id: intent });
    const phone = await enrolled(tested, 'bob');
    await approve(phone, (await ask(tested, auth, { openbanking_intent_id: intent, login_hint: 'bob' })).requestId);
    await eraser.erase('psu-alice');
    await destroyed(tested, 'psu-alice');
    const lodged = await tested.engine.load(consent, intent);
    if (lodged.status === 'absent') throw new Error('the consent is gone');
    expect(lodged.status).toBe('authorised');
    expect(receiptOf(lodged, sealer)).not.toBeNull();
  });

  test('ends no consent that another PSU is being asked for, and this one ends with the last of them', async () => {
    const tested = await started();
    const { sealer } = tested.ports;
    const [auth, eraser] = [await tppOf(tested), await eraserOf(tested)];
    const intent = await lodge(tested, auth);
    await ask(tested, auth, { openbanking_intent_id: intent });
    await ask(tested, auth, { openbanking_intent_id: intent, login_hint: 'bob' });
    const stateOf = async () => {
      const lodged = await tested.engine.load(consent, intent);
      return lodged.status === 'absent' ? null : [lodged.status, receiptOf(lodged, sealer) !== null];
    };
    await eraser.erase('psu-alice');
    await destroyed(tested, 'psu-alice');
    expect(await stateOf()).toEqual(['awaitingAuthorisation', true]);
    await eraser.erase('psu-bob');
    await destroyed(tested, 'psu-bob');
    expect(await stateOf()).toEqual(['revoked', false]);
  });

  test('is a PSU, and nothing else that has keys', async () => {
    const tested = await started();
    const [auth, eraser] = [await tppOf(tested), await eraserOf(tested)];
    const intent = await lodge(tested, auth);
    for (const name of [`consent ${intent}`, `client ${auth.client_id}`, 'ü', 'x'.repeat(256)]) {
      expect([name, (await eraser.erase(name)).status]).toEqual([name, 404]);
      expect([name, (await eraser.call('GET', name)).status]).toEqual([name, 404]);
    }
    expect((await tested.log()).filter(({ type }) => type === 'PsuErased')).toEqual([]);
    const lodged = await tested.engine.load(consent, intent);
    expect(lodged.status !== 'absent' && receiptOf(lodged, tested.ports.sealer)).toBeTruthy();
  });

  test('is told no push and no ping any more: what waited is dropped', async () => {
    const woken: string[] = [];
    const called: string[] = [];
    const pushSender: PushSender = {
      async wake({ pushToken }) {
        woken.push(pushToken);
        return { outcome: 'retry', reason: 'UNAVAILABLE', afterSeconds: 1 };
      },
    };
    const outbound: Outbound = {
      check: async () => undefined,
      async fetch({ url }) {
        called.push(url);
        throw new OutboundFailed('timeout');
      },
    };
    const tested = await started({ pushSender, outbound });
    const [auth, eraser] = [await tppOf(tested), await eraserOf(tested)];
    const pinged = await secretTpp(tested, {
      grant_types: [CIBA_GRANT],
      backchannel_token_delivery_mode: 'ping',
      backchannel_client_notification_endpoint: 'https://tpp.example/ping',
    });
    const phone = await enrolled(tested);
    await approve(phone, (await ask(tested, pinged, { client_notification_token: 'a-token' })).requestId);
    await ask(tested, auth);
    await until(() => woken.length > 0 && called.length > 0);
    await eraser.erase('psu-alice');
    await destroyed(tested, 'psu-alice');
    const { rows } = tested.ports;
    for (const table of ['push', 'unheard_request', 'open_offer', 'pending_request', 'device'])
      expect([table, rows.all(`select * from ${table}`)]).toEqual([table, []]);
    await until(() => rows.all('select * from notification_due').length === 0);
    const refused = (await tested.log()).filter(({ type }) => type === 'ClientNotificationRejected').at(-1);
    expect(JSON.parse(refused?.data ?? '{}')).toMatchObject({ reason: 'erased', retryAt: null });
    const before = [woken.length, called.length];
    await tested.engine.readModels.latest();
    expect([woken.length, called.length]).toEqual(before);
  }, 30_000);
});

describe.each([
  ['one engine in memory', () => [{}]],
  [
    'one engine in files',
    () => [
      {
        store: sqliteEventStore(join(temporaryFolder(), 'log.sqlite')),
        sealer: psuKeys(join(temporaryFolder(), 'keys.sqlite'), Buffer.alloc(32, 1)),
      },
    ],
  ],
  ['three nodes with shared keys', () => nodePorts(3).map((ports, node) => (node === 0 ? ports : { ...ports, onDuty: of(false) }))],
] as [string, () => Partial<Ports>[]][])('an erasure at %s', (_, ports) => {
  const all = async () => {
    const signer = temporarySigningKeys();
    const engines: TestEngine[] = [];
    for (const own of ports()) engines.push(await started({ signer, ...own }));
    return engines;
  };
  const tokensLeft = (engines: readonly TestEngine[], hashes: readonly string[]) =>
    engines.some(({ ports: { rows } }) => hashes.some((hash) => findToken(rows, hash) !== undefined));

  test('that meets requests, answers and redemptions leaves nothing alive and nothing readable', async () => {
    const engines = await all();
    const [first] = engines as [TestEngine];
    const at = (n: number) => engines[n % engines.length] as TestEngine;
    const [auth, eraser] = [await tppOf(first), await eraserOf(first)];
    const heard = async () => {
      for (const { engine } of engines) await engine.readModels.reached(await first.ports.store.head());
    };
    await heard();
    const phone = await enrolled(first);
    await heard();
    const approved: Awaited<ReturnType<typeof ask>>[] = [];
    for (let n = 0; n < 8; n += 1) {
      const one = await ask(first, auth);
      await approve(phone, one.requestId);
      approved.push(one);
    }
    const pending = await Promise.all(Array.from({ length: 8 }, () => ask(first, auth)));
    const shown = await Promise.all(pending.map(({ requestId }) => phone.retrieve(requestId)));
    await heard();

    const calls = [
      ...Array.from({ length: 64 }, (_, n) => () => at(n).post('/oauth2/ciba', { ...auth, scope: 'openid accounts', login_hint: 'alice' })),
      ...shown.map((one) => async () => phone.send(one.request_id, await phone.sign(one, 'approved', [])).catch((error) => error)),
      ...Array.from({ length: 64 }, (_, n) => () => poll(at(n), auth, (approved[n % 8] as (typeof approved)[number]).authReqId)),
      () => eraser.erase('psu-alice'),
      () => eraser.erase('psu-alice', at(1)),
    ];
    const shuffled = calls.map((call) => ({ call, order: Math.random() })).sort((one, other) => one.order - other.order);
    const answers = await Promise.all(shuffled.map(({ call }) => call()));
    for (const answer of answers) expect((answer as { status?: number | string }).status).not.toBe(500);
    await destroyed(first, 'psu-alice');
    await heard();

    const log = await first.log();
    const hashes = log.filter(({ type }) => type === 'AccessTokenIssued').map(({ data }) => JSON.parse(data).tokenHash as string);
    await until(async () => {
      await heard();
      return !tokensLeft(engines, hashes) && first.ports.rows.all(`select 1 from pending_request where psu_id = 'psu-alice'`).length === 0;
    });
    const sealed = (await first.log()).filter((event) => event.sealed !== null && JSON.parse(event.data).psuId === 'psu-alice');
    expect(sealed.length).toBeGreaterThan(20);
    for (const { ports: own } of engines)
      for (const event of sealed) {
        await own.store.read(event.stream);
        const context = `${event.stream}\n${event.revision}\n${event.id}\n${event.type}\n${event.version}`;
        expect(own.sealer.open({ psuId: 'psu-alice', version: event.version, context, text: event.sealed as string })).toBeNull();
      }
    expect(
      first.ports.rows.all(`select 1 from consent where psu_id = 'psu-alice' and status not in ('revoked', 'rejected', 'expired')`),
    ).toEqual([]);
    expect((await first.log()).filter(({ type }) => type === 'PsuErased')).toHaveLength(1);
  }, 60_000);
});

test('what a slow node had sealed before, and what comes into the log behind all of it, is ended too', async () => {
  const tested = await started();
  const { store, sealer, ids, clock, rows } = tested.ports;
  const eraser = await eraserOf(tested);
  await tested.client({}, 's3cret');
  const phone = await enrolled(tested);
  const released = Promise.withResolvers<void>();
  const sealed = Promise.withResolvers<void>();
  const slow: EventStore = {
    ...store,
    async append(...args) {
      sealed.resolve();
      await released.promise;
      return store.append(...args);
    },
  };
  const at = clock();
  const data = {
    ...{ clientId: 'tpp', psuId: 'psu-alice', consentId: 'late', consentOrigin: 'request' as const, scope: 'openid', acr: null },
    ...{ certificateThumbprint: null, dpopKeyThumbprint: null, intervalSeconds: 5, at, expiresAt: at + 600 },
    ...{ deliveryMode: 'poll' as const, supersedes: null },
  };
  const command = { id: ids.uuid(), actor: { kind: 'client', id: 'tpp' } as const, correlationId: 'late', causationId: null, fresh: true };
  const late = makeDecide({ store: slow, sealer, ids })(cibaRequest, 'late', receive(data, askedWith('a message')), command);
  await sealed.promise;
  await eraser.erase('psu-alice');
  await destroyed(tested, 'psu-alice');
  released.resolve();
  await late;
  await until(() => erasedPsu(rows, 'psu-alice')?.destroyedAt != null && rows.all('select 1 from pending_request').length === 0);
  await until(async () => (await tested.log()).filter(({ type }) => type === 'PsuKeysDestroyed').length === 2);
  const state = await tested.engine.load(cibaRequest, 'late');
  expect(state.status).toBe('cancelled');
  expect(phone.deviceId).toBeDefined();
}, 30_000);

test('what is lodged for an erased PSU, and a sign-in that comes behind all of it, is ended too', async () => {
  const tested = await started();
  const { store, rows, ids, clock } = tested.ports;
  const [auth, eraser] = [await tppOf(tested), await eraserOf(tested)];
  await enrolled(tested);
  const intent = await lodge(tested, auth);
  await eraser.erase('psu-alice');
  await destroyed(tested, 'psu-alice');
  const joint = await lodgeAs(tested, auth.client_id, { authorisers: ['psu-alice', 'psu-bob'] });
  const isEnded = async (consentId: string) => (await tested.engine.load(consent, consentId)).status === 'revoked';
  await until(async () => (await isEnded(joint)) && erasedPsu(rows, 'psu-alice')?.destroyedAt != null);
  expect(await isEnded(intent)).toBe(false);
  const data = JSON.stringify({ psuId: 'psu-alice', sessionId: 'session', steps: ['basic'], at: clock() });
  const event = {
    ...{ id: ids.uuid(), type: 'AuthorizationPsuAuthenticated', version: 1, data, sealed: null },
    ...{ actor: { kind: 'psu', id: 'psu-alice' } as const, correlationId: intent, causationId: null },
  };
  await store.append('authorization-late', [event], -1);
  await until(async () => (await isEnded(intent)) && erasedPsu(rows, 'psu-alice')?.destroyedAt != null);
}, 30_000);

test('a rebuild after an erasure finds the same', async () => {
  const store = inMemoryEventStore();
  const sealer = psuKeys(':memory:', Buffer.alloc(32, 1));
  const signer = temporarySigningKeys();
  const tested = await started({ store, sealer, signer });
  const [auth, eraser, phone] = [await tppOf(tested), await eraserOf(tested), await enrolled(tested)];
  await approve(phone, (await ask(tested, auth)).requestId);
  await eraser.erase('psu-alice');
  await destroyed(tested, 'psu-alice');
  await until(() => tested.ports.rows.all('select 1 from grants where revoke_reason is not null').length === 0);
  await tested.engine.readModels.latest();
  const rebuilt = await started({ store, sealer, signer });
  for (const table of [
    'erased_psu',
    'asked_consent',
    'sealing_key',
    'device_data',
    'lately_expired',
    'consent',
    'consent_account',
    'phone',
    'device',
  ])
    expect([table, rebuilt.ports.rows.all(`select * from ${table}`)]).toEqual([table, tested.ports.rows.all(`select * from ${table}`)]);
}, 30_000);
