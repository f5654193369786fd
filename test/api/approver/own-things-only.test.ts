import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { askForEnrolment } from '../../../src/demo/phone.ts';
import { type StandingClock, standingClock } from '../../support/clock.ts';
import { APPROVER, type TestDevice, testDevice } from '../../support/device.ts';
import { type TestEngine, testEngine } from '../../support/engine.ts';
import { expectRefusal, sendJson } from '../../support/http.ts';
import { facts, recorded } from '../../support/log.ts';
import { ask, lodge, secretTpp } from '../../support/tpp.ts';

type Form = Record<string, string>;

let time: StandingClock;
let tested: TestEngine;
let auth: Form;
let phone: TestDevice;
let tablet: TestDevice;
let bobs: TestDevice;

beforeAll(async () => {
  time = standingClock();
  tested = await testEngine({ clock: time.clock });
  auth = await secretTpp(tested);
  phone = await testDevice(tested, 'alice');
  tablet = await testDevice(tested, 'alice');
  bobs = await testDevice(tested, 'bob');
});
afterAll(() => tested.close());

const refuses = (call: () => Promise<Response>, status = 404, error = 'not_found') => expectRefusal(tested, call, status, error);
const json = async (response: Promise<Response>) => (await response).json() as Promise<Record<string, Record<string, unknown>[]>>;
/** What is not there, and what is there but not yours, gets the same bytes. */
const refusesAlike = async (method: string, known: string, unknown: string, body?: object) => {
  const foreign = await refuses(() => bobs.call(method, known, body));
  expect(await refuses(() => bobs.call(method, unknown, body))).toBe(foreign);
};

describe('requests', () => {
  test('are listed and retrieved by the devices of their PSU alone', async () => {
    const owners = { alice: [phone, tablet], bob: [bobs] };
    const asked = {
      alice: [await ask(tested, auth)],
      bob: [await ask(tested, auth, { login_hint: 'bob' }), await ask(tested, auth, { login_hint: 'bob' })],
    };
    for (const name of ['alice', 'bob'] as const)
      for (const device of owners[name]) {
        const { requests = [] } = await json(device.call('GET', '/requests'));
        expect(requests.map((request) => request['request_id']).sort()).toEqual(asked[name].map(({ requestId }) => requestId).sort());
      }
    for (const { requestId } of asked.alice) await refusesAlike('GET', `/requests/${requestId}`, '/requests/unknown');
    await refuses(() => phone.call('GET', `/requests/${asked.bob[0]?.requestId}`));
    await refuses(() => phone.call('GET', '/requests/%00'));
    await refuses(() => phone.call('GET', '/requests/%E0%A4'), 400, 'invalid_request');
  });

  test('are shown again as they were, and that is recorded once for each device', async () => {
    const { requestId } = await ask(tested, auth, { binding_message: 'W4SCT' });
    const shown = await phone.retrieve(requestId);
    const before = (await facts(tested)).length;
    expect(await phone.retrieve(requestId)).toEqual(shown);
    expect(await facts(tested)).toHaveLength(before);
    expect((await tablet.retrieve(requestId)).nonce).not.toBe(shown.nonce);
    expect(await facts(tested)).toHaveLength(before + 1);
    expect(JSON.parse(shown.shown)).toMatchObject({
      request_id: requestId,
      binding_message: 'W4SCT',
      scope: 'openid accounts',
      consent: null,
    });
  });

  test('are shown no more once they were answered, and leave the list', async () => {
    for (const verdict of ['approved', 'denied'] as const) {
      const { requestId } = await ask(tested, auth);
      await phone.decide(requestId, verdict);
      await refuses(() => phone.call('GET', `/requests/${requestId}`), 409, 'conflict');
      const { requests = [] } = await json(phone.call('GET', '/requests'));
      expect(requests.map((request) => request['request_id'])).not.toContain(requestId);
    }
  });

  test('are shown no more once they have expired', async () => {
    const { requestId } = await ask(tested, auth, { requested_expiry: '10' });
    time.pass(10);
    await refuses(() => phone.call('GET', `/requests/${requestId}`), 410, 'gone');
    await recorded(tested, 'CibaRequestExpired', `cibaRequest-${requestId}`);
    await refuses(() => phone.call('GET', `/requests/${requestId}`), 410, 'gone');
  });
});

describe('devices', () => {
  test('are listed for their PSU alone', async () => {
    const { devices = [] } = await json(tablet.call('GET', '/devices'));
    expect(devices.map((device) => [device['device_id'], device['this_device']]).sort()).toEqual(
      [
        [phone.deviceId, false],
        [tablet.deviceId, true],
      ].sort(),
    );
  });

  test('of others can be neither changed nor revoked, and look as if they did not exist', async () => {
    await refusesAlike('DELETE', `/devices/${phone.deviceId}`, '/devices/unknown');
    await refusesAlike('PUT', `/devices/${phone.deviceId}/push-token`, '/devices/unknown/push-token', { push_token: 'mine' });
    expect((await phone.call('GET', '/devices')).status).toBe(200);
  });

  test('of the same PSU keep their push tokens to themselves', () =>
    refuses(() => tablet.call('PUT', `/devices/${phone.deviceId}/push-token`, { push_token: 'mine' })));

  test('are revoked once', async () => {
    const lost = await testDevice(tested, 'alice');
    expect((await phone.call('DELETE', `/devices/${lost.deviceId}`)).status).toBe(204);
    const before = (await facts(tested)).length;
    expect((await phone.call('DELETE', `/devices/${lost.deviceId}`)).status).toBe(204);
    expect(await facts(tested)).toHaveLength(before);
    await refuses(() => lost.call('DELETE', `/devices/${lost.deviceId}`), 403, 'access_denied');
    await refuses(() => lost.call('PUT', `/devices/${lost.deviceId}/push-token`, { push_token: 'x' }), 403, 'access_denied');
    await refuses(() => bobs.call('DELETE', `/devices/${lost.deviceId}`));
  });

  test('that are only offered cannot be revoked', async () => {
    const { device_id } = await askForEnrolment(fetch, tested.url, { username: 'alice', password: 'alice' });
    await refuses(() => phone.call('DELETE', `/devices/${device_id}`));
  });

  test('may revoke themselves', async () => {
    const old = await testDevice(tested, 'alice');
    expect((await old.call('DELETE', `/devices/${old.deviceId}`)).status).toBe(204);
    await refuses(() => old.call('GET', '/devices'), 403, 'access_denied');
  });

  test.each<[string, object]>([
    ['no token', {}],
    ['an empty token', { push_token: '' }],
    ['a token that is no text', { push_token: 1 }],
    ['a token without end', { push_token: 'x'.repeat(4097) }],
    ['a member too many', { push_token: 'x', device_id: 'y' }],
    ['a list', []],
  ])('take %s for their push token', (_name, body) =>
    refuses(() => phone.call('PUT', `/devices/${phone.deviceId}/push-token`, body), 400, 'invalid_request'),
  );

  test('take no push token from a call without a body', () =>
    refuses(() => phone.call('PUT', `/devices/${phone.deviceId}/push-token`), 400, 'invalid_request'));
});

describe('consents', () => {
  test('are listed for their PSU alone, and taken back by any of their devices', async () => {
    const { requestId } = await ask(tested, auth, { openbanking_intent_id: await lodge(tested, auth) });
    await phone.decide(requestId, 'approved');
    const [consent] = (await json(phone.call('GET', '/consents')))['consents'] ?? [];
    expect(consent).toMatchObject({ client_name: 'A TPP', status: 'authorised', account_ids: ['psu-alice-1', 'psu-alice-2'] });
    expect(await json(bobs.call('GET', '/consents'))).toEqual({ consents: [] });

    await refusesAlike('DELETE', `/consents/${consent?.['consent_id']}`, '/consents/unknown');
    expect((await tablet.call('DELETE', `/consents/${consent?.['consent_id']}`)).status).toBe(204);
    const before = (await facts(tested)).length;
    expect((await tablet.call('DELETE', `/consents/${consent?.['consent_id']}`)).status).toBe(204);
    expect(await facts(tested)).toHaveLength(before);
  });

  test('that nobody has answered belong to nobody', async () => {
    const consentId = await lodge(tested, auth);
    await ask(tested, auth, { openbanking_intent_id: consentId });
    await refuses(() => phone.call('DELETE', `/consents/${consentId}`));
  });

  test('that were denied are listed and cannot be taken back', async () => {
    const consentId = await lodge(tested, auth);
    await phone.decide((await ask(tested, auth, { openbanking_intent_id: consentId })).requestId, 'denied');
    const { consents = [] } = await json(phone.call('GET', '/consents'));
    expect(consents.find((consent) => consent['consent_id'] === consentId)).toMatchObject({ status: 'rejected', account_ids: [] });
    await refuses(() => phone.call('DELETE', `/consents/${consentId}`));
  });
});

describe('a JSON body is refused', () => {
  const paths = () =>
    [
      ['POST', `${APPROVER}/devices`],
      ['POST', `${APPROVER}/requests/x/answer`],
    ] as const;
  test.each<[string, number, string, Form]>([
    ['that is malformed', 400, '{"a":', {}],
    ['that is no object', 400, '"text"', {}],
    ['that is too large', 413, JSON.stringify({ a: 'x'.repeat(65_536) }), {}],
    ['in an unknown charset', 400, '{}', { 'content-type': 'application/json; charset=klingon' }],
    ['in an unknown encoding', 400, '{}', { 'content-encoding': 'klingon' }],
  ])('%s', async (_name, status, body, headers) => {
    for (const [method, path] of paths()) await refuses(() => sendJson(tested, method, path, body, headers), status, 'invalid_request');
  });
});

test('nothing else is there', async () => {
  for (const [method, path, status] of [
    ['GET', '/nothing', 404],
    ['PATCH', '/devices', 405],
    ['DELETE', '/requests', 405],
    ['GET', '/', 404],
  ] as const)
    await refuses(() => phone.call(method, path), status, status === 405 ? 'invalid_request' : 'not_found');
});
