import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { inMemoryEventStore } from '../../src/adapters/event-store/in-memory.ts';
import { psuKeys } from '../../src/adapters/keys/psu-keys.ts';
import type { EventStore } from '../../src/domain/ports/event-store.ts';
import { testDevice } from '../support/device.ts';
import { people } from '../support/engine.ts';
import { keyPair, type Phone, post, registerPhone, registrationOf } from './support/phone.ts';
import { answerOf, DEVICES, ME, type Stage, startStage } from './support/stage.ts';

let stage: Stage;
let phone: Phone;
beforeAll(async () => {
  stage = await startStage({ COUNTERSIGN_LIMITS_DEVICES_PER_PSU: '1000' });
});
beforeEach(async () => {
  phone = await stage.phone();
});
afterAll(() => stage.close());

const iso = expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
const refusal = (code: string) => ({ code, message: expect.any(String), description: expect.any(String), traceId: expect.any(String) });
const asAlice = (method: string, path: string, body?: unknown) => stage.call(method, path, stage.as('alice'), body);
const at = (deviceId: string, tenant = '') => `${tenant}${DEVICES}/${deviceId}`;
const seen = (deviceId: string) => ({ deviceId, name: 'My phone', model: 'SM-A520', registrationTime: iso, lastUsedTime: null });

describe('C2: POST /push-auth/devices', () => {
  test('C2: 201 with Location', async () => {
    const data = await stage.discovery();
    const response = await post(data.hst + data.bp + data.re, registrationOf(data, 'push').body);
    expect([response.status, await response.text()]).toEqual([201, '']);
    expect(response.headers.get('location')).toBe(`${stage.tested.url}${at(data.did)}`);
  });

  test('C2: the same again is once', async () => {
    const data = await stage.discovery();
    const { body } = registrationOf(data, 'push');
    const path = data.hst + data.bp + data.re;
    expect([(await post(path, body)).status, (await post(path, body)).status]).toEqual([201, 201]);
    const events = (await stage.tested.log()).filter((event) => event.stream === `device-${data.did}`);
    expect(events.map(({ type }) => type)).toEqual(['DeviceEnrolmentOffered', 'DeviceRegistered']);
  });

  test('C2: again with another push id, by the same key: 201, and the new one counts', async () => {
    const data = await stage.discovery();
    const keys = keyPair(2048);
    const path = data.hst + data.bp + data.re;
    for (const pushId of ['first', 'second']) expect((await post(path, registrationOf(data, pushId, keys).body)).status).toBe(201);
    expect(await answerOf(asAlice('GET', at(data.did)))).toMatchObject([200, { pushId: 'second' }]);
    await stage.ask();
    expect(await stage.push('second')).toMatchObject({ deviceId: data.did });
    expect(stage.pushesTo('first')).toEqual([]);
    const newer = { ...registrationOf(data, 'second', keys).body, deviceToken: 'second' };
    expect((await post(`${data.hst}${ME}/push/devices`, newer)).status).toBe(400);
  });

  test('C2: the same push id of the same user again ends the phone that had it', async () => {
    const first = await registerPhone(await stage.discovery(), 'one app');
    const second = await registerPhone(await stage.discovery(), 'one app');
    const third = await registerPhone(await stage.discovery(), 'another app');
    await registerPhone(await stage.discovery('bob'), 'one app');
    const there = async (phone: Phone) => (await asAlice('GET', at(phone.deviceId))).status;
    expect([await there(first), await there(second), await there(third)]).toEqual([404, 200, 200]);
    const replace = [{ operation: 'REPLACE', path: '/push-id', value: 'one app' }];
    expect((await asAlice('PATCH', at(third.deviceId), replace)).status).toBe(200);
    expect([await there(second), await there(third)]).toEqual([404, 200]);
    expect((await stage.call('GET', DEVICES, stage.as('bob'))).status).toBe(200);
    const ended = (await stage.tested.log()).filter(({ type, stream }) => type === 'DeviceRevoked' && stream.endsWith(first.deviceId));
    expect(ended.map(({ actor }) => actor)).toEqual([{ kind: 'device', id: second.deviceId }]);
    await stage.ask();
    await stage.push('one app');
    expect(stage.pushesTo('one app')).toHaveLength(1);
  });

  test('C2: of registrations with one push id at once one phone stays', async () => {
    const offers = await Promise.all([1, 2, 3, 4].map(() => stage.discovery()));
    await Promise.all(offers.map((data) => registerPhone(data, 'at once')));
    const [, listed] = (await answerOf(asAlice('GET', DEVICES))) as [number, { deviceId: string }[]];
    expect(offers.filter(({ did }) => listed.some(({ deviceId }) => deviceId === did))).toHaveLength(1);
  });

  test.each<[string, (body: ReturnType<typeof registrationOf>['body'], other: Phone) => object]>([
    ['a push id that was not signed', (body) => ({ ...body, pushId: 'another' })],
    ['a signature that is none', (body) => ({ ...body, signature: 'AAAA' })],
    ['the key of another device', (body, other) => ({ ...body, publicKey: other.publicKey })],
    ['a key that is none', (body) => ({ ...body, publicKey: 'AAAA' })],
    ['an unknown device', (body) => ({ ...body, deviceId: 'unknown' })],
    ['the id of a registered device', (body, other) => ({ ...body, deviceId: other.deviceId })],
    ['a name that is too long', (body) => ({ ...body, name: 'x'.repeat(46) })],
    ['no model', ({ model: _, ...body }) => body],
  ])('C2: 400 PDM-10001 for %s', async (_, change) => {
    const data = await stage.discovery();
    const response = post(data.hst + data.bp + data.re, change(registrationOf(data, 'push').body, phone));
    expect(await answerOf(response)).toEqual([400, refusal('PDM-10001')]);
  });

  test('C2: 400 PDM-10001 for a challenge that another phone has used, and for one of our own dialect', async () => {
    const data = await stage.discovery();
    await registerPhone(data);
    await expect(registerPhone(data)).rejects.toThrow('PDM-10001');
    const own = await stage.call('POST', '/approver/v1/enrolments', stage.as('alice'));
    const { device_id: did, challenge: chg } = (await own.json()) as Record<string, string>;
    await expect(registerPhone({ ...data, did: String(did), chg: String(chg) })).rejects.toThrow('PDM-10001');
  });

  test('C2: 400 for RSA-1024, unless the migration switch is on', async () => {
    await expect(registerPhone(await stage.discovery(), 'push', 1024)).rejects.toThrow('400');
    const moving = await startStage({ COUNTERSIGN_WSO2_ALLOW_RSA1024: 'true' });
    const old = await registerPhone(await moving.discovery(), 'push', 1024);
    await moving.ask();
    expect((await old.approve(await moving.push('push'))).status).toBe(202);
    await moving.close();
  });
});

describe('C2: the devices of the signed-in PSU', () => {
  test.each(['', '/t/carbon.super'])('C2: GET lists them (%s)', async (tenant) => {
    const [status, body] = await answerOf(asAlice('GET', tenant + DEVICES));
    expect([status, body]).toEqual([200, expect.arrayContaining([seen(phone.deviceId)])]);
  });

  test('C2: GET of one adds its push id', async () =>
    expect(await answerOf(asAlice('GET', at(phone.deviceId)))).toEqual([200, { ...seen(phone.deviceId), pushId: phone.pushId }]));

  test('C2: the last use is that of the last answer', async () => {
    await stage.ask();
    expect((await phone.deny(await stage.push(phone.pushId))).status).toBe(202);
    expect(await answerOf(asAlice('GET', at(phone.deviceId)))).toMatchObject([200, { lastUsedTime: iso }]);
  });

  test('C2: GET of one that is not there, or not theirs: 404 PDM-10002', async () => {
    const bobs = await stage.phone('bob');
    for (const id of ['unknown', bobs.deviceId]) expect(await answerOf(asAlice('GET', at(id)))).toEqual([404, refusal('PDM-10002')]);
    const [, body] = await answerOf(asAlice('GET', DEVICES));
    expect(JSON.stringify(body)).not.toContain(bobs.deviceId);
  });

  test('C2: a device of our own dialect is none of the reference', async () => {
    const own = await testDevice(stage.tested, 'alice');
    expect((await asAlice('GET', at(own.deviceId))).status).toBe(404);
    expect((await asAlice('DELETE', at(own.deviceId))).status).toBe(400);
  });

  test('C2: PATCH renames and replaces the push id', async () => {
    const replace = (path: string, value: string) => ({ operation: 'REPLACE', path, value });
    const changes = [replace('/device-name', 'Other name'), replace('/push-id', `new ${phone.pushId}`)];
    expect(await answerOf(asAlice('PATCH', at(phone.deviceId, '/t/carbon.super'), changes))).toEqual([200, '']);
    const expected = { ...seen(phone.deviceId), name: 'Other name', pushId: `new ${phone.pushId}` };
    expect(await answerOf(asAlice('GET', at(phone.deviceId)))).toEqual([200, expected]);
    await stage.ask();
    expect(await stage.push(`new ${phone.pushId}`)).toMatchObject({ deviceId: phone.deviceId });
  });

  test('C2: PATCH of anything else: 400 PDM-10005; of a foreign device: 404 PDM-10002', async () => {
    const change = { operation: 'REPLACE', path: '/device-name', value: 'x' };
    for (const wrong of [
      { ...change, path: '/model' },
      { ...change, operation: 'ADD' },
      { ...change, value: 1 },
    ])
      expect(await answerOf(asAlice('PATCH', at(phone.deviceId), [wrong]))).toEqual([400, refusal('PDM-10005')]);
    const bobs = await stage.phone('bob');
    for (const id of ['unknown', bobs.deviceId])
      expect(await answerOf(asAlice('PATCH', at(id), [change]))).toEqual([404, refusal('PDM-10002')]);
  });

  test('C2: PATCH makes all of the changes or none', async () => {
    const rename = { operation: 'REPLACE', path: '/device-name', value: 'Other name' };
    for (const wrong of [
      { ...rename, path: '/model' },
      { operation: 'REPLACE', path: '/push-id', value: '' },
    ])
      expect(await answerOf(asAlice('PATCH', at(phone.deviceId), [rename, wrong]))).toEqual([400, refusal('PDM-10005')]);
    expect(await answerOf(asAlice('GET', at(phone.deviceId)))).toMatchObject([200, { name: 'My phone', pushId: phone.pushId }]);
  });

  test('C2: DELETE removes one; one that is not there, or not theirs: 400 PDM-10004', async () => {
    expect(await answerOf(asAlice('DELETE', at(phone.deviceId)))).toEqual([204, '']);
    expect((await asAlice('GET', at(phone.deviceId))).status).toBe(404);
    const bobs = await stage.phone('bob');
    for (const id of ['unknown', bobs.deviceId, phone.deviceId])
      expect(await answerOf(asAlice('DELETE', at(id)))).toEqual([400, refusal('PDM-10004')]);
  });

  test('C2: nobody without a sign-in', async () => {
    for (const [method, path] of [
      ['GET', DEVICES],
      ['GET', at(phone.deviceId)],
      ['DELETE', at(phone.deviceId)],
    ] as const)
      expect(await answerOf(stage.call(method, path, null))).toEqual([401, refusal('401')]);
  });
});

describe("C2: removal by the device's own token", () => {
  const base = '/t/carbon.super/api/users/v1/me/push-auth/devices';
  const remove = (deviceId: string, token: unknown) => post(`${stage.tested.url}${base}/${deviceId}/remove`, { token });

  test('C2: 204', async () => {
    expect(await answerOf(remove(phone.deviceId, phone.removal()))).toEqual([204, '']);
    expect((await asAlice('GET', at(phone.deviceId))).status).toBe(404);
  });

  test('C2: 204 at the path of the discovery data, which names no device', async () =>
    expect((await post(`${stage.tested.url}${base}/remove`, { token: phone.removal() })).status).toBe(204));

  test('C2: 401 PDM-15001 for a token that is none of this device for that', async () => {
    const other = await stage.phone();
    const now = Math.floor(Date.now() / 1000);
    for (const token of [
      'x.y.z',
      other.removal(),
      other.removal({ header: { did: phone.deviceId } }),
      phone.removal({ claims: { act: undefined } }),
      phone.removal({ claims: { aud: 'https://another.example/' } }),
      phone.removal({ claims: { exp: now - 301 } }),
      phone.removal({ claims: { nbf: now + 330 } }),
      phone.removal({ claims: { aud: `${stage.tested.url}/t/carbon.super/anything` } }),
      phone.removal({ claims: { aud: [`${stage.tested.url}/`] } }),
      phone.removal({ claims: { iss: 'somebody' } }),
      phone.removal({ claims: { sub: 'bob@carbon.super' } }),
      phone.removal({ claims: { exp: undefined } }),
      phone.removal({ header: { alg: 'PS256' } }),
    ])
      expect(await answerOf(remove(phone.deviceId, token))).toEqual([401, refusal('PDM-15001')]);
    expect((await asAlice('GET', at(phone.deviceId))).status).toBe(200);
  });

  test('C2: 204 from a phone whose clock is up to 300 s off, and for the server without its tenant', async () => {
    const now = Math.floor(Date.now() / 1000);
    const off = (seconds: number) => ({ nbf: now + seconds, iat: now + seconds, exp: now + seconds + 3600 });
    for (const claims of [off(290), off(-3890), { aud: `${stage.tested.url}/` }]) {
      const other = await stage.phone();
      expect((await remove(other.deviceId, other.removal({ claims }))).status).toBe(204);
    }
  });

  test('C2: 401 PDM-15001 for a device that is not there, as for one of another user', async () => {
    const other = await stage.phone('bob');
    const bodies = new Set<string>();
    for (const did of ['unknown', other.deviceId]) {
      const [status, { traceId: _, ...body }] = (await answerOf(remove(did, phone.removal({ header: { did } })))) as [
        number,
        { traceId: string },
      ];
      bodies.add(JSON.stringify([status, body]));
    }
    expect([...bodies]).toEqual([expect.stringMatching(/^\[401,.*PDM-15001/)]);
  });

  test('C2: 400 PDM-10004 without a token', async () => {
    expect(await answerOf(remove(phone.deviceId, undefined))).toEqual([400, refusal('PDM-10004')]);
  });
});

describe('C2: faults of our own', () => {
  /** A bank one part of whose engine stops working, and a phone that was registered before. */
  const breaking = async () => {
    const sealer = psuKeys(':memory:', Buffer.alloc(32, 1));
    const store = inMemoryEventStore();
    const broken = new Set<'opening' | 'sealing' | 'devices in the log' | 'directory'>();
    const unless = <Given extends unknown[], Result>(part: Parameters<typeof broken.has>[0], work: (...given: Given) => Result) => {
      return (...given: Given): Result => {
        if (broken.has(part)) throw new Error(`${part}: out of reach`);
        return work(...given);
      };
    };
    const append: EventStore['append'] = (stream, ...given) =>
      broken.has('devices in the log') && stream.startsWith('device-')
        ? Promise.reject(new Error('devices in the log: out of reach'))
        : store.append(stream, ...given);
    const failing = await startStage(
      {},
      {
        sealer: { ...sealer, open: unless('opening', sealer.open), seal: unless('sealing', sealer.seal) },
        store: { ...store, append },
        directory: { ...people, nameOf: unless('directory', people.nameOf), authenticate: unless('directory', people.authenticate) },
      },
    );
    const call = (method: string, path: string, body?: unknown) => failing.call(method, path, failing.as('alice'), body);
    return { failing, broken, call, one: await failing.phone(), next: await failing.discovery() };
  };
  type Breaking = Awaited<ReturnType<typeof breaking>>;
  const rename = [{ operation: 'REPLACE', path: '/device-name', value: 'Other name' }];
  const register = ({ next }: Breaking) => post(next.hst + next.bp + next.re, registrationOf(next, 'push').body);

  test.each<[code: string, cause: string, breaks: (at: Breaking) => unknown, call: (at: Breaking) => Promise<Response>]>([
    ['PDM-15011', 'an offer that cannot be opened', ({ broken }) => broken.add('opening'), register],
    ['PDM-15011', 'a registration that cannot be recorded', ({ broken }) => broken.add('devices in the log'), register],
    [
      'PDM-15008',
      'a read model that is gone',
      ({ failing }) => failing.tested.ports.rows.run('drop table phone'),
      ({ call }) => call('GET', DEVICES),
    ],
    [
      'PDM-15007',
      'a device that cannot be opened',
      ({ broken }) => broken.add('opening'),
      ({ call, one }) => call('GET', at(one.deviceId)),
    ],
    [
      'PDM-15010',
      'a name that cannot be sealed',
      ({ broken }) => broken.add('sealing'),
      ({ call, one }) => call('PATCH', at(one.deviceId), rename),
    ],
    [
      'PDM-15009',
      'a removal that cannot be recorded',
      ({ broken }) => broken.add('devices in the log'),
      ({ call, one }) => call('DELETE', at(one.deviceId)),
    ],
    [
      'PDM-15009',
      "a removal by the device's own token that cannot be recorded",
      ({ broken }) => broken.add('devices in the log'),
      ({ call, one }) => call('POST', `${at(one.deviceId)}/remove`, { token: one.removal() }),
    ],
    ['PDM-15005', 'a list whose caller nobody can tell', ({ broken }) => broken.add('directory'), ({ call }) => call('GET', DEVICES)],
    [
      'PDM-15005',
      'discovery data without a name',
      ({ broken }) => broken.add('directory'),
      async ({ failing }) => failing.call('GET', `${ME}/push-auth/discovery-data`, await failing.psuToken('psu-alice', 'internal_login')),
    ],
  ])('C2: 500 %s for %s, and the operator is told', async (code, _cause, breaks, call) => {
    const stopping = await breaking();
    breaks(stopping);
    const [status, body] = await answerOf(call(stopping));
    expect([status, body]).toEqual([500, refusal(code)]);
    expect(JSON.stringify(body)).not.toContain('out of reach');
    expect(stopping.failing.tested.faults).toHaveLength(1);
    await expect(stopping.failing.close()).rejects.toThrow('the engine had faults');
  });
});

describe('C2: the administrator', () => {
  const users = (psuId: string, deviceId = '') => `/api/users/v1/${psuId}/push-auth/devices${deviceId && `/${deviceId}`}`;
  const as = async (scope: string, method: string, path: string) => stage.call(method, path, await stage.adminToken(scope));

  test.each(['', '/t/carbon.super'])('C2: lists, with its scope (%s)', async (tenant) => {
    const list = (psuId: string) => answerOf(as('internal_push_device_list', 'GET', tenant + users(psuId)));
    expect(await list('psu-alice')).toEqual([200, expect.arrayContaining([seen(phone.deviceId)])]);
    expect(await list('nobody')).toEqual([200, []]);
  });

  test('C2: shows, with its scope', async () => {
    const shown = await answerOf(as('internal_push_device_view', 'GET', users('psu-alice', phone.deviceId)));
    expect(shown).toEqual([200, { ...seen(phone.deviceId), pushId: phone.pushId }]);
    expect((await as('internal_push_device_view', 'GET', `/t/carbon.super${users('psu-bob', phone.deviceId)}`)).status).toBe(404);
  });

  test.each(['', '/t/carbon.super'])('C2: deletes, with its scope (%s)', async (tenant) => {
    const end = async (psuId: string) => (await as('internal_push_device_delete', 'DELETE', tenant + users(psuId, phone.deviceId))).status;
    expect([await end('psu-bob'), await end('psu-alice')]).toEqual([400, 204]);
    const [revoked] = (await stage.tested.log()).filter(({ type, stream }) => type === 'DeviceRevoked' && stream.endsWith(phone.deviceId));
    expect([revoked?.actor.kind, JSON.parse(revoked?.data ?? '{}')]).toMatchObject(['operator', { by: 'operator' }]);
  });

  test('C2: not without the scope, nor as a PSU who has it', async () => {
    const calls: [string, string, string][] = [
      ['internal_push_device_view', 'GET', users('psu-alice')],
      ['internal_push_device_list', 'GET', users('psu-alice', phone.deviceId)],
      ['internal_push_device_view', 'DELETE', users('psu-alice', phone.deviceId)],
    ];
    for (const call of calls) expect(await answerOf(as(...call))).toEqual([403, refusal('403')]);
    const ofPsu = await stage.psuToken('psu-bob', 'internal_push_device_list');
    expect((await stage.call('GET', users('psu-alice'), ofPsu)).status).toBe(403);
  });
});
