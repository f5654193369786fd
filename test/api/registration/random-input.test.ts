import { afterAll, beforeAll, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { clientMetadata } from '../../../src/domain/client/metadata.ts';
import type { TestEngine } from '../../support/engine.ts';
import { testKey } from '../../support/jws.ts';
import { facts } from '../../support/log.ts';
import { bearer, type Ecosystem, engineIn, REGISTER, registered, sendRegistration, startEcosystem } from './ecosystem.ts';

let ecosystem: Ecosystem;
let tested: TestEngine;
let own: Record<string, string>;
let good: ReadonlyMap<string, unknown>;
const key = testKey('ES256');

beforeAll(async () => {
  ecosystem = await startEcosystem();
  tested = await engineIn(ecosystem, { COUNTERSIGN_REGISTRATION_REQUIRE_SOFTWARE_STATEMENT: 'false' });
  own = await registered(sendRegistration(tested, { jwks: { keys: [key.publicJwk] }, token_endpoint_auth_method: 'private_key_jwt' }));
  good = new Map<string, unknown>([
    ['@jwks', { keys: [key.publicJwk] }],
    ['@statement', await ecosystem.statement()],
    ['@client', own['client_id']],
    ['@software', `${ecosystem.base}/software`],
  ]);
});
afterAll(() => Promise.all([tested.close(), ecosystem.close()]));

const resolved = (value: unknown): unknown => (typeof value === 'string' ? (good.get(value) ?? value) : value);

const text = fc.oneof(fc.string({ unit: 'binary' }), fc.string(), fc.constantFrom('', '\u0000', '\ud800', '__proto__', 'x'.repeat(3000)));
const member = fc.constantFrom(
  ...Object.keys(clientMetadata.shape),
  ...['client_id', 'client_secret', 'software_statement', 'iss', 'aud', 'exp', 'iat', 'jti', '__proto__', 'constructor', 'toString'],
);
const likely = fc.constantFrom<unknown>(
  ...['@jwks', '@statement', '@client', '@software', 'private_key_jwt', 'tls_client_auth', 'client_secret_basic', 'openid', 'ping', 'poll'],
  ...['ES256', 'https://tpp.example/', 'https://127.0.0.1/', 'http://tpp.example/', 'software-1', true, false, null, 1e308],
  ...[['code'], ['authorization_code'], ['client_credentials'], ['https://tpp.example/callback'], { keys: [] }, { keys: [{ kty: 'EC' }] }],
);
const value = fc.oneof(
  { weight: 4, arbitrary: likely },
  fc.jsonValue({ maxDepth: 3 }),
  text,
  fc.double(),
  fc.array(text, { maxLength: 3 }),
);
const body = fc.record({
  usual: fc.boolean(),
  members: fc.array(fc.tuple(fc.oneof({ weight: 9, arbitrary: member }, text), value), { maxLength: 8 }),
});

const claim = fc.oneof(
  fc.constantFrom(
    'iss',
    'iat',
    'exp',
    'nbf',
    'software_id',
    'software_environment',
    'software_version',
    'software_client_name',
    'org_status',
  ),
  fc.constantFrom(
    'software_redirect_uris',
    'software_jwks_endpoint',
    'software_jwks',
    'jwks',
    'jwks_uri',
    'scope',
    'grant_types',
    'client_name',
  ),
);

const call = fc.record({
  method: fc.constantFrom('POST', 'POST', 'PUT', 'PUT', 'GET'),
  id: fc.oneof({ weight: 4, arbitrary: fc.constant('@client') }, text),
  token: fc.oneof({ weight: 4, arbitrary: fc.constant('@token') }, fc.constantFrom('x', 'x'.repeat(9000))),
  form: fc.constantFrom('json', 'json', 'signed', 'raw'),
  body,
  raw: fc.oneof(fc.json(), fc.string({ unit: 'binary' }), fc.constantFrom('{"__proto__":{"jwks":1}}', '[]', 'null', '1', '{"a":1,"a":2}')),
  // What a directory might say that we trust, whatever it is.
  statement: fc.oneof(fc.constant({}), fc.dictionary(claim, value, { maxKeys: 3 })),
  header: fc.oneof(fc.constant({}), fc.record({ typ: fc.string(), kid: text })),
});

test('whatever a registration says, it makes no fault, and no fact if it is refused', () =>
  fc.assert(
    fc.asyncProperty(call, async ({ method, id, token, form, body, raw, statement, header }) => {
      const keys = form === 'signed' ? { software_statement: await ecosystem.statement(statement) } : { jwks: good.get('@jwks') };
      const usual = body.usual ? { ...keys, token_endpoint_auth_method: 'private_key_jwt' } : {};
      const members = { ...usual, ...Object.fromEntries(body.members.map(([name, given]) => [name, resolved(given)])) };
      const sent =
        form === 'json' ? JSON.stringify(members) : form === 'raw' ? raw : await ecosystem.request(tested, members, undefined, header);
      const path = method === 'POST' ? REGISTER : `${REGISTER}/${encodeURIComponent(String(resolved(id)).toWellFormed())}`;
      const before = await tested.ports.store.head();
      const response = await fetch(tested.url + path, {
        method,
        headers: {
          'content-type': form === 'signed' ? 'application/jwt' : 'application/json',
          ...bearer(token === '@token' ? own['registration_access_token'] : token),
        },
        ...(method !== 'GET' && { body: sent }),
      });
      const answer = (await response.json()) as object;
      expect(response.status).toBeLessThan(500);
      if (response.status < 300) return expect(answer).toHaveProperty('client_id');
      expect([response.headers.get('content-type'), response.headers.get('cache-control')]).toEqual(['application/json', 'no-store']);
      expect(answer).toEqual({ error: expect.any(String), error_description: expect.stringMatching(/^[\x20\x21\x23-\x5b\x5d-\x7e]+$/) });
      expect(await facts(tested, before)).toEqual([]);
    }),
    { numRuns: Number(process.env['RANDOM_INPUT_RUNS'] ?? 300) },
  ));
