import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { accountsIn, type Shown } from '../../../src/demo/phone.ts';
import { CIBA_GRANT } from '../../../src/domain/client/metadata.ts';
import { type StandingClock, standingClock } from '../../support/clock.ts';
import { APPROVER, type Change, sendAnswer, type TestDevice, testDevice } from '../../support/device.ts';
import { type TestEngine, testEngine } from '../../support/engine.ts';
import { expectRefusal, sendJson } from '../../support/http.ts';
import { corrupted, forgeJws, testKey, withClaims } from '../../support/jws.ts';
import { facts, recorded } from '../../support/log.ts';
import { ask, CONSENTS, lodge, ownToken, secretTpp } from '../../support/tpp.ts';

type Form = Record<string, string>;

let time: StandingClock;
let tested: TestEngine;
let auth: Form;
let phone: TestDevice;
let tablet: TestDevice;
let bobs: TestDevice;
/** A request that the phone was shown, and its accounts. */
let shown: Shown;
let accounts: string[];

beforeAll(async () => {
  time = standingClock();
  tested = await testEngine({ clock: time.clock }, { COUNTERSIGN_LIMITS_PENDING_REQUESTS_PER_PSU: '1000000' });
  auth = await secretTpp(tested);
  phone = await testDevice(tested, 'alice');
  tablet = await testDevice(tested, 'alice', testKey('EdDSA'));
  bobs = await testDevice(tested, 'bob');
});
afterAll(() => tested.close());
beforeEach(async () => {
  shown = await showing();
  accounts = accountsIn(shown);
});

const showing = async (parameters: Form = {}): Promise<Shown> => phone.retrieve((await ask(tested, auth, parameters)).requestId);
const send = (answer: string, requestId = shown.request_id) => sendAnswer(tested, requestId, answer);
const sends = async (answer: string | Promise<string>, requestId?: string) => {
  const signed = await answer;
  return send(signed, requestId);
};
const refuses = async (answer: string | Promise<string>, status: number, error: string, requestId?: string) => {
  const signed = await answer;
  return expectRefusal(tested, () => send(signed, requestId), status, error);
};
const approve = (change?: Change, over: Shown = shown) => phone.answer(over, 'approved', accountsIn(over), change);
const deny = (change?: Change) => phone.answer(shown, 'denied', [], change);
/** What the request's own stream says. */
const story = async (requestId = shown.request_id) =>
  (await tested.log()).filter(({ stream }) => stream === `cibaRequest-${requestId}`).map(({ type }) => type);
const deleteConsent = async (consentId: string) =>
  sendJson(tested, 'DELETE', `${CONSENTS}/${consentId}`, undefined, { authorization: `Bearer ${await ownToken(tested, auth)}` });

describe('an answer is accepted', () => {
  test.each<[string, string, () => Promise<string>]>([
    ['that approves with one account', 'approved', () => phone.answer(shown, 'approved', accounts.slice(1))],
    ['that approves with all accounts', 'approved', () => approve()],
    ['that denies', 'denied', () => deny()],
    ['that denies and names accounts', 'denied', () => phone.answer(shown, 'denied', accounts)],
  ])('%s', async (_name, status, answer) => {
    const response = await sends(answer());
    expect([response.status, response.headers.get('cache-control')]).toEqual([200, 'no-store']);
    expect(await response.json()).toEqual({ request_id: shown.request_id, status });
    expect(await story()).toEqual([
      'CibaRequestReceived',
      'ConsentRetrieved',
      status === 'approved' ? 'CibaRequestApproved' : 'CibaRequestDenied',
    ]);
  });

  test('by another device that was shown the request itself', async () => {
    const also = await tablet.retrieve(shown.request_id);
    expect((await sends(tablet.answer(also, 'approved', accountsIn(also)))).status).toBe(200);
  });

  test('without accounts for a scope that has none', async () => {
    shown = await showing({ scope: 'openid' });
    expect((await sends(approve())).status).toBe(200);
  });
});

describe('an answer is refused', () => {
  test.each<[string, () => Change]>([
    ['that has expired', () => ({ claims: { exp: time.clock() - 1 } })],
    ['that expires now', () => ({ claims: { exp: time.clock() } })],
    ['for another server', () => ({ claims: { aud: 'https://other.example' } })],
    ['for another request than it is sent to', () => ({ claims: { request_id: 'another' } })],
    ['by a key of its own', () => ({ header: { jwk: phone.key.publicJwk } })],
    ['signed by another key', () => ({ key: testKey('ES256') })],
    ['signed by the key of another device of the PSU', () => ({ key: tablet.key })],
    ['in the name of no device', () => ({ header: { kid: undefined } })],
    ['in the name of an unknown device', () => ({ header: { kid: 'unknown' } })],
    ['with the typ of a proof', () => ({ header: { typ: 'device-proof+jwt' } })],
    ['with no typ', () => ({ header: { typ: undefined } })],
  ])('%s', (_name, change) => refuses(approve(change()), 401, 'invalid_token'));

  test.each<[string, () => string | Promise<string>]>([
    ['with a corrupted signature', async () => corrupted(await approve())],
    [
      'whose verdict was flipped after the signature',
      async () => withClaims(await deny(), (claims) => ({ ...claims, verdict: 'approved', account_ids: accounts })),
    ],
    [
      'whose accounts were changed after the signature',
      async () => withClaims(await approve(), (claims) => ({ ...claims, account_ids: [] })),
    ],
    ['with alg none', () => forgeJws({ alg: 'none', typ: 'consent-answer+jwt', kid: phone.deviceId }, {}, () => Buffer.alloc(64))],
    ['that is a proof', () => phone.proof('POST', `/requests/${shown.request_id}/answer`)],
    ['that is garbage', () => 'garbage'],
    ['that is empty', () => ''],
  ])('%s', (_name, answer) => refuses(answer(), 401, 'invalid_token'));

  test.each<[string, () => Change]>([
    ['without a verdict', () => ({ claims: { verdict: undefined } })],
    ['with another verdict than there are', () => ({ claims: { verdict: 'redeemed' } })],
    ['without a digest', () => ({ claims: { digest: undefined } })],
    ['without a nonce', () => ({ claims: { nonce: undefined } })],
    ['without an end', () => ({ claims: { exp: undefined } })],
    ['without accounts', () => ({ claims: { account_ids: undefined } })],
    ['with accounts that are no texts', () => ({ claims: { account_ids: [1] } })],
    ['that chooses no account', () => ({ claims: { account_ids: [] } })],
    ['that chooses an account that was not offered', () => ({ claims: { account_ids: ['psu-bob-1'] } })],
    ['that chooses an account that was not offered beside one that was', () => ({ claims: { account_ids: [accounts[0], 'psu-bob-1'] } })],
    ['that chooses an account twice', () => ({ claims: { account_ids: [accounts[0], accounts[0]] } })],
  ])('%s', (_name, change) => refuses(approve(change()), 400, 'invalid_request'));

  test.each<[string, () => Change]>([
    ['over another digest', () => ({ claims: { digest: 'x'.repeat(43) } })],
    ['with another nonce', () => ({ claims: { nonce: 'x'.repeat(43) } })],
  ])('%s', async (_name, change) => {
    await refuses(approve(change()), 409, 'conflict');
    await refuses(deny(change()), 409, 'conflict');
  });

  test('over what another device was shown', async () => {
    const also = await tablet.retrieve(shown.request_id);
    await refuses(phone.answer(also, 'approved', accounts), 409, 'conflict');
  });

  test('by a device that was not shown the request', async () => {
    await refuses(tablet.answer(shown, 'approved', accounts), 409, 'conflict');
    const { requestId } = await ask(tested, auth);
    await refuses(phone.answer({ ...shown, request_id: requestId }, 'approved', accounts), 409, 'conflict', requestId);
  });

  test('by the device of another PSU, in the words for a request that does not exist', async () => {
    const foreign = await refuses(bobs.answer(shown, 'approved', accounts), 404, 'not_found');
    const unknown = await refuses(bobs.answer({ ...shown, request_id: 'unknown' }, 'approved', accounts), 404, 'not_found', 'unknown');
    expect(foreign).toBe(unknown);
    await sends(approve());
    expect(await refuses(bobs.answer(shown, 'approved', accounts), 404, 'not_found')).toBe(unknown);
  });

  test('by a device that was revoked after it was shown the request', async () => {
    const lost = await testDevice(tested, 'alice');
    const last = await lost.retrieve(shown.request_id);
    await phone.call('DELETE', `/devices/${lost.deviceId}`);
    await refuses(lost.answer(last, 'approved', accountsIn(last)), 403, 'access_denied');
    expect((await sends(approve())).status).toBe(200);
  });

  test.each<[string, object | string]>([
    ['without an answer', {}],
    ['with an answer that is no text', { answer: { verdict: 'approved' } }],
    ['with a member too many', { answer: 'a.b.c', verdict: 'approved' }],
    ['that is longer than 16 KiB', { answer: 'x'.repeat(16_385) }],
    ['with __proto__', '{"__proto__":{"answer":"a.b.c"}}'],
    ['that is no JSON', '{'],
    ['that is empty', ''],
  ])('in a body %s', (_name, body) =>
    expectRefusal(tested, () => sendJson(tested, 'POST', `${APPROVER}/requests/${shown.request_id}/answer`, body), 400, 'invalid_request'),
  );
});

describe('an answer that comes again', () => {
  test.each<[string, () => Promise<string>]>([
    ['an approval', () => approve()],
    ['a denial', () => deny()],
  ])('and is %s, is answered as before and recorded once', async (_name, answer) => {
    const signed = await answer();
    const first = await (await send(signed)).text();
    const before = (await facts(tested)).length;
    const again = await send(signed);
    expect([again.status, await again.text(), (await facts(tested)).length]).toEqual([200, first, before]);
  });

  test('16 times at once, is recorded once', async () => {
    const signed = await approve();
    const replies = await Promise.all(Array.from({ length: 16 }, () => send(signed)));
    expect(replies.map(({ status }) => status)).toEqual(Array(16).fill(200));
    expect(await story()).toEqual(['CibaRequestReceived', 'ConsentRetrieved', 'CibaRequestApproved']);
  });

  test('signed anew is the same answer', async () => {
    await sends(approve());
    const before = (await facts(tested)).length;
    time.pass(30);
    expect((await sends(approve())).status).toBe(200);
    expect(await facts(tested)).toHaveLength(before);
  });

  test('after the tokens were fetched is the same answer', async () => {
    const { authReqId, requestId } = await ask(tested, auth);
    const signed = await phone.decide(requestId, 'approved');
    expect((await tested.post('/oauth2/token', { ...auth, grant_type: CIBA_GRANT, auth_req_id: authReqId })).status).toBe(200);
    const before = (await facts(tested)).length;
    expect((await send(signed, requestId)).status).toBe(200);
    expect(await facts(tested)).toHaveLength(before);
  });

  test('is refused on another request', async () => {
    const signed = await approve();
    await send(signed);
    const other = await showing();
    await refuses(signed, 401, 'invalid_token', other.request_id);
    await refuses(
      phone.answer({ ...other, digest: shown.digest, nonce: shown.nonce }, 'approved', accounts),
      409,
      'conflict',
      other.request_id,
    );
  });

  test('is refused with the other verdict', async () => {
    const approved = await approve();
    await sends(deny());
    await refuses(approved, 409, 'conflict');
    shown = await showing();
    const denied = await deny();
    await sends(approve());
    await refuses(denied, 409, 'conflict');
  });

  test('is refused with other accounts', async () => {
    await sends(phone.answer(shown, 'approved', accounts.slice(1)));
    await refuses(approve(), 409, 'conflict');
    await refuses(phone.answer(shown, 'approved', ['psu-bob-1']), 409, 'conflict');
  });

  test('is taken from another device where it is the same, and refused where it is not', async () => {
    const also = await tablet.retrieve(shown.request_id);
    await sends(approve());
    expect((await sends(tablet.answer(also, 'approved', accounts))).status).toBe(200);
    await refuses(tablet.answer(also, 'approved', accounts.slice(1)), 409, 'conflict');
    await refuses(tablet.answer(also, 'denied', []), 409, 'conflict');
  });
});

describe('an answer that is too late is refused', () => {
  test('after the request has expired, before and after that is recorded', async () => {
    shown = await showing({ requested_expiry: '10' });
    time.pass(9);
    const another = await showing({ requested_expiry: '10' });
    time.pass(1);
    await refuses(approve(), 410, 'gone');
    await refuses(deny(), 410, 'gone');
    await recorded(tested, 'CibaRequestExpired', `cibaRequest-${shown.request_id}`);
    await refuses(approve(), 410, 'gone');
    expect((await sends(approve({}, another), another.request_id)).status).toBe(200);
  });

  test('for a consent that was deleted after it was shown', async () => {
    const consentId = await lodge(tested, auth);
    shown = await showing({ openbanking_intent_id: consentId });
    expect((await deleteConsent(consentId)).status).toBe(204);
    await refuses(approve(), 409, 'conflict');
    await recorded(tested, 'CibaRequestCancelled', `cibaRequest-${shown.request_id}`);
    await refuses(approve(), 409, 'conflict');
    await refuses(deny(), 409, 'conflict');
  });

  test('for a consent that has come to its own end since it was shown', async () => {
    const ends = { ExpirationDateTime: new Date((time.clock() + 60) * 1000).toISOString() };
    const consentId = await lodge(tested, auth, ends);
    shown = await showing({ openbanking_intent_id: consentId });
    time.pass(60);
    await refuses(approve(), 409, 'conflict');
    await recorded(tested, 'ConsentExpired', `consent-${consentId}`);
    await refuses(approve(), 409, 'conflict');
  });

  test('for a consent that another request has changed since it was shown', async () => {
    const consentId = await lodge(tested, auth);
    shown = await showing({ openbanking_intent_id: consentId });
    const twin = await ask(tested, auth, { openbanking_intent_id: consentId });
    await phone.decide(twin.requestId, 'approved');
    await refuses(approve(), 409, 'conflict');
    await refuses(deny(), 409, 'conflict');
    expect((await phone.call('GET', `/requests/${shown.request_id}`)).status).toBe(409);
  });

  test('for a consent that its PSU has taken back meanwhile', async () => {
    const consentId = await lodge(tested, auth);
    shown = await showing({ openbanking_intent_id: consentId });
    const twin = await ask(tested, auth, { openbanking_intent_id: consentId });
    await phone.decide(twin.requestId, 'approved');
    expect((await phone.call('DELETE', `/consents/${consentId}`)).status).toBe(204);
    await refuses(approve(), 409, 'conflict');
  });

  test('for a client that was disabled', async () => {
    const leaving = await secretTpp(tested);
    const { requestId } = await ask(tested, leaving);
    shown = await phone.retrieve(requestId);
    await tested.disable(leaving.client_id);
    await recorded(tested, 'CibaRequestCancelled', `cibaRequest-${requestId}`);
    await refuses(approve(), 409, 'conflict');
  });
});
