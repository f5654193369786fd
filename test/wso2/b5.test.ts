import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { CIBA_GRANT } from '../../src/domain/client/metadata.ts';
import { type StandingClock, standingClock } from '../support/clock.ts';
import { type TestDevice, testDevice } from '../support/device.ts';
import { type TestEngine, testEngine } from '../support/engine.ts';
import { sendForm } from '../support/http.ts';
import { ask, certificate, lodge, type SigningTpp, secretTpp, withCertificate } from '../support/tpp.ts';
import { claimsOf, REFERENCE, referenceTpp, refused, tokenFor } from './support/tpp.ts';

let time: StandingClock;
let tested: TestEngine;
let tpp: SigningTpp;
let phone: TestDevice;

beforeAll(async () => {
  time = standingClock();
  tested = await testEngine({ clock: time.clock, nowMs: time.nowMs });
  tpp = await referenceTpp(tested);
  phone = await testDevice(tested, 'alice');
});
afterAll(() => tested.close());

const asked = async (by: SigningTpp = tpp) => ask(tested, await by.authentication(), { request: await by.requestObject() });
const poll = async (authReqId: string | undefined, by: SigningTpp = tpp) =>
  sendForm(tested, '/oauth2/token', {
    ...(await by.authentication()),
    grant_type: CIBA_GRANT,
    ...(authReqId !== undefined && { auth_req_id: authReqId }),
  });
const refuses = (reply: Promise<Response>, error: string, description: string) => refused(reply, 400, error, description);
const redeemed = async () => {
  const { authReqId, requestId } = await asked();
  await phone.decide(requestId, 'approved');
  expect((await poll(authReqId)).status).toBe(200);
  return authReqId;
};

test('B5: a poll without auth_req_id', () => refuses(poll(undefined), 'invalid_grant', 'auth_req_id_missing'));

test('B5: an auth_req_id that is unknown', () => refuses(poll('unknown'), 'invalid_grant', 'invalid auth_req_id'));

test('B5: an auth_req_id of another client, pending, answered and over', async () => {
  const other = await referenceTpp(tested);
  const foreign = (authReqId: string) =>
    refuses(poll(authReqId, other), 'invalid_grant', 'Invalid client. Request ID issued for different client');
  const { authReqId, requestId } = await asked();
  await foreign(authReqId);
  await phone.decide(requestId, 'approved');
  await foreign(authReqId);
  time.pass(3600);
  await foreign(authReqId);
});

test('B5: a request that has expired, whether it was answered or not', async () => {
  const pending = await asked();
  const denied = await asked();
  const approved = await asked();
  const over = await redeemed();
  await phone.decide(denied.requestId, 'denied');
  await phone.decide(approved.requestId, 'approved');
  time.pass(3599);
  await refuses(poll(pending.authReqId), 'authorization_pending', 'Authorization pending');
  time.pass(1);
  for (const id of [pending.authReqId, denied.authReqId, approved.authReqId, over])
    await refuses(poll(id), 'expired_token', 'Token expired');
});

test('B5: a request that was redeemed', async () => refuses(poll(await redeemed()), 'invalid_grant', 'invalid_request'));

const approvedWithIntent = async () => {
  const consentId = await lodged(tpp);
  const request = await tpp.requestObject({ openbanking_intent_id: { value: consentId, essential: true } });
  const { authReqId, requestId } = await ask(tested, await tpp.authentication(), { request });
  await phone.decide(requestId, 'approved');
  return { consentId, authReqId };
};
const revoked = async (consentId: string) => {
  const headers = { authorization: `Bearer ${await tokenFor(tested, tpp, 'accounts')}` };
  const { status } = await fetch(`${tested.url}/open-banking/v3.1/aisp/account-access-consents/${consentId}`, {
    method: 'DELETE',
    headers,
  });
  expect(status).toBe(204);
};

test('B5: a request that was redeemed, and whose consent has ended since', async () => {
  const { consentId, authReqId } = await approvedWithIntent();
  expect((await poll(authReqId)).status).toBe(200);
  await revoked(consentId);
  await refuses(poll(authReqId), 'invalid_grant', 'invalid_request');
});

test('B5: a request that was approved, and whose consent has ended before it was redeemed', async () => {
  const { consentId, authReqId } = await approvedWithIntent();
  await revoked(consentId);
  await refuses(poll(authReqId), 'access_denied', 'User denied authentication');
});

test('B5: a request that was denied, and one that failed', async () => {
  const { authReqId, requestId } = await asked();
  await phone.decide(requestId, 'denied');
  await refuses(poll(authReqId), 'access_denied', 'User denied authentication');

  const cancelled = await asked();
  await sendForm(tested, '/oauth2/ciba/cancel', { ...(await tpp.authentication()), auth_req_id: cancelled.authReqId });
  await refuses(poll(cancelled.authReqId), 'access_denied', 'User denied authentication');
});

test('B5: polls that come too fast cost three seconds once', async () => {
  const { authReqId } = await asked();
  const told = { authorization_pending: 'Authorization pending', slow_down: 'Slow down' };
  const polls = (error: keyof typeof told) => refuses(poll(authReqId), error, told[error]);
  await polls('authorization_pending');
  time.pass(2);
  await polls('authorization_pending');
  time.pass(1);
  await polls('slow_down');
  time.pass(4);
  await polls('slow_down');
  time.pass(5);
  await polls('authorization_pending');
});

test('B5: a poll that comes too fast is told so before that the PSU has approved', async () => {
  const { authReqId, requestId } = await asked();
  await refuses(poll(authReqId), 'authorization_pending', 'Authorization pending');
  await phone.decide(requestId, 'approved');
  time.pass(1);
  await refuses(poll(authReqId), 'slow_down', 'Slow down');
  time.pass(4);
  await refuses(poll(authReqId), 'slow_down', 'Slow down');
  time.pass(5);
  expect((await poll(authReqId)).status).toBe(200);
  await refuses(poll(authReqId), 'invalid_grant', 'invalid_request');
});

test('B5: a poll that comes too fast is told first that the PSU has denied, and that it is of another client', async () => {
  const { authReqId, requestId } = await asked();
  await refuses(poll(authReqId), 'authorization_pending', 'Authorization pending');
  await phone.decide(requestId, 'denied');
  await refuses(poll(authReqId), 'access_denied', 'User denied authentication');

  const approved = await asked();
  await refuses(poll(approved.authReqId), 'authorization_pending', 'Authorization pending');
  await phone.decide(approved.requestId, 'approved');
  time.pass(1);
  const other = await referenceTpp(tested);
  await refuses(poll(approved.authReqId, other), 'invalid_grant', 'Invalid client. Request ID issued for different client');
  time.pass(1);
  expect((await poll(approved.authReqId)).status).toBe(200);
});

test('B5: in other profiles, and for clients that are pinged, tokens that are there wait for nothing', async () => {
  const pinged = await referenceTpp(tested, {
    backchannel_token_delivery_mode: 'ping',
    backchannel_client_notification_endpoint: 'https://tpp.example/ping',
  });
  const plain = await secretTpp(tested);
  const request = await pinged.requestObject({ client_notification_token: 'x'.repeat(22) });
  for (const [authentication, parameters] of [
    [() => pinged.authentication(), { request }],
    [async () => plain, {}],
  ] as const) {
    const { authReqId, requestId } = await ask(tested, await authentication(), parameters);
    const polled = async () => {
      const form = { ...(await authentication()), grant_type: CIBA_GRANT, auth_req_id: authReqId };
      return (await tested.post('/oauth2/token', form)).body;
    };
    expect(await polled()).toMatchObject({ error: 'authorization_pending' });
    await phone.decide(requestId, 'approved');
    expect(await polled()).toMatchObject({ access_token: expect.any(String) });
  }
});

test('B5: a request that waits', async () => refuses(poll((await asked()).authReqId), 'authorization_pending', 'Authorization pending'));

test('B5: a request that was approved yields its tokens', async () => {
  const { authReqId, requestId } = await asked();
  await phone.decide(requestId, 'approved');
  const response = await poll(authReqId);
  expect([response.status, response.headers.get('cache-control')]).toEqual([200, 'no-store']);
  const body = (await response.json()) as Record<string, string>;
  expect(body).toEqual({
    access_token: expect.any(String),
    refresh_token: expect.any(String),
    id_token: expect.any(String),
    scope: 'openid accounts',
    token_type: 'Bearer',
    expires_in: 3600,
  });
  expect(claimsOf(String(body['id_token']))).toMatchObject({ aud: tpp.clientId, sub: 'psu-alice' });
});

test('B5: of thirty-two polls for one approval one gets tokens', async () => {
  const { authReqId, requestId } = await asked();
  await phone.decide(requestId, 'approved');
  const replies = await Promise.all(Array.from({ length: 32 }, () => poll(authReqId)));
  expect(replies.filter(({ status }) => status === 200)).toHaveLength(1);
  const others = await Promise.all(replies.filter(({ status }) => status !== 200).map((reply) => reply.json()));
  expect(new Set(others.map((body) => JSON.stringify(body)))).toEqual(
    new Set([JSON.stringify({ error: 'invalid_grant', error_description: 'invalid_request' })]),
  );
});

test('B5: an access token is bound to the certificate, and names its consent', async () => {
  const bound = await referenceTpp(tested, { tls_client_certificate_bound_access_tokens: true });
  const shown = withCertificate(certificate({ thumbprint: 'own' }));
  const consentId = await lodged(bound, shown);
  const request = await bound.requestObject({ openbanking_intent_id: { value: consentId, essential: true } });
  const { authReqId, requestId } = await ask(tested, await bound.authentication(), { request }, shown);
  await phone.decide(requestId, 'approved');
  const form = { ...(await bound.authentication()), grant_type: CIBA_GRANT, auth_req_id: authReqId };
  const { access_token: token } = (await (await sendForm(tested, '/oauth2/token', form, shown)).json()) as { access_token: string };
  expect(claimsOf(token)).toMatchObject({ cnf: { 'x5t#S256': 'own' }, consent_id: consentId });
});

const lodged = async (by: SigningTpp, headers: Record<string, string> = {}): Promise<string> => {
  const response = await fetch(`${tested.url}/open-banking/v3.1/aisp/account-access-consents`, {
    method: 'POST',
    headers: { ...headers, authorization: `Bearer ${await tokenFor(tested, by, 'accounts', headers)}`, 'content-type': 'application/json' },
    body: JSON.stringify({ Data: { Permissions: ['ReadBalances'] }, Risk: {} }),
  });
  return ((await response.json()) as { Data: { ConsentId: string } }).Data.ConsentId;
};

test('B5: the claim of the consent id has the name of the settings', async () => {
  const named = await testEngine({}, { COUNTERSIGN_TOKENS_CONSENT_ID_CLAIM: 'intent' });
  try {
    const auth = await secretTpp(named, REFERENCE);
    const alice = await testDevice(named, 'alice');
    const consentId = await lodge(named, auth);
    const { authReqId, requestId } = await ask(named, auth, { openbanking_intent_id: consentId });
    await alice.decide(requestId, 'approved');
    const { body } = await named.post('/oauth2/token', { ...auth, grant_type: CIBA_GRANT, auth_req_id: authReqId });
    const claims = claimsOf(String(body['access_token']));
    expect(claims).toMatchObject({ intent: consentId });
    expect(claims).not.toHaveProperty('consent_id');
  } finally {
    await named.close();
  }
});

test('B5: clients of other profiles are told in the words of their own', async () => {
  const auth = await secretTpp(tested);
  const { body } = await tested.post('/oauth2/token', { ...auth, grant_type: CIBA_GRANT, auth_req_id: 'unknown' });
  expect(body).toEqual({ error: 'invalid_grant', error_description: 'auth_req_id is unknown or was issued to another client' });
});
