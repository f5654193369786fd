import { createHash } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { createLocalJWKSet, type JSONWebKeySet, jwtVerify } from 'jose';
import { issueClientCertificate } from '../../src/adapters/tls/certificates.ts';
import { CONSENTS } from '../support/tpp.ts';
import { good, registerTpp, type Tpp } from './support/tpp.ts';
import { type Answer, expectError, openWire, partsOf, shannonBits, type Wire } from './support/wire.ts';

let wire: Wire;
let tpp: Tpp;
let other: Tpp;
beforeAll(async () => {
  wire = await openWire({ COUNTERSIGN_CIBA_INTERVAL_SECONDS: '5' });
  tpp = await registerTpp(wire);
  other = await registerTpp(wire);
});
afterAll(() => wire.close());

const asked = async (client = tpp, claims = {}): Promise<string> => good(await client.asks(claims)).body['auth_req_id'];
const waits = (answer: Answer) => expectError(answer, [400, 'authorization_pending'], [400, 'slow_down']);
const leftHalf = (text: string) => createHash('sha256').update(text).digest().subarray(0, 16).toString('base64url');

describe('while the PSU has not answered', () => {
  test('R48 the client is told to wait, from the first call on', async () => {
    const ping = await registerTpp(wire, {
      backchannel_token_delivery_mode: 'ping',
      backchannel_client_notification_endpoint: 'https://tpp.example/ping',
    });
    expectError(await tpp.poll(await asked()), [400, 'authorization_pending']);
    expectError(await ping.poll(await asked(ping, { client_notification_token: 'token' })), [400, 'authorization_pending']);
  });

  test('R49 twenty calls at once are all told to wait or to slow down', async () => {
    const authReqId = await asked();
    const answers = await Promise.all(Array.from({ length: 20 }, () => tpp.poll(authReqId)));
    answers.forEach(waits);
    for (let n = 0; n < 20; n += 1) waits(await tpp.poll(authReqId));
  });

  test('R50 slow_down costs five seconds, and who waits gets through', async () => {
    const authReqId = await asked();
    expectError(await tpp.poll(authReqId), [400, 'authorization_pending']);
    expectError(await tpp.poll(authReqId), [400, 'slow_down']);
    const { interval } = good(await tpp.asks()).body;
    expect(interval).toBe(5);
    await wire.answer(authReqId, 'approved');
    expect((await tpp.poll(authReqId)).status).toBe(200);
  });

  test('R51 a long poll comes back before its request ends', async () => {
    const authReqId = await asked(tpp, { requested_expiry: 3 });
    const before = Date.now();
    waits(await tpp.poll(authReqId));
    expect(Date.now() - before).toBeLessThan(1000);
    waits(await tpp.poll(authReqId, { headers: { prefer: 'wait=30' } }));
    expect(Date.now() - before).toBeLessThan(3000);
  });

  test('R55 without a certificate nothing is said of it', async () => {
    const authReqId = await asked();
    for (const listener of ['plain', 'mtls'] as const)
      expectError(
        await tpp.poll(authReqId, { identity: null, listener }),
        [400, 'invalid_request'],
        [400, 'invalid_grant'],
        [401, 'invalid_client'],
        [400, 'invalid_client'],
      );
    const mtls = await registerTpp(wire, { token_endpoint_auth_method: 'tls_client_auth' });
    expectError(await mtls.poll(await asked(mtls), { identity: null }), [400, 'invalid_request'], [401, 'invalid_client']);
  });
});

describe('at the end', () => {
  test('R52 a refusal is access_denied', async () => {
    const authReqId = await asked();
    await wire.answer(authReqId, 'denied');
    expectError(await tpp.poll(authReqId), [400, 'access_denied']);
    expectError(await tpp.poll(authReqId), [400, 'access_denied']);
  });

  test('R53 an expired request is expired_token, and stays so', async () => {
    const authReqId = await asked(tpp, { requested_expiry: 10 });
    for (const seconds of [10, 11, 21, 120]) expectError(await wire.later(seconds, () => tpp.poll(authReqId)), [400, 'expired_token']);
  });

  test('R54 an id of another client, or used, or none at all, is invalid_grant', async () => {
    const { authReqId } = await tpp.ceremony();
    expectError(await tpp.poll(authReqId), [400, 'invalid_grant']);
    expectError(await other.poll(await asked()), [400, 'invalid_grant']);
    expectError(await tpp.poll('A'.repeat(43)), [400, 'invalid_grant']);
  });
});

describe('the tokens', () => {
  let authReqId: string;
  let tokens: Answer;
  beforeAll(async () => {
    ({ authReqId, tokens } = await tpp.ceremony());
  });

  test('R56 come with their type, their life and an ID token, and are not cached', () => {
    expect(tokens.status).toBe(200);
    expect(tokens.headers).toMatchObject({ 'cache-control': 'no-store', 'content-type': expect.stringMatching(/^application\/json/) });
    expect(tokens.body).toMatchObject({ access_token: expect.any(String), token_type: 'Bearer', id_token: expect.any(String) });
    expect(tokens.body['expires_in']).toBeGreaterThanOrEqual(1);
    expect(tokens.body['expires_in']).toBeLessThanOrEqual(31_536_000);
  });

  test('R57 are printable and cannot be guessed', () => {
    for (const name of ['access_token', 'refresh_token']) {
      expect(tokens.body[name]).toMatch(/^[\x20-\x7e]{16,}$/);
      expect(shannonBits(tokens.body[name])).toBeGreaterThan(96);
    }
  });

  test.each(['ES256', 'PS256'] as const)('R58 an ID token with %s verifies by the key set', async (alg) => {
    const client = await registerTpp(wire, { id_token_signed_response_alg: alg });
    const { body } = (await client.ceremony()).tokens;
    const jwks = (await wire.send(wire.metadata['jwks_uri'])).body as unknown as JSONWebKeySet;
    const { payload, protectedHeader } = await jwtVerify(body['id_token'], createLocalJWKSet(jwks), {
      issuer: wire.issuer,
      audience: client.clientId,
      algorithms: [alg],
    });
    expect(protectedHeader.kid).toEqual(expect.any(String));
    expect(jwks.keys.map(({ kid }) => kid)).toContain(protectedHeader.kid);
    expect(payload.sub).toMatch(/^[\x20-\x7e]{1,255}$/);
    const at = wire.now();
    expect(Math.abs((payload.iat ?? 0) - at)).toBeLessThan(300);
    expect(payload.exp).toBeGreaterThan(at);
    expect(payload['auth_time']).toBeLessThanOrEqual(at);
    expect(payload['acr']).toMatch(/./);
    expect(['nonce', 'c_hash', 's_hash'].filter((claim) => claim in payload)).toEqual([]);
  });

  test('R59 and their hashes in the ID token are right', () => {
    const { claims } = partsOf(tokens.body['id_token']);
    expect(claims['at_hash']).toBe(leftHalf(tokens.body['access_token']));
    expect(claims['urn:openid:params:jwt:claim:rt_hash']).toBe(leftHalf(tokens.body['refresh_token']));
    expect(claims['urn:openid:params:jwt:claim:auth_req_id']).toBe(authReqId);
  });

  test('R60 and the claims of the ID token have their types', () => {
    const { claims } = partsOf(tokens.body['id_token']);
    for (const claim of ['iat', 'exp', 'auth_time']) expect(Number.isInteger(claims[claim])).toBe(true);
    for (const value of Object.values(claims)) expect(value).not.toBe('');
    const STRINGS = ['name', 'given_name', 'family_name', 'email', 'birthdate', 'zoneinfo', 'locale', 'phone_number'];
    expect(STRINGS.filter((claim) => claim in claims && typeof claims[claim] !== 'string')).toEqual([]);
    for (const claim of ['email_verified', 'phone_number_verified']) expect(['undefined', 'boolean']).toContain(typeof claims[claim]);
  });

  test('R61 are refreshed, with scope and without', async () => {
    let token: string = tokens.body['refresh_token'];
    const before = partsOf(tokens.body['id_token']).claims;
    for (const more of [{}, { scope: 'openid accounts' }]) {
      const answer = good(await tpp.token({ grant_type: 'refresh_token', refresh_token: token, ...more }));
      expect(answer.headers['cache-control']).toBe('no-store');
      expect(answer.body).toMatchObject({ token_type: 'Bearer', access_token: expect.any(String), expires_in: expect.any(Number) });
      expect(answer.body['access_token']).not.toBe(tokens.body['access_token']);
      expect(shannonBits(answer.body['access_token'])).toBeGreaterThan(96);
      token = answer.body['refresh_token'] ?? token;
      if (answer.body['id_token'] === undefined) continue;
      const { iss, sub, aud, azp, auth_time } = partsOf(answer.body['id_token']).claims;
      expect({ iss, sub, aud, azp, auth_time }).toEqual({
        ...{ iss: before['iss'], sub: before['sub'], aud: before['aud'] },
        ...{ azp: before['azp'], auth_time: before['auth_time'] },
      });
    }
  });

  test('R62 are not refreshed for another client', async () =>
    expectError(await other.token({ grant_type: 'refresh_token', refresh_token: tokens.body['refresh_token'] }), [400, 'invalid_grant']));
});

describe('at a resource', () => {
  const consents = () => `${wire.endpoint('token_endpoint').replace('/oauth2/token', '')}${CONSENTS}`;
  const lodge = (token: string, headers: Record<string, string> = {}, data: object = {}, identity = tpp.identity) =>
    wire.send(consents(), {
      json: { Data: { Permissions: ['ReadAccountsDetail', 'ReadBalances'], ...data }, Risk: {} },
      headers: { authorization: `Bearer ${token}`, ...headers },
      identity,
    });

  test('R67 a token that is bound to another certificate is refused', async () => {
    const stranger = await issueClientCertificate(wire.authority, { commonName: 'stranger' }, wire.now());
    const token = await tpp.own();
    for (const identity of [stranger, null]) {
      const { status, headers } = await lodge(token, {}, {}, identity);
      expect(status).toBe(401);
      expect(headers['www-authenticate']).toMatch(/error="invalid_token"/);
    }
    expect((await lodge(token)).status).toBe(201);
  });

  test('R68 the answer is JSON, with the date', async () => {
    const { status, headers } = await lodge(await tpp.own());
    expect(status).toBe(201);
    expect(headers['content-type']).toMatch(/^application\/json(; ?charset=utf-8)?$/i);
    expect(Math.abs(Date.parse(headers.date ?? '') - Date.now())).toBeLessThan(300_000);
  });

  test('R69 the interaction id is echoed, or made', async () => {
    const token = await tpp.own();
    const id = crypto.randomUUID();
    expect((await lodge(token, { 'x-fapi-interaction-id': id })).headers['x-fapi-interaction-id']).toBe(id);
    expect((await lodge(token)).headers['x-fapi-interaction-id']).toMatch(/^[\da-f]{8}(-[\da-f]{4}){3}-[\da-f]{12}$/);
  });

  test('R70 a token in the query is none', async () => {
    const { status } = await wire.send(`${consents()}/x?access_token=${await tpp.own()}`, { identity: tpp.identity });
    expect([400, 401, 414]).toContain(status);
  });

  test('R71 further headers do no harm, and the scheme has no case', async () => {
    const token = await tpp.own();
    const ACCEPT = ['application/json;charset=UTF-8', 'application/json, application/*+json, */*'];
    for (const accept of ACCEPT)
      expect(
        (
          await lodge(token, {
            accept,
            authorization: `bEARER ${token}`,
            'accept-charset': 'utf-8',
            'x-fapi-auth-date': new Date().toUTCString(),
            'x-fapi-customer-ip-address': '2001:db8::1893:def4',
            'x-fapi-financial-id': 'bank',
          })
        ).status,
      ).toBe(201);
  });

  test('R75 an account access consent is lodged with a token of the client', async () => {
    const day = (n: number) => new Date(Date.now() + n * 86_400_000).toISOString();
    const data = { ExpirationDateTime: day(30), TransactionFromDateTime: day(-30), TransactionToDateTime: day(0) };
    const lodged = await lodge(await tpp.own(), {}, data);
    expect(lodged.status).toBe(201);
    expect(lodged.headers['x-fapi-interaction-id']).toEqual(expect.any(String));
    expect(lodged.body['Data']).toMatchObject({ ConsentId: expect.any(String), Status: 'AwaitingAuthorisation', ...data });
    const { tokens } = await tpp.ceremony({ openbanking_intent_id: lodged.body['Data'].ConsentId });
    expect(partsOf(tokens.body['id_token']).claims['openbanking_intent_id']).toBe(lodged.body['Data'].ConsentId);
  });
});
