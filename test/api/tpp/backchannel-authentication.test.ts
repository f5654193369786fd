import { mkdtempSync, rmSync } from 'node:fs';
import { Agent, request as sendRequest } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { sqliteEventStore } from '../../../src/adapters/event-store/sqlite.ts';
import { type StandingClock, standingClock } from '../../support/clock.ts';
import { type TestDevice, testDevice } from '../../support/device.ts';
import { type TestEngine, testEngine } from '../../support/engine.ts';
import { expectRefusal, sendForm, sendJson } from '../../support/http.ts';
import { corrupted, forgeJws, signJws, testKey } from '../../support/jws.ts';
import { ask, CONSENTS, lodge, ownToken, secretTpp, signingTpp } from '../../support/tpp.ts';

type Form = Record<string, string>;

const DAY = 86_400;

let time: StandingClock;
let tested: TestEngine;
let auth: Form;
let other: Form;
let phone: TestDevice;

beforeAll(async () => {
  time = standingClock();
  tested = await testEngine({ clock: time.clock }, { COUNTERSIGN_LIMITS_PENDING_REQUESTS_PER_PSU: '1000000' });
  auth = await secretTpp(tested);
  other = await secretTpp(tested);
  phone = await testDevice(tested, 'alice');
});
afterAll(() => tested.close());

const send = (parameters: Form) => sendForm(tested, '/oauth2/ciba', { ...auth, ...parameters });
const request = { scope: 'openid accounts', login_hint: 'alice' };
const refuses = async (parameters: Form | Promise<Form>, error = 'invalid_request', status = 400) => {
  const form = await parameters;
  return expectRefusal(tested, () => send(form), status, error);
};

/** An ID token of this engine, with other claims where they are given. */
const idToken = (claims: object = {}, typ = 'JWT'): Promise<string> =>
  tested.ports.signer.sign('ES256', typ, {
    iss: tested.url,
    sub: 'psu-alice',
    aud: auth['client_id'],
    iat: time.clock() - 60,
    exp: time.clock() + 60,
    ...claims,
  });

describe('an authentication request is accepted', () => {
  test('with an auth_req_id that nobody guesses', async () => {
    const response = await send(request);
    expect([response.status, response.headers.get('content-type'), response.headers.get('cache-control')]).toEqual([
      200,
      'application/json',
      'no-store',
    ]);
    expect(await response.json()).toEqual({ auth_req_id: expect.stringMatching(/^[\w-]{43,}$/), expires_in: 300, interval: 5 });
    expect((await tested.log()).filter(({ data }) => data.includes('auth_req_id'))).toEqual([]);
  });

  test.each<[string, Form]>([
    ['with its scope in another order', { scope: 'accounts openid' }],
    ['with a scope value twice', { scope: 'openid openid' }],
    ['with unknown parameters', { user_code: '1', request_context: '{}', client_notification_token: 'x', foo: 'bar' }],
    ['with unknown classes in acr_values', { acr_values: 'urn:unknown' }],
    ['with claims about other things', { claims: '{"id_token":{"acr":{"essential":true}}}' }],
    ['with parameters without a value', { id_token_hint: '', login_hint_token: '', request: '' }],
    ['with a short binding_message', { binding_message: '1234' }],
    ['with a binding_message of letters and signs', { binding_message: 'Zürich: 12,50 € – ok? ✓' }],
    ['with a binding_message of one other alphabet', { binding_message: 'Код 1234' }],
    ['with the longest binding_message', { binding_message: '😀'.repeat(100) }],
  ])('%s', async (_name, parameters) => expect((await send({ ...request, ...parameters })).status).toBe(200));

  test.each([
    ['10', 10],
    ['30', 30],
    ['300', 300],
    ['1', 10],
    ['999999999', 600],
  ])('with requested_expiry %s, which becomes %i', async (requested_expiry, expiresIn) =>
    expect(await ask(tested, auth, { requested_expiry })).toMatchObject({ expiresIn }),
  );

  test.each<[string, () => Promise<string>]>([
    ['an ID token', () => idToken()],
    ['an ID token that has expired', () => idToken({ iat: time.clock() - 80 * DAY, exp: time.clock() - 79 * DAY })],
    ['an ID token that is for others too', () => idToken({ aud: [auth['client_id'], 'other'] })],
  ])('with %s as id_token_hint', async (_name, hint) =>
    expect((await send({ scope: 'openid', id_token_hint: await hint() })).status).toBe(200),
  );

  test.each<[string, (id: string) => Form]>([
    ['at the top', (id) => ({ openbanking_intent_id: id })],
    [
      'in the claims of the ID token',
      (id) => ({ claims: JSON.stringify({ id_token: { openbanking_intent_id: { value: id, essential: true } } }) }),
    ],
    ['in the claims of userinfo', (id) => ({ claims: JSON.stringify({ userinfo: { openbanking_intent_id: id } }) })],
    [
      'in all places alike',
      (id) => ({
        openbanking_intent_id: id,
        claims: JSON.stringify({ userinfo: { openbanking_intent_id: id }, id_token: { openbanking_intent_id: { value: id } } }),
      }),
    ],
  ])('with openbanking_intent_id %s', async (_name, reference) => {
    const consentId = await lodge(tested, auth);
    const { requestId } = await ask(tested, auth, reference(consentId));
    const received = (await tested.log()).find(({ stream }) => stream === `cibaRequest-${requestId}`);
    expect(JSON.parse(received?.data ?? '')).toMatchObject({ consentId, consentOrigin: 'lodged' });
  });
});

describe('an authentication request is refused', () => {
  test.each<[string, Form]>([
    ['without a hint', { scope: 'openid' }],
    ['with two hints', { ...request, id_token_hint: 'x' }],
    ['with two hints of which one is not supported', { ...request, login_hint_token: 'x' }],
    ['with three hints', { ...request, id_token_hint: 'x', login_hint_token: 'x' }],
    ['with login_hint_token', { scope: 'openid', login_hint_token: 'x' }],
    ['without scope', { login_hint: 'alice' }],
    ['with claims that are no JSON', { ...request, claims: '{' }],
    ['with claims that are a list', { ...request, claims: '[]' }],
    ['with claims that are no object', { ...request, claims: '1' }],
    ['with a reference in the claims that is no text', { ...request, claims: '{"id_token":{"openbanking_intent_id":{"value":1}}}' }],
  ])('%s', (_name, parameters) => refuses(parameters));

  test.each(['bob ', 'ALICE', 'psu-alice', "' or 1=1 --", '\u0000', 'x'.repeat(10_000)])(
    'with login_hint %j, which names nobody',
    (login_hint) => refuses({ scope: 'openid', login_hint }, 'unknown_user_id'),
  );

  test.each(['accounts', 'openid payments', 'OPENID', ' ', 'openid\taccounts', 'openid "'])('with scope %j', (scope) =>
    refuses({ ...request, scope }, 'invalid_scope'),
  );

  test.each(['0', '-1', '+30', '030', '1.5', '1e3', '0x10', ' 30', 'soon', '1000000000', '٣٠', 'Infinity'])(
    'with requested_expiry %j',
    (requested_expiry) => refuses({ ...request, requested_expiry }),
  );

  test.each<[string, string]>([
    ['longer than 100 characters', 'x'.repeat(101)],
    ['of 456 code points', '🏦漢'.repeat(228)],
    ['of blanks', '  '],
    ['with a line break', 'Pay\n100'],
    ['with a NUL', 'Pay\u0000100'],
    ['with a change of direction', 'Pay \u202e001'],
    ['with an isolate', 'Pay \u2066100\u2069'],
    ['with an invisible space', 'Pay\u200b100'],
    ['with a no-break space', 'Pay\u00a0100'],
    ['with a link', 'see https://attacker.example'],
    ['with look-alike alphabets', 'p\u0430ypal'],
    ['that is not composed', 'u\u0308ber'],
  ])('with a binding_message %s', (_name, binding_message) => refuses({ ...request, binding_message }, 'invalid_binding_message'));

  test.each<[string, string, () => string | Promise<string>]>([
    ['for another client', 'invalid_request', () => idToken({ aud: other['client_id'] })],
    ['of another issuer', 'invalid_request', () => idToken({ iss: 'https://other.example' })],
    ['older than 90 days', 'invalid_request', () => idToken({ iat: time.clock() - 91 * DAY })],
    ['that is an access token', 'invalid_request', () => idToken({}, 'at+jwt')],
    ['with a corrupted signature', 'invalid_request', async () => corrupted(await idToken())],
    ['that is garbage', 'invalid_request', () => 'garbage'],
    ['with alg none', 'invalid_request', () => forgeJws({ alg: 'none', typ: 'JWT', kid: ourKid() }, ours(), () => Buffer.alloc(64))],
    ['by another key under our kid', 'invalid_request', () => signJws(testKey('ES256', ourKid()), ours(), { typ: 'JWT' })],
    ['by an unknown key', 'invalid_request', () => signJws(testKey('ES256'), ours(), { typ: 'JWT' })],
    ['about nobody we know', 'unknown_user_id', () => idToken({ sub: 'psu-gone' })],
  ])('with an id_token_hint %s', async (_name, error, hint) => refuses({ scope: 'openid', id_token_hint: await hint() }, error));

  test.each<[string, () => Promise<Form>]>([
    ['nobody lodged', async () => ({ openbanking_intent_id: tested.ports.ids.uuid() })],
    ['another client lodged', async () => ({ openbanking_intent_id: await lodge(tested, other) })],
    ['was answered', async () => ({ openbanking_intent_id: await answered('approved') })],
    ['was rejected', async () => ({ openbanking_intent_id: await answered('denied') })],
    ['was deleted', async () => ({ openbanking_intent_id: await deleted() })],
    ['has come to its own end', async () => ({ openbanking_intent_id: await ended() })],
    [
      'differs between the two places',
      async () => ({
        openbanking_intent_id: await lodge(tested, auth),
        claims: JSON.stringify({ userinfo: { openbanking_intent_id: await lodge(tested, auth) } }),
      }),
    ],
  ])('with an openbanking_intent_id that %s', async (_name, reference) => refuses({ ...request, ...(await reference()) }));

  test('for a client that may not use CIBA', async () =>
    refuses({ ...(await secretTpp(tested, { grant_types: ['client_credentials'] })), ...request }, 'unauthorized_client'));

  test('without a request object from a client of the profile fapi-ciba, and from one that registered its algorithm', async () => {
    for (const metadata of [
      { profile: 'fapi-ciba', tls_client_certificate_bound_access_tokens: true } as const,
      { backchannel_authentication_request_signing_alg: 'ES256' } as const,
    ]) {
      const tpp = await signingTpp(tested, metadata);
      await refuses({ ...(await signedIn(tpp)), ...request });
    }
  });
});

const signedIn = async (tpp: Awaited<ReturnType<typeof signingTpp>>): Promise<Form> => ({
  client_id: tpp.clientId,
  ...(await tpp.authentication()),
  client_secret: '',
});

const ourKid = () => String(tested.ports.signer.jwks().keys.find(({ alg }) => alg === 'ES256')?.['kid']);
const ours = () => ({ iss: tested.url, sub: 'psu-alice', aud: auth['client_id'], iat: time.clock() });

const answered = async (verdict: 'approved' | 'denied'): Promise<string> => {
  const consentId = await lodge(tested, auth);
  await phone.decide((await ask(tested, auth, { openbanking_intent_id: consentId })).requestId, verdict);
  return consentId;
};

const deleted = async (): Promise<string> => {
  const consentId = await lodge(tested, auth);
  const authorization = `Bearer ${await ownToken(tested, auth)}`;
  expect((await sendJson(tested, 'DELETE', `${CONSENTS}/${consentId}`, undefined, { authorization })).status).toBe(204);
  return consentId;
};

const ended = async (): Promise<string> => {
  const consentId = await lodge(tested, auth, { ExpirationDateTime: new Date((time.clock() + 60) * 1000).toISOString() });
  time.pass(60);
  return consentId;
};

describe('pending requests are limited', () => {
  let small: TestEngine;
  beforeAll(async () => {
    small = await testEngine({}, { COUNTERSIGN_LIMITS_PENDING_REQUESTS_PER_CLIENT: '3', COUNTERSIGN_LIMITS_PENDING_REQUESTS_PER_PSU: '2' });
  });
  afterAll(() => small.close());
  const refused = (client: Form, login_hint: string) =>
    expectRefusal(small, () => sendForm(small, '/oauth2/ciba', { ...client, scope: 'openid', login_hint }), 403, 'access_denied');

  test('per PSU over all clients, and per client over all PSUs; an answer makes room', async () => {
    const [one, two] = [await secretTpp(small), await secretTpp(small)];
    const device = await testDevice(small, 'alice');
    const [first, second] = [await ask(small, one), await ask(small, two)];
    await refused(one, 'alice');
    await refused(two, 'alice');
    await device.decide(first.requestId, 'denied');
    await ask(small, one);
    await refused(one, 'alice');

    await ask(small, one, { login_hint: 'bob' });
    await ask(small, one, { login_hint: 'bob' });
    await device.decide(second.requestId, 'approved');
    await refused(one, 'alice');
    await ask(small, two);
  });

  test.each(['PSU', 'CLIENT'])('per %s also for requests that arrive together, again and again', async (whose) => {
    const folder = mkdtempSync(join(tmpdir(), 'countersign-'));
    const crowded = await testEngine(
      { store: sqliteEventStore(join(folder, 'log.sqlite')) },
      { [`COUNTERSIGN_LIMITS_PENDING_REQUESTS_PER_${whose}`]: '3' },
    );
    const agent = new Agent({ keepAlive: true });
    try {
      const [one, two] = [await secretTpp(crowded), await secretTpp(crowded)];
      const together = (parameters: (n: number) => Form) =>
        Promise.all(Array.from({ length: 60 }, (_, n) => statusOver(agent, `${crowded.url}/oauth2/ciba`, parameters(n))));
      // They make the connections.
      await together(() => ({}));
      const asked = (n: number): Form =>
        whose === 'PSU' ? { ...(n % 2 === 0 ? one : two), ...request } : { ...one, ...request, login_hint: n % 2 === 0 ? 'alice' : 'bob' };
      const device = await testDevice(crowded, 'alice');
      for (const accepted of [3, 0]) {
        const statuses = await together(asked);
        expect([200, 403].map((status) => statuses.filter((each) => each === status).length)).toEqual([accepted, 60 - accepted]);
      }
      const waiting = (await crowded.log()).find(({ type, data }) => type === 'CibaRequestReceived' && data.includes('psu-alice'));
      await device.decide(String(waiting?.stream.replace('cibaRequest-', '')), 'denied');
      expect((await together(asked)).filter((status) => status === 200)).toHaveLength(1);
    } finally {
      agent.destroy();
      await crowded.close();
      rmSync(folder, { recursive: true });
    }
  });
});

/** The status of what a form is answered with, over the connections that an agent keeps. */
const statusOver = (agent: Agent, url: string, form: Form): Promise<number> =>
  new Promise((resolve, reject) => {
    const headers = { 'content-type': 'application/x-www-form-urlencoded' };
    const sent = sendRequest(url, { method: 'POST', agent, headers }, (response) =>
      response.resume().on('end', () => resolve(Number(response.statusCode))),
    );
    sent.on('error', reject).end(new URLSearchParams(form).toString());
  });
