import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { sessionDataKeyOf } from '../../src/api/authorize/session-data-key.ts';
import { browser, fieldsOf, signIn } from '../support/browser.ts';
import { type TestEngine, testEngine } from '../support/engine.ts';
import { authorizeUrl, CALLBACK, type RedirectTpp, redirectTpp } from '../support/redirecting.ts';
import { lodge } from '../support/tpp.ts';
import { call, officer } from './support/officer.ts';

const AUTHORIZE = '/api/openbanking/consent/authorize';

let tested: TestEngine;
let tpp: RedirectTpp;
let bank: Awaited<ReturnType<typeof officer>>;
beforeAll(async () => {
  tested = await testEngine();
  tpp = await redirectTpp(tested);
  bank = await officer(tested, 'consents:authorize');
});
afterAll(() => tested.close());

/** A browser in which Alice has signed in for a request: its session, as the ASPSP's page knows it. */
const signedInFor = async (parameters: object) => {
  const at = browser(tested.url);
  const page = await signIn(at, await at.get(authorizeUrl({ ...tpp.request, ...parameters })), 'alice');
  const { interaction_id: requestId = '' } = fieldsOf(page);
  const [secret = ''] = at.cookies.values();
  return { requestId, key: sessionDataKeyOf(requestId, secret) };
};
/** The same for a request that names a consent. */
const signedIn = async () => {
  const consentId = await lodge(tested, tpp.auth, { Permissions: ['ReadBalances', 'ReadPAN'] });
  const claims = JSON.stringify({ id_token: { openbanking_intent_id: { value: consentId, essential: true } } });
  return { consentId, ...(await signedInFor({ claims })) };
};
const retrieve = (key: string, headers = bank.basic) => call(tested, 'GET', `${AUTHORIZE}/retrieve/${key}`, headers);
const persist = (key: string, answer: object, query = '', headers: Record<string, string> = bank.basic) =>
  call(tested, 'PATCH', `${AUTHORIZE}/persist/${key}${query}`, { ...headers, 'content-type': 'application/json' }, JSON.stringify(answer));
const code = (location: string | null) => new URL(location ?? CALLBACK).searchParams.get('code') ?? '';

test('D1: GET retrieve: 200, in the shape of metadata', async () => {
  const { key } = await signedIn();
  expect(await retrieve(key)).toMatchObject({
    status: 200,
    body: {
      consentData: [{ title: 'Permissions', data: ['ReadBalances', 'ReadPAN'] }],
      accounts: [{ account_id: 'psu-alice-1', display_name: 'Current account' }, { account_id: 'psu-alice-2' }],
      type: 'accounts',
      application: 'A TPP',
    },
  });
  const shown = (await tested.log()).filter(({ type }) => type === 'AuthorizationShown');
  expect(shown.length).toBeGreaterThan(1);
});

test('D1: GET retrieve: a consent that begins with its request has the type that a search finds it by', async () => {
  const { key } = await signedInFor({});
  expect((await retrieve(key)).body).toMatchObject({ consentData: [], type: 'scope' });
  await persist(key, { approval: true, accountIds: ['psu-alice-1'] });
  const all = await officer(tested, 'consents:read_all');
  const { body } = await call(tested, 'GET', '/api/openbanking/consent/admin/search?consentTypes=scope', all.bearer);
  expect(body).toMatchObject({ data: [{ consentType: 'scope' }] });
});

test('D1: PATCH persist: 302 with the code of an approval', async () => {
  for (const approval of [true, 'true']) {
    const { consentId, key } = await signedIn();
    await retrieve(key);
    const { status, headers } = await persist(key, { approval, accountIds: ['psu-alice-1'], cookies: {} });
    expect(status).toBe(302);
    expect(headers.get('location')).toMatch(`${CALLBACK}?code=`);
    const redeemed = await tpp.redeem(code(headers.get('location')));
    expect(redeemed).toMatchObject({ status: 200, body: { access_token: expect.any(String) } });
    const all = await officer(tested, 'consents:read_all');
    const { body } = await call(tested, 'GET', `/api/openbanking/consent/admin/search?consentIDs=${consentId}`, all.bearer);
    expect(body).toMatchObject({ data: [{ currentStatus: 'authorised', consentMappingResources: [{ accountId: 'psu-alice-1' }] }] });
  }
});

test('D1: PATCH persist: 200 with authorize=false', async () => {
  const { key } = await signedIn();
  await retrieve(key);
  const { status, body } = await persist(key, { approval: true, accountIds: ['psu-alice-1'] }, '?authorize=false');
  expect([status, code(String(body['redirectUri']))]).toEqual([200, expect.stringMatching(/.+\..+/)]);
});

test('D1: PATCH persist: denied is 302 with error=access_denied', async () => {
  const { key } = await signedIn();
  await retrieve(key);
  const { status, headers } = await persist(key, { approval: false, accountIds: [] });
  expect([status, new URL(headers.get('location') ?? CALLBACK).searchParams.get('error')]).toEqual([302, 'access_denied']);
});

test('D1: the same answer again ends the same, and another one is refused', async () => {
  const { key } = await signedIn();
  await retrieve(key);
  const yes = { approval: true, accountIds: ['psu-alice-1'] };
  const [one, other] = await Promise.all([persist(key, yes), persist(key, yes)]);
  expect([one.status, code(one.headers.get('location'))]).toEqual([302, code(other.headers.get('location'))]);
  expect(await persist(key, { approval: false })).toMatchObject({ status: 409, body: { error: 'conflict' } });
});

test('D1: only accounts that were shown, and at least one of them', async () => {
  const { key } = await signedIn();
  await retrieve(key);
  for (const accountIds of [[], ['psu-bob-1'], ['psu-alice-1', 'psu-alice-1']])
    expect(await persist(key, { approval: true, accountIds })).toMatchObject({ status: 400, body: { error: 'invalid_request' } });
});

test('D1: who knows the request alone, or another session, has nothing', async () => {
  const { requestId } = await signedIn();
  const other = (await signedIn()).key.split('.')[1] ?? '';
  for (const key of [requestId, `${requestId}.`, sessionDataKeyOf(requestId, other), 'unknown', 'x'.repeat(1000)]) {
    expect(await retrieve(key)).toMatchObject({ status: 410, body: { error: 'gone' } });
    expect(await persist(key, { approval: true, accountIds: ['psu-alice-1'] })).toMatchObject({ status: 410 });
  }
});

test('D1: only the consent page of the ASPSP', async () => {
  const { key } = await signedIn();
  const other = await officer(tested, 'consents:read_all');
  expect(await retrieve(key, other.basic)).toMatchObject({ status: 403 });
  expect(await persist(key, { approval: true }, '', other.bearer)).toMatchObject({ status: 403 });
  expect(await persist(key, { approval: true }, '', {})).toMatchObject({ status: 401 });
  for (const wrong of [{}, { approval: 'yes' }, { approval: true, accountIds: 'x' }])
    expect(await persist(key, wrong)).toMatchObject({ status: 400 });
});

test("D1: a browser that has signed in goes on to the ASPSP's page, which finds it by the key that it brings", async () => {
  const own = await testEngine({}, { COUNTERSIGN_CONSENT_PAGE_URL: 'https://bank.example/consent?lang=en' });
  try {
    const { request } = await redirectTpp(own);
    const page = await officer(own, 'consents:authorize');
    const at = browser(own.url);
    const { goesTo } = await signIn(at, await at.get(authorizeUrl(request)), 'alice');
    const url = new URL(goesTo ?? '');
    expect(`${url.origin}${url.pathname} ${url.searchParams.get('lang')}`).toBe('https://bank.example/consent en');
    const key = url.searchParams.get('sessionDataKeyConsent');
    expect(await call(own, 'GET', `${AUTHORIZE}/retrieve/${key}`, page.basic)).toMatchObject({
      status: 200,
      body: { application: 'A TPP' },
    });
  } finally {
    await own.close();
  }
});
