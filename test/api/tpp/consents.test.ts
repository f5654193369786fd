import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { CIBA_GRANT } from '../../../src/domain/client/metadata.ts';
import { type StandingClock, standingClock } from '../../support/clock.ts';
import { type TestDevice, testDevice } from '../../support/device.ts';
import { type TestEngine, testEngine } from '../../support/engine.ts';
import { DESCRIPTION, expectRefusal, sendJson } from '../../support/http.ts';
import { ask, CONSENTS, certificate, lodge, ownToken, secretTpp, withCertificate } from '../../support/tpp.ts';

type Form = Record<string, string>;

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;
const MESSAGE = expect.stringMatching(DESCRIPTION);

let time: StandingClock;
let tested: TestEngine;
let auth: Form;
let phone: TestDevice;
let own: Form;
let consentId: string;

beforeAll(async () => {
  time = standingClock();
  tested = await testEngine({ clock: time.clock });
  auth = await secretTpp(tested);
  phone = await testDevice(tested, 'alice');
  own = bearer(await ownToken(tested, auth));
  consentId = await lodge(tested, auth);
});
afterAll(() => tested.close());

const bearer = (token: string): Form => ({ authorization: `Bearer ${token}` });
const inFuture = (seconds: number) => new Date((time.clock() + seconds) * 1000).toISOString();
const wanted = (data: object = {}) => ({ Data: { Permissions: ['ReadBalances'], ...data }, Risk: {} });
const post = (body: object | string, headers: Form = own) => sendJson(tested, 'POST', CONSENTS, body, headers);
const read = (id: string, headers: Form = own) => sendJson(tested, 'GET', `${CONSENTS}/${id}`, undefined, headers);
const remove = (id: string, headers: Form = own) => sendJson(tested, 'DELETE', `${CONSENTS}/${id}`, undefined, headers);
const statusOf = async (id: string) => ((await (await read(id)).json()) as { Data: { Status: string } }).Data.Status;

/** A refusal in the words of the Open Banking API. */
const refuses = (call: () => Promise<Response>, status = 400) =>
  expectRefusal(tested, call, status, '', {
    Code: expect.stringMatching(new RegExp(`^${status} \\w+$`)),
    Message: MESSAGE,
    Errors: [{ ErrorCode: expect.stringMatching(/^UK\.OBIE\.[\w.]+$/), Message: MESSAGE }],
  });

/** A refusal of the access token, in the words of RFC 6750. */
const refusesToken = async (call: () => Promise<Response>, status: 401 | 403, error: string) => {
  let challenge: string | null = null;
  const watched = async () => {
    const response = await call();
    challenge = response.headers.get('www-authenticate');
    return response;
  };
  await expectRefusal(tested, watched, status, error);
  expect(challenge).toMatch(new RegExp(`^Bearer error="${error}"`));
};

describe('a consent', () => {
  test('is lodged, read and deleted', async () => {
    const data = {
      Permissions: ['ReadAccountsDetail', 'ReadBalances', 'ReadTransactionsDetail', 'ReadTransactionsCredits', 'ReadBalances'],
      ExpirationDateTime: inFuture(3600),
      TransactionFromDateTime: '2025-01-01T00:00:00+02:00',
      TransactionToDateTime: '2026-01-01T00:00:00Z',
    };
    const lodged = await post(wanted(data));
    expect([lodged.status, lodged.headers.get('content-type'), lodged.headers.get('cache-control')]).toEqual([
      201,
      'application/json',
      'no-store',
    ]);
    const body = (await lodged.json()) as { Data: { ConsentId: string } };
    const { ConsentId } = body.Data;
    expect(body).toEqual({
      Data: {
        ...data,
        Permissions: data.Permissions.slice(0, 4),
        ConsentId: expect.stringMatching(UUID),
        Status: 'AwaitingAuthorisation',
        CreationDateTime: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00$/),
        StatusUpdateDateTime: expect.any(String),
      },
      Risk: {},
      Links: { Self: `${tested.url}${CONSENTS}/${ConsentId}` },
      Meta: {},
    });
    expect(await (await read(ConsentId)).json()).toEqual(body);
    expect((await remove(ConsentId)).status).toBe(204);
    expect(await statusOf(ConsentId)).toBe('Revoked');
  });

  test('shows how its request was answered', async () => {
    for (const [verdict, status] of [
      ['approved', 'Authorised'],
      ['denied', 'Rejected'],
    ] as const) {
      const id = await lodge(tested, auth);
      await phone.decide((await ask(tested, auth, { openbanking_intent_id: id })).requestId, verdict);
      expect(await statusOf(id)).toBe(status);
    }
  });

  test('is not deleted a second time, nor once it was rejected', async () => {
    const id = await lodge(tested, auth);
    await remove(id);
    await refuses(() => remove(id));
    const rejected = await lodge(tested, auth);
    await phone.decide((await ask(tested, auth, { openbanking_intent_id: rejected })).requestId, 'denied');
    await refuses(() => remove(rejected));
  });
});

describe('a consent is refused', () => {
  test.each<[string, () => object | string]>([
    ['with an unknown permission', () => wanted({ Permissions: ['ReadBalances', 'ReadEverything'] })],
    ['without a permission', () => wanted({ Permissions: [] })],
    ['without Permissions', () => wanted({ Permissions: undefined })],
    ['with a permission that is no text', () => wanted({ Permissions: [{}] })],
    ['with Permissions that are no list', () => wanted({ Permissions: 'ReadBalances' })],
    ['with more permissions than there are', () => wanted({ Permissions: Array(22).fill('ReadBalances') })],
    ['that has expired', () => wanted({ ExpirationDateTime: inFuture(-1) })],
    ['that expires now', () => wanted({ ExpirationDateTime: inFuture(0) })],
    ['that expires on no day', () => wanted({ ExpirationDateTime: '2030-02-30T00:00:00Z' })],
    ['that expires at no time', () => wanted({ ExpirationDateTime: 'tomorrow' })],
    ['that expires at no known place', () => wanted({ ExpirationDateTime: '2030-01-01T00:00:00' })],
    ['with a member too many', () => ({ ...wanted(), Extra: 1 })],
    ['with a member too many in Data', () => wanted({ Status: 'Authorised' })],
    ['with a member too many in Risk', () => ({ ...wanted(), Risk: { PaymentContextCode: 'Other' } })],
    ['with __proto__', () => '{"__proto__":{"polluted":1},"Data":{"Permissions":["ReadBalances"]},"Risk":{}}'],
    ['with constructor', () => '{"constructor":{"prototype":{"polluted":1}},"Data":{"Permissions":["ReadBalances"]},"Risk":{}}'],
    ['without Risk', () => ({ Data: wanted().Data })],
    ['without Data', () => ({ Risk: {} })],
    ['that is empty', () => ''],
    ['that is a list', () => []],
    ['that is null', () => 'null'],
    ['that is a text', () => '"consent"'],
    ['that is no JSON', () => '{"Data":'],
    ['that is JSON and more', () => `${JSON.stringify(wanted())}x`],
    ['that is very deep', () => '['.repeat(30_000)],
  ])('%s', async (_name, body) => {
    await refuses(() => post(body()));
    expect(({} as Record<string, unknown>)['polluted']).toBeUndefined();
  });

  test.each<[string, Form]>([
    ['as text', { 'content-type': 'text/plain' }],
    ['as a form', { 'content-type': 'application/x-www-form-urlencoded' }],
    ['in an unknown charset', { 'content-type': 'application/json; charset=klingon' }],
    ['in UTF-16', { 'content-type': 'application/json; charset=utf-16' }],
    ['in an unknown encoding', { 'content-encoding': 'klingon' }],
    ['in an encoding that it does not have', { 'content-encoding': 'gzip' }],
  ])('that is sent %s', (_name, headers) => refuses(() => post(wanted(), { ...own, ...headers })));

  const padded = () => JSON.stringify({ ...wanted(), Padding: 'x'.repeat(65_536) });
  test('that is too large', () => refuses(() => post(padded()), 413));
  test('that is compressed: it is not unpacked', () =>
    refuses(() =>
      fetch(tested.url + CONSENTS, {
        method: 'POST',
        headers: { ...own, 'content-type': 'application/json', 'content-encoding': 'gzip' },
        body: gzipSync(JSON.stringify(wanted())),
      }),
    ));
});

describe('what is not there', () => {
  test.each<[string, () => string | Promise<string>]>([
    ['an unknown consent', () => tested.ports.ids.uuid()],
    ['a consent of another client', async () => lodge(tested, await secretTpp(tested))],
    ['a consent of a request alone', async () => scopeConsent()],
    ['no id at all', () => '%00'],
  ])('%s can be neither read nor deleted, in the same words', async (_name, id) => {
    const given = await id();
    const unknown = await refuses(() => read(tested.ports.ids.uuid()));
    expect([await refuses(() => read(given)), await refuses(() => remove(given))]).toEqual([unknown, unknown]);
  });

  const scopeConsent = async () => {
    await phone.decide((await ask(tested, auth)).requestId, 'approved');
    const authorised = (await tested.log()).findLast(({ type }) => type === 'ConsentAuthorised');
    return String(authorised?.stream.slice('consent-'.length));
  };

  test.each(['PUT', 'PATCH', 'OPTIONS'])('%s of a consent', async (method) => {
    await refuses(() => sendJson(tested, method, `${CONSENTS}/${consentId}`, wanted(), own), 405);
    const { headers } = await sendJson(tested, method, `${CONSENTS}/${consentId}`, wanted(), own);
    expect(headers.get('allow')).toBe('GET, HEAD, DELETE');
  });

  test.each(['GET', 'PUT', 'PATCH', 'DELETE'])('%s of all consents', async (method) => {
    await refuses(() => sendJson(tested, method, CONSENTS, undefined, own), 405);
    expect((await sendJson(tested, method, CONSENTS, undefined, own)).headers.get('allow')).toBe('POST');
  });
});

describe('an access token is refused', () => {
  const tokensOfPsu = async () => {
    const { authReqId, requestId } = await ask(tested, auth);
    await phone.decide(requestId, 'approved');
    return (await tested.post('/oauth2/token', { ...auth, grant_type: CIBA_GRANT, auth_req_id: authReqId })).body;
  };
  const narrowToken = async () =>
    String((await tested.post('/oauth2/token', { ...auth, grant_type: 'client_credentials', scope: 'openid' })).body['access_token']);
  const oldToken = async () => {
    const token = await ownToken(tested, auth);
    time.pass(3600);
    own = bearer(await ownToken(tested, auth));
    return token;
  };
  const tokenOfDisabled = async () => {
    const leaving = await secretTpp(tested);
    const token = await ownToken(tested, leaving);
    await tested.disable(leaving.client_id);
    return token;
  };
  const bound = async () => {
    const client = await secretTpp(tested, { tls_client_certificate_bound_access_tokens: true });
    return ownToken(tested, client, withCertificate(certificate({ thumbprint: 'own' })));
  };

  test.each<[string, 401 | 403, string, () => Form | Promise<Form>]>([
    ['that is missing', 401, 'invalid_token', () => ({})],
    ['that is unknown', 401, 'invalid_token', () => bearer('unknown')],
    ['under another scheme', 401, 'invalid_token', () => ({ authorization: `Token ${own['authorization']?.slice(7)}` })],
    ['that is a client_secret', 401, 'invalid_token', () => ({ authorization: `Basic ${btoa(`${auth['client_id']}:s3cret`)}` })],
    ['that is a refresh token', 401, 'invalid_token', async () => bearer(String((await tokensOfPsu())['refresh_token']))],
    ['that has expired', 401, 'invalid_token', async () => bearer(await oldToken())],
    ['of a disabled client', 401, 'invalid_token', async () => bearer(await tokenOfDisabled())],
    ['that is bound to a certificate, without one', 401, 'invalid_token', async () => bearer(await bound())],
    [
      'that is bound to another certificate',
      401,
      'invalid_token',
      async () => ({ ...bearer(await bound()), ...withCertificate(certificate({ thumbprint: 'foreign' })) }),
    ],
    ['of a PSU', 403, 'insufficient_scope', async () => bearer(String((await tokensOfPsu())['access_token']))],
    ['without the scope', 403, 'insufficient_scope', async () => bearer(await narrowToken())],
  ])('%s', async (_name, status, error, headers) => {
    const given = await headers();
    await refusesToken(() => post(wanted(), given), status, error);
    await refusesToken(() => read(consentId, given), status, error);
    await refusesToken(() => remove(consentId, given), status, error);
  });

  test('in the query', async () => {
    const token = own['authorization']?.slice(7);
    await refusesToken(() => sendJson(tested, 'GET', `${CONSENTS}/${consentId}?access_token=${token}`), 401, 'invalid_token');
  });

  test('but not for its scheme in lower case, nor with the certificate it is bound to', async () => {
    expect((await read(consentId, { authorization: `bearer ${own['authorization']?.slice(7)}` })).status).toBe(200);
    const given = { ...bearer(await bound()), ...withCertificate(certificate({ thumbprint: 'own' })) };
    expect((await post(wanted(), given)).status).toBe(201);
  });
});

describe('x-fapi-interaction-id', () => {
  const id = '93BAC548-d2de-4546-b106-880a5018460d';
  const idOf = (response: Response) => response.headers.get('x-fapi-interaction-id');

  test('comes back with every answer', async () => {
    const headers = { ...own, 'x-fapi-interaction-id': id };
    const answers = [
      post(wanted(), headers),
      post({}, headers),
      read(consentId, headers),
      read('unknown', headers),
      read(consentId, { 'x-fapi-interaction-id': id }),
    ];
    expect((await Promise.all(answers)).map(idOf)).toEqual(answers.map(() => id));
  });

  test.each(['93bac548d2de4546b106880a5018460d', 'TPP_7.interaction-1', 'x'.repeat(128)])('may be any token: %s', async (given) =>
    expect(idOf(await read(consentId, { ...own, 'x-fapi-interaction-id': given }))).toBe(given),
  );

  test.each([undefined, 'two words', '<script>', 'a, b', 'x'.repeat(129)])('is a fresh one when the call has %s', async (given) => {
    const ask = () => read(consentId, { ...own, ...(given !== undefined && { 'x-fapi-interaction-id': given }) });
    const [one, two] = [idOf(await ask()), idOf(await ask())];
    expect([one, two]).toEqual([expect.stringMatching(UUID), expect.stringMatching(UUID)]);
    expect(one).not.toBe(two);
  });

  test('may come with the other headers of the profile', async () => {
    const headers = {
      'x-fapi-auth-date': 'Sun, 10 Sep 2017 19:43:31 UTC',
      'x-fapi-customer-ip-address': '2001:db8::1',
      'x-fapi-financial-id': 'bank',
      accept: 'application/json, application/*+json, */*',
      'accept-charset': 'utf-8',
    };
    expect((await read(consentId, { ...own, ...headers })).status).toBe(200);
  });
});
