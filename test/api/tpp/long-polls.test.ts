import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, jest, test } from '@jest/globals';
import { filter, firstValueFrom, Subject } from 'rxjs';
import { inMemoryEventStore } from '../../../src/adapters/event-store/in-memory.ts';
import { psuKeys } from '../../../src/adapters/keys/psu-keys.ts';
import { temporarySigningKeys } from '../../../src/adapters/keys/signing-keys.ts';
import { localLimits } from '../../../src/adapters/limits/local.ts';
import { longPolls, preferredWait } from '../../../src/api/tpp/long-polls.ts';
import { trustingFetch } from '../../../src/demo/trusting-fetch.ts';
import { CIBA_GRANT } from '../../../src/domain/client/metadata.ts';
import type { EventStore, StoredEvent } from '../../../src/domain/ports/event-store.ts';
import type { Limits } from '../../../src/domain/ports/limits.ts';
import type { Ports } from '../../../src/engine.ts';
import type { Applied } from '../../../src/projections/runner.ts';
import { type StandingClock, standingClock } from '../../support/clock.ts';
import { type TestDevice, testDevice } from '../../support/device.ts';
import { type TestEngine, testEngine } from '../../support/engine.ts';
import { served } from '../../support/served.ts';
import { ask, secretTpp } from '../../support/tpp.ts';

type Form = Record<string, string>;

describe('the seconds that a caller prefers to wait', () => {
  test.each<[string | string[] | undefined, number]>([
    [undefined, 0],
    ['', 0],
    ['respond-async', 0],
    ['wait=10', 10],
    ['WAIT = 10', 10],
    ['wait="10"', 10],
    ['respond-async, wait=10', 10],
    ['respond-async,wait=10; foo', 10],
    [['handling=lenient', 'wait=10'], 10],
    ['wait=100', 25],
    ['wait=999999999', 25],
    ['wait=9999999999', 0],
    ['wait=0', 0],
    ['wait=-1', 0],
    ['wait=1.5', 0],
    ['wait', 0],
    ['await=10', 0],
    ['wait=soon', 0],
  ])('of %j are %i', (prefer, seconds) => expect(preferredWait(prefer, 25, 300)).toBe(seconds));
  test('end a second before the request', () => expect([9, 0, -1].map((left) => preferredWait('wait=25', 25, left))).toEqual([9, 0, 0]));
});

describe('a watch', () => {
  beforeEach(() => void jest.useFakeTimers());
  afterEach(() => void jest.useRealTimers());

  const started = (most = 10) => {
    const applied = new Subject<{ events: readonly StoredEvent[] }>();
    const polls = longPolls(applied, { most });
    const open = new AbortController();
    return {
      applied,
      polls,
      caller: open,
      watch: (...streams: string[]) => polls.watch(streams, { seconds: 10, closed: open.signal, of: `client of ${streams[0]}` }),
      watchAs: (of: string, stream: string) => polls.watch([stream], { seconds: 10, closed: open.signal, of }),
      happens: (stream: string) => applied.next({ events: [{ stream } as StoredEvent] }),
    };
  };

  test('is woken by an event of its streams', async () => {
    const { watch, happens } = started();
    const watching = watch('a', 'b');
    const changed = watching?.changed();
    happens('c');
    happens('b');
    expect(await changed).toBe(true);
    watching?.end();
  });

  test('is had by one client as long as half of them are left to others', () => {
    const { watchAs } = started(4);
    const own = ['a', 'b', 'c'].map((stream) => watchAs('one', stream));
    expect(own.map((watching) => watching === null)).toEqual([false, false, true]);
    expect(watchAs('another', 'a')).not.toBeNull();
    own[0]?.end();
    expect(watchAs('one', 'c')).not.toBeNull();
    expect(watchAs('one', 'd')).toBeNull();
  });

  test('misses nothing that happens while nobody asks', async () => {
    const { watch, happens } = started();
    const watching = watch('a');
    happens('a');
    expect(await watching?.changed()).toBe(true);
    const again = watching?.changed();
    happens('a');
    expect(await again).toBe(true);
    watching?.end();
  });

  test('is over after its time', async () => {
    const { watch } = started();
    const watching = watch('a');
    const changed = watching?.changed();
    jest.advanceTimersByTime(10_000);
    expect(await changed).toBe(false);
    expect(await watching?.changed()).toBe(false);
    watching?.end();
  });

  test('is over when the caller is gone', async () => {
    const { watch, caller, happens } = started();
    const watching = watch('a');
    const changed = watching?.changed();
    caller.abort();
    expect(await changed).toBe(false);
    happens('a');
    expect(await watching?.changed()).toBe(false);
    expect(watch('a')).toBeNull();
  });

  test.each(['complete', 'error'] as const)('is over when the read models stop (%s)', async (how) => {
    const { watch, applied } = started();
    const changed = watch('a')?.changed();
    applied[how](new Error('stopped'));
    expect(await changed).toBe(false);
    expect(watch('a')).toBeNull();
  });

  test('is over when the engine begins to stop', async () => {
    const { watch, polls } = started();
    const watching = watch('a');
    const changed = watching?.changed();
    polls.stop();
    expect(await changed).toBe(false);
    watching?.end();
    expect(watch('a')).toBeNull();
  });

  test('is one of so many, and makes room at its end', () => {
    const { watch } = started(2);
    const [first, second] = [watch('a'), watch('a')];
    expect(watch('a')).toBeNull();
    first?.end();
    expect(watch('b')).not.toBeNull();
    second?.end();
  });

  test('leaves no timer behind', () => {
    const { watch } = started();
    watch('a')?.end();
    expect(jest.getTimerCount()).toBe(0);
  });
});

describe('a poll that prefers to wait', () => {
  const running: TestEngine[] = [];
  let time: StandingClock;
  beforeEach(() => {
    time = standingClock();
  });
  afterEach(async () => {
    for (const engine of running.splice(0)) await engine.close();
  });
  const start = async (settings: Record<string, string> = {}, ports: Partial<Ports> = {}) => {
    const tested = await testEngine({ clock: time.clock, nowMs: time.nowMs, ...ports }, settings);
    running.push(tested);
    return tested;
  };
  const poll = (tested: TestEngine, auth: Form, authReqId: string, prefer: Form = { prefer: 'wait=25' }) =>
    tested.post('/oauth2/token', { ...auth, grant_type: CIBA_GRANT, auth_req_id: authReqId }, prefer);
  const tppAndPhone = async (tested: TestEngine): Promise<[Form, TestDevice]> => [
    await secretTpp(tested),
    await testDevice(tested, 'alice'),
  ];

  test('has its tokens when the PSU has approved', async () => {
    const tested = await start();
    const [auth, phone] = await tppAndPhone(tested);
    const { authReqId, requestId } = await ask(tested, auth);
    const waiting = poll(tested, auth, authReqId);
    await phone.decide(requestId, 'approved');
    const { status, body } = await waiting;
    expect([status, typeof body['access_token']]).toEqual([200, 'string']);
    expect((await tested.post('/oauth2/introspect', { ...auth, token: String(body['access_token']) })).body['active']).toBe(true);
  });

  test('learns that the PSU has refused, and that the request was cancelled', async () => {
    const tested = await start();
    const [auth, phone] = await tppAndPhone(tested);
    const [denied, cancelled] = [await ask(tested, auth), await ask(tested, auth)];
    const waiting = [denied, cancelled].map(({ authReqId }) => poll(tested, auth, authReqId));
    await phone.decide(denied.requestId, 'denied');
    await tested.post('/oauth2/ciba/cancel', { ...auth, auth_req_id: cancelled.authReqId });
    expect((await Promise.all(waiting)).map(({ status, body }) => [status, body['error']])).toEqual(Array(2).fill([400, 'access_denied']));
  });

  test('is woken on another node', async () => {
    const shared = { store: inMemoryEventStore(), sealer: psuKeys(':memory:', Buffer.alloc(32, 2)), signer: temporarySigningKeys() };
    const [one, two] = [await start({}, shared), await start({}, shared)];
    const [auth, phone] = await tppAndPhone(one);
    const { authReqId, requestId } = await ask(one, auth);
    await two.engine.readModels.reached(await shared.store.head());
    const waiting = poll(two, auth, authReqId);
    await phone.decide(requestId, 'approved');
    expect((await waiting).status).toBe(200);
  });

  test('has its tokens also when the PSU approves while another process is asked about its pace', async () => {
    const local = localLimits(':memory:', { clock: time.clock, nowMs: time.nowMs });
    let meanwhile = async () => undefined as unknown;
    const tooSoon: Limits['tooSoon'] = async (...args) => {
      await meanwhile();
      return local.tooSoon(...args);
    };
    const tested = await start({}, { limits: { ...local, tooSoon } });
    const [auth, phone] = await tppAndPhone(tested);
    const { authReqId, requestId } = await ask(tested, auth);
    meanwhile = async () => {
      await phone.decide(requestId, 'approved');
      await tested.engine.readModels.reached(await tested.ports.store.head());
    };
    expect((await poll(tested, auth, authReqId)).status).toBe(200);
    local.close();
  });

  test('has its tokens also when it comes between the answer and what that makes of the consent', async () => {
    const store = inMemoryEventStore();
    const held = Promise.withResolvers<void>();
    let holding = false;
    const append: EventStore['append'] = async (stream, ...rest) => {
      if (holding && stream.startsWith('consent-')) await held.promise;
      return store.append(stream, ...rest);
    };
    const tested = await start({}, { store: { ...store, append } });
    const [auth, phone] = await tppAndPhone(tested);
    const { authReqId, requestId } = await ask(tested, auth);
    holding = true;
    const answering = phone.decide(requestId, 'approved');
    const isAnswered = ({ events }: Applied) => events.some(({ type }) => type === 'CibaRequestApproved');
    await firstValueFrom(tested.engine.projections.applied.pipe(filter(isAnswered)));
    expect((await poll(tested, auth, authReqId, {})).body['error']).toBe('authorization_pending');
    const waiting = poll(tested, auth, authReqId);
    held.resolve();
    expect((await waiting).status).toBe(200);
    await answering;
  });

  test('counts as one poll: what comes meanwhile is too soon', async () => {
    const tested = await start();
    const [auth, phone] = await tppAndPhone(tested);
    const { authReqId, requestId } = await ask(tested, auth);
    const polls = [poll(tested, auth, authReqId), poll(tested, auth, authReqId)];
    const first = await Promise.race(polls);
    expect([first.status, first.body['error']]).toEqual([400, 'slow_down']);
    await phone.decide(requestId, 'approved');
    const statuses = (await Promise.all(polls)).map(({ status }) => status);
    expect(statuses.toSorted()).toEqual([200, 400]);
  });

  test('does not wait in the last second of the request', async () => {
    const tested = await start();
    const auth = await secretTpp(tested);
    const { authReqId } = await ask(tested, auth, { requested_expiry: '10' });
    time.pass(9);
    expect((await poll(tested, auth, authReqId)).body['error']).toBe('authorization_pending');
  });

  test('does not wait without the preference, nor where the setting says so', async () => {
    const tested = await start({ COUNTERSIGN_CIBA_LONG_POLL_SECONDS: '0' });
    const auth = await secretTpp(tested);
    const [one, two] = [await ask(tested, auth), await ask(tested, auth)];
    expect((await poll(tested, auth, one.authReqId)).body['error']).toBe('authorization_pending');
    expect((await poll(tested, auth, two.authReqId, {})).body['error']).toBe('authorization_pending');
  });

  test('does not wait when as many as the setting says do, and does again when one of them has its answer', async () => {
    const tested = await start({ COUNTERSIGN_LIMITS_LONG_POLLS: '1' });
    const [auth, phone] = await tppAndPhone(tested);
    const requests = [await ask(tested, auth), await ask(tested, auth)] as const;
    const polls = requests.map(async ({ authReqId }, index) => ({ index, ...(await poll(tested, auth, authReqId)) }));
    const first = await Promise.race(polls);
    expect(first.body['error']).toBe('authorization_pending');
    const waiting = 1 - first.index;
    await phone.decide(requests[waiting as 0 | 1].requestId, 'approved');
    expect((await (polls[waiting] as (typeof polls)[0])).status).toBe(200);
    time.pass(60);
    const again = poll(tested, auth, requests[first.index as 0 | 1].authReqId);
    await phone.decide(requests[first.index as 0 | 1].requestId, 'approved');
    expect((await again).status).toBe(200);
  });

  test('ends with the engine', async () => {
    const tested = await start();
    const auth = await secretTpp(tested);
    const { authReqId } = await ask(tested, auth);
    const waiting = poll(tested, auth, authReqId);
    await ask(tested, auth);
    await tested.engine.stop();
    expect((await waiting).body['error']).toBe('authorization_pending');
  });

  test('is answered before the servers close, over a connection that the client keeps', async () => {
    const { config, serving } = await served();
    const reached = trustingFetch(readFileSync(join(config.dataDir, 'tls/ca.pem'), 'utf8'));
    const { clientId, clientSecret } = serving.sandbox?.client ?? { clientId: '', clientSecret: '' };
    const authorization = `Basic ${Buffer.from(`${clientId}:${clientSecret}`).toString('base64')}`;
    const form = async (path: string, parameters: Form): Promise<Form> => {
      const headers = { authorization, 'content-type': 'application/x-www-form-urlencoded', prefer: 'wait=25' };
      const reply = await reached(config.issuer + path, { method: 'POST', headers, body: new URLSearchParams(parameters).toString() });
      return (await reply.json()) as Form;
    };
    const hint = serving.sandbox?.psus[0]?.username ?? '';
    const { auth_req_id = '' } = await form('/oauth2/ciba', { scope: 'openid accounts', login_hint: hint });
    const polls = [1, 2].map(() => form('/oauth2/token', { grant_type: CIBA_GRANT, auth_req_id }));
    expect((await Promise.race(polls))['error']).toBe('slow_down');
    const begun = performance.now();
    await serving.close();
    expect(performance.now() - begun).toBeLessThan(3000);
    expect((await Promise.all(polls)).map(({ error }) => error).toSorted()).toEqual(['authorization_pending', 'slow_down']);
  });
});
