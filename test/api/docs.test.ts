import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { Validator } from '@seriousme/openapi-schema-validator';
import { type TestEngine, testEngine } from '../support/engine.ts';

let tested: TestEngine;
beforeAll(async () => {
  tested = await testEngine({}, { COUNTERSIGN_REGISTRATION_ENABLED: 'true', COUNTERSIGN_REGISTRATION_REQUIRE_SOFTWARE_STATEMENT: 'false' });
});
afterAll(() => tested.close());

interface Content {
  [type: string]: { schema?: object };
}
interface Operation {
  summary: string;
  operationId: string;
  security: object[];
  parameters: { name: string; in: string; required: boolean }[];
  requestBody?: { content: Content };
  responses: Record<string, { description: string; content?: Content }>;
}
type Paths = Record<string, Record<string, Operation>>;
const pathsOf = async () => ((await (await fetch(`${tested.url}/openapi.json`)).json()) as { paths: Paths }).paths;

// What a person or a program reads about the API, and the pages of a browser, which people see.
const NO_CALL = /^\/(openapi\.json|docs|oauth2\/authorize.*)$/;

// The phone side of the reference has bodies of its own.
const IN_THEIR_WORDS = /\/(api\/users\/v1|push-auth)\//;

describe('the OpenAPI document', () => {
  test('is valid', async () => {
    const document = await (await fetch(`${tested.url}/openapi.json`)).json();
    expect(await new Validator().validate(document as Parameters<Validator['validate']>[0])).toMatchObject({ valid: true });
    expect(document).toMatchObject({ openapi: '3.1.0', servers: [{ url: tested.url }, {}] });
  });

  test('holds every route, with who calls it and what it answers', async () => {
    const paths = await pathsOf();
    const ids: string[] = [];
    for (const { method, path } of tested.engine.routes.filter((route) => !NO_CALL.test(route.path))) {
      const operation = paths[path]?.[method.toLowerCase()];
      expect([method, path, operation?.summary]).toEqual([method, path, expect.stringMatching(/\w/)]);
      // What no method of a path is for, is there to say so.
      const succeeds = !/^There are no files/.test(operation?.summary ?? '');
      if (succeeds) expect(Object.keys(operation?.responses ?? {})).toContainEqual(expect.stringMatching(/^[23]/));
      ids.push(operation?.operationId ?? '');
    }
    expect(ids).toEqual([...new Set(ids)]);
  });

  test('says the form of a token request and the codes of its refusals', async () => {
    expect((await pathsOf())['/oauth2/token']?.['post']).toMatchObject({
      requestBody: { content: { 'application/x-www-form-urlencoded': { schema: { properties: { grant_type: { type: 'string' } } } } } },
      responses: { 200: { content: { 'application/json': {} } }, 400: { description: expect.stringContaining('slow_down') } },
    });
  });

  test('says how everybody is refused who calls with nothing in hand', async () => {
    const asked = Object.entries(await pathsOf()).flatMap(([path, operations]) =>
      Object.entries(operations).map(([method, operation]) => ({ path, method, operation })),
    );
    const refused: string[] = [];
    for (const { path, method, operation } of asked) {
      const [type] = Object.keys(operation.requestBody?.content ?? {});
      const response = await fetch(tested.url + path, {
        method: method.toUpperCase(),
        headers: type === undefined ? {} : { 'content-type': type },
        ...(type !== undefined && { body: type.endsWith('json') ? '{}' : 'x=y' }),
        redirect: 'manual',
      });
      const text = await response.text();
      const described = operation.responses[response.status];
      const media = response.headers.get('content-type')?.split(';')[0] ?? '';
      expect([path, method, Object.keys(described?.content ?? {})]).toEqual([path, method, [media]]);
      if (response.ok) continue;
      refused.push(path);
      const code = media === 'text/html' ? /\((\w+)\)/.exec(text)?.[1] : JSON.parse(text).error;
      // Refusals in other words than `error` are told from their own descriptions, below.
      if (code === undefined || IN_THEIR_WORDS.test(path)) continue;
      expect([path, method, described?.description.split(', ')]).toEqual([path, method, expect.arrayContaining([code])]);
    }
    expect(refused).toEqual(
      expect.arrayContaining(['/oauth2/token', '/oauth2/userinfo', '/oauth2/authorize', '/approver/v1/requests', '/oauth2/register']),
    );
  });

  const JSON_ERROR = { 'application/json': { schema: { $ref: '#/components/schemas/Refusal' } } };
  const codes = (operation: Operation | undefined, status: number) => operation?.responses[status]?.description.split(', ') ?? [];

  test('says of every client, bearer, device and PSU what it can be refused with', async () => {
    const operations = Object.entries(await pathsOf()).flatMap(([path, there]) => (IN_THEIR_WORDS.test(path) ? [] : Object.values(there)));
    const calledBy = (scheme: string) => operations.filter(({ security }) => security.some((one) => scheme in one));
    const EXPECTED: [string, number, string[]][] = [
      ['clientCertificate', 401, ['invalid_client']],
      ['clientCertificate', 400, ['invalid_request', 'invalid_dpop_proof']],
      ['dpop', 401, ['invalid_token', 'invalid_dpop_proof']],
      ['dpop', 403, ['insufficient_scope']],
      ['deviceProof', 401, ['invalid_token']],
      ['deviceProof', 403, ['access_denied']],
      ['password', 401, ['invalid_token']],
      ['registrationToken', 401, ['invalid_token', 'invalid_client']],
    ];
    for (const [scheme, status, expected] of EXPECTED) {
      expect([scheme, calledBy(scheme).length]).not.toEqual([scheme, 0]);
      for (const operation of calledBy(scheme)) {
        expect([operation.operationId, codes(operation, status)]).toEqual([operation.operationId, expect.arrayContaining(expected)]);
        expect(operation.responses[status]?.content).toEqual(JSON_ERROR);
        expect(Object.keys(operation.responses)).toEqual(expect.arrayContaining(['500', '503']));
      }
    }
    for (const operation of [...calledBy('clientSecret'), ...calledBy('dpop')])
      expect(operation.parameters).toContainEqual(expect.objectContaining({ name: 'DPoP', in: 'header', required: false }));
  });

  test('says that phones of the reference are refused in its words', async () => {
    const paths = await pathsOf();
    const bodyOf = (path: string, method: string, status: number) =>
      paths[path]?.[method]?.responses[status]?.content?.['application/json']?.schema;
    for (const base of ['', '/t/carbon.super']) {
      const devices = `${base}/api/users/v1/me/push-auth/devices`;
      const words = { required: ['code', 'message', 'description', 'traceId'] };
      expect(bodyOf(devices, 'post', 400)).toMatchObject(words);
      expect(bodyOf(`${devices}/{device_id}`, 'get', 404)).toMatchObject(words);
      expect(bodyOf(`${devices}/{device_id}`, 'delete', 400)).toMatchObject(words);
      expect(bodyOf(`${devices}/{device_id}/remove`, 'post', 401)).toMatchObject(words);
      const pattern = { properties: { error: { pattern: expect.stringContaining('PBA-15') } } };
      expect(bodyOf(`${base}/push-auth/authenticate`, 'post', 400)).toMatchObject(pattern);
    }
  });

  test('says that tokens are denied with 400', async () => {
    const token = (await pathsOf())['/oauth2/token']?.['post'];
    expect(codes(token, 400)).toContain('access_denied');
    expect(token?.responses).not.toHaveProperty('403');
    expect(token?.parameters).toContainEqual(expect.objectContaining({ name: 'Prefer', in: 'header' }));
  });

  test('says that browsers are shown pages, or sent back to the client', async () => {
    const paths = await pathsOf();
    for (const method of ['get', 'post']) {
      const operation = paths['/oauth2/authorize']?.[method];
      expect(Object.keys(operation?.responses ?? {})).toEqual(['200', '303', '400', '410', '500', '503']);
      expect(operation?.responses['400']).toEqual({ description: expect.stringContaining('invalid_client'), content: { 'text/html': {} } });
    }
    const ofPages = tested.engine.routes.filter(({ path }) => /^\/oauth2\/(authorize|ciba\/answer)(\/|$)/.test(path));
    expect(ofPages).toHaveLength(9);
    for (const { method, path } of ofPages) {
      const operation = paths[path]?.[method.toLowerCase()];
      expect([path, operation?.responses['200']?.content]).toEqual([path, { 'text/html': {} }]);
      expect([path, Object.keys(operation?.requestBody?.content ?? {})]).toEqual([
        path,
        method === 'GET' ? [] : ['application/x-www-form-urlencoded'],
      ]);
    }
  });

  test('says that a pushed request may ask for a class that cannot be reached', async () => {
    expect(codes((await pathsOf())['/oauth2/par']?.['post'], 400)).toContain('unmet_authentication_requirements');
  });

  test('says that consents are refused in the words of Open Banking', async () => {
    const operations = Object.entries(await pathsOf()).flatMap(([path, there]) =>
      path.startsWith('/open-banking/v3.1/') ? Object.values(there) : [],
    );
    const ofTpps = operations.filter(({ security }) => security.some((one) => 'dpop' in one));
    expect(ofTpps).toHaveLength(50);
    for (const { responses, parameters } of ofTpps) {
      for (const status of ['400', '503'])
        expect(responses[status]?.content?.['application/json']?.schema).toMatchObject({ required: ['Code', 'Message', 'Errors'] });
      for (const status of ['401', '403', '500']) expect(responses[status]?.content).toEqual(JSON_ERROR);
      expect(parameters).toContainEqual(expect.objectContaining({ name: 'x-fapi-interaction-id', in: 'header' }));
    }
  });
});

test('the page says the same, runs nothing and loads nothing', async () => {
  const response = await fetch(`${tested.url}/docs`);
  const text = await response.text();
  expect(response.headers.get('content-type')).toBe('text/html; charset=utf-8');
  expect(response.headers.get('content-security-policy')).toMatch(/^default-src 'none'; style-src 'sha256-[\w+/=]+'; form-action 'none'/);
  expect(text).not.toMatch(/<(script|link|img|iframe|object)|\son\w+=|style="|\uFFFD/i);
  for (const { method, path } of tested.engine.routes.filter((route) => !NO_CALL.test(route.path)))
    expect(text).toContain(`<h2>${method} ${path}</h2>`);
  const section = (heading: string) => text.split('<h2>').find((one) => one.startsWith(heading)) ?? '';
  for (const line of ['<dt>400</dt><dd>access_denied</dd>', '<dt>401</dt><dd>invalid_client</dd>'])
    expect(section('POST /oauth2/token<')).toContain(line);
  expect(section('GET /oauth2/authorize<')).toContain('<dt>400</dt><dd>invalid_client (text/html)</dd>');
});
