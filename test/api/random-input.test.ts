import { type IncomingHttpHeaders, request } from 'node:http';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { askForEnrolment, type Discovery, type Shown } from '../../src/demo/phone.ts';
import { CIBA_GRANT } from '../../src/domain/client/metadata.ts';
import { APPROVER, registration, type TestDevice, testDevice } from '../support/device.ts';
import { type TestEngine, testEngine } from '../support/engine.ts';
import { testKey } from '../support/jws.ts';
import { facts } from '../support/log.ts';
import { ask, CONSENTS, certificate, lodge, ownToken, type SigningTpp, secretTpp, signingTpp, withCertificate } from '../support/tpp.ts';

type Headers = Record<string, string>;

let tested: TestEngine;
let auth: { client_id: string; client_secret: string };
let basicId: string;
let signing: SigningTpp;
let phone: TestDevice;
let shown: Shown;
let offer: Discovery;
/** Good values, by the names under which they are put into what is random. */
let good: ReadonlyMap<string, string>;

const key = testKey('ES256');

beforeAll(async () => {
  const limits = { COUNTERSIGN_LIMITS_PENDING_REQUESTS_PER_PSU: '1000000', COUNTERSIGN_LIMITS_DEVICES_PER_PSU: '1000000' };
  tested = await testEngine({}, limits);
  auth = await secretTpp(tested);
  basicId = await tested.client({ token_endpoint_auth_method: 'client_secret_basic' }, 's3cret');
  signing = await signingTpp(tested);
  phone = await testDevice(tested, 'alice');
  shown = await phone.retrieve((await ask(tested, auth)).requestId);
  offer = await askForEnrolment(fetch, tested.url, { username: 'alice', password: 'alice' });
  const granted = await ask(tested, auth);
  await phone.decide(granted.requestId, 'approved');
  const { body } = await tested.post('/oauth2/token', { ...auth, grant_type: CIBA_GRANT, auth_req_id: granted.authReqId });
  good = new Map(
    Object.entries({
      '@authReqId': (await ask(tested, auth)).authReqId,
      '@accessToken': String(body['access_token']),
      '@refreshToken': String(body['refresh_token']),
      '@idToken': String(body['id_token']),
      '@ownToken': await ownToken(tested, auth),
      '@consent': await lodge(tested, auth),
      '@request': shown.request_id,
      '@device': phone.deviceId,
    }),
  );
});
afterAll(() => tested.close());

const resolved = (text: string): string => good.get(text) ?? text;

interface Call {
  method: string;
  path: string;
  headers: Headers;
  body: string;
}

/** `fetch` cannot send what is not allowed; this can. */
const send = ({ method, path, headers, body }: Call): Promise<{ status: number; headers: IncomingHttpHeaders; text: string }> =>
  new Promise((resolve, reject) => {
    const outgoing = request(
      tested.url,
      { method, path, headers: { 'content-length': Buffer.byteLength(body), ...headers } },
      (response) => {
        let text = '';
        response.setEncoding('utf8').on('data', (chunk: string) => {
          text += chunk;
        });
        response.on('end', () => resolve({ status: response.statusCode ?? 0, headers: response.headers, text }));
      },
    );
    outgoing.on('error', reject).end(body);
  });

/** Whatever the call is: no fault of ours, and if it is refused, a reason in JSON and no fact. */
const holds = async (call: Call): Promise<void> => {
  const before = await tested.ports.store.head();
  const { status, headers, text } = await send(call);
  expect(status).toBeGreaterThanOrEqual(200);
  // Long runs use up what a refresh token may be used in an hour.
  if (headers['retry-after'] !== '3600') expect(status).toBeLessThan(500);
  if (status < 400) return;
  expect([headers['content-type'], headers['cache-control']]).toEqual(['application/json', 'no-store']);
  if (call.method !== 'HEAD')
    expect(JSON.parse(text)).toEqual(
      expect.objectContaining(
        call.path.startsWith(CONSENTS) && 'Code' in JSON.parse(text) ? { Code: expect.any(String) } : { error: expect.any(String) },
      ),
    );
  expect((await facts(tested, before)).map(({ type }) => type)).toEqual([]);
};

const check = <T>(plan: fc.Arbitrary<T>, toCall: (plan: T) => Promise<Call>) =>
  fc.assert(
    fc.asyncProperty(plan, async (planned) => holds(await toCall(planned))),
    { numRuns: Number(process.env['RANDOM_INPUT_RUNS'] ?? 300) },
  );

const anyText = fc.oneof(fc.string({ unit: 'binary' }), fc.string(), fc.constantFrom('', '\u0000', '__proto__', 'x'.repeat(2000)));
const headerText = fc.string({ unit: fc.integer({ min: 0x21, max: 0x7e }).map((code) => String.fromCharCode(code)), maxLength: 40 });
const claims = fc.dictionary(
  fc.constantFrom(
    'iss',
    'sub',
    'aud',
    'exp',
    'iat',
    'nbf',
    'jti',
    'scope',
    'login_hint',
    'id_token_hint',
    'claims',
    'requested_expiry',
    'binding_message',
    'openbanking_intent_id',
    'htm',
    'htu',
    'body_digest',
    'request_id',
    'digest',
    'nonce',
    'verdict',
    'account_ids',
    'device_id',
    'challenge',
    'public_key',
    'name',
    'model',
    'push_token',
    '__proto__',
  ),
  fc.oneof(fc.jsonValue({ maxDepth: 3 }), fc.double(), anyText),
  { maxKeys: 3 },
);
const jwsHeader = fc.oneof({ weight: 4, arbitrary: fc.constant({}) }, fc.record({ typ: headerText }), fc.record({ kid: anyText }));
const extraHeaders = fc.dictionary(
  fc.constantFrom(
    'accept',
    'accept-charset',
    'content-encoding',
    'x-fapi-interaction-id',
    'x-http-method-override',
    'if-none-match',
    'range',
    'origin',
    'x-forwarded-host',
    'x-request-id',
  ),
  headerText,
  { maxKeys: 2 },
);
const method = fc.constantFrom('GET', 'POST', 'PUT', 'PATCH', 'DELETE', 'HEAD', 'OPTIONS', 'SEARCH');

describe('nothing that is sent makes a fault, and no refusal a fact', () => {
  const parameter = fc.tuple(
    fc.oneof(
      {
        weight: 8,
        arbitrary: fc.constantFrom(
          'grant_type',
          'auth_req_id',
          'refresh_token',
          'scope',
          'token',
          'login_hint',
          'id_token_hint',
          'login_hint_token',
          'binding_message',
          'requested_expiry',
          'acr_values',
          'claims',
          'openbanking_intent_id',
          'client_id',
          'client_secret',
          'request',
          'client_assertion',
        ),
      },
      anyText,
    ),
    fc.oneof(
      {
        weight: 4,
        arbitrary: fc.constantFrom(
          'openid',
          'openid accounts',
          'alice',
          '30',
          CIBA_GRANT,
          'refresh_token',
          'client_credentials',
          '@authReqId',
          '@accessToken',
          '@refreshToken',
          '@idToken',
          '@consent',
          '@request',
        ),
      },
      fc.json({ maxDepth: 2 }),
      anyText,
    ),
  );
  const form = fc.record({
    path: fc.constantFrom('/oauth2/ciba', '/oauth2/token', '/oauth2/introspect', '/oauth2/revoke'),
    authentication: fc.constantFrom('none', 'post', 'post', 'basic', 'assertion', 'random'),
    parameters: fc.oneof(
      { weight: 9, arbitrary: fc.uniqueArray(parameter, { selector: ([name]) => name, maxLength: 6 }) },
      fc.array(parameter, { maxLength: 6 }),
    ),
    usual: fc.boolean(),
    claims,
    jwsHeader,
    withRequest: fc.boolean(),
    bound: fc.boolean(),
    raw: fc.option(fc.string({ unit: 'binary' }), { freq: 10 }),
    type: fc.oneof({ weight: 9, arbitrary: fc.constant('application/x-www-form-urlencoded') }, headerText),
    extraHeaders,
    random: headerText,
  });

  test('in forms', () =>
    check(form, async (plan) => {
      const parameters = new URLSearchParams(plan.parameters.map(([name, value]): [string, string] => [name, resolved(value)]));
      const add = (more: Headers) => {
        for (const [name, value] of Object.entries(more)) if (!parameters.has(name)) parameters.append(name, value);
      };
      const headers: Headers = { ...plan.extraHeaders, 'content-type': plan.type };
      if (plan.bound) Object.assign(headers, withCertificate(certificate()));
      if (plan.authentication === 'post') add(auth);
      if (plan.authentication === 'basic') headers['authorization'] = `Basic ${btoa(`${basicId}:s3cret`)}`;
      if (plan.authentication === 'assertion')
        add(signing.authenticatedBy(await signing.assertion(plan.withRequest ? {} : plan.claims, plan.jwsHeader)));
      if (plan.authentication === 'random') headers['authorization'] = plan.random;
      if (plan.withRequest) add({ request: await signing.requestObject(plan.claims, plan.jwsHeader) });
      if (plan.usual) add({ scope: 'openid accounts', login_hint: 'alice', token: 'x', grant_type: 'client_credentials' });
      return { method: 'POST', path: plan.path, headers, body: parameters.toString() + (plan.raw ?? '') };
    }));

  const segment = fc.oneof(
    fc.constantFrom('@request', '@device', '@consent', 'answer', 'push-token'),
    fc.webSegment(),
    fc.string({ unit: 'binary' }),
  );
  const consent = fc.record(
    {
      Data: fc.record(
        {
          Permissions: fc.oneof(fc.constant(['ReadBalances']), fc.array(fc.oneof(fc.constant('ReadBalances'), anyText)), fc.jsonValue()),
          ExpirationDateTime: fc.oneof(
            fc.date({ noInvalidDate: true }).map((date) => date.toISOString()),
            fc.constantFrom('9999-12-31T23:59:59-23:59', '2030-01-01T00:00:00.123456789123+14:00'),
            anyText,
          ),
          TransactionFromDateTime: anyText,
        },
        { requiredKeys: ['Permissions'] },
      ),
      Risk: fc.oneof(fc.constant({}), fc.jsonValue()),
    },
    { requiredKeys: ['Data', 'Risk'] },
  );
  const consents = fc.record({
    method: fc.oneof({ weight: 4, arbitrary: fc.constantFrom('POST', 'GET', 'DELETE') }, method),
    id: fc.option(segment, { freq: 2 }),
    token: fc.constantFrom('@ownToken', '@ownToken', '@accessToken', '@refreshToken', ''),
    body: fc.oneof(
      consent,
      fc.jsonValue(),
      fc.string({ unit: 'binary' }).map((raw) => ({ raw })),
    ),
    type: fc.oneof({ weight: 9, arbitrary: fc.constant('application/json') }, headerText),
    extraHeaders,
  });

  test('in consents', () =>
    check(consents, async ({ method, id, token, body, type, extraHeaders }) => {
      const authorization = token === '' ? {} : { authorization: `Bearer ${resolved(token)}` };
      // The good consent stays for those that come after.
      const path =
        CONSENTS +
        (id === null || method === 'POST' ? '' : `/${encoded(method === 'DELETE' && id === '@consent' ? await lodge(tested, auth) : id)}`);
      return { method, path, headers: { 'content-type': type, ...extraHeaders, ...authorization }, body: textOf(body) };
    }));

  const approver = fc.record({
    route: fc.constantFrom<[string, string]>(
      ['GET', '/requests'],
      ['GET', '/requests/@request'],
      ['POST', '/requests/@request/answer'],
      ['POST', '/requests/@request/answer'],
      ['POST', '/devices'],
      ['POST', '/devices'],
      ['POST', '/enrolments'],
      ['GET', '/devices'],
      ['PUT', '/devices/@device/push-token'],
      ['GET', '/consents'],
      ['DELETE', '/consents/@consent'],
    ),
    other: fc.option(fc.tuple(method, fc.array(segment, { maxLength: 3 })), { freq: 4 }),
    statement: fc.constantFrom('answer', 'registration', 'none'),
    claims,
    jwsHeader,
    proof: fc.constantFrom('good', 'changed', 'none', 'basic', 'random'),
    body: fc.oneof(
      fc.jsonValue(),
      fc.string({ unit: 'binary' }).map((raw) => ({ raw })),
      fc.constant({ push_token: 'x' }),
    ),
    type: fc.oneof({ weight: 9, arbitrary: fc.constant('application/json') }, headerText),
    extraHeaders,
    random: headerText,
  });

  test('to the approver API', () =>
    check(approver, async (plan) => {
      const [method, route] = plan.other === null ? plan.route : [plan.other[0], `/${plan.other[1].map(encoded).join('/')}`];
      // The phone stays registered for those that come after.
      const path = (method === 'DELETE' ? route.replace(`/devices/${phone.deviceId}`, '/devices/x') : route).replace(/@\w+/g, resolved);
      const change = { claims: plan.claims, header: plan.jwsHeader };
      const body =
        plan.statement === 'answer' && method === 'POST'
          ? JSON.stringify({ answer: await phone.answer(shown, 'denied', [], change) })
          : plan.statement === 'registration' && method === 'POST'
            ? JSON.stringify({ registration: await registration(offer, key, change) })
            : textOf(plan.body);
      const proof = await phone.proof(method, path, body, plan.proof === 'changed' ? change : {});
      const authorization = {
        good: `DeviceProof ${proof}`,
        changed: `DeviceProof ${proof}`,
        none: undefined,
        basic: `Basic ${btoa('alice:alice')}`,
        random: plan.random,
      }[plan.proof];
      const headers = { 'content-type': plan.type, ...plan.extraHeaders, ...(authorization !== undefined && { authorization }) };
      return { method, path: APPROVER + path, headers, body };
    }));

  const anywhere = fc.record({
    method,
    path: fc.oneof(
      fc.constantFrom(
        '/.well-known/openid-configuration',
        '/.well-known/oauth-authorization-server',
        '/oauth2/jwks',
        '/oauth2/token',
        '/oauth2/ciba',
      ),
      fc.array(segment, { maxLength: 4 }).map((segments) => `/${segments.map(encoded).join('/')}`),
      fc.webPath(),
    ),
    query: fc.oneof(
      fc.constant(''),
      fc.webQueryParameters().map((query) => `?${query}`),
    ),
    headers: fc.dictionary(
      fc.constantFrom('authorization', 'content-type', 'content-encoding', 'accept', 'cookie', 'expect-ct'),
      headerText,
      { maxKeys: 3 },
    ),
    body: fc.string({ unit: 'binary' }),
  });

  test('to any path', () =>
    check(anywhere, async ({ method, path, query, headers, body }) => ({ method, path: (path || '/') + query, headers, body })));
});

describe('what is nested deeper than anything that is asked for', () => {
  const deep = (levels: number) => `${'['.repeat(levels)}${']'.repeat(levels)}`;
  test('is refused wherever JSON comes in', async () => {
    const headers = { 'content-type': 'application/json', authorization: `Bearer ${resolved('@ownToken')}` };
    const permissions = (member: string) => `{"Data":{"Permissions":["ReadBalances"]},"Risk":{"x":${member}}}`;
    for (const levels of [65, 8000]) {
      await holds({ method: 'POST', path: CONSENTS, headers, body: permissions(deep(levels)) });
      expect((await send({ method: 'POST', path: CONSENTS, headers, body: permissions(deep(levels)) })).status).toBe(400);
      for (const path of ['/api/openbanking/event-notifications/subscription', '/api/openbanking/event-notifications/events'])
        await holds({ method: 'POST', path, headers, body: `{"eventTypes":${deep(levels)},"ack":${deep(levels)}}` });
      await holds({ method: 'POST', path: `${APPROVER}/devices`, headers, body: deep(levels) });
      const form = { ...auth, scope: 'openid accounts', login_hint: 'alice', request_context: deep(levels), claims: deep(levels) };
      const type = { 'content-type': 'application/x-www-form-urlencoded' };
      await holds({ method: 'POST', path: '/oauth2/ciba', headers: type, body: new URLSearchParams(form).toString() });
    }
  });
});

const encoded = (segment: string): string => encodeURIComponent(resolved(segment).toWellFormed());

const textOf = (body: unknown): string =>
  typeof body === 'object' && body !== null && 'raw' in body ? String(body.raw) : (JSON.stringify(body) ?? '');
