import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { CIBA_GRANT, checkMetadata, clientMetadata } from '../../src/domain/client/metadata.ts';
import { testDevice } from '../support/device.ts';
import { type TestEngine, testEngine } from '../support/engine.ts';
import { testKey } from '../support/jws.ts';
import { facts } from '../support/log.ts';
import { ask, lodge, secretTpp } from '../support/tpp.ts';
import { auditor, type Diff, type Found, readsIn, type State } from './support.ts';

let tested: TestEngine;
let alice: Awaited<ReturnType<typeof auditor>>;
let tpp: { client_id: string; client_secret: string };
let consentId: string;
let psuToken: string;

beforeAll(async () => {
  tested = await testEngine({}, { COUNTERSIGN_REGISTRATION_ENABLED: 'true', COUNTERSIGN_REGISTRATION_REQUIRE_SOFTWARE_STATEMENT: 'false' });
  alice = await auditor(tested);
  tpp = await secretTpp(tested);
  consentId = await lodge(tested, tpp);
  const phone = await testDevice(tested, 'alice');
  // An operator may have given a TPP the scope by mistake: what a PSU grants is not the right to audit.
  const both = await secretTpp(tested, { scope: 'openid accounts audit' });
  const { authReqId, requestId } = await ask(tested, both, { scope: 'openid audit' });
  await phone.decide(requestId, 'approved');
  const { body } = await tested.post('/oauth2/token', { ...both, grant_type: CIBA_GRANT, auth_req_id: authReqId });
  psuToken = String(body['access_token']);
  expect(String(body['scope'])).toContain('audit');
});
afterAll(() => tested.close());

/** That a read is refused, and leaves no fact. */
const refuses = async (path: string, headers: Record<string, string>, status: number, error: string) => {
  const before = await tested.ports.store.head();
  const response = await fetch(`${tested.url}/audit/v1${path}`, { headers });
  const body = (await response.json()) as object;
  expect({ path, status: response.status, body }).toEqual({
    path,
    status,
    body: { error, error_description: expect.stringMatching(/^[\x20-\x7e]+$/) },
  });
  expect((await facts(tested, before)).map(({ type }) => type)).toEqual([]);
  return response;
};

const everyPath = () =>
  tested.engine.routes
    .filter(({ path }) => path.startsWith('/audit/v1/'))
    .map(({ path }) => path.replace('/audit/v1', '').replace('{id}', 'x'));

describe('who may read', () => {
  test('is nobody without a token, anywhere', async () => {
    expect(everyPath().length).toBeGreaterThan(15);
    for (const path of everyPath()) {
      const response = await refuses(path, {}, 401, 'invalid_token');
      expect(response.headers.get('www-authenticate')).toMatch(/^Bearer error="invalid_token"/);
    }
  });

  test('is no TPP with a token of its own, and no client of another scope', async () => {
    const other = await auditor(tested, 'openid accounts consents:read_all');
    for (const path of everyPath()) await refuses(path, other.headers, 403, 'insufficient_scope');
  });

  test('is nobody whom a PSU gave a token', async () => {
    const headers = { authorization: `Bearer ${psuToken}`, 'countersign-purpose': 'curiosity' };
    await refuses(`/consents/${consentId}/history`, headers, 403, 'insufficient_scope');
  });

  test('is no client that registers itself', async () => {
    const register = (scope: string) =>
      fetch(`${tested.url}/open-banking/0.1/register`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({
          client_name: 'Curious',
          token_endpoint_auth_method: 'private_key_jwt',
          jwks: { keys: [testKey('ES256').publicJwk] },
          scope,
        }),
      });
    const registered = await register('accounts audit');
    expect([registered.status, ((await registered.json()) as { scope: string }).scope]).toEqual([201, 'accounts']);
    expect((await register('audit')).status).toBe(400);
  });
});

describe('every read', () => {
  test('is a fact with its purpose, before it is answered', async () => {
    const before = await tested.ports.store.head();
    const { facts: history } = await alice.read<Found>(`/consents/${consentId}/history`);
    expect(history.map(({ type }) => type)).toEqual(['ConsentLodged']);
    await alice.read<State>(`/consents/${consentId}/state?as_of=${before}&purpose=again`);
    const log = await tested.ports.store.readAll(before, 100);
    expect(readsIn(log)).toEqual([
      { clientId: alice.clientId, purpose: 'complaint 4711', what: `/consents/${consentId}/history`, at: expect.any(Number) },
      { clientId: alice.clientId, purpose: 'again', what: `/consents/${consentId}/state?as_of=${before}`, at: expect.any(Number) },
    ]);
    expect(log[0]).toMatchObject({ actor: { kind: 'operator', id: alice.clientId } });
    // It is found like any other.
    const { facts: reads } = await alice.read<Found>(`/events?type=AuditRead&actor=${alice.clientId}&from=${before}`);
    expect(reads.map(({ data }) => data['purpose'])).toEqual(['complaint 4711', 'again']);
    expect((await alice.read<Found>(`/tpps/${alice.clientId}/history?from=${before}`)).facts.length).toBeGreaterThan(2);
  });

  test('is answered only when it could be recorded', async () => {
    const { store } = tested.ports;
    const append = store.append;
    store.append = (stream, ...rest) =>
      stream.startsWith('audit-') ? Promise.reject(new Error('the disk is full')) : append(stream, ...rest);
    const response = await alice.get(`/consents/${consentId}/history`);
    store.append = append;
    expect([response.status, await response.json()]).toEqual([500, expect.objectContaining({ error: 'server_error' })]);
    expect(tested.faults).toHaveLength(1);
    (tested.faults as unknown[]).length = 0;
  });

  test('names its purpose, once', async () => {
    const { authorization } = alice.headers;
    await refuses(`/consents/${consentId}/history`, { authorization }, 400, 'invalid_request');
    await refuses(`/consents/${consentId}/history?purpose=`, { authorization }, 400, 'invalid_request');
    await refuses(`/consents/${consentId}/history?purpose=${'x'.repeat(201)}`, { authorization }, 400, 'invalid_request');
    await refuses(`/consents/${consentId}/history?purpose=%E2%80%AE`, { authorization }, 400, 'invalid_request');
    await refuses(`/consents/${consentId}/history?purpose=a&purpose=b`, { authorization }, 400, 'invalid_request');
  });
});

describe('what is asked for', () => {
  test('must be there', async () => {
    for (const plural of ['consents', 'requests', 'devices', 'psus', 'tpps'])
      for (const what of ['history', 'state', 'diff?from=0']) await refuses(`/${plural}/nothing/${what}`, alice.headers, 404, 'not_found');
    // What is known as one thing is not known as another.
    await refuses(`/devices/${consentId}/history`, alice.headers, 404, 'not_found');
    await refuses('/no-such-thing', alice.headers, 404, 'not_found');
  });

  test('must be readable', async () => {
    const history = `/consents/${consentId}/history`;
    const head = await tested.ports.store.head();
    for (const query of [
      ...['cursor=x', 'cursor=5', 'cursor=-1.2', 'cursor=3.2', `cursor=0.${head + 1}`, 'cursor=1.2.3', 'cursor='],
      ...['from=yesterday', 'from=2026-02-30T00:00:00Z', 'from=2026-01-01', 'from=2026-01-01T00:00:00', 'from=-1', 'from=1.5'],
      ...['limit=0', 'limit=201', 'limit=x', 'limit=1.5', 'form=1', 'constructor=1'],
      ...[`from=${head + 1}`, 'from=2999-01-01T00:00:00Z', `to=${'9'.repeat(30)}`],
    ])
      await refuses(`${history}?${query}`, alice.headers, 400, 'invalid_request');
    const state = `/consents/${consentId}/state`;
    for (const query of [`as_of=${head + 1}`, 'as_of=2999-01-01T00:00:00Z', 'as_of=now'])
      await refuses(`${state}?${query}`, alice.headers, 400, 'invalid_request');
    for (const query of ['', 'from=3&to=2', 'from=0&to=x'])
      await refuses(`/consents/${consentId}/diff?${query}`, alice.headers, 400, 'invalid_request');
    for (const query of ['type=', `actor=${'x'.repeat(257)}`, 'tpp=1'])
      await refuses(`/events?${query}`, alice.headers, 400, 'invalid_request');
    for (const query of ['format=xml', 'from=2&to=1', 'limit=1']) await refuses(`/export?${query}`, alice.headers, 400, 'invalid_request');
  });
});

test('the story of a ceremony is told with what was shown, every token, and none of the secrets', async () => {
  const phone = await testDevice(tested, 'bob');
  const ciba = await secretTpp(tested);
  const lodged = await lodge(tested, ciba);
  const asked = await ask(tested, ciba, { login_hint: 'bob', openbanking_intent_id: lodged, binding_message: 'shop 42' });
  await phone.decide(asked.requestId, 'approved');
  const { body: tokens } = await tested.post('/oauth2/token', { ...ciba, grant_type: CIBA_GRANT, auth_req_id: asked.authReqId });
  const text = await (await alice.get(`/consents/${lodged}/history`)).text();
  const { facts: history } = JSON.parse(text) as Found;
  expect(history.map(({ type }) => type)).toEqual(
    expect.arrayContaining([
      'ConsentLodged',
      'CibaRequestReceived',
      'ConsentRetrieved',
      'CibaRequestApproved',
      'ConsentAuthorised',
      'AccessTokenIssued',
    ]),
  );
  expect(JSON.stringify(history.find(({ type }) => type === 'ConsentRetrieved')?.personal)).toContain('ReadBalances');
  expect(history.find(({ type }) => type === 'CibaRequestReceived')?.personal).toMatchObject({ bindingMessage: 'shop 42' });
  for (const secret of [asked.authReqId, tokens['access_token'], tokens['refresh_token']]) expect(text).not.toContain(secret);
  for (const path of [`/requests/${asked.requestId}`, `/devices/${phone.deviceId}`, '/psus/psu-bob', `/tpps/${ciba.client_id}`])
    expect((await alice.read<Found>(`${path}/history`)).facts.map(({ type }) => type)).toContain('CibaRequestApproved');
});

test('the difference tells the facts that made each change, with who and why', async () => {
  const path = `/consents/${consentId}/diff?from=0`;
  const { streams } = await alice.read<Diff>(path);
  const [change] = streams.find(({ stream }) => stream === `consent-${consentId}`)?.changes.filter((one) => one.path === '/status') ?? [];
  expect(change).toEqual({
    path: '/status',
    before: 'absent',
    after: 'awaitingAuthorisation',
    facts: [expect.objectContaining({ type: 'ConsentLodged', actor: { kind: 'client', id: tpp.client_id }, reason: null })],
  });
});

test('the client of the README is one that an operator can register', () => {
  const readme = readFileSync(join(import.meta.dirname, '../../README.md'), 'utf8');
  const [, text = ''] = /## Auditors[\s\S]*?```json\n([\s\S]*?)```/.exec(readme) ?? [];
  expect(checkMetadata(clientMetadata.parse(JSON.parse(text)))).toMatchObject({ scope: 'audit', grant_types: ['client_credentials'] });
});
