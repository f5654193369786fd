import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { type StandingClock, standingClock } from '../../support/clock.ts';
import { testDevice } from '../../support/device.ts';
import { people, type TestEngine, testEngine } from '../../support/engine.ts';
import { expectRefusal, sendForm } from '../../support/http.ts';
import { corrupted, signJws, testKey } from '../../support/jws.ts';
import { ask, type SigningTpp, secretTpp, signingTpp } from '../../support/tpp.ts';

const DAY = 86_400;

let time: StandingClock;
let tested: TestEngine;
let tpp: SigningTpp;
beforeAll(async () => {
  time = standingClock();
  tested = await testEngine({ clock: time.clock }, { COUNTERSIGN_LIMITS_PENDING_REQUESTS_PER_PSU: '1000000' });
  tpp = await signingTpp(tested);
});
afterAll(() => tested.close());

const claims = (more: object) => ({ iss: tpp.clientId, aud: tested.url, iat: time.clock(), exp: time.clock() + 60, ...more });
/** A token of the client. */
const own = (more: object = { login_hint: 'alice' }, header: object = {}, key = tpp.key) => signJws(key, claims(more), header);
/** A token of this ASPSP. */
const ours = (more: object, typ = 'JWT') => tested.ports.signer.sign('ES256', typ, claims({ iss: tested.url, ...more }));
const send = async (login_hint_token: string) =>
  sendForm(tested, '/oauth2/ciba', { ...(await tpp.authentication()), scope: 'openid', login_hint_token });
const refuses = async (token: string | Promise<string>, error = 'invalid_request') => {
  const given = await token;
  return expectRefusal(tested, () => send(given), 400, error);
};
const psuOf = async (token: string | Promise<string>): Promise<unknown> => {
  const response = await send(await token);
  expect([response.status, await response.text()]).toEqual([200, expect.stringContaining('auth_req_id')]);
  const received = (await tested.log()).findLast(({ type }) => type === 'CibaRequestReceived');
  return JSON.parse(received?.data ?? '{}').psuId;
};

describe('a login_hint_token names the PSU', () => {
  test.each<[string, object]>([
    ['login_hint', { login_hint: 'bob' }],
    ['an opaque sub_id', { sub_id: { format: 'opaque', id: 'bob' } }],
    ['an email', { sub_id: { format: 'email', email: 'bob' } }],
    ['a phone number', { sub_id: { format: 'phone_number', phone_number: 'bob' } }],
  ])('by %s, signed by the client or by us', async (_name, naming) => {
    expect(await psuOf(own(naming))).toBe('psu-bob');
    expect(await psuOf(ours(naming))).toBe('psu-bob');
  });

  test('by the sub of our own tokens', async () =>
    expect(await psuOf(own({ sub_id: { format: 'iss_sub', iss: tested.url, sub: 'psu-bob' } }))).toBe('psu-bob'));

  test('with a typ and without one, and for others too', async () => {
    expect(await psuOf(own({ login_hint: 'bob' }, { typ: 'JWT' }))).toBe('psu-bob');
    expect(await psuOf(own({ login_hint: 'bob', aud: ['https://elsewhere.example', tested.url] }))).toBe('psu-bob');
  });
});

describe('a login_hint_token is refused', () => {
  test('as expired when its time is over, and only when it is genuine', async () => {
    await refuses(own({ login_hint: 'alice', iat: time.clock() - 120, exp: time.clock() }), 'expired_login_hint_token');
    await refuses(ours({ login_hint: 'alice', iat: time.clock() - 120, exp: time.clock() }), 'expired_login_hint_token');
    await refuses(corrupted(await own({ login_hint: 'alice', iat: time.clock() - 120, exp: time.clock() })));
  });

  test.each<[string, object]>([
    ['nobody', { login_hint: 'carol' }],
    ['nobody by an opaque id', { sub_id: { format: 'opaque', id: 'carol' } }],
    ['nobody by our sub', { sub_id: { format: 'iss_sub', iss: 'https://elsewhere.example', sub: 'psu-alice' } }],
  ])('as unknown_user_id when it names %s', (_name, naming) => refuses(own(naming), 'unknown_user_id'));

  test('the second time, when it has a jti', async () => {
    const token = await own({ login_hint: 'alice', jti: randomUUID() });
    await psuOf(token);
    await refuses(token);
  });

  test('once of many at once', async () => {
    const token = await own({ login_hint: 'alice', jti: randomUUID() });
    const statuses = (await Promise.all(Array.from({ length: 8 }, () => send(token)))).map(({ status }) => status);
    expect(statuses.filter((status) => status === 200)).toHaveLength(1);
  });

  test.each<[string, Record<string, string>, string, number]>([
    ['a wrong user_code', { user_code: '1' }, 'invalid_user_code', 400],
    ['a full list', {}, 'access_denied', 403],
    ['nothing to supersede', { supersedes: 'x' }, 'invalid_request', 400],
    ['an intent that nobody lodged', { openbanking_intent_id: 'x' }, 'invalid_request', 400],
  ])('and not used up by a request that is refused for %s', async (_name, parameters, error, status) => {
    const directory = { ...people, hasUserCode: async () => true, userCodeFits: async (_psuId: string, code: string) => code === '1234' };
    const small = await testEngine({ directory }, { COUNTERSIGN_LIMITS_PENDING_REQUESTS_PER_PSU: '1' });
    const client = await signingTpp(small, { backchannel_user_code_parameter: true });
    const at = small.ports.clock();
    const named = { iss: client.clientId, aud: small.url, iat: at, exp: at + 60, login_hint: 'alice', jti: randomUUID() };
    const form = { scope: 'openid', login_hint_token: await signJws(client.key, named), user_code: '1234' };
    const call = async (more: object) => sendForm(small, '/oauth2/ciba', { ...(await client.authentication()), ...form, ...more });
    const full = error === 'access_denied';
    const other = full ? await ask(small, await secretTpp(small)) : null;
    await expectRefusal(small, () => call(parameters), status, error);
    if (other !== null) await (await testDevice(small, 'alice')).decide(other.requestId, 'denied');
    expect((await call({})).status).toBe(200);
    await small.close();
  });

  test.each<[string, () => string | Promise<string>]>([
    ['garbage', () => 'x'],
    ['with a corrupted signature', async () => corrupted(await own())],
    ['by another key', () => own({ login_hint: 'alice' }, {}, testKey('ES256'))],
    ['by another key of another type', () => own({ login_hint: 'alice' }, {}, testKey('EdDSA'))],
    ['of another client', () => own({ login_hint: 'alice', iss: 'other' })],
    ['in our name by the client', () => own({ login_hint: 'alice', iss: tested.url })],
    ['for another issuer', () => own({ login_hint: 'alice', aud: 'https://elsewhere.example' })],
    ['for the client', () => ours({ login_hint: 'alice', aud: tpp.clientId })],
    ['that names the PSU twice', () => own({ login_hint: 'alice', sub_id: { format: 'opaque', id: 'alice' } })],
    ['that names nobody', () => own({})],
    ['that names a list', () => own({ login_hint: ['alice'] })],
    ['of an unknown format', () => own({ sub_id: { format: 'did', url: 'alice' } })],
    ['without exp', () => own({ login_hint: 'alice', exp: undefined })],
    ['without iat', () => own({ login_hint: 'alice', iat: undefined })],
    ['of the future', () => own({ login_hint: 'alice', iat: time.clock() + 120, exp: time.clock() + 180 })],
    ['that lives for months', () => own({ login_hint: 'alice', exp: time.clock() + 91 * DAY })],
    ['that is a request object', () => tpp.requestObject({ login_hint: 'alice' })],
    ['that is a client assertion', () => tpp.assertion()],
    ['of another typ', () => own({ login_hint: 'alice' }, { typ: 'at+jwt' })],
    ['of ours of another typ', () => ours({ login_hint: 'alice' }, 'at+jwt')],
    ['that is an ID token', () => ours({ sub: 'psu-alice', aud: tpp.clientId })],
  ])('%s', (_name, token) => refuses(token()));
});
