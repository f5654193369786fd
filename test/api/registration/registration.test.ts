import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { CIBA_GRANT } from '../../../src/domain/client/metadata.ts';
import { nodesOwn, type TestEngine, testEngine } from '../../support/engine.ts';
import { expectRefusal, sendJson } from '../../support/http.ts';
import { testKey } from '../../support/jws.ts';
import { facts, recorded } from '../../support/log.ts';
import { certificate, ownToken, withCertificate } from '../../support/tpp.ts';
import { bearer, REGISTER, registered, sendRegistration } from './ecosystem.ts';

const OPEN = {
  COUNTERSIGN_REGISTRATION_ENABLED: 'true',
  COUNTERSIGN_REGISTRATION_REQUIRE_SOFTWARE_STATEMENT: 'false',
  COUNTERSIGN_REGISTRATION_PER_MINUTE: '100000',
};

let tested: TestEngine;
let plain: TestEngine;
beforeAll(async () => {
  tested = await testEngine({}, OPEN);
  plain = await testEngine({}, { ...OPEN, COUNTERSIGN_REGISTRATION_PROFILE: 'plain' });
});
afterAll(() => Promise.all([tested.close(), plain.close()]));

const key = testKey('PS256');
const own = { jwks: { keys: [key.publicJwk] }, token_endpoint_auth_method: 'private_key_jwt' };
const withSecret = { client_name: 'With a secret', token_endpoint_auth_method: 'client_secret_post' };
// What the conformance suite registers for FAPI-CIBA.
const suite = {
  client_name: 'A conformance client',
  grant_types: [CIBA_GRANT],
  jwks: { keys: [{ ...key.publicJwk, x5c: ['MIIB'], use: 'sig', alg: 'PS256' }] },
  backchannel_token_delivery_mode: 'poll',
  backchannel_authentication_request_signing_alg: 'PS256',
  backchannel_user_code_parameter: false,
  id_token_signed_response_alg: 'PS256',
  token_endpoint_auth_method: 'private_key_jwt',
  token_endpoint_auth_signing_alg: 'PS256',
  tls_client_certificate_bound_access_tokens: true,
  response_types: [],
};

const at = (clientId: string | undefined) => `${REGISTER}/${clientId}`;

describe('a client registers itself', () => {
  test('and is told all that is registered, once with its token', async () => {
    const before = await tested.ports.store.head();
    const response = await sendRegistration(tested, suite);
    expect([response.status, response.headers.get('cache-control')]).toEqual([201, 'no-store']);
    const body = (await response.json()) as Record<string, string>;
    expect(body).toMatchObject({
      ...suite,
      client_id: expect.stringMatching(/^[\w-]{36,43}$/),
      client_id_issued_at: expect.any(Number),
      registration_access_token: expect.stringMatching(/^[\w-]{43}$/),
      registration_client_uri: tested.url + at(body['client_id']),
      scope: 'openid accounts',
    });
    for (const member of ['client_secret', 'error', 'profile', 'resource_server', 'jwks_uri']) expect(body).not.toHaveProperty(member);
    const [fact, ...others] = await facts(tested, before);
    expect([fact?.type, fact?.stream, fact?.actor, others]).toEqual([
      'ClientRegistered',
      `client-${body['client_id']}`,
      { kind: 'client', id: body['client_id'] },
      [],
    ]);
    expect(JSON.parse(fact?.data ?? '')).toMatchObject({ metadata: { profile: 'fapi-ciba', resource_server: false } });
    expect(JSON.stringify(fact)).not.toContain(body['registration_access_token']);
  });

  test('at the other path too', async () => {
    const body = await registered(sendRegistration(tested, suite, { path: '/oauth2/register' }));
    expect(
      await (
        await sendJson(tested, 'GET', `/oauth2/register/${body['client_id']}`, undefined, bearer(body['registration_access_token']))
      ).json(),
    ).toEqual(body);
  });

  test('with a secret only where its method has one', async () => {
    const body = await registered(sendRegistration(plain, withSecret));
    expect(body).toMatchObject({ client_secret: expect.stringMatching(/^[\w-]{43}$/), client_secret_expires_at: 0 });
    expect(JSON.stringify(await plain.log())).not.toContain(body['client_secret']);
    const auth = { client_id: String(body['client_id']), client_secret: String(body['client_secret']) };
    expect(await ownToken(plain, auth)).toMatch(/./);
    const read = await registered(sendJson(plain, 'GET', at(auth.client_id), undefined, bearer(body['registration_access_token'])), 200);
    expect(read).not.toHaveProperty('client_secret');
  });

  test('with the defaults of the specification, and without what it cannot choose', async () => {
    const body = await registered(
      sendRegistration(plain, {
        redirect_uris: ['https://tpp.example/'],
        profile: 'fapi2',
        resource_server: true,
        client_id: 'mine',
        unheard: {},
        logo_uri: null,
      }),
    );
    expect(body).toMatchObject({
      client_name: body['client_id'],
      token_endpoint_auth_method: 'client_secret_basic',
      grant_types: ['authorization_code'],
      response_types: ['code'],
      tls_client_certificate_bound_access_tokens: false,
    });
    expect(body['client_id']).not.toBe('mine');
    expect(JSON.stringify(body)).not.toContain('unheard');
    const [fact] = (await plain.log()).filter(({ stream }) => stream === `client-${body['client_id']}`);
    expect(JSON.parse(fact?.data ?? '')).toMatchObject({ metadata: { profile: 'plain', resource_server: false } });
  });

  test('with the scopes that there are', async () =>
    expect(await registered(sendRegistration(tested, { ...suite, scope: 'credit accounts' }))).toMatchObject({ scope: 'accounts' }));

  test("with the reference's name for user codes", async () =>
    expect(
      await registered(
        sendRegistration(tested, { ...suite, backchannel_user_code_parameter: undefined, backchannel_user_code_parameter_supported: true }),
      ),
    ).toMatchObject({ backchannel_user_code_parameter: true }));
});

describe('a registration is refused', () => {
  const local = 'https://127.0.0.1/ping';
  const weak = { kty: 'RSA', n: 'AQAB', e: 'AQAB' };
  test.each<[string, object, string?]>([
    [
      'with push for a FAPI client',
      { ...suite, backchannel_token_delivery_mode: 'push', backchannel_client_notification_endpoint: 'https://tpp.example/' },
    ],
    [
      'with ping to an address inside',
      { ...suite, backchannel_token_delivery_mode: 'ping', backchannel_client_notification_endpoint: local },
    ],
    [
      'with ping in the clear',
      { ...suite, backchannel_token_delivery_mode: 'ping', backchannel_client_notification_endpoint: 'http://tpp.example/' },
    ],
    ['with keys at an address inside', { ...suite, jwks: undefined, jwks_uri: local }],
    ['with keys at a host that cannot be', { ...suite, jwks: undefined, jwks_uri: 'https://nowhere.invalid/jwks' }],
    ['with both kinds of keys', { ...suite, jwks_uri: 'https://tpp.example/jwks' }],
    ['with a private key', { ...suite, jwks: { keys: [key.privateKey.export({ format: 'jwk' })] } }],
    ['with a weak key', { ...suite, jwks: { keys: [weak] } }],
    ['with no key for its algorithm', { ...suite, token_endpoint_auth_signing_alg: 'ES256' }],
    ['with an algorithm that its profile forbids', { ...suite, token_endpoint_auth_signing_alg: 'EdDSA' }],
    ['with a secret in a FAPI profile', { ...suite, token_endpoint_auth_method: 'client_secret_basic' }],
    ['without a method in a FAPI profile', { ...suite, token_endpoint_auth_method: undefined }],
    ['with tokens that are not bound', { ...suite, tls_client_certificate_bound_access_tokens: false }],
    ['with a grant type that there is not', { ...suite, grant_types: ['password'] }],
    ['with a scope that there is not', { ...suite, scope: 'admin' }],
    ['with a name that hides its direction', { ...suite, client_name: 'Bank \u202egnp.exe' }],
    ['with a name that ends a line', { ...suite, client_name: 'Bank\nApproved' }],
    ['with a type of authorization_details that there is not', { ...suite, authorization_details_types: ['everything'] }],
    ['with a list for a name', { ...suite, client_name: ['Bank'] }],
    ['with a redirect URI in the clear', { ...suite, redirect_uris: ['http://tpp.example/'] }, 'invalid_redirect_uri'],
    ['with a redirect URI with a fragment', { ...suite, redirect_uris: ['https://tpp.example/#'] }, 'invalid_redirect_uri'],
    ['with codes and no redirect URI', { ...own, grant_types: ['authorization_code'] }, 'invalid_redirect_uri'],
    ['with a statement that is none', { ...suite, software_statement: 'x' }, 'invalid_software_statement'],
    ['with a statement where there is no directory', { ...suite, software_statement: 'e30.e30.AA' }, 'invalid_software_statement'],
  ])('%s', async (_, body, error = 'invalid_client_metadata') => {
    await expectRefusal(tested, () => sendRegistration(tested, body), 400, error);
  });

  test('in another form than JSON or a JWT, and beyond the limit', async () => {
    await expectRefusal(
      tested,
      () => sendRegistration(tested, suite, { headers: { 'content-type': 'text/plain' } }),
      400,
      'invalid_request',
    );
    await expectRefusal(tested, () => sendJson(tested, 'POST', REGISTER, '[]'), 400, 'invalid_request');
    await expectRefusal(tested, () => sendRegistration(tested, 'not.a.jwt'), 400, 'invalid_client_metadata');
    await expectRefusal(tested, () => sendRegistration(tested, { ...suite, contacts: ['x'.repeat(70_000)] }), 413, 'invalid_request');
  });
});

test.each([
  [30, 'invalid_client_metadata'],
  [6000, 'invalid_request'],
])('a key that nobody can read to the end is refused: %i levels', async (levels, error) => {
  const deep = `${'['.repeat(levels)}${']'.repeat(levels)}`;
  const body = JSON.stringify(own).replace('"kty"', `"own":${deep},"kty"`);
  expect(body).toContain(deep);
  const send = () => sendRegistration(tested, body, { headers: { 'content-type': 'application/json' } });
  await expectRefusal(tested, send, 400, error);
});

describe('a client manages its registration', () => {
  const manage = (body: Record<string, string>, method: string, change?: object, token = body['registration_access_token']) =>
    sendJson(tested, method, at(body['client_id']), change, bearer(token));

  test('reads it as it was answered', async () => {
    const body = await registered(sendRegistration(tested, suite));
    expect(await registered(manage(body, 'GET'), 200)).toEqual(body);
  });

  test('replaces it by what it was answered and a change, once', async () => {
    const body = await registered(sendRegistration(tested, suite));
    const before = await tested.ports.store.head();
    const renamed = await registered(manage(body, 'PUT', { ...body, client_name: 'Renamed' }), 200);
    expect(renamed).toEqual({ ...body, client_name: 'Renamed' });
    expect(await registered(manage(body, 'PUT', { ...body, client_name: 'Renamed' }), 200)).toEqual(renamed);
    expect((await facts(tested, before)).map(({ type }) => type)).toEqual(['ClientMetadataReplaced']);
    expect(await registered(manage(body, 'GET'), 200)).toEqual(renamed);
  });

  test('drops what it does not name again', async () => {
    const body = await registered(sendRegistration(tested, { ...suite, client_uri: 'https://tpp.example/', contacts: ['a@tpp.example'] }));
    const replaced = await registered(manage(body, 'PUT', suite), 200);
    expect(replaced).toMatchObject({ contacts: [] });
    expect(replaced).not.toHaveProperty('client_uri');
  });

  test('replaces its keys by a place for them', async () => {
    const body = await registered(sendRegistration(tested, suite));
    await expectRefusal(
      tested,
      () => manage(body, 'PUT', { ...suite, jwks: null, jwks_uri: 'https://10.0.0.1/' }),
      400,
      'invalid_client_metadata',
    );
  });

  test.each<[string, object, string?]>([
    ['push', { ...suite, backchannel_token_delivery_mode: 'push', backchannel_client_notification_endpoint: 'https://tpp.example/' }],
    ['another grant type', { ...suite, grant_types: [CIBA_GRANT, 'client_credentials'] }],
    ['a redirect URI without codes', { ...suite, redirect_uris: ['https://tpp.example/'] }],
    ['another client_id', { ...suite, client_id: 'another' }],
    ['a client_secret that it has not', { ...suite, client_secret: 'mine' }],
    ['a method that needs one', { ...suite, token_endpoint_auth_method: 'client_secret_post' }],
    ['a type of authorization_details', { ...suite, authorization_details_types: ['payment_initiation'] }],
  ])('but not by %s', async (_, change) => {
    const body = await registered(sendRegistration(tested, suite));
    await expectRefusal(tested, () => manage(body, 'PUT', change), 400, 'invalid_client_metadata');
    expect(await registered(manage(body, 'GET'), 200)).toEqual(body);
  });

  test('gains no scope', async () => {
    const body = await registered(sendRegistration(tested, { ...suite, scope: 'openid' }));
    await expectRefusal(tested, () => manage(body, 'PUT', { ...suite, scope: 'openid accounts' }), 400, 'invalid_client_metadata');
  });

  test('keeps its secret, which it may repeat', async () => {
    const body = await registered(sendRegistration(plain, withSecret));
    const auth = { client_id: String(body['client_id']), client_secret: String(body['client_secret']) };
    const put = (change: object) => sendJson(plain, 'PUT', at(auth.client_id), change, bearer(body['registration_access_token']));
    await registered(put({ ...withSecret, ...auth, client_name: 'Renamed' }), 200);
    expect(await ownToken(plain, auth)).toMatch(/./);
    await expectRefusal(plain, () => put({ ...withSecret, client_secret: 'another' }), 400, 'invalid_client_metadata');
  });

  test('replaces it twice at once, and one of them is what stands', async () => {
    const body = await registered(sendRegistration(tested, suite));
    const names = ['One', 'Two', 'Three'];
    await Promise.all(names.map((client_name) => registered(manage(body, 'PUT', { ...suite, client_name }), 200)));
    expect(names).toContain((await registered(manage(body, 'GET'), 200))['client_name']);
  });

  test('ends it, and with it its grants, and knows nothing of it any more', async () => {
    const body = await registered(sendRegistration(plain, withSecret));
    const auth = { client_id: String(body['client_id']), client_secret: String(body['client_secret']) };
    await ownToken(plain, auth);
    const [opened] = (await plain.log()).filter(({ type }) => type === 'GrantOpened').slice(-1);
    const call = (method: string) =>
      sendJson(plain, method, at(auth.client_id), method === 'PUT' ? withSecret : undefined, bearer(body['registration_access_token']));
    const response = await call('DELETE');
    expect([response.status, await response.text()]).toEqual([204, '']);
    expect(await recorded(plain, 'GrantRevoked', String(opened?.stream))).toBeDefined();
    for (const method of ['GET', 'PUT', 'DELETE']) await expectRefusal(plain, () => call(method), 401, 'invalid_token');
    await expectRefusal(
      plain,
      () =>
        fetch(`${plain.url}/oauth2/token`, { method: 'POST', body: new URLSearchParams({ ...auth, grant_type: 'client_credentials' }) }),
      401,
      'invalid_client',
    );
  });
});

test('a registration is the same at every node of one log, as soon as it is answered', async () => {
  const { store, signer } = tested.ports;
  const otherNode = await testEngine({ store: nodesOwn(store), signer }, OPEN);
  try {
    const body = await registered(sendRegistration(tested, suite));
    const call = (node: TestEngine, method: string) =>
      sendJson(node, method, at(body['client_id']), undefined, bearer(body['registration_access_token']));
    expect((await call(otherNode, 'GET')).status).toBe(200);
    expect((await call(otherNode, 'DELETE')).status).toBe(204);
    expect((await call(tested, 'GET')).status).toBe(401);
  } finally {
    await otherNode.close();
  }
});

describe('the registration token', () => {
  test.each(['GET', 'PUT', 'DELETE'])('is asked for by %s, and all that is wrong with it is answered alike', async (method) => {
    const [one, other] = [await registered(sendRegistration(tested, suite)), await registered(sendRegistration(tested, suite))];
    const operators = await tested.client({}, 's3cret');
    const call = (clientId: string | undefined, headers: Record<string, string>) => () =>
      sendJson(tested, method, at(clientId), method === 'PUT' ? suite : undefined, headers);
    const answers = new Set<string>();
    for (const [clientId, token] of [
      [one['client_id'], other['registration_access_token']],
      [one['client_id'], 'x'],
      ['nobody', one['registration_access_token']],
      [operators, 'x'],
      ['%00', 'x'],
    ] as const) {
      answers.add(await expectRefusal(tested, call(clientId, bearer(token)), 401, 'invalid_token'));
      expect((await call(clientId, bearer(token))()).headers.get('www-authenticate')).toBe('Bearer error="invalid_token"');
    }
    answers.add(await expectRefusal(tested, call(one['client_id'], {}), 401, 'invalid_token'));
    expect((await call(one['client_id'], {})()).headers.get('www-authenticate')).toBe('Bearer');
    answers.add(await expectRefusal(tested, call(one['client_id'], { authorization: 'Basic eDp4' }), 401, 'invalid_token'));
    expect(answers.size).toBe(1);
  });
});

describe('the settings', () => {
  const within = async (settings: Record<string, string>, use: (engine: TestEngine) => Promise<void>) => {
    const engine = await testEngine({}, settings);
    try {
      await use(engine);
    } finally {
      await engine.close();
    }
  };
  const metadataOf = async ({ url }: TestEngine) =>
    (await (await fetch(`${url}/.well-known/openid-configuration`)).json()) as Record<string, Record<string, string>>;

  test('leave registration away, unless they want it', () =>
    within({}, async (engine) => {
      await expectRefusal(engine, () => sendRegistration(engine, suite), 404, 'not_found');
      expect(await metadataOf(engine)).not.toHaveProperty('registration_endpoint');
    }));

  test('publish it, at both listeners', async () => {
    const { mtlsBase } = tested.engine.surface;
    expect(await metadataOf(tested)).toMatchObject({
      registration_endpoint: tested.url + REGISTER,
      mtls_endpoint_aliases: { registration_endpoint: mtlsBase + REGISTER },
    });
  });

  test('bound how many come in a minute', () =>
    within({ ...OPEN, COUNTERSIGN_REGISTRATION_PER_MINUTE: '2' }, async (engine) => {
      await registered(sendRegistration(engine, suite));
      await expectRefusal(engine, () => sendRegistration(engine, {}), 400, 'invalid_client_metadata');
      await expectRefusal(engine, () => sendRegistration(engine, suite), 503, 'temporarily_unavailable');
      expect((await sendRegistration(engine, suite)).headers.get('retry-after')).toBe('30');
    }));

  test('ask for a software statement', () =>
    within(
      {
        ...OPEN,
        COUNTERSIGN_REGISTRATION_REQUIRE_SOFTWARE_STATEMENT: 'true',
        COUNTERSIGN_REGISTRATION_SANDBOX_JWKS_URL: 'https://directory.example/',
      },
      async (engine) => {
        await expectRefusal(engine, () => sendRegistration(engine, suite), 400, 'invalid_software_statement');
      },
    ));

  test('ask for a certificate on every call', () =>
    within({ ...OPEN, COUNTERSIGN_REGISTRATION_REQUIRE_CERTIFICATE: 'true' }, async (engine) => {
      const trusted = withCertificate(certificate());
      const body = await registered(sendRegistration(engine, suite, { headers: trusted }));
      expect(body['registration_client_uri']).toBe(engine.engine.surface.mtlsBase + at(body['client_id']));
      expect((await metadataOf(engine))['registration_endpoint']).toBe(engine.engine.surface.mtlsBase + REGISTER);
      const token = bearer(body['registration_access_token']);
      for (const without of [{}, withCertificate(certificate({ chainTrusted: false }))]) {
        await expectRefusal(engine, () => sendRegistration(engine, suite, { headers: without }), 401, 'invalid_client');
        for (const method of ['GET', 'PUT', 'DELETE'])
          await expectRefusal(
            engine,
            () => sendJson(engine, method, at(body['client_id']), method === 'PUT' ? suite : undefined, { ...token, ...without }),
            401,
            'invalid_client',
          );
      }
      expect((await sendJson(engine, 'DELETE', at(body['client_id']), undefined, { ...token, ...trusted })).status).toBe(204);
    }));
});
