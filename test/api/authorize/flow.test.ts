import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { OAuthError } from '../../../src/domain/oauth-error.ts';
import { answerIn, boxesOf, browser, decide, fieldsOf, signIn } from '../../support/browser.ts';
import { standingClock } from '../../support/clock.ts';
import { people, type TestEngine, testEngine } from '../../support/engine.ts';
import { facts } from '../../support/log.ts';
import { answered, authorizeUrl, CALLBACK, type RedirectTpp, redirectTpp } from '../../support/redirecting.ts';
import { lodge } from '../../support/tpp.ts';

const time = standingClock();
let tested: TestEngine;
let tpp: RedirectTpp;
beforeAll(async () => {
  tested = await testEngine({ clock: time.clock });
  tpp = await redirectTpp(tested);
});
afterAll(() => tested.close());

const typesSince = async (position: number) => (await facts(tested, position)).map(({ type }) => type);
const idTokenIn = (token: unknown): Record<string, unknown> =>
  JSON.parse(Buffer.from(String(token).split('.')[1] ?? '', 'base64url').toString());

describe('a request that a browser brings', () => {
  test('becomes tokens: sign-in, consent, code', async () => {
    const before = await tested.ports.store.head();
    const at = browser(tested.url);
    const login = await at.get(authorizeUrl(tpp.request));
    expect([login.status, login.heading]).toEqual([200, 'Sign in']);
    const consent = await signIn(at, login, 'alice');
    expect([consent.status, consent.heading]).toEqual([200, 'Do you allow A TPP to do this?']);
    expect(boxesOf(consent)).toEqual(['psu-alice-1', 'psu-alice-2']);
    const done = await at.submit(consent, { verdict: 'approved', 'account.0': 'psu-alice-1' });
    expect(done.goesTo).toMatch(`${CALLBACK}?`);
    const { code = '', ...answer } = answerIn(done.goesTo);
    expect(answer).toEqual({ state: 'a-state', iss: tested.url });
    expect(await typesSince(before)).toEqual([
      'AuthorizationRequested',
      'AuthenticationSucceeded',
      'AuthorizationPsuAuthenticated',
      'AuthorizationShown',
      'AuthorizationApproved',
      'AuthorizationCodeIssued',
      'ConsentLodged',
      'ConsentAuthorised',
    ]);

    const { status, body } = await tpp.redeem(code);
    expect([status, body['token_type'], body['scope']]).toEqual([200, 'Bearer', 'openid accounts']);
    expect(idTokenIn(body['id_token'])).toMatchObject({
      iss: tested.url,
      sub: 'psu-alice',
      aud: tpp.auth.client_id,
      nonce: 'a-nonce',
      acr: 'urn:openbanking:psd2:ca',
      auth_time: time.clock(),
      at_hash: expect.any(String),
      openbanking_intent_id: expect.any(String),
    });
    expect(idTokenIn(body['id_token'])).not.toHaveProperty('urn:openid:params:jwt:claim:auth_req_id');
    const introspected = await tested.post('/oauth2/introspect', { ...tpp.auth, token: String(body['access_token']) });
    expect(introspected.body).toMatchObject({ active: true, sub: 'psu-alice' });
    const refreshed = await tested.post('/oauth2/token', {
      ...tpp.auth,
      grant_type: 'refresh_token',
      refresh_token: String(body['refresh_token']),
    });
    expect(refreshed.status).toBe(200);
    expect((await tpp.redeem(code)).body['error']).toBe('invalid_grant');
  });

  test('may be posted to the authorization endpoint', async () => {
    const at = browser(tested.url);
    expect((await at.post('/oauth2/authorize', tpp.request)).heading).toBe('Sign in');
  });

  test('is refused by its PSU, who has said so once and for all', async () => {
    const at = browser(tested.url);
    const page = await signIn(at, await at.get(authorizeUrl(tpp.request)), 'alice');
    const done = await decide(at, page, 'denied');
    expect(answerIn(done.goesTo)).toMatchObject({ error: 'access_denied', state: 'a-state', iss: tested.url });
    expect(answerIn((await decide(at, page, 'denied')).goesTo)).toMatchObject({ error: 'access_denied' });
    const late = await decide(at, page, 'approved');
    expect([late.status, late.goesTo]).toEqual([409, null]);
  });

  test('is given up before anyone has signed in', async () => {
    const at = browser(tested.url);
    const login = await at.get(authorizeUrl(tpp.request));
    const done = await at.submit(login, { step: 'cancel' });
    expect(answerIn(done.goesTo)).toMatchObject({ error: 'access_denied', state: 'a-state' });
    expect((await signIn(at, login, 'alice')).status).toBe(410);
  });

  test('posted twice ends as if it was posted once', async () => {
    const at = browser(tested.url);
    const page = await signIn(at, await at.get(authorizeUrl(tpp.request)), 'alice');
    const before = await tested.ports.store.head();
    const [one, other] = await Promise.all([decide(at, page, 'approved'), decide(at, page, 'approved')]);
    expect(one.goesTo).toBe(other.goesTo);
    expect((await typesSince(before)).filter((type) => type === 'AuthorizationApproved')).toHaveLength(1);
    const forged = { verdict: 'approved', 'account.0': 'psu-alice-1', 'account.1': 'psu-alice-2', nonce: 'another' };
    expect((await at.submit(page, forged)).status).toBe(410);
    expect((await tpp.redeem(answerIn(one.goesTo)['code'] ?? '')).status).toBe(200);
    expect((await decide(at, page, 'approved')).status).toBe(410);
  });

  test('is asked again for accounts when none was chosen', async () => {
    const at = browser(tested.url);
    const page = await signIn(at, await at.get(authorizeUrl(tpp.request)), 'alice');
    const again = await at.submit(page, { verdict: 'approved' });
    expect([again.status, again.alert]).toEqual([400, 'Choose at least one account to approve, or deny.']);
    expect(fieldsOf(again)).toEqual(fieldsOf(page));
    expect((await decide(at, again, 'approved')).goesTo).toMatch(CALLBACK);
    const strange = await at.submit(page, { verdict: 'approved', 'account.0': 'psu-bob-1' });
    expect([strange.status, strange.goesTo]).toEqual([409, null]);
  });

  test('is over ten minutes after it came', async () => {
    const at = browser(tested.url);
    const login = await at.get(authorizeUrl(tpp.request));
    const page = await signIn(at, login, 'alice');
    time.pass(600);
    expect((await signIn(at, login, 'alice')).status).toBe(400);
    expect((await decide(at, page, 'approved')).status).toBe(410);
  });

  test('gives a code that lives for a minute', async () => {
    const { code = '' } = answerIn((await answered(tested, tpp.request)).goesTo);
    time.pass(60);
    expect((await tpp.redeem(code)).body['error']).toBe('invalid_grant');
  });
});

describe('a consent that the TPP lodged', () => {
  const withIntent = (consentId: string) => ({
    ...tpp.request,
    claims: JSON.stringify({ id_token: { openbanking_intent_id: { value: consentId, essential: true } } }),
  });

  test('is shown, approved and told in the ID token', async () => {
    const consentId = await lodge(tested, tpp.auth);
    const at = browser(tested.url);
    const page = await signIn(at, await at.get(authorizeUrl(withIntent(consentId))), 'alice');
    expect(page.text).toContain('See your balances');
    const { code = '' } = answerIn((await decide(at, page, 'approved')).goesTo);
    const { body } = await tpp.redeem(code);
    expect(idTokenIn(body['id_token'])).toMatchObject({ openbanking_intent_id: consentId });
    expect(answerIn((await at.get(authorizeUrl(withIntent(consentId)))).goesTo)).toMatchObject({ error: 'invalid_request' });
  });

  test('of another client is refused', async () => {
    const other = await redirectTpp(tested);
    const consentId = await lodge(tested, other.auth);
    const done = await browser(tested.url).get(authorizeUrl(withIntent(consentId)));
    expect(answerIn(done.goesTo)).toMatchObject({ error: 'invalid_request', state: 'a-state' });
  });
});

describe('the person at the browser', () => {
  test('is told the same for a wrong password and an unknown name, and after five wrong tries no password is looked at', async () => {
    let looked = 0;
    const own = await testEngine({
      clock: time.clock,
      directory: {
        ...people,
        authenticate: (username, password) => {
          looked += 1;
          return people.authenticate(username, password);
        },
      },
    });
    const { request } = await redirectTpp(own);
    const at = browser(own.url);
    const login = await at.get(authorizeUrl(request));
    const told: string[][] = [];
    for (const username of ['alice', 'nobody']) {
      const wrong = [];
      for (let attempt = 0; attempt < 8; attempt += 1) wrong.push(await signIn(at, login, username, 'wrong'));
      told.push(wrong.map(({ status, alert }) => `${status} ${alert}`));
      expect(told.at(-1)).toEqual([
        ...Array(5).fill(expect.stringMatching(/^400 .*not right/)),
        ...Array(3).fill(expect.stringMatching(/^400 .*too many/)),
      ]);
    }
    expect(told[0]).toEqual(told[1]);
    expect(looked).toBe(10);
    expect((await signIn(at, login, 'alice')).status).toBe(400);
    expect((await signIn(at, login, 'bob')).heading).toMatch('Do you allow');
    time.pass(900);
    const later = await at.get(authorizeUrl(request));
    expect((await signIn(at, later, 'alice')).heading).toMatch('Do you allow');
    await own.close();
  });

  test('gets a new secret when they sign in, and the one before is worth nothing', async () => {
    const at = browser(tested.url);
    const login = await at.get(authorizeUrl(tpp.request));
    const [name = '', before = ''] = [...at.cookies][0] ?? [];
    expect(login.headers.get('set-cookie')).toMatch(/^__Host-.*; Path=\/; Max-Age=600; Secure; HttpOnly; SameSite=Lax$/);
    const page = await signIn(at, login, 'alice');
    expect(at.cookies.get(name)).not.toBe(before);
    at.cookies.set(name, before);
    expect((await decide(at, page, 'approved')).status).toBe(400);
  });

  test('cannot be led by a form from elsewhere', async () => {
    const at = browser(tested.url);
    const login = await at.get(authorizeUrl(tpp.request));
    const fields = { username: 'alice', password: 'alice', step: 'login' };
    for (const site of ['cross-site', 'same-site', 'none'])
      expect((await at.submit(login, fields, { 'sec-fetch-site': site })).status).toBe(400);
    expect((await at.submit(login, { ...fields, csrf_token: 'x' })).status).toBe(400);
    expect((await browser(tested.url).submit(login, fields)).status).toBe(400);
    expect((await at.submit(login, fields, { 'sec-fetch-site': 'same-origin' })).heading).toMatch('Do you allow');
  });

  test('cannot answer in the browser of somebody else', async () => {
    const alice = browser(tested.url);
    const bob = browser(tested.url);
    const url = authorizeUrl({ ...tpp.request, ...(await pushed(tpp.request)) });
    const toAlice = await signIn(alice, await alice.get(url), 'alice');
    const toBob = await signIn(bob, await bob.get(url), 'bob');
    const own = fieldsOf(toBob);
    const crossed = await bob.post('/oauth2/authorize/consent', {
      ...fieldsOf(toAlice),
      csrf_token: own['csrf_token'] ?? '',
      verdict: 'approved',
      'account.0': 'psu-alice-1',
    });
    expect([crossed.status, crossed.goesTo]).toEqual([409, null]);
    const { code = '' } = answerIn((await decide(bob, toBob, 'approved')).goesTo);
    expect(idTokenIn((await tpp.redeem(code)).body['id_token'])).toMatchObject({ sub: 'psu-bob' });
    expect((await decide(alice, toAlice, 'approved')).status).toBe(409);
  });

  test('must be the one whom the ID token hints at', async () => {
    const { code = '' } = answerIn((await answered(tested, tpp.request)).goesTo);
    const { body } = await tpp.redeem(code);
    const at = browser(tested.url);
    const login = await at.get(authorizeUrl({ ...tpp.request, id_token_hint: String(body['id_token']) }));
    expect((await signIn(at, login, 'bob')).alert).toMatch('for somebody else');
    expect((await signIn(at, login, 'alice')).heading).toMatch('Do you allow');
  });

  test('finds the hinted user name filled in, which does not tell whether there is such a user', async () => {
    const login = await browser(tested.url).get(authorizeUrl({ ...tpp.request, login_hint: 'alice' }));
    expect(login.text).toContain('value="alice"');
    const unknown = await browser(tested.url).get(authorizeUrl({ ...tpp.request, login_hint: 'mallory' }));
    expect(unknown.text).toContain('value="mallory"');
  });

  test('is asked to sign in though the directory cannot say whom the request hints at', async () => {
    const findByHint = () => Promise.reject(new OAuthError('temporarily_unavailable', 'down'));
    const own = await testEngine({ directory: { ...people, findByHint } });
    const { request } = await redirectTpp(own);
    const login = await browser(own.url).get(authorizeUrl({ ...request, login_hint: 'alice' }));
    expect([login.status, login.heading]).toEqual([200, 'Sign in']);
    await own.close();
  });

  test('makes the directory work only for as many requests as a client may send unsigned', async () => {
    let asked = 0;
    const findByHint = async () => {
      asked += 1;
      return null;
    };
    const own = await testEngine({ clock: time.clock, directory: { ...people, findByHint } });
    const { request } = await redirectTpp(own);
    const hinting = authorizeUrl({ ...request, login_hint: 'alice' });
    for (let n = 0; n < 600; n += 1) await fetch(own.url + hinting, { redirect: 'manual' });
    expect(answerIn((await browser(own.url).get(hinting)).goesTo)).toMatchObject({ error: 'temporarily_unavailable' });
    expect(asked).toBe(600);
    await own.close();
  });
});

const pushed = async (parameters: Record<string, string>) => {
  const { body } = await tested.post('/oauth2/par', { ...tpp.auth, ...parameters });
  return { request_uri: String(body['request_uri']) };
};

describe('a request that was pushed', () => {
  test('is named by a request_uri that leads through, once', async () => {
    const { status, body } = await tested.post('/oauth2/par', { ...tpp.auth, ...tpp.request });
    expect([status, body]).toEqual([
      201,
      { request_uri: expect.stringMatching(/^urn:ietf:params:oauth:request_uri:[\w-]{43}$/), expires_in: 90 },
    ]);
    const parameters = { client_id: tpp.auth.client_id, request_uri: String(body['request_uri']) };
    expect((await browser(tested.url).get(authorizeUrl(parameters))).heading).toBe('Sign in');
    const done = await answered(tested, parameters);
    expect((await tpp.redeem(answerIn(done.goesTo)['code'] ?? '')).status).toBe(200);
    expect((await browser(tested.url).get(authorizeUrl(parameters))).status).toBe(410);
  });

  test('is good for 90 seconds, and for its client', async () => {
    const parameters = { client_id: tpp.auth.client_id, ...(await pushed(tpp.request)) };
    const other = await redirectTpp(tested);
    expect((await browser(tested.url).get(authorizeUrl({ ...parameters, client_id: other.auth.client_id }))).status).toBe(410);
    expect((await browser(tested.url).get(authorizeUrl({ ...parameters, request_uri: `${parameters.request_uri}x` }))).status).toBe(410);
    time.pass(90);
    expect((await browser(tested.url).get(authorizeUrl(parameters))).status).toBe(410);
  });

  test('with prompt none is answered with login_required', async () => {
    const parameters = { client_id: tpp.auth.client_id, ...(await pushed({ ...tpp.request, prompt: 'none' })) };
    const { status, goesTo } = await browser(tested.url).get(authorizeUrl(parameters));
    expect([status, answerIn(goesTo)]).toEqual([303, expect.objectContaining({ error: 'login_required', state: 'a-state' })]);
  });

  test.each([
    ['request_uri', { request_uri: 'urn:ietf:params:oauth:request_uri:x' }, 'invalid_request'],
    ['no PKCE', { code_challenge: '', code_challenge_method: '' }, 'invalid_request'],
    ['PKCE plain', { code_challenge_method: 'plain' }, 'invalid_request'],
    ['a foreign redirect_uri', { redirect_uri: 'https://evil.example/' }, 'invalid_request'],
    ['a foreign scope', { scope: 'openid payments' }, 'invalid_scope'],
    ['response_type token', { response_type: 'token' }, 'unsupported_response_type'],
    ['a request object that is none', { request: 'x' }, 'invalid_request_object'],
    ['a nonce that is too long', { nonce: 'x'.repeat(513) }, 'invalid_request'],
  ])('with %s is refused', async (_, change, error) => {
    const before = await tested.ports.store.head();
    const { status, body } = await tested.post('/oauth2/par', { ...tpp.auth, ...tpp.request, ...change });
    expect([status, body['error']]).toEqual([400, error]);
    expect(await typesSince(before)).toEqual([]);
  });

  test('returns long state and nonce as they were', async () => {
    const [state, nonce] = ['s'.repeat(4096), 'n'.repeat(384)];
    const { status, body } = await tested.post('/oauth2/par', { ...tpp.auth, ...tpp.request, state, nonce });
    expect(status).toBe(201);
    const done = await answered(tested, { client_id: tpp.auth.client_id, request_uri: String(body['request_uri']) });
    const answer = answerIn(done.goesTo);
    expect(answer['state']).toBe(state);
    expect(idTokenIn((await tpp.redeem(answer['code'] ?? '')).body['id_token'])['nonce']).toBe(nonce);
  });
});

describe('a code', () => {
  const fresh = async () => answerIn((await answered(tested, tpp.request)).goesTo)['code'] ?? '';

  test.each([
    ['a wrong verifier', { code_verifier: 'x'.repeat(43) }],
    ['no verifier', { code_verifier: '' }],
    ['another redirect_uri', { redirect_uri: `${CALLBACK}/` }],
    ['no redirect_uri', { redirect_uri: '' }],
  ])('with %s is refused, and stays good', async (_, form) => {
    const code = await fresh();
    expect((await tpp.redeem(code, form)).body['error']).toBe('invalid_grant');
    expect((await tpp.redeem(code)).status).toBe(200);
  });

  test('of another client is refused', async () => {
    const code = await fresh();
    const other = await redirectTpp(tested);
    expect((await tpp.redeem(code, other.auth)).body['error']).toBe('invalid_grant');
  });

  test('used again at once is only refused; used again later, its tokens end', async () => {
    const code = await fresh();
    const { body } = await tpp.redeem(code);
    const active = async () =>
      (await tested.post('/oauth2/introspect', { ...tpp.auth, token: String(body['access_token']) })).body['active'];
    expect((await tpp.redeem(code)).body['error']).toBe('invalid_grant');
    expect(await active()).toBe(true);
    time.pass(11);
    const before = await tested.ports.store.head();
    expect((await tpp.redeem(code)).body['error']).toBe('invalid_grant');
    const revoked = (await facts(tested, before)).find(({ type }) => type === 'GrantRevoked');
    expect(JSON.parse(revoked?.data ?? '{}')).toMatchObject({ reason: 'code_reused' });
    await tested.engine.readModels.reached(await tested.ports.store.head());
    expect(await active()).toBe(false);
  });

  test('is worth nothing once the consent is taken back', async () => {
    const consentId = await lodge(tested, tpp.auth);
    const claims = JSON.stringify({ id_token: { openbanking_intent_id: { value: consentId } } });
    const { code = '' } = answerIn((await answered(tested, { ...tpp.request, claims })).goesTo);
    const { ownToken, CONSENTS } = await import('../../support/tpp.ts');
    const authorization = `Bearer ${await ownToken(tested, tpp.auth)}`;
    expect((await fetch(`${tested.url}${CONSENTS}/${consentId}`, { method: 'DELETE', headers: { authorization } })).status).toBe(204);
    expect((await tpp.redeem(code)).body['error']).toBe('invalid_grant');
  });
});
