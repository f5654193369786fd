import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { csrfTokenOf } from '../../../src/api/authorize/browser.ts';
import { type Browser, browser, decide, fieldsOf, signIn } from '../../support/browser.ts';
import { type StandingClock, standingClock } from '../../support/clock.ts';
import { sendAnswer, testDevice } from '../../support/device.ts';
import { type TestEngine, testEngine } from '../../support/engine.ts';
import { sendJson } from '../../support/http.ts';
import { facts } from '../../support/log.ts';
import { authorizeUrl, redirectTpp } from '../../support/redirecting.ts';
import { ask, CONSENTS, lodge, ownToken, secretTpp } from '../../support/tpp.ts';

const PAGE = '/oauth2/ciba/answer';
const POLL = 'urn:openid:params:grant-type:ciba';

let time: StandingClock;
let tested: TestEngine;
let tpp: { client_id: string; client_secret: string };
beforeAll(async () => {
  time = standingClock();
  tested = await testEngine({ clock: time.clock, nowMs: time.nowMs });
  tpp = await secretTpp(tested);
});
afterAll(() => tested.close());

const signedIn = async (username = 'alice'): Promise<{ at: Browser; list: Awaited<ReturnType<Browser['get']>> }> => {
  const at = browser(tested.url);
  return { at, list: await signIn(at, await at.get(PAGE), username) };
};
const asked = async (parameters: Record<string, string> = {}, psu = 'alice') =>
  ask(tested, tpp, { scope: 'openid accounts', login_hint: psu, ...parameters });
/** The page of one request. */
const pageOf = (at: Browser, list: Parameters<Browser['submit']>[0], requestId: string) =>
  at.post(`${PAGE}/show/${requestId}`, fieldsOf(list));
const poll = (authReqId: string) => tested.post('/oauth2/token', { ...tpp, grant_type: POLL, auth_req_id: authReqId });
const since = async (position: number, requestId: string) =>
  (await facts(tested, position)).filter(({ stream }) => stream === `cibaRequest-${requestId}`);

describe('a PSU without a device', () => {
  test('signs in, sees what waits, and approves it: the TPP has its tokens', async () => {
    const { authReqId, requestId } = await asked({ binding_message: 'W4SCT' });
    const { at, list } = await signedIn();
    expect(list.text).toContain('W4SCT');
    const page = await pageOf(at, list, requestId);
    expect([page.status, page.heading, page.text]).toEqual([200, 'Do you allow A TPP to do this?', expect.stringContaining('W4SCT')]);
    const done = await decide(at, page, 'approved');
    expect([done.heading, done.text]).toEqual(['What waits for your answer', expect.stringContaining('You have approved the request.')]);
    expect((await poll(authReqId)).body).toHaveProperty('access_token');

    const [, shown, approved] = await tested.ports.store.read(`cibaRequest-${requestId}`);
    const [{ sessionId }, answer] = [JSON.parse(shown?.data ?? ''), JSON.parse(approved?.data ?? '')];
    expect([shown?.type, approved?.type]).toEqual(['ConsentRetrieved', 'CibaRequestApproved']);
    expect(answer).toMatchObject({ deviceId: null, keyThumbprint: null, sessionId, psuId: 'psu-alice' });
    expect([shown?.actor, approved?.actor]).toEqual([
      { kind: 'psu', id: 'psu-alice' },
      { kind: 'psu', id: 'psu-alice' },
    ]);
    const [session] = await tested.ports.store.read(`authentication-${sessionId}`);
    expect([session?.type, JSON.parse(session?.data ?? '')]).toEqual([
      'AuthenticationSucceeded',
      expect.objectContaining({ flow: 'ciba', psuId: 'psu-alice', requestId: null }),
    ]);
    const persisted = (await tested.ports.store.read(`consent-${requestId}`)).at(-1);
    expect([persisted?.type, persisted?.actor]).toEqual(['ConsentAuthorised', { kind: 'psu', id: 'psu-alice' }]);
  });

  test('denies it', async () => {
    const { authReqId, requestId } = await asked();
    const { at, list } = await signedIn();
    expect((await decide(at, await pageOf(at, list, requestId), 'denied')).text).toContain('You have denied the request.');
    expect((await poll(authReqId)).body).toMatchObject({ error: 'access_denied' });
  });

  test('chooses among the accounts of the page', async () => {
    const { requestId } = await asked();
    const { at, list } = await signedIn();
    const page = await pageOf(at, list, requestId);
    const before = await tested.ports.store.head();
    const none = await at.submit(page, { verdict: 'approved' });
    expect([none.status, none.alert]).toEqual([400, 'Choose at least one account to approve, or deny.']);
    expect((await at.submit(page, { verdict: 'approved', 'account.0': 'psu-bob-1' })).status).toBe(400);
    expect(await since(before, requestId)).toEqual([]);
    expect((await at.submit(none, { verdict: 'approved', 'account.0': 'psu-alice-2' })).status).toBe(200);
  });

  test('approves a part of the authorization details: the tokens carry just that', async () => {
    const reading = { type: 'account_information', actions: ['list_accounts', 'read_balances'] };
    const card = {
      type: '3ds:payment_authorisation',
      instructed_amount: { amount: 49.95, currency: 'AUD' },
      source_account: '4111111111111111',
      beneficiary_name: 'Ocean Store',
      payment_desc: 'Order 42',
    };
    const client = await secretTpp(tested, { authorization_details_types: [reading.type, card.type] });
    const { authReqId, requestId } = await ask(tested, client, {
      ...{ scope: 'openid', authorization_details: JSON.stringify([reading, card]), request_context: '{"till":"7"}' },
    });
    const { at, list } = await signedIn();
    const page = await pageOf(at, list, requestId);
    expect(page.text).toContain('till: &quot;7&quot;');
    const ticked = (...names: string[]) => Object.fromEntries(names.map((name) => [name, 'yes']));
    const { interaction_id = '', csrf_token = '', digest = '', nonce = '' } = fieldsOf(page);
    const give = (form: Record<string, string>) =>
      at.post(`${PAGE}/give/${requestId}`, { interaction_id, csrf_token, digest, nonce, verdict: 'approved', ...form });
    const none = await give(ticked('detail.0'));
    expect([none.status, none.alert]).toEqual([400, 'Leave a tick at something that you allow, or deny.']);
    expect(Object.keys(fieldsOf(none)).filter((name) => name.startsWith('detail.'))).toEqual(['detail.0']);
    const some = ticked('detail.0', 'detail.0.actions.1');
    expect([(await give(some)).status, (await give(some)).status]).toEqual([200, 200]);
    expect((await give(ticked('detail.1'))).status).toBe(409);
    const { body } = await tested.post('/oauth2/token', { ...client, grant_type: POLL, auth_req_id: authReqId });
    expect(body['authorization_details']).toEqual([{ ...reading, actions: ['read_balances'] }]);
  });

  test('posts the page twice, as people do: one answer', async () => {
    const { requestId } = await asked();
    const { at, list } = await signedIn();
    const page = await pageOf(at, list, requestId);
    const before = await tested.ports.store.head();
    const replies = await Promise.all([decide(at, page, 'approved'), decide(at, page, 'approved')]);
    expect(replies.map(({ status }) => status)).toEqual([200, 200]);
    expect((await since(before, requestId)).map(({ type }) => type)).toEqual(['CibaRequestApproved']);
    expect((await decide(at, page, 'denied')).status).toBe(409);
  });

  test('answers at the same time as a phone: one of them is recorded', async () => {
    const phone = await testDevice(tested, 'bob');
    for (let round = 0; round < 10; round += 1) {
      const { requestId } = await asked({}, 'bob');
      const { at, list } = await signedIn('bob');
      const [page, shown] = [await pageOf(at, list, requestId), await phone.retrieve(requestId)];
      const before = await tested.ports.store.head();
      const [onPage, onPhone] = await Promise.all([
        decide(at, page, 'denied'),
        sendAnswer(tested, requestId, await phone.answer(shown, 'approved', ['psu-bob-1'])),
      ]);
      expect([onPage.status, onPhone.status].sort()).toEqual([200, 409]);
      expect(await since(before, requestId)).toHaveLength(1);
    }
  });
});

describe('the page', () => {
  test('shows nobody what is not theirs', async () => {
    const { requestId } = await asked({}, 'bob');
    await asked();
    const { at, list } = await signedIn('alice');
    const before = await tested.ports.store.head();
    expect((await pageOf(at, list, requestId)).status).toBe(404);
    expect((await pageOf(at, list, 'unheard-of')).status).toBe(404);
    const bound = { ...fieldsOf(list), digest: 'd', nonce: 'n', verdict: 'approved' };
    expect((await at.post(`${PAGE}/give/${requestId}`, bound)).status).toBe(404);
    expect(await since(before, requestId)).toEqual([]);
  });

  test('answers over what the session itself was shown, not another session or a phone', async () => {
    const phone = await testDevice(tested, 'alice');
    const { requestId } = await asked();
    const shown = await phone.retrieve(requestId);
    const [one, other] = [await signedIn(), await signedIn()];
    const page = await pageOf(one.at, one.list, requestId);
    const { digest = '', nonce = '' } = fieldsOf(page);
    const answering = { ...fieldsOf(other.list), verdict: 'approved', 'account.0': 'psu-alice-1' };
    expect((await other.at.post(`${PAGE}/give/${requestId}`, { ...answering, digest, nonce })).status).toBe(409);
    await pageOf(other.at, other.list, requestId);
    expect((await other.at.post(`${PAGE}/give/${requestId}`, { ...answering, digest, nonce })).status).toBe(409);
    const ofPhone = { digest: shown.digest, nonce: shown.nonce };
    expect((await other.at.post(`${PAGE}/give/${requestId}`, { ...answering, ...ofPhone })).status).toBe(409);
    expect((await decide(one.at, page, 'approved')).status).toBe(200);
  });

  test('refuses forms of another browser, of another site, and of nobody', async () => {
    const { requestId } = await asked();
    const { at, list } = await signedIn();
    expect((await browser(tested.url).post(`${PAGE}/show/${requestId}`, fieldsOf(list))).status).toBe(400);
    const crossSite = await at.post(`${PAGE}/show/${requestId}`, fieldsOf(list), { 'sec-fetch-site': 'cross-site' });
    expect(crossSite.status).toBe(400);
    const notSignedIn = browser(tested.url);
    expect((await pageOf(notSignedIn, await notSignedIn.get(PAGE), requestId)).status).toBe(410);
  });

  test('takes no session of the redirect flow, and ends its own after ten minutes', async () => {
    const { request } = await redirectTpp(tested);
    const elsewhere = browser(tested.url);
    await signIn(elsewhere, await elsewhere.get(authorizeUrl(request)), 'alice');
    const { sessionId } = JSON.parse(
      (await facts(tested)).findLast(({ type }) => type === 'AuthorizationPsuAuthenticated')?.data ?? '{}',
    ) as { sessionId: string };
    const [secret = ''] = [...elsewhere.cookies.values()].filter((value) => tested.ports.ids.hash(value) === sessionId);
    const stranger = browser(tested.url);
    const arrived = await stranger.get(PAGE);
    const [name = ''] = stranger.cookies.keys();
    stranger.cookies.set(name, secret);
    const waiting = await asked();
    const form = { ...fieldsOf(arrived), csrf_token: csrfTokenOf('answer', secret, tested.ports.ids) };
    expect((await stranger.post(`${PAGE}/show/${waiting.requestId}`, form)).status).toBe(410);

    const { at, list } = await signedIn();
    expect((await at.get(PAGE)).heading).toBe('What waits for your answer');
    time.pass(600);
    const { requestId } = await asked();
    expect((await pageOf(at, list, requestId)).status).toBe(410);
    expect((await at.get(PAGE)).heading).toBe('Sign in');
  });

  test('does not show a request that has expired, or whose consent is gone', async () => {
    const expired = await asked({ requested_expiry: '30' });
    const { at, list } = await signedIn();
    const page = await pageOf(at, list, expired.requestId);
    time.pass(31);
    expect((await decide(at, page, 'approved')).status).toBe(410);
    expect((await pageOf(at, list, expired.requestId)).status).toBe(410);
    const consentId = await lodge(tested, tpp);
    const { requestId } = await asked({ openbanking_intent_id: consentId });
    const open = await pageOf(at, list, requestId);
    expect(open.text).toContain('<dt>Permissions</dt>');
    const token = { authorization: `Bearer ${await ownToken(tested, tpp)}` };
    expect((await sendJson(tested, 'DELETE', `${CONSENTS}/${consentId}`, undefined, token)).status).toBe(204);
    expect((await decide(at, open, 'approved')).status).toBe(409);
    expect((await pageOf(at, list, requestId)).status).toBe(409);
  });

  test('lets a PSU sign out: who comes next in that browser is nobody', async () => {
    const { requestId } = await asked();
    const { at, list } = await signedIn();
    const out = await at.post(`${PAGE}/sign-out`, fieldsOf(list));
    expect([out.status, out.heading]).toEqual([200, 'Sign in']);
    expect((await at.get(PAGE)).heading).toBe('Sign in');
    expect((await pageOf(at, out, requestId)).status).toBe(410);
    expect((await pageOf(at, list, requestId)).status).toBe(400);
    expect((await signIn(at, out, 'bob')).heading).toBe('What waits for your answer');
  });

  test('takes a user name with the tenant behind it', async () => {
    const at = browser(tested.url);
    const named = (name: string, page: Awaited<ReturnType<Browser['get']>>) => signIn(at, page, name, 'bob');
    const wrong = await named('bob@bank.example', await at.get(PAGE));
    expect(wrong.status).toBe(400);
    expect((await named('bob@carbon.super', wrong)).heading).toBe('What waits for your answer');
  });

  test('says nothing of who exists', async () => {
    const at = browser(tested.url);
    const page = await at.get(PAGE);
    const [unknown, wrong] = [await signIn(at, page, 'nobody', 'x'), await signIn(at, page, 'bob', 'x')];
    expect([unknown.status, wrong.status]).toEqual([400, 400]);
    expect(unknown.alert).toBe(wrong.alert);
  });
});
