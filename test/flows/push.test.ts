import { readFileSync } from 'node:fs';
import { describe, expect, test } from '@jest/globals';
import { inMemoryPushSender } from '../../src/adapters/push/in-memory.ts';
import { accountsIn, askForEnrolment, enrol } from '../../src/demo/phone.ts';
import { trustingFetch } from '../../src/demo/trusting-fetch.ts';
import { type TestEngine, testEngine } from '../support/engine.ts';
import { served } from '../support/served.ts';

/** Resolves when the read models have seen an event of this type. */
const recorded = ({ engine, log }: TestEngine, type: string): Promise<void> =>
  new Promise((resolve) => {
    const look = async () => {
      if ((await log()).some((event) => event.type === type)) resolve();
    };
    engine.projections.applied.subscribe(look);
    void look();
  });

test('nobody is woken where push is no step of CIBA, and the device finds the request when it looks', async () => {
  const pushSender = inMemoryPushSender();
  const tested = await testEngine({ pushSender }, { COUNTERSIGN_AUTHENTICATION_CIBA: ',' });
  const phone = await enrol(fetch, await askForEnrolment(fetch, tested.url, { username: 'alice', password: 'alice' }), {
    pushToken: 'token',
  });
  const auth = { client_id: await tested.client({}, 's3cret'), client_secret: 's3cret' };
  await tested.post('/oauth2/ciba', { ...auth, scope: 'openid accounts', login_hint: 'alice' });
  expect(await phone.requests()).toHaveLength(1);
  // What is due is looked for as soon as it was recorded: a turn later it would have been sent.
  await new Promise((resolve) => setImmediate(resolve));
  expect(pushSender.wakeUps).toEqual([]);
  await tested.close();
});

describe('a push', () => {
  test('that finds its token dead leaves the device able to list and to answer, and a new token wakes it again', async () => {
    let dead = true;
    const sender = inMemoryPushSender(({ requestId }) =>
      dead ? { outcome: 'dead', reason: 'messaging/registration-token-not-registered' } : { outcome: 'accepted', messageId: requestId },
    );
    const tested = await testEngine({ pushSender: sender });
    const auth = { client_id: await tested.client({}, 's3cret'), client_secret: 's3cret' };
    const ask = () => tested.post('/oauth2/ciba', { ...auth, scope: 'openid accounts', login_hint: 'alice' });
    const phone = await enrol(fetch, await askForEnrolment(fetch, tested.url, { username: 'alice', password: 'alice' }), {
      pushToken: 'old',
    });
    await ask();
    await recorded(tested, 'DevicePushRejected');
    expect(await phone.devices()).toMatchObject([{ device_id: phone.deviceId, reachable_by_push: false }]);
    await ask();
    expect(sender.wakeUps.map(({ pushToken }) => pushToken)).toEqual(['old']);

    const [waiting] = await phone.requests();
    const shown = await phone.retrieve(String(waiting?.request_id));
    expect(await phone.send(shown.request_id, await phone.sign(shown, 'approved', accountsIn(shown)))).toMatchObject({
      status: 'approved',
    });

    dead = false;
    await phone.replacePushToken('new');
    await ask();
    await recorded(tested, 'DevicePushAccepted');
    expect(sender.wakeUps.map(({ pushToken }) => pushToken)).toEqual(['old', 'new']);
    expect(await phone.devices()).toMatchObject([{ reachable_by_push: true }]);
    // The token itself stands nowhere in the open.
    expect(JSON.stringify(await tested.log())).not.toMatch(/"(old|new)"/);
    await tested.close();
  });

  test('is printed where no FCM account is set, which is said at the start', async () => {
    const { config, serving, said } = await served();
    expect(said).toEqual([expect.stringContaining('wake-ups are printed here and reach no phone')]);
    const fetch = trustingFetch(readFileSync(`${config.dataDir}/tls/ca.pem`, 'utf8'));
    const [alice] = serving.sandbox?.psus ?? [];
    const { clientId, clientSecret } = serving.sandbox?.client ?? { clientId: '', clientSecret: '' };
    await enrol(fetch, await askForEnrolment(fetch, config.issuer, alice as { username: string; password: string }), {
      pushToken: 'a secret token',
    });
    const printed = new Promise<void>((resolve) => {
      serving.engine.projections.applied.subscribe(() => said.length > 1 && resolve());
    });
    await fetch(`${config.issuer}/oauth2/ciba`, {
      method: 'POST',
      headers: {
        authorization: `Basic ${Buffer.from(`${clientId}:${clientSecret}`).toString('base64')}`,
        'content-type': 'application/x-www-form-urlencoded',
      },
      body: 'scope=openid&login_hint=alice&binding_message=W4SCT',
    });
    await printed;
    expect(said[1]).toMatch(/^push: a phone would be woken for request \S+, which lives for another \d+ s$/);
    expect(said.join()).not.toMatch(/a secret token|W4SCT/);
    await serving.close();
  });
});
