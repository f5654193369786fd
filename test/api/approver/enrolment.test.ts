import { generateKeyPairSync } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { askForEnrolment, type Discovery } from '../../../src/demo/phone.ts';
import { type StandingClock, standingClock } from '../../support/clock.ts';
import { APPROVER, type Change, registration, testDevice } from '../../support/device.ts';
import { type TestEngine, testEngine } from '../../support/engine.ts';
import { expectRefusal, sendJson } from '../../support/http.ts';
import { corrupted, forgeJws, signJws, type TestKey, testKey, withClaims } from '../../support/jws.ts';
import { facts } from '../../support/log.ts';

let time: StandingClock;
let tested: TestEngine;
beforeAll(async () => {
  time = standingClock();
  tested = await testEngine({ clock: time.clock }, { COUNTERSIGN_LIMITS_DEVICES_PER_PSU: '1000' });
});
afterAll(() => tested.close());

const basic = (user: string, password: string) => ({ authorization: `Basic ${btoa(`${user}:${password}`)}` });
const ask = (headers: Record<string, string>, engine = tested) => sendJson(engine, 'POST', `${APPROVER}/enrolments`, undefined, headers);
const discover = (username = 'alice', engine = tested) => askForEnrolment(fetch, engine.url, { username, password: username });
const register = (statement: string, engine = tested) => sendJson(engine, 'POST', `${APPROVER}/devices`, { registration: statement });
const refuses = (statement: string, status = 400, error = 'invalid_request') =>
  expectRefusal(tested, () => register(statement), status, error);

describe('an enrolment', () => {
  test('is offered to a PSU who signs in, also as a QR code', async () => {
    const response = await ask(basic('alice', 'alice'));
    expect([response.status, response.headers.get('cache-control')]).toEqual([201, 'no-store']);
    expect(await response.json()).toEqual({
      device_id: expect.any(String),
      challenge: expect.stringMatching(/^[\w-]{43}$/),
      issuer: tested.url,
      registration_endpoint: `${tested.url}${APPROVER}/devices`,
      expires_in: 600,
    });
    const picture = await ask({ ...basic('alice', 'alice'), accept: 'image/svg+xml' });
    expect([picture.status, picture.headers.get('content-type'), (await picture.text()).slice(0, 4)]).toEqual([
      201,
      'image/svg+xml',
      '<svg',
    ]);
    expect((await tested.log()).filter(({ data }) => data.includes('"challenge"'))).toEqual([]);
  });

  test.each<[string, Record<string, string>]>([
    ['a wrong password', basic('alice', 'wrong')],
    ['an empty password', basic('alice', '')],
    ['the password of another', basic('alice', 'bob')],
    ['a name that nobody has', basic('mallory', 'mallory')],
    ['no name', basic('', '')],
    ['no colon', { authorization: `Basic ${btoa('alice')}` }],
    ['no base64', { authorization: 'Basic !!!' }],
    ['another scheme', { authorization: 'Bearer alice' }],
    ['nothing', {}],
  ])('is refused to %s', (_name, headers) => expectRefusal(tested, () => ask(headers), 401, 'invalid_token'));
});

describe('a registration is accepted', () => {
  test.each(['ES256', 'EdDSA'] as const)('of an %s key', async (alg) => {
    const key = testKey(alg);
    const response = await register(await registration(await discover(), key, { claims: { push_token: 'push' } }));
    expect([response.status, await response.json()]).toEqual([201, { device_id: expect.any(String), key_thumbprint: expect.any(String) }]);
  });

  test('again, and then nothing is recorded', async () => {
    const [discovery, key] = [await discover(), testKey('ES256')];
    const first = await (await register(await registration(discovery, key))).text();
    const before = (await facts(tested)).length;
    const again = await register(await registration(discovery, key));
    expect([again.status, await again.text(), (await facts(tested)).length]).toEqual([201, first, before]);
  });
});

describe('a registration is refused', () => {
  test.each<[string, Change['claims']]>([
    ['with another challenge', { challenge: 'x'.repeat(43) }],
    ['with the challenge of another offer', undefined],
    ['for an unknown device', { device_id: 'unknown' }],
    ['with an empty challenge', { challenge: '' }],
  ])('%s', async (_name, claims) => {
    const { challenge } = await discover();
    await refuses(await registration(await discover(), testKey('ES256'), { claims: claims ?? { challenge } }), 404, 'not_found');
  });

  test('when its challenge has registered another key', async () => {
    const discovery = await discover();
    expect((await register(await registration(discovery, testKey('ES256')))).status).toBe(201);
    await refuses(await registration(discovery, testKey('ES256')), 404, 'not_found');
    await refuses(await registration(discovery, testKey('EdDSA')), 404, 'not_found');
  });

  test('when one of two that came at once was first', async () => {
    const discovery = await discover();
    const statements = await Promise.all([registration(discovery, testKey('ES256')), registration(discovery, testKey('ES256'))]);
    const replies = await Promise.all(statements.map((statement) => register(statement)));
    expect(replies.map(({ status }) => status).sort()).toEqual([201, 404]);
  });

  test('when the offer has expired', async () => {
    const [late, key] = [await discover(), testKey('ES256')];
    time.pass(599);
    expect((await register(await registration(await discover(), testKey('ES256')))).status).toBe(201);
    time.pass(1);
    await refuses(await registration(late, key), 410, 'gone');
  });

  test('when its device was revoked', async () => {
    const key = testKey('ES256');
    const [keeper, discovery] = [await testDevice(tested, 'alice'), await discover()];
    const statement = await registration(discovery, key);
    await register(statement);
    expect((await keeper.call('DELETE', `/devices/${discovery.device_id}`)).status).toBe(204);
    await refuses(statement, 404, 'not_found');
  });

  test('when its key is registered for another device, whoever has it', async () => {
    const key = testKey('ES256');
    await testDevice(tested, 'alice', key);
    await refuses(await registration(await discover('alice'), key), 409, 'conflict');
    await refuses(await registration(await discover('bob'), key), 409, 'conflict');
  });

  const [good, identity] = [testKey('ES256'), Buffer.concat([Buffer.from([1]), Buffer.alloc(31)])];
  const { x, y } = good.publicJwk as unknown as { x: string; y: string };
  const publicKey = (jwk: object) => ({ public_key: JSON.parse(JSON.stringify(jwk)) as object });
  const generated = (type: 'ec' | 'rsa', options: object) =>
    (generateKeyPairSync as (type: string, options: object) => ReturnType<typeof generateKeyPairSync>)(type, options);
  test.each<[string, object]>([
    ['RSA', publicKey(testKey('PS256').publicJwk)],
    ['a short RSA key', publicKey(generated('rsa', { modulusLength: 1024 }).publicKey.export({ format: 'jwk' }))],
    ['P-384', publicKey(generated('ec', { namedCurve: 'P-384' }).publicKey.export({ format: 'jwk' }))],
    ['secp256k1', publicKey(generated('ec', { namedCurve: 'secp256k1' }).publicKey.export({ format: 'jwk' }))],
    ['a point off the curve', publicKey({ kty: 'EC', crv: 'P-256', x, y: x })],
    ['the point zero', publicKey({ kty: 'EC', crv: 'P-256', x: 'A'.repeat(43), y: 'A'.repeat(43) })],
    ['a coordinate that is too short', publicKey({ kty: 'EC', crv: 'P-256', x: x.slice(1), y })],
    ['a coordinate that is no base64url', publicKey({ kty: 'EC', crv: 'P-256', x: '!'.repeat(43), y })],
    ['no y', publicKey({ kty: 'EC', crv: 'P-256', x })],
    ['a private key', publicKey({ kty: 'EC', crv: 'P-256', x, y, d: x })],
    ['a further member', publicKey({ kty: 'EC', crv: 'P-256', x, y, alg: 'ES256' })],
    ['a secret key', publicKey({ kty: 'oct', k: x })],
    ['no key', { public_key: undefined }],
    ['a text', { public_key: 'key' }],
  ])('of %s', async (_name, claims) => refuses(await registration(await discover(), good, { claims })));

  test.each<[string, Buffer]>([
    ['the identity', identity],
    ['a point of order 2', Buffer.from(`ec${'ff'.repeat(30)}7f`, 'hex')],
    ['a point of order 4', Buffer.alloc(32)],
    ['a point of order 8', Buffer.from('26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05', 'hex')],
  ])('of an Ed25519 key that is %s, for which anybody can sign', async (_name, point) => {
    const { device_id, challenge, issuer } = await discover();
    const claims = {
      aud: issuer,
      device_id,
      challenge,
      public_key: { kty: 'OKP', crv: 'Ed25519', x: point.toString('base64url') },
      name: 'A phone',
      model: 'Test',
    };
    // With R the identity and S zero, the equation holds for every eighth message at least.
    const statements = Array.from({ length: 16 }, (_, attempt) =>
      forgeJws({ alg: 'EdDSA', typ: 'device-registration+jwt', kid: device_id }, { ...claims, attempt }, () =>
        Buffer.concat([identity, Buffer.alloc(32)]),
      ),
    );
    for (const statement of statements) await refuses(statement);
  });

  test.each<[string, () => Change]>([
    ['signed by another key', () => ({ key: testKey('ES256') })],
    ['for another server', () => ({ claims: { aud: 'https://other.example' } })],
    ['for no server', () => ({ claims: { aud: undefined } })],
    ['of the typ of a proof', () => ({ header: { typ: 'device-proof+jwt' } })],
    ['of no typ', () => ({ header: { typ: undefined } })],
    ['with a key in its header', () => ({ header: { jwk: good.publicJwk } })],
    ['without a name', () => ({ claims: { name: undefined } })],
    ['with an empty name', () => ({ claims: { name: '' } })],
    ['with a name without end', () => ({ claims: { name: 'x'.repeat(101) } })],
    ['without a model', () => ({ claims: { model: undefined } })],
    ['with an empty push token', () => ({ claims: { push_token: '' } })],
    ['with a push token without end', () => ({ claims: { push_token: 'x'.repeat(4097) } })],
    ['with a push token that is no text', () => ({ claims: { push_token: { a: 1 } } })],
    ['without a challenge', () => ({ claims: { challenge: undefined } })],
    ['without a device_id', () => ({ claims: { device_id: undefined } })],
  ])('%s', async (_name, change) => refuses(await registration(await discover(), testKey('ES256'), change())));

  const made = async (key: TestKey, discovery?: Discovery) => registration(discovery ?? (await discover()), key);
  test.each<[string, () => Promise<string> | string]>([
    ['with a corrupted signature', async () => corrupted(await made(testKey('ES256')))],
    [
      'with a push token put in after the signature',
      async () => withClaims(await made(testKey('ES256')), (claims) => ({ ...claims, push_token: 'mine' })),
    ],
    ['with alg none', async () => forged({ alg: 'none' })],
    ['with another alg than its key has', async () => forged({ alg: 'EdDSA' })],
    ['that is garbage', () => 'garbage'],
    ['that is empty', () => ''],
    ['longer than 16 KiB', () => signJws(good, { padding: 'x'.repeat(16_384) }, { typ: 'device-registration+jwt' })],
  ])('%s', async (_name, statement) => refuses(await statement()));

  const forged = async (header: object) => {
    const { device_id, challenge } = await discover();
    const claims = {
      aud: tested.url,
      device_id,
      challenge,
      ...publicKey({ kty: 'EC', crv: 'P-256', x, y }),
      name: 'A phone',
      model: 'Test',
    };
    return forgeJws({ typ: 'device-registration+jwt', kid: device_id, ...header }, claims, () => Buffer.alloc(64));
  };

  test.each<[string, object | string]>([
    ['without a registration', {}],
    ['with a registration that is no text', { registration: { alg: 'none' } }],
    ['with a member too many', { registration: 'a.b.c', psu_id: 'psu-bob' }],
    ['with __proto__', '{"__proto__":{"registration":"a.b.c"}}'],
    ['that is a list', []],
    ['that is no JSON', '{"registration":'],
    ['that is empty', ''],
  ])('in a body %s', (_name, body) =>
    expectRefusal(tested, () => sendJson(tested, 'POST', `${APPROVER}/devices`, body), 400, 'invalid_request'),
  );
});

describe('the devices of a PSU are limited', () => {
  let small: TestEngine;
  beforeAll(async () => {
    small = await testEngine({}, { COUNTERSIGN_LIMITS_DEVICES_PER_PSU: '2' });
  });
  afterAll(() => small.close());

  test('when they are offered and when they are registered; a revoked one makes room', async () => {
    const [one, two] = [await discover('alice', small), await discover('alice', small)];
    const [first, second] = [await registration(one, testKey('ES256')), await registration(two, testKey('ES256'))];
    const phone = await testDevice(small, 'alice');
    expect((await register(first, small)).status).toBe(201);
    await expectRefusal(small, () => register(second, small), 409, 'conflict');
    await expectRefusal(small, () => ask(basic('alice', 'alice'), small), 409, 'conflict');
    await testDevice(small, 'bob');
    await phone.call('DELETE', `/devices/${one.device_id}`);
    expect((await register(second, small)).status).toBe(201);
  });
});
