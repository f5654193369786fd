import { tmpdir } from 'node:os';
import { describe, expect, test } from '@jest/globals';
import { bounded } from '../../src/adapters/event-store/bounded.ts';
import { inMemoryEventStore } from '../../src/adapters/event-store/in-memory.ts';
import type { Route } from '../../src/api/route.ts';
import { makeGate, SHED, type Shed, shedAs } from '../../src/api/shedding.ts';
import { loadConfig } from '../../src/config.ts';
import { accountsIn } from '../../src/demo/phone.ts';
import { CIBA_GRANT } from '../../src/domain/client/metadata.ts';
import { StoreBusy } from '../../src/domain/ports/event-store.ts';
import { settingsOfWorkers } from '../../src/serve/workers/owner.ts';
import { sendAnswer, testDevice } from '../support/device.ts';
import { facts } from '../support/log.ts';
import { newEvent } from '../support/new-events.ts';
import { stallingStore } from '../support/stalling-store.ts';
import { ask, secretTpp } from '../support/tpp.ts';
import { enginesOfTests } from './support.ts';

const sandbox = { keys: { get: () => undefined, put: () => undefined }, rules: { rules: [] } };
const WITH_ALL = {
  COUNTERSIGN_REGISTRATION_ENABLED: 'true',
  COUNTERSIGN_REGISTRATION_REQUIRE_SOFTWARE_STATEMENT: 'false',
};

const engine = enginesOfTests();

describe('when the store cannot keep up', () => {
  test('new requests are refused first, then polls, then answers, then revocations; what was begun is finished', async () => {
    const stalling = stallingStore(inMemoryEventStore());
    const store = bounded(stalling, { most: 8 });
    const tested = await engine({ store });
    const tpp = await secretTpp(tested);
    const phone = await testDevice(tested, 'alice');
    const tokens: string[] = [];
    for (const _ of ['first', 'second']) {
      const { requestId, authReqId } = await ask(tested, tpp);
      await phone.decide(requestId, 'approved');
      const { body } = await tested.post('/oauth2/token', { ...tpp, grant_type: CIBA_GRANT, auth_req_id: authReqId });
      tokens.push(String(body['access_token']));
    }
    const [one, two, waiting] = [await ask(tested, tpp), await ask(tested, tpp), await ask(tested, tpp)];
    const answers = await Promise.all(
      [one, two].map(async ({ requestId }) => {
        const shown = await phone.retrieve(requestId);
        return { requestId, signed: await phone.answer(shown, 'approved', accountsIn(shown)) };
      }),
    );
    const answer = ({ requestId, signed }: { requestId: string; signed: string }) => sendAnswer(tested, requestId, signed);
    const poll = () => tested.post('/oauth2/token', { ...tpp, grant_type: CIBA_GRANT, auth_req_id: waiting.authReqId });
    const request = () => tested.post('/oauth2/ciba', { ...tpp, scope: 'openid accounts', login_hint: 'alice' });
    const revoke = (token = '') => tested.post('/oauth2/revoke', { ...tpp, token });
    const introspect = async (token = '') => (await tested.post('/oauth2/introspect', { ...tpp, token })).body['active'];

    const begun: Promise<unknown>[] = [];
    const pressure = () => (store.pressure?.() ?? 0) * 8;
    /** So many appends are under way, each of which registers a client. */
    const until = async (count: number) => {
      for (let more = count - pressure(); more > 0; more -= 1) begun.push(tested.client({}, 'x'));
      await underWay(count);
    };
    const underWay = async (count: number) => {
      const deadline = Date.now() + 5000;
      while (pressure() !== count && Date.now() < deadline) await new Promise((resolve) => setTimeout(resolve, 1));
      expect(pressure()).toBe(count);
    };
    const refused = { status: 503, body: { error: 'temporarily_unavailable', error_description: expect.any(String) } };

    const before = (await facts(tested)).length;
    stalling.stall('appends');
    await until(8);
    const shed = await request();
    expect(shed).toMatchObject(refused);
    expect(shed.headers.get('retry-after')).toBe('1');
    expect((await poll()).body['error']).toBe('authorization_pending');

    await until(10);
    expect(await poll()).toMatchObject(refused);
    const answered = answer(answers[0] as (typeof answers)[0]);
    await underWay(11);

    await until(12);
    expect((await answer(answers[1] as (typeof answers)[0])).status).toBe(503);
    const revoked = revoke(tokens[0]);
    await underWay(13);

    await until(14);
    expect(await revoke(tokens[1])).toMatchObject(refused);
    expect((await fetch(`${tested.url}/livez`)).status).toBe(200);

    await until(16);
    await expect(tested.client({}, 'x')).rejects.toThrow(StoreBusy);
    expect((await facts(tested)).length).toBe(before);

    stalling.goOn();
    await Promise.all(begun);
    expect([(await answered).status, (await revoked).status]).toEqual([200, 200]);
    expect(await Promise.all(tokens.map(introspect))).toEqual([false, true]);
    const received = (await facts(tested)).filter(({ type }) => type === 'CibaRequestReceived');
    expect(received).toHaveLength(5);

    expect((await request()).status).toBe(200);
    expect((await poll()).status).toBe(400);
    expect((await answer(answers[1] as (typeof answers)[0])).status).toBe(200);
    expect((await revoke(tokens[1])).status).toBe(200);
    expect(await introspect(tokens[1])).toBe(false);
  }, 30_000);

  test('every route says so with 503 and Retry-After, in its own words, but those that say how the node is or come out of memory', async () => {
    let pressure = 0;
    const tested = await engine({ sandbox, store: { ...inMemoryEventStore(), pressure: () => pressure } } as never, WITH_ALL);
    const before = (await facts(tested)).length;
    pressure = 2;
    const taken: string[] = [];
    const wrong: string[] = [];
    for (const route of tested.engine.routes) {
      const response = await fetch(tested.url + route.path.replaceAll(/\{\w+\}/g, 'x'), { method: route.method });
      const text = await response.text();
      if (response.status !== 503) taken.push(route.path);
      else if (!(Number(response.headers.get('retry-after')) > 0) || text === '') wrong.push(`${route.method} ${route.path}`);
    }
    expect(wrong).toEqual([]);
    expect(taken).toEqual([
      ...['/.well-known/openid-configuration', '/.well-known/oauth-authorization-server', '/oauth2/jwks'],
      ...['/livez', '/readyz', '/openapi.json', '/docs'],
    ]);
    expect((await facts(tested)).length).toBe(before);
  }, 30_000);
});

test.each([2, 4])(
  '%d workers refuse in the same order, each by its part, and the process that writes the log takes the rest',
  async (workers) => {
    const { config } = loadConfig({ env: { ...process.env, COUNTERSIGN_LIMITS_APPENDS: '16' }, cwd: tmpdir() });
    const { appends } = settingsOfWorkers({ ...config, server: { ...config.server, workers } }).limits;
    const log = stallingStore(inMemoryEventStore());
    const owner = bounded(log, { most: config.limits.appends });
    const stores = Array.from({ length: workers }, () => bounded(owner, { most: appends }));
    const gates = stores.map(({ pressure }) => makeGate({ pressure, mayAnswer: () => true, onShed: undefined }));
    const routes = [
      { method: 'POST', path: '/oauth2/ciba' },
      { method: 'POST', path: '/oauth2/token' },
      { method: 'POST', path: '/approver/v1/requests/{request_id}/answer' },
      { method: 'POST', path: '/oauth2/revoke' },
    ] as Route[];
    /** How many of these every worker takes. */
    const taken = () => gates.map((gate) => routes.filter((route) => gate(route) === null).length);
    log.stall('appends');
    const begun: Promise<unknown>[] = [];
    for (const [share, wanted] of [
      [1, 3],
      [1.25, 2],
      [1.5, 1],
      [1.75, 0],
    ] as const) {
      for (const store of stores)
        while ((store.pressure?.() ?? 0) < share) begun.push(store.append(`client-${begun.length}`, [newEvent()], -1));
      expect([taken(), owner.pressure?.()]).toEqual([stores.map(() => wanted), expect.closeTo(share, 5)]);
    }
    for (const store of stores) begun.push(store.append(`client-${begun.length}`, [newEvent()], -1));
    log.goOn();
    await Promise.all(begun);
  },
);

test('each route has its place in the order', async () => {
  const tested = await engine({ sandbox } as never, WITH_ALL);
  const of = (shed: Shed) => tested.engine.routes.filter((route) => shedAs(route) === shed).map(({ method, path }) => `${method} ${path}`);
  const byShed = Object.fromEntries(SHED.map((shed) => [shed, of(shed)]));
  expect(byShed['revocation']).toEqual(
    expect.arrayContaining([
      'POST /oauth2/revoke',
      'POST /oauth2/ciba/cancel',
      'DELETE /approver/v1/consents/{consent_id}',
      'DELETE /approver/v1/devices/{device_id}',
      'POST /api/users/v1/me/push-auth/devices/{device_id}/remove',
      'DELETE /api/openbanking/consent/admin/revoke',
      'DELETE /open-banking/v3.1/aisp/account-access-consents/{consent_id}',
    ]),
  );
  expect(byShed['answer']).toEqual(
    expect.arrayContaining([
      'POST /approver/v1/requests/{request_id}/answer',
      'GET /approver/v1/requests/{request_id}',
      'POST /push-auth/authenticate',
      'POST /t/carbon.super/push-auth/authenticate',
      'GET /oauth2/ciba/answer',
      'POST /oauth2/ciba/answer/give/{request_id}',
      'POST /oauth2/authorize/login',
      'POST /oauth2/authorize/consent',
      'PATCH /api/openbanking/consent/authorize/persist/{session_data_key}',
    ]),
  );
  expect(byShed['poll']).toEqual(
    expect.arrayContaining([
      'POST /oauth2/token',
      'POST /oauth2/introspect',
      'POST /oauth2/userinfo',
      'POST /api/openbanking/consent/validate',
      'POST /api/openbanking/event-notifications/events',
      'GET /push-auth/check-status',
    ]),
  );
  expect(byShed['request']).toEqual(
    expect.arrayContaining([
      'POST /oauth2/ciba',
      'POST /oauth2/par',
      'GET /oauth2/authorize',
      'POST /oauth2/authorize',
      'POST /oauth2/register',
      'POST /approver/v1/enrolments',
      'POST /open-banking/v3.1/aisp/account-access-consents',
    ]),
  );
});
