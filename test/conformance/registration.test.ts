import { createPrivateKey, createPublicKey, type JsonWebKey, randomUUID } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import 'reflect-metadata';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { X509CertificateGenerator } from '@peculiar/x509';
import { issueClientCertificate, selfSignedCertificate } from '../../src/adapters/tls/certificates.ts';
import { startHttps, testIdentity } from '../adapters/outbound/hosts.ts';
import { signJws, type TestKey, testKey } from '../support/jws.ts';
import { temporaryFolder } from '../support/served.ts';
import { ASSERTION_TYPE } from '../support/tpp.ts';
import { good } from './support/tpp.ts';
import { type Answer, expectError, type Form, openWire, partsOf, REGISTRATION, type Sent, type Wire } from './support/wire.ts';

const CIBA_GRANT = 'urn:openid:params:grant-type:ciba';
const HOST = 'localhost:4433';

let wire: Wire;
/** What a test of its own has opened. */
const closing: (() => Promise<void>)[] = [];
beforeAll(async () => {
  wire = await openWire(REGISTRATION, { hosts: [HOST], ca: (await testIdentity()).ca });
});
afterAll(async () => {
  await wire.close();
  for (const close of closing) await close();
});

/** The one RSA key of a client with its certificate. */
const certifiedKey = async (): Promise<TestKey> => {
  const signingAlgorithm = { name: 'RSASSA-PKCS1-v1_5', hash: 'SHA-256' };
  const rsa = { ...signingAlgorithm, modulusLength: 2048, publicExponent: new Uint8Array([1, 0, 1]) };
  const keys = await crypto.subtle.generateKey(rsa, true, ['sign', 'verify']);
  const certificate = await X509CertificateGenerator.createSelfSigned({ name: 'CN=TPP', keys, signingAlgorithm });
  const key = testKey('PS256', randomUUID());
  const privateKey = createPrivateKey({ key: (await crypto.subtle.exportKey('jwk', keys.privateKey)) as JsonWebKey, format: 'jwk' });
  const publicKey = createPublicKey(privateKey);
  const x5c = [Buffer.from(certificate.rawData).toString('base64')];
  return {
    ...key,
    privateKey,
    publicKey,
    publicJwk: { ...publicKey.export({ format: 'jwk' }), kty: 'RSA', kid: key.kid, use: 'sig', x5c },
  };
};

const registrationOf = (key: TestKey, more: object = {}) => ({
  client_name: 'Certified TPP',
  grant_types: [CIBA_GRANT],
  jwks: { keys: [key.publicJwk] },
  backchannel_token_delivery_mode: 'poll',
  backchannel_authentication_request_signing_alg: 'PS256',
  backchannel_user_code_parameter: false,
  id_token_signed_response_alg: 'PS256',
  token_endpoint_auth_method: 'private_key_jwt',
  token_endpoint_auth_signing_alg: 'PS256',
  tls_client_certificate_bound_access_tokens: true,
  response_types: [],
  ...more,
});

const register = (json: unknown, at = wire): Promise<Answer> => at.send(at.endpoint('registration_endpoint'), { json });
const manage = (
  registered: Answer,
  method: string,
  json?: unknown,
  token = registered.body['registration_access_token'],
): Promise<Answer> =>
  wire.send(registered.body['registration_client_uri'], {
    method,
    ...(json !== undefined && { json }),
    headers: { authorization: `Bearer ${token}` },
  });

test('R72 a client of CIBA registers itself, and can ask', async () => {
  const key = await certifiedKey();
  const registered = await register(registrationOf(key));
  expect(registered.status).toBe(201);
  const clientId: string = registered.body['client_id'];
  const at = wire.now();
  const claims = { iss: clientId, aud: wire.issuer, iat: at, nbf: at, exp: at + 60 };
  const assertion = await signJws(key, { ...claims, sub: clientId, jti: randomUUID() });
  const request = await signJws(key, { ...claims, jti: randomUUID(), scope: 'openid', login_hint: 'alice' });
  const identity = await issueClientCertificate(wire.authority, { commonName: 'TPP' }, at);
  const form = { client_assertion_type: ASSERTION_TYPE, client_assertion: assertion, request };
  good(await wire.send(wire.endpoint('backchannel_authentication_endpoint'), { form, identity }));

  const pinged = { backchannel_token_delivery_mode: 'ping', backchannel_client_notification_endpoint: `https://${HOST}/ping` };
  expect((await register(registrationOf(key, pinged))).status).toBe(201);
  const selfSigned = { token_endpoint_auth_method: 'self_signed_tls_client_auth', token_endpoint_auth_signing_alg: undefined };
  expect((await register(registrationOf(await certifiedKey(), selfSigned))).status).toBe(201);
});

test('R73 the answer names the client and how to manage it', async () => {
  const { status, headers, body } = await register(registrationOf(testKey('PS256')));
  expect(status).toBe(201);
  expect(headers['content-type']).toMatch(/^application\/json/);
  expect(body).toMatchObject({ client_id: expect.any(String), registration_access_token: expect.any(String) });
  expect(body['registration_client_uri']).toMatch(/^https:\/\//);
  expect(body['error']).toBeUndefined();
  if ('client_secret' in body) expect(body['client_secret_expires_at']).toEqual(expect.any(Number));
});

test('R74 a client deletes its registration', async () => {
  const registered = good(await register(registrationOf(testKey('PS256'))));
  expect((await manage(registered, 'DELETE')).status).toBe(204);
  expect((await manage(registered, 'GET')).status).toBe(401);
});

test('D1 all that is registered is answered, and what is wrong has its code', async () => {
  const given = registrationOf(testKey('PS256'));
  const { status, body } = await register(given);
  expect(status).toBe(201);
  expect(body).toMatchObject(JSON.parse(JSON.stringify(given)));
  const redirecting = { grant_types: ['authorization_code'], response_types: ['code id_token'] };
  for (const uri of ['http://tpp.example/callback', 'https://tpp.example/callback#fragment', 'nonsense'])
    expectError(await register({ ...given, ...redirecting, redirect_uris: [uri] }), [400, 'invalid_redirect_uri']);
  const wrong = [
    { token_endpoint_auth_method: 'none' },
    { token_endpoint_auth_signing_alg: 'RS256' },
    { backchannel_token_delivery_mode: 'push', backchannel_client_notification_endpoint: `https://${HOST}/push` },
    { grant_types: 'all of them' },
    { jwks: undefined },
    { jwks: { keys: [testKey('PS256').privateKey.export({ format: 'jwk' })] } },
    { jwks: undefined, jwks_uri: 'http://tpp.example/jwks' },
    { jwks: undefined, jwks_uri: 'https://127.0.0.1/jwks' },
  ];
  for (const one of wrong) expectError(await register({ ...given, ...one }), [400, 'invalid_client_metadata']);
  expectError(await register({ ...given, software_statement: 'nonsense' }), [400, 'invalid_software_statement']);
});

describe('a software statement', () => {
  const key = testKey('PS256', 'directory');
  let strict: Wire;
  beforeAll(async () => {
    const file = join(temporaryFolder(), 'directory.json');
    writeFileSync(file, JSON.stringify({ keys: [{ ...key.publicJwk, use: 'sig' }] }));
    strict = await openWire({
      ...{ COUNTERSIGN_REGISTRATION_ENABLED: 'true', COUNTERSIGN_REGISTRATION_SANDBOX_JWKS_FILE: file },
      ...{ COUNTERSIGN_REGISTRATION_STATEMENT_ISSUERS: 'https://directory.example' },
    });
  });
  afterAll(() => strict.close());

  const callback = 'https://tpp.example/callback';
  const own = testKey('PS256');
  const statement = (claims: object = {}, signer = key) =>
    signJws(signer, {
      iss: 'https://directory.example',
      iat: strict.now(),
      jti: randomUUID(),
      software_id: 'software-1',
      software_client_name: 'The name in the statement',
      software_redirect_uris: [callback],
      software_jwks: { keys: [own.publicJwk] },
      ...claims,
    });
  const request = (software_statement: string | undefined, more: object = {}) => ({
    ...registrationOf(own, { jwks: { keys: [own.publicJwk] } }),
    grant_types: ['authorization_code', CIBA_GRANT],
    response_types: ['code id_token'],
    redirect_uris: [callback],
    software_statement,
    ...more,
  });

  test('D2 is verified, and its values win', async () => {
    const registered = await register(request(await statement(), { client_name: 'Another name' }), strict);
    expect(registered).toMatchObject({ status: 201, body: expect.objectContaining({ client_name: 'The name in the statement' }) });
    expectError(await register(request(undefined), strict), [400, 'invalid_software_statement'], [400, 'invalid_client_metadata']);
    expectError(await register(request(await statement({}, testKey('PS256', 'directory'))), strict), [400, 'invalid_software_statement']);
    expectError(await register(request(await statement({}, { ...key, alg: 'RS256' })), strict), [400, 'invalid_software_statement']);
    expectError(
      await register(request(await statement({ iss: 'https://other.example' })), strict),
      [400, 'unapproved_software_statement'],
      [400, 'invalid_software_statement'],
    );
    const outside = request(await statement(), { redirect_uris: ['https://other.example/callback'] });
    expectError(await register(outside, strict), [400, 'invalid_redirect_uri'], [400, 'invalid_client_metadata']);
  });
});

test('D3 a client reads, replaces and deletes its registration', async () => {
  const given = registrationOf(testKey('PS256'));
  const registered = good(await register(given));
  const { client_id } = registered.body;
  const read = await manage(registered, 'GET');
  expect(read).toMatchObject({ status: 200, body: expect.objectContaining({ client_id, client_name: given.client_name }) });
  const replaced = await manage(registered, 'PUT', { ...given, client_id, client_name: 'A new name' });
  expect(replaced).toMatchObject({ status: 200, body: expect.objectContaining({ client_id, client_name: 'A new name' }) });
  for (const wrong of [{ jwks: undefined, jwks_uri: 'nonsense' }, { token_endpoint_auth_method: 'none' }])
    expectError(await manage(registered, 'PUT', { ...given, client_id, ...wrong }), [400, 'invalid_client_metadata']);
  const other = good(await register(given));
  for (const method of ['GET', 'PUT', 'DELETE']) {
    const refused = await manage(registered, method, method === 'PUT' ? given : undefined, other.body['registration_access_token']);
    expect(refused.status).toBe(401);
    expect(refused.headers['www-authenticate']).toMatch(/^Bearer/);
  }
  expect((await manage(registered, 'DELETE')).status).toBe(204);
  for (const method of ['GET', 'PUT', 'DELETE'])
    expect((await manage(registered, method, method === 'PUT' ? given : undefined)).status).toBe(401);
});

describe.each(['fapi-ciba', 'fapi1-advanced', 'fapi2'])('a client of the profile %s', (profile) => {
  let strict: Wire;
  beforeAll(async () => {
    strict = await openWire(
      { ...REGISTRATION, COUNTERSIGN_REGISTRATION_PROFILE: profile },
      { hosts: [HOST], ca: (await testIdentity()).ca },
    );
  });
  afterAll(() => strict.close());

  test('R6 cannot have push', async () => {
    const notified = { backchannel_client_notification_endpoint: `https://${HOST}/notify` };
    const own = registrationOf(testKey('PS256'));
    const withMode = (mode: string) => register({ ...own, ...notified, backchannel_token_delivery_mode: mode }, strict);
    expect((await withMode('ping')).status).toBe(201);
    expectError(await withMode('push'), [400, 'invalid_client_metadata']);
  });

  test('R26 cannot have a shared secret', async () => {
    const own = registrationOf(testKey('PS256'), { token_endpoint_auth_signing_alg: undefined });
    expect((await register(own, strict)).status).toBe(201);
    for (const method of ['client_secret_basic', 'client_secret_post', 'client_secret_jwt'])
      expectError(await register({ ...own, token_endpoint_auth_method: method }, strict), [400, 'invalid_client_metadata']);
  });
});

test('D4 where a certificate is required, no call comes through without one of a trusted authority', async () => {
  const strict = await openWire({ ...REGISTRATION, COUNTERSIGN_REGISTRATION_REQUIRE_CERTIFICATE: 'true' });
  closing.push(() => strict.close());
  const trusted = await issueClientCertificate(strict.authority, { commonName: 'TPP' }, strict.now());
  const stranger = await selfSignedCertificate({ commonName: 'TPP' }, strict.now());
  const endpoint = strict.endpoint('registration_endpoint');
  expect(endpoint).toBe(strict.metadata['registration_endpoint']);
  const own = registrationOf(testKey('PS256'));
  const registered = good(await strict.send(endpoint, { json: own, identity: trusted }));
  const { registration_client_uri: at, registration_access_token: token, client_id } = registered.body;
  const headers = { authorization: `Bearer ${token}` };
  const calls: [string, Sent][] = [
    [endpoint, { json: own }],
    [at, { headers }],
    [at, { method: 'PUT', headers, json: { ...own, client_id } }],
    [at, { method: 'DELETE', headers }],
  ];
  for (const [url, sent] of calls) {
    for (const identity of [null, stranger]) expectError(await strict.send(url, { ...sent, identity }), [401, 'invalid_client']);
    const { pathname } = new URL(url);
    expectError(await strict.send(strict.issuer + pathname, { ...sent, identity: trusted }), [401, 'invalid_client']);
  }
  for (const [url, sent] of calls) good(await strict.send(url, { ...sent, identity: trusted }));
});

test('C4 a client of the basic profile registers itself, and its keys by reference may change', async () => {
  const [first, second] = [testKey('ES256', 'first'), testKey('ES256', 'second')];
  const identity = await testIdentity();
  let served = first;
  const asked: string[] = [];
  const host = await startHttps(identity, (req, res) => {
    asked.push(req.url ?? '');
    res.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify({ keys: [served.publicJwk] }));
  });
  closing.push(() => host.close());
  const base = `https://127.0.0.1:${host.port}`;
  const basic = await openWire(
    { ...REGISTRATION, COUNTERSIGN_REGISTRATION_PROFILE: 'plain' },
    { hosts: [`127.0.0.1:${host.port}`], ca: identity.ca },
  );
  closing.push(() => basic.close());
  const shown = {
    logo_uri: 'https://tpp.example/logo.png',
    policy_uri: 'https://tpp.example/policy',
    tos_uri: 'https://tpp.example/terms',
  };
  const given = {
    ...{ client_name: 'A basic TPP', token_endpoint_auth_method: 'private_key_jwt', jwks_uri: `${base}/jwks`, ...shown },
    ...{ grant_types: [CIBA_GRANT, 'client_credentials'], id_token_signed_response_alg: 'PS256', userinfo_signed_response_alg: 'PS256' },
  };
  for (const alg of ['RS256', 'none', 'HS256'])
    expectError(await register({ ...given, id_token_signed_response_alg: alg }, basic), [400, 'invalid_client_metadata']);
  const { body } = good(await register({ ...given, sector_identifier_uri: `${base}/sector` }, basic));
  expect(body).toMatchObject(given);
  expect(body).not.toHaveProperty('sector_identifier_uri');

  const clientId: string = body['client_id'];
  const auth = async (key: TestKey) => {
    const claims = { iss: clientId, sub: clientId, aud: basic.issuer, jti: randomUUID(), exp: basic.now() + 60 };
    return { client_assertion_type: ASSERTION_TYPE, client_assertion: await signJws(key, claims) };
  };
  const post = async (endpoint: string, form: Form, key: TestKey) =>
    basic.send(basic.endpoint(endpoint, 'plain'), { form: { ...(await auth(key)), ...form } });
  const ask = (key: TestKey) => post('backchannel_authentication_endpoint', { scope: 'openid', login_hint: 'alice' }, key);
  const authReqId: string = good(await ask(first)).body['auth_req_id'];
  await basic.answer(authReqId, 'approved');
  served = second;
  await basic.later(61, async () => {
    good(await ask(second));
    expectError(await ask(first), [401, 'invalid_client']);
    const tokens = good(await post('token_endpoint', { grant_type: CIBA_GRANT, auth_req_id: authReqId }, second));
    expect(partsOf(tokens.body['id_token']).header['alg']).toBe('PS256');
    const headers = { authorization: `Bearer ${tokens.body['access_token']}` };
    const userinfo = good(await basic.send(basic.endpoint('userinfo_endpoint', 'plain'), { headers }));
    expect(userinfo.headers['content-type']).toBe('application/jwt');
    expect(partsOf(userinfo.text)).toMatchObject({ header: { alg: 'PS256' }, claims: { aud: clientId } });
  });
  expect(new Set(asked)).toEqual(new Set(['/jwks']));
});
