import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { systemIds } from '../../src/adapters/clock.ts';
import { sessionDataKeyOf } from '../../src/domain/ciba-request/id.ts';
import type { LoginScript } from '../../src/domain/ports/login-script.ts';
import { testDevice } from '../support/device.ts';
import { fcmSays } from '../support/fcm-server.ts';
import { recorded } from '../support/log.ts';
import { accountAccess, fundsConfirmation, PAYMENTS, SHOWN, vrp } from './support/intents.ts';
import type { Phone } from './support/phone.ts';
import { DEVICES, type Stage, startStage } from './support/stage.ts';

let stage: Stage;
let phone: Phone;
beforeAll(async () => {
  stage = await startStage({
    COUNTERSIGN_LIMITS_DEVICES_PER_PSU: '1000',
    COUNTERSIGN_LIMITS_PENDING_REQUESTS_PER_PSU: '1000',
  });
});
beforeEach(async () => {
  phone = await stage.phone();
});
afterAll(() => stage.close());

const uuid = expect.stringMatching(/^[0-9a-f]{8}-[0-9a-f]{4}-[1-8][0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
const accounts = [
  { account_id: 'psu-alice-1', display_name: 'Current account' },
  { account_id: 'psu-alice-2', display_name: 'Savings' },
];

/** What is shown of a consent of each type. */
const shownOf = async (path: string, scope: string, body: object) => {
  const consentId = await stage.lodge(path, scope, body);
  await stage.ask({ scope: `openid ${scope}`, openbanking_intent_id: consentId });
  return phone.shows(await stage.push(phone.pushId));
};

describe('C3: the push', () => {
  test('C3: field for field, over FCM HTTP v1', async () => {
    await stage.ask({ binding_message: 'W4SCT' });
    const data = await stage.push(phone.pushId);
    const body = 'alice is requesting to log into Sample TPP';
    expect(data).toEqual({
      deviceId: phone.deviceId,
      challenge: uuid,
      sessionDataKey: uuid,
      body,
      username: 'alice',
      displayName: 'Alice',
      organization: 'carbon.super',
      applicationName: 'Sample TPP',
      applicationUrl: 'https://tpp.example/',
      ipAddress: '',
      browserName: '',
      deviceName: '',
      metadata: expect.any(String),
    });
    const sent = stage.fcm.messages.find(({ message }) => message.token === phone.pushId)?.message;
    expect(sent).toEqual({
      token: phone.pushId,
      notification: { body },
      data,
      android: { priority: 'high', ttl: expect.stringMatching(/^\d+s$/) },
      apns: { headers: expect.objectContaining({ 'apns-priority': '10' }), payload: { aps: { 'content-available': 1 } } },
    });
  });

  test('C3: says nothing of where it comes from, in either dialect, whatever the call of the TPP brings: there is no browser', async () => {
    const newer = await stage.newerPhone();
    const call = { 'user-agent': 'Mozilla/5.0 (Windows NT 10.0) Firefox/140.0', 'x-forwarded-for': '203.0.113.7' };
    const asked = await stage.tested.post('/oauth2/ciba', { ...stage.tpp, scope: 'openid accounts', login_hint: 'alice' }, call);
    expect(asked.status).toBe(200);
    const [toOlder, toNewer] = [await stage.push(phone.pushId), await stage.push(newer.pushId)];
    expect(toOlder).toMatchObject({ ipAddress: '', browserName: '', deviceName: '' });
    expect(toNewer).toMatchObject({ ipAddress: '', deviceOS: '', browser: '' });
    for (const push of [toOlder, toNewer]) {
      expect(Object.keys(push)).not.toContain('location');
      expect(JSON.stringify(push)).not.toMatch(/203\.0\.113\.7|127\.0\.0\.1|Firefox|Windows/);
    }
  });

  test('C3: metadata of a request without a consent', async () => {
    await stage.ask({ binding_message: 'W4SCT' });
    expect(phone.shows(await stage.push(phone.pushId))).toEqual({
      consentData: [{ title: 'Requested Scope', data: ['openid', 'accounts'] }],
      accounts,
      type: 'default',
      application: 'Sample TPP',
      binding_message: 'W4SCT',
    });
  });

  test('C3: metadata of accounts', async () => {
    const consent = accountAccess();
    expect(await shownOf('aisp/account-access-consents', 'accounts', consent)).toEqual({
      consentData: [
        { title: 'Permissions', data: consent.Data.Permissions },
        { title: 'Expiration Date Time', data: [consent.Data.ExpirationDateTime] },
        { title: 'Transaction From Date Time', data: [consent.Data.TransactionFromDateTime] },
        { title: 'Transaction To Date Time', data: [consent.Data.TransactionToDateTime] },
      ],
      accounts,
      type: 'accounts',
      application: 'Sample TPP',
    });
  });

  test('C3: metadata of payments', async () => {
    const shown = await shownOf('pisp/domestic-payment-consents', 'payments', PAYMENTS['domestic-payment-consents'] ?? {});
    expect([shown.type, shown.consentData]).toEqual(['payments', SHOWN.payments]);
  });

  test('C3: metadata of international payments', async () => {
    const shown = await shownOf('pisp/international-payment-consents', 'payments', PAYMENTS['international-payment-consents'] ?? {});
    expect([shown.type, shown.consentData]).toEqual(['payments', SHOWN.international]);
  });

  test('C3: metadata of fundsconfirmations', async () => {
    const lodged = fundsConfirmation();
    const shown = await shownOf('cbpii/funds-confirmation-consents', 'fundsconfirmations', lodged);
    expect([shown.type, shown.consentData]).toEqual(['fundsconfirmations', SHOWN.fundsconfirmations(lodged)]);
  });

  test('C3: metadata of vrp', async () => {
    const lodged = vrp();
    const shown = await shownOf('pisp/domestic-vrp-consents', 'payments', lodged);
    expect([shown.type, shown.consentData]).toEqual(['vrp', SHOWN.vrp(lodged)]);
  });

  test('C3: that it was shown is recorded before it is sent, with the digest of it, and nothing of it stands in the open', async () => {
    const { requestId } = await stage.ask({ binding_message: 'PRIVATE' });
    const data = await stage.push(phone.pushId);
    const log = await stage.tested.log();
    const [shown] = log.filter(
      ({ type, stream, data: text }) => type === 'ConsentRetrieved' && stream.endsWith(requestId) && text.includes(phone.deviceId),
    );
    expect(JSON.parse(shown?.data ?? '{}')).toMatchObject({ deviceId: phone.deviceId, nonce: systemIds.hash(data['challenge'] ?? '') });
    for (const text of ['PRIVATE', data['challenge'] ?? '', phone.pushId, 'Current account'])
      expect(JSON.stringify(log)).not.toContain(text);
  });

  test('C3: what could not be sent is sent again as it was; another request has another challenge', async () => {
    const bobs = await stage.phone('bob');
    stage.fcm.next(fcmSays.unavailable({ 'retry-after': '1' }));
    await stage.ask({ login_hint: 'bob' });
    const [first, again] = [await stage.push(bobs.pushId, 1), await stage.push(bobs.pushId, 2)];
    expect(again).toEqual(first);
    await stage.ask({ login_hint: 'bob' });
    const other = await stage.push(bobs.pushId, 3);
    expect([other['challenge'] === first['challenge'], other['sessionDataKey'] === first['sessionDataKey']]).toEqual([false, false]);
  });

  test('C3: all devices are told, each with its own challenge; others keep the wake-up', async () => {
    const [second, own] = [await stage.phone(), await testDevice(stage.tested, 'alice')];
    await own.call('PUT', `/devices/${own.deviceId}/push-token`, { push_token: 'own token' });
    const { requestId } = await stage.ask();
    const [one, other, wakeUp] = [await stage.push(phone.pushId), await stage.push(second.pushId), await stage.push('own token')];
    expect(one['challenge']).not.toBe(other['challenge']);
    expect(one['sessionDataKey']).toBe(other['sessionDataKey']);
    expect(wakeUp).toEqual({ request_id: requestId });
  });

  test('C3: a new push id is told what waits, once', async () => {
    const bobs = await stage.phone('bob');
    await stage.ask({ login_hint: 'bob' });
    await stage.push(bobs.pushId);
    const replace = [{ operation: 'REPLACE', path: '/push-id', value: 'new push id of bob' }];
    expect((await stage.call('PATCH', `${DEVICES}/${bobs.deviceId}`, stage.as('bob'), replace)).status).toBe(200);
    const again = await stage.push('new push id of bob');
    // Whatever else was due when the next one is sent would have been sent before.
    const next = await stage.ask({ login_hint: 'bob' });
    expect((await stage.push('new push id of bob', 2))['sessionDataKey']).toBe(sessionDataKeyOf(next.requestId));
    expect([stage.pushesTo(bobs.pushId).length, stage.pushesTo('new push id of bob').length]).toEqual([1, 2]);
    expect((await bobs.deny(again)).status).toBe(202);
  });

  test('C3: what FCM finds too large is told as what does not fit', async () => {
    const alone = await startStage();
    const only = await alone.phone();
    alone.fcm.next(fcmSays.tooLarge());
    await alone.ask({ binding_message: 'W4SCT' });
    const [whole, less] = [await alone.push(only.pushId, 1), await alone.push(only.pushId, 2)];
    expect(only.shows(whole).accounts).toHaveLength(2);
    expect(only.shows(less)).toMatchObject({ consentData: [], accounts: [], isError: expect.any(String), binding_message: 'W4SCT' });
    expect((await only.approve(less)).status).toBe(409);
    expect((await only.deny(less)).status).toBe(202);
    expect(alone.pushesTo(only.pushId)).toHaveLength(2);
    await alone.close();
  });

  test('C3: what does not fit into a push is not told in part, and can only be refused there', async () => {
    const context = JSON.stringify({ note: 'x'.repeat(4000) });
    await stage.ask({ request_context: context });
    const data = await stage.push(phone.pushId);
    expect(phone.shows(data)).toEqual({
      ...{ consentData: [], accounts: [], type: 'default', application: 'Sample TPP' },
      isError: expect.stringContaining('too much'),
    });
    expect((await phone.approve(data)).status).toBe(409);
    expect((await phone.deny(data)).status).toBe(202);
  });
});

test('C3: without a device the request waits, and is told to the phone that is enrolled then', async () => {
  const alone = await startStage();
  const { authReqId } = await alone.ask({ login_hint: 'bob' });
  expect((await alone.poll(authReqId)).body).toMatchObject({ error: 'authorization_pending' });
  const late = await alone.phone('bob');
  expect((await late.approve(await alone.push(late.pushId))).status).toBe(202);
  await alone.close();
});

test('C3: where the login script wants no push nothing is told, and nothing recorded as shown', async () => {
  const loginScript: LoginScript = {
    chooses: true,
    steps: async ({ flow }, offered) => (flow === 'ciba' ? [] : offered),
    succeeded: () => undefined,
    failed: () => undefined,
  };
  const silent = await startStage({}, { loginScript });
  const phone = await silent.phone();
  const { requestId } = await silent.ask();
  const types = async () => (await silent.tested.log()).filter(({ stream }) => stream.includes(requestId)).map(({ type }) => type);
  await recorded(silent.tested, 'DevicePushRejected', `push-${requestId}.${phone.deviceId}.1`);
  expect(await types()).toEqual(['CibaRequestReceived', 'DevicePushRejected']);
  expect(silent.fcm.messages).toEqual([]);
  await silent.close();
});
