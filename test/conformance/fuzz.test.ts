import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { isSchema } from '../../src/api/docs/openapi.ts';
import { refusalsOf } from '../../src/api/docs/refusals.ts';
import type { Route, RouteDoc } from '../../src/api/route.ts';
import { PATHS } from '../../src/api/surface.ts';
import { askForEnrolment } from '../../src/demo/phone.ts';
import { CIBA_GRANT } from '../../src/domain/client/metadata.ts';
import { auditor } from '../audit/support.ts';
import { APPROVER, registration, type TestDevice, testDevice } from '../support/device.ts';
import { type TestEngine, testEngine } from '../support/engine.ts';
import { testKey } from '../support/jws.ts';
import { facts } from '../support/log.ts';
import { ask, certificate, lodge, type SigningTpp, secretTpp, signingTpp, withCertificate } from '../support/tpp.ts';
import { inputOf, type Mutation, mutated, mutation, segment } from './support/inputs.ts';

// Calls of each route. CI makes the same ones every time; the campaign makes more, and others each time.
const RUNS = Number(process.env['FUZZ_RUNS'] ?? 40);
const SEED = process.env['FUZZ_RUNS'] === undefined ? { seed: 1 } : {};

const MANY = '100000000';
const SETTINGS = {
  COUNTERSIGN_CIBA_LONG_POLL_SECONDS: '0',
  COUNTERSIGN_LIMITS_PENDING_REQUESTS_PER_PSU: MANY,
  COUNTERSIGN_LIMITS_PENDING_REQUESTS_PER_CLIENT: MANY,
  COUNTERSIGN_LIMITS_DEVICES_PER_PSU: MANY,
  COUNTERSIGN_REGISTRATION_ENABLED: 'true',
  COUNTERSIGN_REGISTRATION_REQUIRE_SOFTWARE_STATEMENT: 'false',
  COUNTERSIGN_REGISTRATION_PER_MINUTE: MANY,
};

let tested: TestEngine;
let secret: { client_id: string; client_secret: string };
let signing: SigningTpp;
let phone: TestDevice;
/** Good values, by the names of members and of parts of paths. */
let good: Readonly<Record<string, readonly unknown[]>>;
let tokens: readonly string[];
let auditing: string;

beforeAll(async () => {
  const keys = new Map();
  const sandbox = {
    keys: { get: (psuId: string) => keys.get(psuId), put: (psuId: string, key: object) => void keys.set(psuId, key) },
    rules: { rules: [] },
  };
  tested = await testEngine({ sandbox }, SETTINGS);
  const redirecting = {
    ...{
      grant_types: [CIBA_GRANT, 'authorization_code', 'client_credentials', 'refresh_token'] as const,
      response_types: ['code'] as const,
    },
    ...{ redirect_uris: ['https://tpp.example/callback'], authorization_details_types: ['account_information', 'payment_initiation'] },
  };
  const metadata = JSON.parse(JSON.stringify({ ...redirecting, scope: 'openid accounts payments fundsconfirmations' }));
  secret = await secretTpp(tested, metadata);
  signing = await signingTpp(tested, metadata);
  phone = await testDevice(tested, 'alice');
  const shown = await phone.retrieve((await ask(tested, secret)).requestId);
  const granted = await ask(tested, secret);
  await phone.decide(granted.requestId, 'approved');
  const { body } = await tested.post('/oauth2/token', { ...secret, grant_type: CIBA_GRANT, auth_req_id: granted.authReqId });
  const offered = await askForEnrolment(fetch, tested.url, { username: 'alice', password: 'alice' });
  const registered = await fetch(`${tested.url}/open-banking/0.1/register`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({
      client_name: 'Registered',
      token_endpoint_auth_method: 'private_key_jwt',
      jwks: { keys: [testKey('ES256').publicJwk] },
    }),
  });
  const own = (await registered.json()) as Record<string, string>;
  const lodging = { ...secret, grant_type: 'client_credentials', scope: 'accounts payments fundsconfirmations' };
  const { body: lodged } = await tested.post('/oauth2/token', lodging);
  tokens = [String(body['access_token']), String(lodged['access_token']), String(own['registration_access_token'])];
  const authReqId = (await ask(tested, secret)).authReqId;
  auditing = (await auditor(tested)).headers.authorization;
  good = {
    ...{ scope: ['openid', 'openid accounts', 'accounts'], login_hint: ['alice', 'bob'] },
    ...{
      grant_type: [CIBA_GRANT, 'refresh_token', 'client_credentials', 'authorization_code', 'urn:ietf:params:oauth:grant-type:jwt-bearer'],
    },
    ...{ auth_req_id: [authReqId, granted.authReqId], refresh_token: [body['refresh_token']], token: tokens },
    ...{ redirect_uri: ['https://tpp.example/callback'], response_type: ['code'], client_id: [secret.client_id, own['client_id']] },
    ...{
      code_challenge: ['x'.repeat(43)],
      code_challenge_method: ['S256'],
      state: ['s'],
      nonce: ['n'],
      response_mode: ['query', 'jwt', 'form_post'],
      prompt: ['none', 'login'],
    },
    ...{ request_id: [shown.request_id], device_id: [phone.deviceId], consent_id: [await lodge(tested, secret), granted.requestId] },
    ...{ openbanking_intent_id: [await lodge(tested, secret)], requested_expiry: ['30', 30], action: ['allow', 'deny'] },
    ...{ answer: [await phone.answer(shown, 'denied', [], { claims: { digest: 'x' } }), await phone.answer(shown, 'approved', ['x'])] },
    ...{ registration: [await registration(offered, testKey('ES256'), { claims: { name: '' } })], Permissions: [['ReadBalances']] },
    ...{ authorization_details: ['[{"type":"account_information","actions":["list_accounts"]}]', '[{"type":"payment_initiation"}]'] },
    ...{ jwks: [{ keys: [testKey('ES256').publicJwk] }], token_endpoint_auth_method: ['private_key_jwt', 'client_secret_basic'] },
    ...{
      id: [phone.deviceId, granted.requestId, secret.client_id, 'psu-alice'],
      purpose: ['a complaint'],
      as_of: ['7', '2026-01-01T00:00:00Z'],
    },
    ...{ from: ['0', '5'], to: ['20'], cursor: ['3.20'], limit: ['2'], position: ['4'], type: ['ConsentLodged'], status: ['approved'] },
    ...{ Risk: [{}], claims: ['{}'], jwks_uri: ['https://tpp.example/jwks'] },
  };
});
afterAll(() => tested.close());

type Credentials = 'none' | 'good' | 'other' | 'random';

/** One call as it is planned, before what is signed is made. */
interface Plan {
  body: unknown;
  query: unknown;
  mutations: readonly Mutation[];
  params: Record<string, unknown>;
  credentials: Credentials;
  signed: boolean;
  type: string | null;
  noise: string;
}

const planFor = ({ path, doc }: Route): fc.Arbitrary<Plan> => {
  const names = [...path.matchAll(/\{(\w+)\}/g)].map(([, name = '']) => name);
  return fc.record({
    body: inputOf(doc?.form ?? doc?.json, good),
    query: inputOf(doc?.query, good),
    mutations: fc.oneof({ weight: 3, arbitrary: fc.constant([]) }, fc.array(mutation, { maxLength: 3 })),
    params: fc.record(Object.fromEntries(names.map((name) => [name, fc.oneof(fc.constantFrom(...(good[name] ?? ['x'])), segment)]))),
    credentials: fc.constantFrom<Credentials>('good', 'good', 'good', 'none', 'other', 'random'),
    signed: fc.boolean(),
    type: fc.oneof(
      { weight: 12, arbitrary: fc.constant(null) },
      { weight: 1, arbitrary: fc.constantFrom('text/plain', 'application/json;charset=latin1', 'application/jwt', '') },
    ),
    noise: fc.string({ unit: fc.integer({ min: 0x21, max: 0x7e }).map((code) => String.fromCharCode(code)), maxLength: 30 }),
  });
};

/** The header and the form parameters that say who calls. */
const credentialsOf = async (doc: RouteDoc, { credentials, noise, signed }: Plan, method: string, target: string, body: string) => {
  const security = credentials === 'other' ? 'bearer' : doc.security;
  const header = (authorization: string) => ({ headers: { authorization }, form: {} });
  if (credentials === 'none' || security === 'none') return { headers: {}, form: {} };
  if (credentials === 'random') return header(noise);
  if (security === 'client') return { headers: {}, form: signed ? await signing.authentication() : secret };
  if (target.startsWith(PATHS.audit)) return header(auditing);
  if (security === 'psu') return header(`Basic ${btoa('alice:alice')}`);
  if (security === 'device')
    return header(`DeviceProof ${await phone.proof(method, target.replace(APPROVER, ''), body === '' ? undefined : body)}`);
  return header(`Bearer ${tokens[security === 'registration token' ? 2 : noise.length % 2]}`);
};

const pairs = (value: unknown): [string, string][] =>
  Object.entries(value ?? {}).map(([name, one]) => [name, (typeof one === 'string' ? one : (JSON.stringify(one) ?? '')).toWellFormed()]);

/** What routes answered otherwise than they say; each once. */
const differences = new Set<string>();

// A body that is too large is refused before a route is asked.
const TOO_LARGE = 413;

/** How an answer differs from what the route says that it answers. */
const differenceFrom = (doc: RouteDoc, response: Response, text: string): string | null => {
  const { status } = response;
  const type = response.headers.get('content-type') ?? '';
  if (status < 400) {
    const said = doc.answers[status];
    if (said === undefined) return 'is no status of its answers';
    if (said === null) return text === '' ? null : 'has a body';
    if (!isSchema(said)) return [said].flat().some((one) => type.startsWith(one)) ? null : `is ${type}`;
    const { error } = said.safeParse(JSON.parse(text));
    return error === undefined ? null : `breaks its schema: ${error.issues.map(({ path, message }) => `${path.join('.')} ${message}`)}`;
  }
  if (status === TOO_LARGE) return null;
  const there = refusalsOf(doc).filter((one) => one.status === status);
  const isPage = type.startsWith('text/html');
  // A refusal that the route words itself.
  if (!isPage && there.length > 0 && doc.refusal?.schema?.safeParse(JSON.parse(text)).success) return null;
  const code = isPage ? /\((\w+)\)/.exec(text)?.[1] : JSON.parse(text).error;
  return there.some(({ error }) => error === code) ? null : (code ?? text);
};

/** Makes the call of a plan, and holds the server to what every call may expect of it. */
const holds = async (route: Route, plan: Plan): Promise<void> => {
  const { method, path, doc = { summary: '', security: 'none', answers: {}, errors: [] } } = route;
  const filled = path.replace(/\{(\w+)\}/g, (_, name: string) => encodeURIComponent(String(plan.params[name]).toWellFormed() || 'x'));
  // The good phone, consent and client stay for the calls that come after.
  const target = method === 'DELETE' && path.endsWith('}') ? filled.replace(/[^/]+$/, randomUUID()) : filled;
  const query = new URLSearchParams(pairs(mutated(plan.query, plan.mutations))).toString();
  const whole = query === '' ? target : `${target}?${query}`;
  const value = mutated(plan.body, plan.mutations);
  const asJson = doc.json === undefined || value === undefined ? '' : (JSON.stringify(value) ?? '');
  const { headers, form } = await credentialsOf(doc, plan, method, whole, asJson);
  const takesRequest = path === PATHS.backchannelAuthentication || path === PATHS.pushedAuthorization;
  let body = asJson;
  if (doc.form !== undefined) {
    const { request: _, ...all } = Object.fromEntries(pairs(value));
    const authenticating = plan.credentials === 'good' ? ['client_id', 'client_secret', 'client_assertion', 'client_assertion_type'] : [];
    const parameters = Object.fromEntries(Object.entries(all).filter(([name]) => !authenticating.includes(name)));
    const inside = plan.signed && takesRequest ? { request: await signing.requestObject(Object(value)) } : parameters;
    const given = new URLSearchParams([...Object.entries({ ...inside, ...form })]);
    if (plan.mutations.includes('repeat')) given.append([...given.keys()][0] ?? 'x', 'again');
    body = given.toString();
  }
  const type = plan.type ?? (doc.form === undefined ? 'application/json' : 'application/x-www-form-urlencoded');
  const before = await tested.ports.store.head();
  const response = await fetch(tested.url + whole, {
    method,
    redirect: 'manual',
    headers: {
      ...headers,
      ...(method !== 'GET' && { 'content-type': type }),
      ...(plan.noise.length % 4 < 3 && { 'x-idempotency-key': randomUUID() }),
      ...(plan.noise.length % 3 === 0 && withCertificate(certificate())),
    },
    ...(method !== 'GET' && { body }),
  });
  const text = await response.text();
  const { status } = response;
  // Long runs use up what a refresh token may be used in an hour.
  const isFault = status >= 500 && response.headers.get('retry-after') !== '3600';
  expect({ status, text, isFault }).toEqual({ status, text, isFault: false });
  // Node refuses a header that is too large before anybody here sees it.
  if (status === 431) return;
  // A segment of dots leads to another path, and so to another route or to none.
  const isHere = new URL(tested.url + target).pathname === target;
  const difference = isHere && route.doc ? differenceFrom(route.doc, response, text) : null;
  if (difference !== null) differences.add(`${method} ${path}: ${status} ${difference}`);
  if (status < 400) return;
  expect({ status, newFacts: (await facts(tested, before)).map((fact) => fact.type) }).toEqual({ status, newFacts: [] });
  if (response.headers.get('content-type')?.startsWith('text/html')) expect(path).toMatch(/^\/oauth2\/(authorize|ciba\/answer)/);
  else if (doc.refusal?.schema !== undefined) expect(JSON.parse(text)).toEqual(expect.objectContaining({}));
  else expect(JSON.parse(text)).toEqual({ error: expect.stringMatching(/^[a-z_]+$/), error_description: expect.any(String) });
};

test(
  'no input of any route makes a fault, no refusal a fact, and every answer is one that the route says',
  async () => {
    const { routes } = tested.engine;
    expect(routes.length).toBeGreaterThan(20);
    for (const route of routes) {
      try {
        await fc.assert(
          fc.asyncProperty(planFor(route), (plan) => holds(route, plan)),
          { numRuns: RUNS, ...SEED },
        );
      } catch (error) {
        throw new Error(`${route.method} ${route.path}`, { cause: error });
      }
    }
    expect([...differences].sort()).toEqual([]);
  },
  RUNS * 10_000,
);

test('every route says what it takes, but for the description itself', () =>
  expect(tested.engine.routes.filter(({ doc }) => doc === undefined).map(({ path }) => path)).toEqual(['/openapi.json', '/docs']));
