import { createHmac } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { askForEnrolment } from '../../../src/demo/phone.ts';
import { type StandingClock, standingClock } from '../../support/clock.ts';
import { APPROVER, type Change, type TestDevice, testDevice } from '../../support/device.ts';
import { type TestEngine, testEngine } from '../../support/engine.ts';
import { expectRefusal, sendJson } from '../../support/http.ts';
import { corrupted, forgeJws, testKey, withClaims } from '../../support/jws.ts';

let time: StandingClock;
let tested: TestEngine;
let phone: TestDevice;
let tablet: TestDevice;
let revoked: TestDevice;

beforeAll(async () => {
  time = standingClock();
  tested = await testEngine({ clock: time.clock });
  phone = await testDevice(tested, 'alice');
  tablet = await testDevice(tested, 'alice', testKey('EdDSA'));
  revoked = await testDevice(tested, 'alice');
  expect((await phone.call('DELETE', `/devices/${revoked.deviceId}`)).status).toBe(204);
});
afterAll(() => tested.close());

const LIST = '/devices';
const list = (proof?: string) =>
  sendJson(tested, 'GET', APPROVER + LIST, undefined, proof === undefined ? {} : { authorization: `DeviceProof ${proof}` });
const refuses = (proof?: string, status = 401, error = 'invalid_token') => expectRefusal(tested, () => list(proof), status, error);
const accepts = async (proof: string) => expect((await list(proof)).status).toBe(200);
const proof = (change?: Change) => phone.proof('GET', LIST, undefined, change);
const in_ = (seconds: number) => time.clock() + seconds;

describe('a proof is accepted', () => {
  test.each<[string, () => Promise<string>]>([
    ['by a P-256 key', () => proof()],
    ['by an Ed25519 key', () => tablet.proof('GET', LIST)],
    ['that is a minute old', () => proof({ claims: { iat: in_(-60) } })],
    ['of a clock that is a minute ahead', () => proof({ claims: { iat: in_(60) } })],
  ])('%s', async (_name, made) => accepts(await made()));

  test('under a scheme in any case', async () => {
    const headers = { authorization: `deviceproof ${await proof()}` };
    expect((await sendJson(tested, 'GET', APPROVER + LIST, undefined, headers)).status).toBe(200);
  });

  test('for a path with its query', async () => {
    const path = `${LIST}?all=1`;
    expect((await phone.call('GET', path)).status).toBe(200);
    const headers = { authorization: `DeviceProof ${await proof()}` };
    await expectRefusal(tested, () => sendJson(tested, 'GET', APPROVER + path, undefined, headers), 401, 'invalid_token');
  });
});

describe('a proof is refused', () => {
  test('that is missing, at every path', async () => {
    const id = tested.ports.ids.uuid();
    const calls: [string, string][] = [
      ['GET', '/requests'],
      ['GET', `/requests/${id}`],
      ['GET', '/devices'],
      ['PUT', `/devices/${phone.deviceId}/push-token`],
      ['DELETE', `/devices/${phone.deviceId}`],
      ['GET', '/consents'],
      ['DELETE', `/consents/${id}`],
    ];
    for (const [method, path] of calls) await expectRefusal(tested, () => sendJson(tested, method, APPROVER + path), 401, 'invalid_token');
  });

  test.each(['Bearer x.y.z', 'Basic YWxpY2U6YWxpY2U=', 'DeviceProof', 'DeviceProof a b', 'x'])('that is %s', (authorization) =>
    expectRefusal(tested, () => sendJson(tested, 'GET', APPROVER + LIST, undefined, { authorization }), 401, 'invalid_token'),
  );

  test.each<[string, () => object]>([
    ['older than a minute', () => ({ iat: in_(-61) })],
    ['more than a minute ahead', () => ({ iat: in_(61) })],
    ['whose iat is a text', () => ({ iat: String(in_(0)) })],
    ['for another method', () => ({ htm: 'DELETE' })],
    ['for a method in lower case', () => ({ htm: 'get' })],
    ['for another path', () => ({ htu: `${APPROVER}/requests` })],
    ['for a longer path', () => ({ htu: `${APPROVER}${LIST}/` })],
    ['for a URL', () => ({ htu: `${tested.url}${APPROVER}${LIST}` })],
    ['for another server', () => ({ aud: 'https://other.example' })],
    ['for several servers', () => ({ aud: [tested.url] })],
    ['with an empty jti', () => ({ jti: '' })],
    ['with a jti without end', () => ({ jti: 'x'.repeat(257) })],
  ])('%s', async (_name, claims) => refuses(await proof({ claims: claims() })));

  test.each(['aud', 'htm', 'htu', 'iat', 'jti'])('without %s', async (claim) => refuses(await proof({ claims: { [claim]: undefined } })));

  test.each<[string, () => object]>([
    ['no typ', () => ({ typ: undefined })],
    ['the typ of a JWT', () => ({ typ: 'JWT' })],
    ['the typ of an answer', () => ({ typ: 'consent-answer+jwt' })],
    ['the typ of a registration', () => ({ typ: 'device-registration+jwt' })],
    ['no kid', () => ({ kid: undefined })],
    ['the kid of no device', () => ({ kid: tested.ports.ids.uuid() })],
    ['the kid of another device', () => ({ kid: tablet.deviceId })],
    ['a key of its own', () => ({ jwk: phone.key.publicJwk })],
  ])('with %s in its header', async (_name, header) => refuses(await proof({ header: header() })));

  const claims = () => ({ aud: tested.url, htm: 'GET', htu: APPROVER + LIST, iat: in_(0), jti: tested.ports.ids.uuid() });
  const hmac = (signed: string) =>
    createHmac('sha256', String(phone.key.publicKey.export({ type: 'spki', format: 'pem' })))
      .update(signed)
      .digest();
  test.each<[string, () => string | Promise<string>]>([
    ['signed by another key', () => proof({ key: testKey('ES256') })],
    ['signed by the key of another device', () => proof({ key: tablet.key })],
    ['with a corrupted signature', async () => corrupted(await proof())],
    ['with claims changed after the signature', async () => withClaims(await proof({ claims: { htm: 'PUT' } }), () => claims())],
    ['with alg none', () => forgeJws({ alg: 'none', typ: 'device-proof+jwt', kid: phone.deviceId }, claims(), () => Buffer.alloc(64))],
    ['with HS256 by the public key', () => forgeJws({ alg: 'HS256', typ: 'device-proof+jwt', kid: phone.deviceId }, claims(), hmac)],
    ['that is garbage', () => 'garbage'],
  ])('%s', async (_name, made) => refuses(await made()));

  test('of a device that is only offered', async () => {
    const offered = await askForEnrolment(fetch, tested.url, { username: 'alice', password: 'alice' });
    await refuses(await proof({ header: { kid: offered.device_id } }));
  });

  test('of a device that was revoked', async () => refuses(await revoked.proof('GET', LIST), 403, 'access_denied'));

  test('the second time, and in all but one of 16 calls at once', async () => {
    const made = await proof();
    const statuses = await Promise.all(Array.from({ length: 16 }, async () => (await list(made)).status));
    expect(statuses.sort()).toEqual([200, ...Array(15).fill(401)]);
    await refuses(made);
  });

  test('whose jti the device has used, but not one that another device has', async () => {
    await accepts(await proof({ claims: { jti: 'once' } }));
    await refuses(await proof({ claims: { jti: 'once', iat: in_(1) } }));
    await accepts(await tablet.proof('GET', LIST, undefined, { claims: { jti: 'once' } }));
  });

  test('without spending its jti', async () => {
    await refuses(await proof({ claims: { jti: 'kept', htm: 'PUT' } }));
    await accepts(await proof({ claims: { jti: 'kept' } }));
  });
});

describe('a proof over a body is refused', () => {
  const PATH = () => `/devices/${phone.deviceId}/push-token`;
  const replace = async (body: string, made: string) =>
    sendJson(tested, 'PUT', APPROVER + PATH(), body, { authorization: `DeviceProof ${made}` });
  const body = '{"push_token":"mine"}';

  test.each<[string, () => Promise<string>]>([
    ['that is another', () => phone.proof('PUT', PATH(), '{"push_token":"other"}')],
    ['that differs in a space', () => phone.proof('PUT', PATH(), `${body} `)],
    ['that it does not name', () => phone.proof('PUT', PATH())],
    ['whose digest is in hex', () => phone.proof('PUT', PATH(), body, { claims: { body_digest: 'ab'.repeat(32) } })],
    ['whose digest is no text', () => phone.proof('PUT', PATH(), body, { claims: { body_digest: 1 } })],
  ])('%s', async (_name, made) => {
    const given = await made();
    await expectRefusal(tested, () => replace(body, given), 401, 'invalid_token');
  });

  test('but not over the right one', async () => expect((await replace(body, await phone.proof('PUT', PATH(), body))).status).toBe(204));
});
