import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { type TestEngine, testEngine } from '../../support/engine.ts';
import { expectRefusal, sendJson } from '../../support/http.ts';
import { corrupted, signJws, testKey, withClaims } from '../../support/jws.ts';
import { facts } from '../../support/log.ts';
import { bearer, type Ecosystem, engineIn, REGISTER, registered, sendRegistration, startEcosystem } from './ecosystem.ts';

let ecosystem: Ecosystem;
let tested: TestEngine;
/** Here a statement may be missing. */
let lenient: TestEngine;
/** Here a piece of software has one client. */
let single: TestEngine;
beforeAll(async () => {
  ecosystem = await startEcosystem();
  tested = await engineIn(ecosystem, { COUNTERSIGN_REGISTRATION_STATEMENT_ISSUERS: 'The Directory' });
  lenient = await engineIn(ecosystem, { COUNTERSIGN_REGISTRATION_REQUIRE_SOFTWARE_STATEMENT: 'false' });
  single = await engineIn(ecosystem, { COUNTERSIGN_REGISTRATION_ONE_CLIENT_PER_SOFTWARE: 'true' });
});
afterAll(() => Promise.all([tested.close(), lenient.close(), single.close(), ecosystem.close()]));

const now = () => Math.floor(Date.now() / 1000);
const other = testKey('PS256', 'directory');
const rsa = testKey('PS256', 'software');

const wanted = (software_statement: string, change: object = {}) => ({
  software_statement,
  token_endpoint_auth_method: 'private_key_jwt',
  grant_types: ['authorization_code', 'client_credentials'],
  response_types: ['code id_token'],
  ...change,
});
const refused = (body: object | string, error: string, engine = tested) =>
  expectRefusal(engine, () => sendRegistration(engine, body), 400, error);

test('RS256 is taken for requests and statements where the settings allow it, in every profile', async () => {
  const moving = await engineIn(ecosystem, { COUNTERSIGN_REGISTRATION_ALLOW_RS256: 'true' });
  const header = { alg: 'RS256' };
  const software_statement = await ecosystem.statement({}, ecosystem.directoryKey, header);
  const request = (to: TestEngine, statement: string) =>
    ecosystem.request(to, { software_statement: statement }, ecosystem.softwareKeys.PS256, header);
  try {
    await registered(sendRegistration(moving, wanted(software_statement)));
    await registered(sendRegistration(moving, await request(moving, software_statement)));
    await refused(wanted(software_statement), 'invalid_software_statement');
    await refused(await request(tested, await ecosystem.statement()), 'invalid_client_metadata');
  } finally {
    await moving.close();
  }
});

describe('a software statement', () => {
  test('says who the software is, whatever the request says', async () => {
    const text = await ecosystem.statement();
    const change = { client_name: 'Your bank', software_id: 'another', logo_uri: 'https://tpp.example/logo.png' };
    expect(await registered(sendRegistration(tested, wanted(text, change)))).toMatchObject({
      client_name: 'The Software',
      software_id: 'software-1',
      software_version: '1.5',
      software_statement: text,
      jwks_uri: ecosystem.jwksUri,
      logo_uri: 'https://tpp.example/logo.png',
      redirect_uris: ['https://tpp.example/callback', 'https://tpp.example/other'],
    });
  });

  test('may use the words of RFC 7591', async () => {
    const text = await ecosystem.statement({
      ...{ software_client_name: undefined, software_redirect_uris: undefined, software_jwks_endpoint: undefined, org_status: undefined },
      ...{ client_name: 'In other words', redirect_uris: ['https://tpp.example/a'], jwks: { keys: [rsa.publicJwk] }, scope: 'openid' },
    });
    const body = await registered(sendRegistration(tested, wanted(text, { scope: 'openid accounts' })));
    expect(body).toMatchObject({ client_name: 'In other words', redirect_uris: ['https://tpp.example/a'], scope: 'openid' });
    expect(body).toMatchObject({ jwks: { keys: [rsa.publicJwk] } });
  });

  test('bounds the redirect URIs, from which a request may choose', async () => {
    const text = await ecosystem.statement();
    const chosen = ['https://tpp.example/other'];
    expect(await registered(sendRegistration(tested, wanted(text, { redirect_uris: chosen })))).toMatchObject({ redirect_uris: chosen });
    for (const uri of [
      'https://evil.example/',
      'https://tpp.example/callback/',
      'https://TPP.example/callback',
      'https://tpp.example/callback?',
    ])
      await refused(wanted(text, { redirect_uris: [...chosen, uri] }), 'invalid_redirect_uri');
    await refused(
      wanted(await ecosystem.statement({ software_redirect_uris: undefined }), { redirect_uris: chosen }),
      'invalid_redirect_uri',
    );
  });

  test('bounds the keys', async () => {
    const text = await ecosystem.statement();
    await refused(wanted(text, { jwks_uri: `${ecosystem.base}/another` }), 'invalid_client_metadata');
    await refused(wanted(text, { jwks: { keys: [rsa.publicJwk] } }), 'invalid_client_metadata');
    const byValue = await ecosystem.statement({ software_jwks_endpoint: undefined, software_jwks: { keys: [rsa.publicJwk] } });
    await refused(wanted(byValue, { jwks_uri: ecosystem.jwksUri }), 'invalid_client_metadata');
    expect(await registered(sendRegistration(tested, wanted(byValue, { jwks: { keys: [other.publicJwk] } })))).toMatchObject({
      jwks: { keys: [rsa.publicJwk] },
    });
  });

  test('is not enough for who cannot sign: whoever copied it would be the software', async () => {
    const text = await ecosystem.statement();
    const byCertificate = { token_endpoint_auth_method: 'tls_client_auth', tls_client_auth_subject_dn: 'CN=thief' };
    await refused(wanted(text, byCertificate), 'invalid_client_metadata');
    expect(
      await registered(sendRegistration(tested, await ecosystem.request(tested, { software_statement: text, ...byCertificate }))),
    ).toMatchObject({ tls_client_auth_subject_dn: 'CN=thief', token_endpoint_auth_method: 'tls_client_auth' });
  });

  test('is believed by the keys of its directory, which are fetched once', async () => {
    await registered(sendRegistration(tested, wanted(await ecosystem.statement())));
    const before = ecosystem.calls.length;
    await Promise.all([1, 2, 3].map(async () => registered(sendRegistration(tested, wanted(await ecosystem.statement())))));
    for (let n = 0; n < 5; n += 1)
      await refused(wanted(await ecosystem.statement({}, testKey('ES256', `unknown-${n}`))), 'invalid_software_statement');
    expect(ecosystem.calls.slice(before).filter((path) => path === '/directory').length).toBeLessThanOrEqual(1);
  });

  test.each<[string, string, (good: string) => string | Promise<string>]>([
    ['is missing', 'invalid_software_statement', () => ''],
    ['has another signature', 'invalid_software_statement', corrupted],
    ['was changed', 'invalid_software_statement', (good) => withClaims(good, (claims) => ({ ...claims, software_id: 'software-2' }))],
    ['is signed by somebody else', 'invalid_software_statement', () => ecosystem.statement({}, other)],
    ['is signed by the software itself', 'invalid_software_statement', () => ecosystem.statement({}, ecosystem.softwareKey)],
    ['is signed with EdDSA', 'invalid_software_statement', () => ecosystem.statement({}, testKey('EdDSA', 'directory'))],
    ['is not signed', 'invalid_software_statement', (good) => `${btoa('{"alg":"none"}')}.${good.split('.')[1]}.`],
    ['brings its own key', 'invalid_software_statement', () => ecosystem.statement({}, other, { jwk: other.publicJwk })],
    ['names its own keys', 'invalid_software_statement', () => ecosystem.statement({}, other, { jku: ecosystem.jwksUri })],
    ['is another kind of JWT', 'invalid_software_statement', () => ecosystem.statement({}, ecosystem.directoryKey, { typ: 'at+jwt' })],
    ['has no issuer', 'invalid_software_statement', () => ecosystem.statement({ iss: undefined })],
    ['names no software', 'invalid_software_statement', () => ecosystem.statement({ software_id: undefined })],
    ['does not say when', 'invalid_software_statement', () => ecosystem.statement({ iat: undefined })],
    ['has expired', 'invalid_software_statement', () => ecosystem.statement({ exp: now() - 1 })],
    ['is too old', 'invalid_software_statement', () => ecosystem.statement({ iat: now() - 15_552_100 })],
    ['is of tomorrow', 'invalid_software_statement', () => ecosystem.statement({ iat: now() + 86_400 })],
    ['begins tomorrow', 'invalid_software_statement', () => ecosystem.statement({ nbf: now() + 86_400 })],
    ['is of an issuer that is not accepted', 'unapproved_software_statement', () => ecosystem.statement({ iss: 'Another' })],
    [
      'is of an environment without a directory',
      'unapproved_software_statement',
      () => ecosystem.statement({ software_environment: 'production' }),
    ],
    ['is of an organisation that was withdrawn', 'unapproved_software_statement', () => ecosystem.statement({ org_status: 'Withdrawn' })],
    [
      'names the software so that it reads as another',
      'invalid_client_metadata',
      () => ecosystem.statement({ software_client_name: 'a\u202eb' }),
    ],
    ['has a scope that there is not', 'invalid_client_metadata', () => ecosystem.statement({ scope: 'admin' })],
    [
      'has keys at an address inside',
      'invalid_client_metadata',
      () => ecosystem.statement({ software_jwks_endpoint: 'https://127.0.0.1/jwks' }),
    ],
  ])('that %s is refused with %s', async (_, error, change) => {
    const text = await change(await ecosystem.statement());
    await refused(wanted(text), error);
  });

  test('is refused where it is no text', async () => {
    for (const given of [1, {}, ['x'], true, null]) await refused(wanted(given as string), 'invalid_software_statement');
  });

  test('may be missing where the settings say so, and is verified all the same', async () => {
    expect(
      await registered(
        sendRegistration(
          lenient,
          wanted('', { software_statement: null, grant_types: undefined, response_types: undefined, jwks: { keys: [rsa.publicJwk] } }),
        ),
      ),
    ).toMatchObject({ client_id: expect.any(String) });
    await refused(wanted(corrupted(await ecosystem.statement())), 'invalid_software_statement', lenient);
  });
});

describe('a signed request', () => {
  const signed = async (claims: object = {}, key = ecosystem.softwareKey, header = {}) =>
    ecosystem.request(tested, { software_statement: await ecosystem.statement(), ...claims }, key, header);

  test.each(['application/jwt', 'application/jose', 'application/jwt; charset=utf-8'])('is taken as %s', async (type) => {
    const body = await registered(sendRegistration(tested, await signed(), { headers: { 'content-type': type } }));
    expect(body).toMatchObject({ client_name: 'The Software', jwks_uri: ecosystem.jwksUri });
    for (const member of ['iss', 'aud', 'jti']) expect(body).not.toHaveProperty(member);
  });

  test.each<[string, string, () => Promise<string>]>([
    ['by another key', 'invalid_client_metadata', () => signed({}, testKey('ES256', 'software'))],
    ['by the directory', 'invalid_client_metadata', () => signed({}, ecosystem.directoryKey)],
    ['with another signature', 'invalid_client_metadata', async () => corrupted(await signed())],
    ['by other software', 'invalid_client_metadata', () => signed({ iss: 'software-2' })],
    ['for another server', 'invalid_client_metadata', () => signed({ aud: 'https://another.example' })],
    ['for nobody', 'invalid_client_metadata', () => signed({ aud: undefined })],
    ['that has expired', 'invalid_client_metadata', () => signed({ exp: now() - 1 })],
    ['that never expires', 'invalid_client_metadata', () => signed({ exp: undefined })],
    ['that lives too long', 'invalid_client_metadata', () => signed({ exp: now() + 86_400 })],
    ['of tomorrow', 'invalid_client_metadata', () => signed({ iat: now() + 86_400 })],
    ['of yesterday', 'invalid_client_metadata', () => signed({ iat: now() - 86_400 })],
    ['without an id', 'invalid_client_metadata', () => signed({ jti: undefined })],
    ['of another kind', 'invalid_client_metadata', () => signed({}, ecosystem.softwareKey, { typ: 'oauth-authz-req+jwt' })],
    ['without a statement', 'invalid_software_statement', () => signed({ software_statement: undefined })],
    ['with a redirect URI of somebody else', 'invalid_redirect_uri', () => signed({ redirect_uris: ['https://evil.example/'] })],
  ])('%s is refused with %s', async (_, error, make) => {
    await refused(await make(), error);
  });

  test('is not taken where its statement names no keys', async () =>
    void (await refused(
      await signed({ software_statement: await ecosystem.statement({ software_jwks_endpoint: undefined }) }),
      'invalid_client_metadata',
    )));

  test('is used once, also when it comes twice at the same time', async () => {
    const request = await signed({ jti: randomUUID() });
    const answers = await Promise.all([1, 2, 3, 4].map(() => sendRegistration(tested, request)));
    expect(answers.map(({ status }) => status).sort()).toEqual([201, 400, 400, 400]);
    await refused(request, 'invalid_client_metadata');
  });
});

describe('an update', () => {
  const put = (body: Record<string, string>, change: object | string, engine = tested) =>
    sendRegistration(engine, change, {
      method: 'PUT',
      path: `${REGISTER}/${body['client_id']}`,
      headers: bearer(body['registration_access_token']),
    });

  test('brings the statement that is registered, or a newer one of the same software', async () => {
    const body = await registered(sendRegistration(tested, wanted(await ecosystem.statement())));
    const redirect_uris = ['https://tpp.example/other'];
    expect(await registered(put(body, { ...body, redirect_uris }), 200)).toEqual({ ...body, redirect_uris });
    const newer = await ecosystem.statement({ software_client_name: 'The newer Software' });
    expect(await registered(put(body, wanted(newer)), 200)).toMatchObject({ client_name: 'The newer Software', software_statement: newer });
    const request = await ecosystem.request(tested, {
      ...wanted(newer),
      client_id: body['client_id'],
      tls_client_auth_subject_dn: 'CN=tpp',
    });
    expect(await registered(put(body, request), 200)).toMatchObject({ tls_client_auth_subject_dn: 'CN=tpp' });
  });

  test('is refused with less', async () => {
    const body = await registered(sendRegistration(tested, wanted(await ecosystem.statement())));
    const refusedPut = (change: object | string, error: string) => expectRefusal(tested, () => put(body, change), 400, error);
    await refusedPut({ ...body, software_statement: undefined }, 'invalid_software_statement');
    await refusedPut({ ...body, software_statement: corrupted(String(body['software_statement'])) }, 'invalid_software_statement');
    await refusedPut(wanted(await ecosystem.statement({ software_id: 'software-2' })), 'invalid_software_statement');
    await refusedPut({ ...body, redirect_uris: ['https://evil.example/'] }, 'invalid_redirect_uri');
    await refusedPut({ ...body, jwks_uri: `${ecosystem.base}/another` }, 'invalid_client_metadata');
    await refusedPut({ ...body, jwks_uri: undefined, jwks: { keys: [rsa.publicJwk] } }, 'invalid_client_metadata');
    await refusedPut(await ecosystem.request(tested, wanted(String(body['software_statement'])), rsa), 'invalid_client_metadata');
  });

  test('stays within the statement that it does not repeat', async () => {
    const body = await registered(sendRegistration(lenient, wanted(await ecosystem.statement())));
    const { software_statement, ...rest } = body;
    expect(await registered(put(body, { ...rest, client_name: 'Your bank' }, lenient), 200)).toMatchObject({
      client_name: 'The Software',
      software_statement,
    });
    await expectRefusal(
      lenient,
      () => put(body, { ...rest, redirect_uris: ['https://evil.example/'] }, lenient),
      400,
      'invalid_redirect_uri',
    );
  });
});

describe('where software has one client', () => {
  test('of many registrations at once one is taken, and another when it has ended', async () => {
    const software = randomUUID();
    const send = async (software_id = software) => {
      const members = wanted(await ecosystem.statement({ software_id }));
      return sendRegistration(single, await ecosystem.request(single, { ...members, iss: software_id }));
    };
    const before = await single.ports.store.head();
    const answers = await Promise.all(Array.from({ length: 8 }, () => send()));
    expect(answers.map(({ status }) => status).sort()).toEqual([201, ...Array(7).fill(400)]);
    expect((await facts(single, before)).map(({ type }) => type)).toEqual(['ClientRegistered']);
    const body = (await answers.find(({ status }) => status === 201)?.json()) as Record<string, string>;
    await expectRefusal(single, send, 400, 'invalid_client_metadata');
    const removed = await sendJson(
      single,
      'DELETE',
      `${REGISTER}/${body['client_id']}`,
      undefined,
      bearer(body['registration_access_token']),
    );
    expect(removed.status).toBe(204);
    expect((await registered(send()))['client_id']).not.toBe(body['client_id']);
    expect(await registered(send(randomUUID()))).toBeDefined();
  });
});

test('a directory that does not answer makes no client and no fault', async () => {
  const lost = await testEngine(
    { outbound: ecosystem.outbound },
    { ...ecosystem.settings, COUNTERSIGN_REGISTRATION_SANDBOX_JWKS_URL: `${ecosystem.base}/nothing` },
  );
  await refused(wanted(await ecosystem.statement()), 'invalid_software_statement', lost);
  await refused(wanted(await signJws(other, { iss: 'x', iat: now(), software_id: 'x' })), 'invalid_software_statement', lost);
  await lost.close();
});

describe('the directories', () => {
  let both: TestEngine;
  let productionOnly: TestEngine;
  beforeAll(async () => {
    const production = { COUNTERSIGN_REGISTRATION_PRODUCTION_JWKS_URL: `${ecosystem.base}/production` };
    both = await engineIn(ecosystem, production);
    const { COUNTERSIGN_REGISTRATION_SANDBOX_JWKS_URL: _, ...settings } = ecosystem.settings;
    productionOnly = await testEngine({ outbound: ecosystem.outbound }, { ...settings, ...production });
  });
  afterAll(() => Promise.all([both.close(), productionOnly.close()]));

  const by = (directory: 'production' | 'sandbox', environment: unknown) =>
    ecosystem.statement(
      { software_environment: environment },
      directory === 'production' ? ecosystem.productionKey : ecosystem.directoryKey,
    );

  test.each<['production' | 'sandbox', unknown]>([
    ['production', 'production'],
    ['sandbox', 'sandbox'],
    ['sandbox', undefined],
    ['sandbox', 'Production'],
  ])('that of %s signs for the environment %s, and the other does not', async (directory, environment) => {
    expect(await registered(sendRegistration(both, wanted(await by(directory, environment))))).toMatchObject({
      client_name: 'The Software',
    });
    const stranger = directory === 'production' ? 'sandbox' : 'production';
    await refused(wanted(await by(stranger, environment)), 'invalid_software_statement', both);
  });

  test('that of production alone makes no client of the sandbox', async () => {
    expect(await registered(sendRegistration(productionOnly, wanted(await by('production', 'production'))))).toBeDefined();
    for (const directory of ['production', 'sandbox'] as const)
      await refused(wanted(await by(directory, 'sandbox')), 'unapproved_software_statement', productionOnly);
  });
});
