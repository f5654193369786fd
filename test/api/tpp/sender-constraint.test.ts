import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { decodeJwt } from 'jose';
import { jwsReader } from '../../../src/adapters/jose/jws-reader.ts';
import { requestIdOf } from '../../../src/domain/ciba-request/id.ts';
import { CIBA_GRANT } from '../../../src/domain/client/metadata.ts';
import { type StandingClock, standingClock } from '../../support/clock.ts';
import { type TestDevice, testDevice } from '../../support/device.ts';
import { dpopProof } from '../../support/dpop.ts';
import { type TestEngine, testEngine } from '../../support/engine.ts';
import { expectRefusal, sendForm, sendJson } from '../../support/http.ts';
import { type TestKey, testKey } from '../../support/jws.ts';
import { ask as askPlainly, CONSENTS, certificate, type SigningTpp, secretTpp, signingTpp, withCertificate } from '../../support/tpp.ts';

type Form = Record<string, string>;
type Tokens = { access_token: string; refresh_token: string; token_type: string };

const TOKEN = '/oauth2/token';
const CIBA = '/oauth2/ciba';

let time: StandingClock;
let tested: TestEngine;
let phone: TestDevice;
/** A FAPI 2 client whose tokens are bound by DPoP. */
let tpp: SigningTpp;
let certified: SigningTpp;
let plain: Form;
let key: TestKey;
let otherKey: TestKey;

beforeAll(async () => {
  time = standingClock();
  tested = await testEngine({ clock: time.clock, nowMs: time.nowMs }, { COUNTERSIGN_LIMITS_PENDING_REQUESTS_PER_PSU: '1000000' });
  phone = await testDevice(tested, 'alice');
  const fapi2 = { profile: 'fapi2', scope: 'openid accounts' } as const;
  tpp = await signingTpp(tested, { ...fapi2, dpop_bound_access_tokens: true });
  certified = await signingTpp(tested, { ...fapi2, tls_client_certificate_bound_access_tokens: true });
  plain = await secretTpp(tested);
  [key, otherKey] = [testKey('ES256'), testKey('EdDSA')];
});
afterAll(() => tested.close());

const jktOf = ({ publicJwk }: TestKey) => jwsReader.publicKey(publicJwk).thumbprint;
const proofs = async (path: string, by: TestKey | null): Promise<Form> => (by === null ? {} : { dpop: await dpopProof(tested, by, path) });
/** A call at the token endpoint, with a proof by the key if one is given. */
const fetchTokens = async (form: Form, by: TestKey | null, client = tpp, headers: Form = {}) =>
  sendForm(tested, TOKEN, { ...(await client.authentication()), ...form }, { ...(await proofs(TOKEN, by)), ...headers });
const refuses = (call: () => Promise<Response>, error: string, status = 400) => expectRefusal(tested, call, status, error);
const bodyOf = async <T = Tokens>(response: Promise<Response>): Promise<T> => {
  const { status } = await response;
  const body = (await (await response).json()) as T;
  if (status !== 200) throw new Error(`${status} ${JSON.stringify(body)}`);
  return body;
};
const ask = async (client: SigningTpp, headers: Form) => {
  const form = { ...(await client.authentication()), request: await client.requestObject() };
  const { auth_req_id } = await bodyOf<{ auth_req_id: string }>(sendForm(tested, CIBA, form, headers));
  return auth_req_id;
};
const approve = async (authReqId: string) => phone.decide(requestIdOf(authReqId, tested.ports.ids), 'approved');
const approved = async (headers: Form, client = tpp) => {
  const authReqId = await ask(client, headers);
  await approve(authReqId);
  return authReqId;
};
const introspect = async (token: string, client = tpp) =>
  bodyOf<Record<string, unknown>>(sendForm(tested, '/oauth2/introspect', { ...(await client.authentication()), token }));
const poll = (authReqId: string, by: TestKey | null) => fetchTokens({ grant_type: CIBA_GRANT, auth_req_id: authReqId }, by);
const refresh = (token: string, by: TestKey | null) => fetchTokens({ grant_type: 'refresh_token', refresh_token: token }, by);
const own = { grant_type: 'client_credentials', scope: 'accounts' };

describe('a DPoP proof at the token endpoint', () => {
  test('binds a token of the client, which says so everywhere', async () => {
    const tokens = await bodyOf(fetchTokens(own, key));
    const cnf = { jkt: jktOf(key) };
    expect(tokens.token_type).toBe('DPoP');
    expect(decodeJwt(tokens.access_token)['cnf']).toEqual(cnf);
    expect(await introspect(tokens.access_token)).toMatchObject({ active: true, token_type: 'DPoP', cnf });
  });

  test('binds tokens of a PSU', async () => {
    const tokens = await bodyOf(poll(await approved({}), key));
    expect(tokens.token_type).toBe('DPoP');
    expect(await introspect(tokens.access_token)).toMatchObject({ token_type: 'DPoP', cnf: { jkt: jktOf(key) } });
  });

  test('binds tokens of a client that need not be bound', async () => {
    const form = { ...plain, ...own };
    const bound = await bodyOf(sendForm(tested, TOKEN, form, await proofs(TOKEN, key)));
    const bearer = await bodyOf(sendForm(tested, TOKEN, form));
    expect([bound.token_type, bearer.token_type]).toEqual(['DPoP', 'Bearer']);
    expect(decodeJwt(bearer.access_token)).not.toHaveProperty('cnf');
  });

  test('binds a token beside the certificate', async () => {
    const headers = withCertificate(certificate({ thumbprint: 'own' }));
    const tokens = await bodyOf(fetchTokens(own, key, certified, headers));
    expect(decodeJwt(tokens.access_token)['cnf']).toEqual({ 'x5t#S256': 'own', jkt: jktOf(key) });
  });

  test('is refused when it is another call’s, and a second time', async () => {
    const authentication = () => tpp.authentication();
    const send = async (dpop: string) => sendForm(tested, TOKEN, { ...(await authentication()), ...own }, { dpop });
    await refuses(async () => send(await dpopProof(tested, key, CIBA)), 'invalid_dpop_proof');
    await refuses(async () => send(await dpopProof(tested, key, TOKEN, { iat: time.clock() - 3600 })), 'invalid_dpop_proof');
    await refuses(() => send('no proof'), 'invalid_dpop_proof');
    const once = await dpopProof(tested, key, TOKEN);
    expect((await send(once)).status).toBe(200);
    await refuses(() => send(once), 'invalid_dpop_proof');
  });

  test('is not looked at before the client is known', async () => {
    const dpop = await dpopProof(tested, key, TOKEN);
    const stranger = { client_id: plain['client_id'] as string, client_secret: 'wrong', ...own };
    await refuses(() => sendForm(tested, TOKEN, stranger, { dpop }), 'invalid_client', 401);
    expect((await sendForm(tested, TOKEN, { ...plain, ...own }, { dpop })).status).toBe(200);
  });
});

describe('a client whose tokens are bound', () => {
  test('by DPoP sends a proof', async () => {
    await refuses(() => fetchTokens(own, null), 'invalid_dpop_proof');
    await refuses(() => fetchTokens({ grant_type: CIBA_GRANT, auth_req_id: 'x' }, null), 'invalid_dpop_proof');
    await refuses(() => fetchTokens({ grant_type: 'refresh_token', refresh_token: 'x' }, null), 'invalid_dpop_proof');
  });

  test('to a certificate shows it; a proof does not stand for it', async () => {
    await refuses(() => fetchTokens(own, null, certified), 'invalid_request');
    await refuses(() => fetchTokens(own, key, certified), 'invalid_request');
  });
});

describe('auth_req_id', () => {
  let authReqId: string;
  beforeEach(async () => {
    authReqId = await approved(await proofs(CIBA, key));
  });

  test('is redeemed with the key of the request, after refusals of others', async () => {
    await refuses(() => poll(authReqId, otherKey), 'invalid_grant');
    expect((await poll(authReqId, key)).status).toBe(200);
  });

  test('stands in the log with the thumbprint of the key', async () => {
    const received = (await tested.log()).findLast(({ type }) => type === 'CibaRequestReceived');
    expect(JSON.parse(received?.data ?? '')).toMatchObject({ dpopKeyThumbprint: jktOf(key), certificateThumbprint: null });
  });
});

test('an auth_req_id without a key is redeemed with any, which the tokens are then bound to', async () => {
  const tokens = await bodyOf(poll(await approved({}), otherKey));
  expect(await introspect(tokens.access_token)).toMatchObject({ cnf: { jkt: jktOf(otherKey) } });
});

test('a request with a bad proof is not received', async () => {
  const form = { ...(await tpp.authentication()), request: await tpp.requestObject() };
  await refuses(() => sendForm(tested, CIBA, form, { dpop: 'x.y.z' }), 'invalid_dpop_proof');
});

describe('a refresh token', () => {
  test('is good with any DPoP key, which the new access token is then bound to', async () => {
    const { refresh_token: token } = await bodyOf(poll(await approved({}), key));
    for (const by of [otherKey, key]) {
      const refreshed = await bodyOf(refresh(token, by));
      expect(refreshed.token_type).toBe('DPoP');
      expect(await introspect(refreshed.access_token)).toMatchObject({ active: true, cnf: { jkt: jktOf(by) } });
    }
  });

  test('outlives the certificate of its grant', async () => {
    const [first, renewed] = ['first', 'renewed'].map((thumbprint) => withCertificate(certificate({ thumbprint }))) as [Form, Form];
    const form = { grant_type: CIBA_GRANT, auth_req_id: await approved(first, certified) };
    const { refresh_token } = await bodyOf(fetchTokens(form, null, certified, first));
    const again = { grant_type: 'refresh_token', refresh_token };
    const refreshed = await bodyOf(fetchTokens(again, null, certified, renewed));
    expect(await introspect(refreshed.access_token, certified)).toMatchObject({ active: true, cnf: { 'x5t#S256': 'renewed' } });
    await refuses(() => fetchTokens(again, null, certified), 'invalid_request');
    expect((await fetchTokens(again, null, certified, first)).status).toBe(200);
  });

  test('needs the kind of proof that its grant has', async () => {
    const again = (refresh_token: string, proof: Form) =>
      sendForm(tested, TOKEN, { ...plain, grant_type: 'refresh_token', refresh_token }, proof);
    const first = async (proof: Form) => {
      const { authReqId, requestId } = await askPlainly(tested, plain);
      await phone.decide(requestId, 'approved');
      return bodyOf(sendForm(tested, TOKEN, { ...plain, grant_type: CIBA_GRANT, auth_req_id: authReqId }, proof));
    };
    const bound = await first(await proofs(TOKEN, key));
    await refuses(() => again(bound.refresh_token, {}), 'invalid_dpop_proof');
    expect((await bodyOf(again(bound.refresh_token, await proofs(TOKEN, otherKey)))).token_type).toBe('DPoP');

    const bearer = await first({});
    const unasked = await bodyOf(again(bearer.refresh_token, await proofs(TOKEN, key)));
    const without = await bodyOf(again(unasked.refresh_token, {}));
    expect([bearer, unasked, without].map((tokens) => tokens.token_type)).toEqual(['Bearer', 'DPoP', 'Bearer']);
    await refuses(() => again(without.refresh_token, { dpop: 'x.y.z' }), 'invalid_dpop_proof');
  });
});

describe('at a resource, a token that is bound by DPoP', () => {
  let token: string;
  beforeEach(async () => {
    token = (await bodyOf(fetchTokens(own, key))).access_token;
  });
  const missing = `${CONSENTS}/missing`;
  const read = async (authorization: string, given: object = {}, by: TestKey = key) => {
    const dpop = await dpopProof(tested, by, missing, { method: 'GET', accessToken: token, ...given });
    return sendJson(tested, 'GET', missing, undefined, { authorization, dpop });
  };
  /** What the resource answers to who may read it. */
  const NOT_THERE = 400;
  const challenged = async (call: Promise<Response>, status: number, challenge: RegExp) => {
    const response = await call;
    expect([response.status, response.headers.get('www-authenticate')]).toEqual([status, expect.stringMatching(challenge)]);
  };
  const ALGS = 'algs="PS256 ES256 EdDSA"';

  test.each(['DPoP', 'dpop', 'DPOP'])('counts under the scheme %s with a proof', async (scheme) =>
    expect((await read(`${scheme} ${token}`)).status).toBe(NOT_THERE),
  );

  test('does not count as a bearer token', () =>
    challenged(read(`Bearer ${token}`), 401, new RegExp(`^Bearer error="invalid_token", .*, DPoP ${ALGS}$`)));

  test('does not count without a proof', () =>
    challenged(
      sendJson(tested, 'GET', missing, undefined, { authorization: `DPoP ${token}` }),
      401,
      new RegExp(`^DPoP error="invalid_dpop_proof", .*, ${ALGS}$`),
    ));

  test.each<[string, object]>([
    ['another token', { accessToken: 'another' }],
    ['no token', { ath: undefined }],
    ['another method', { htm: 'POST' }],
    ['another URI', { htu: 'https://other.example/' }],
    ['another time', { iat: 0 }],
  ])('does not count with a proof for %s', (_name, given) =>
    challenged(read(`DPoP ${token}`, given), 401, /^DPoP error="invalid_dpop_proof"/),
  );

  test('does not count with a proof by another key', () =>
    challenged(read(`DPoP ${token}`, {}, otherKey), 401, /^DPoP error="invalid_token"/));

  test('does not count with a proof that was used', async () => {
    const dpop = await dpopProof(tested, key, missing, { method: 'GET', accessToken: token });
    const again = () => sendJson(tested, 'GET', missing, undefined, { authorization: `DPoP ${token}`, dpop });
    expect((await again()).status).toBe(NOT_THERE);
    await challenged(again(), 401, /^DPoP error="invalid_dpop_proof"/);
  });

  test('is missed by a bearer token under its scheme', async () => {
    token = (await bodyOf(sendForm(tested, TOKEN, { ...plain, ...own }))).access_token;
    await challenged(read(`DPoP ${token}`), 401, /^DPoP error="invalid_token"/);
    expect((await read(`Bearer ${token}`)).status).toBe(NOT_THERE);
  });
});
