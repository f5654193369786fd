import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { CIBA_GRANT, JWT_BEARER_GRANT } from '../../src/domain/client/metadata.ts';
import { bearer, type Ecosystem, engineIn, REGISTER, registered, sendRegistration, startEcosystem } from '../api/registration/ecosystem.ts';
import type { TestEngine } from '../support/engine.ts';
import { sendForm, sendJson } from '../support/http.ts';
import { signJws, testKey } from '../support/jws.ts';
import { ASSERTION_TYPE, certificate, withCertificate } from '../support/tpp.ts';
import { claimsOf, refused } from './support/tpp.ts';

let ecosystem: Ecosystem;
let tested: TestEngine;

beforeAll(async () => {
  ecosystem = await startEcosystem();
  tested = await engineIn(ecosystem, MANY);
});
afterAll(async () => {
  await tested.close();
  await ecosystem.close();
});

const PROFILE = { COUNTERSIGN_REGISTRATION_PROFILE: 'wso2-compat' };
// Most tests register the same software.
const MANY = { ...PROFILE, COUNTERSIGN_REGISTRATION_ONE_CLIENT_PER_SOFTWARE: 'false' };
const GRANT_TYPES = ['client_credentials', 'authorization_code', 'refresh_token', JWT_BEARER_GRANT, CIBA_GRANT];
const REDIRECT_URIS = ['https://tpp.example/callback', 'https://tpp.example/other'];

/** The statement of a directory with every claim of the contract. */
const statement = (claims: object = {}, key?: Parameters<Ecosystem['statement']>[1], header?: object) =>
  ecosystem.statement(
    {
      ...{ software_environment: 'sandbox', software_mode: 'Test', software_client_id: 'software-1', org_status: 'Active' },
      ...{ software_client_name: 'The Software', software_client_description: 'Pays and shows', software_version: 1.5 },
      ...{ software_client_uri: 'https://tpp.example/', software_logo_uri: 'https://tpp.example/logo.png' },
      ...{ software_redirect_uris: REDIRECT_URIS, software_roles: ['AISP', 'PISP', 'CBPII'] },
      organisation_competent_authority_claims: { authority_id: 'OBGBR', registration_id: 'Unknown0015800001HQQrZAAX', status: 'Active' },
      ...{ org_id: 'org-1', org_name: 'The Organisation', org_contacts: [] },
      ...{ org_jwks_endpoint: `${ecosystem.base}/org`, org_jwks_revoked_endpoint: `${ecosystem.base}/org-revoked` },
      software_jwks_revoked_endpoint: `${ecosystem.base}/revoked`,
      ...{ software_policy_uri: 'https://tpp.example/policy', software_tos_uri: 'https://tpp.example/tos', software_on_behalf_of_org: '' },
      ...claims,
    },
    key,
    header,
  );

const members = {
  redirect_uris: REDIRECT_URIS,
  token_endpoint_auth_method: 'private_key_jwt',
  token_endpoint_auth_signing_alg: 'PS256',
  grant_types: GRANT_TYPES,
  response_types: ['code id_token'],
  software_id: 'software-1',
  scope: 'openid accounts payments fundsconfirmations',
  application_type: 'web',
  id_token_signed_response_alg: 'PS256',
  request_object_signing_alg: 'PS256',
  authorization_signed_response_alg: 'PS256',
  backchannel_token_delivery_mode: 'poll',
  backchannel_authentication_request_signing_alg: 'PS256',
  backchannel_user_code_parameter_supported: false,
};
const request = async (claims: object = {}, ...signer: [Parameters<Ecosystem['request']>[2]?, object?]) =>
  ecosystem.request(tested, { ...members, jwks_uri: ecosystem.jwksUri, software_statement: await statement(), ...claims }, ...signer);
const send = async (body: string | Promise<string>, path?: { method: string; path: string; headers: Record<string, string> }) =>
  sendRegistration(tested, await body, path);
const refuses = (reply: Promise<Response>, error = 'invalid_client_metadata') => refused(reply, 400, error);

describe('B1: POST', () => {
  test('registers a CIBA client, and answers what it is registered with', async () => {
    const body = await registered(send(request()));
    const { scope, ...same } = members;
    expect(body).toMatchObject({
      ...same,
      client_id: expect.any(String),
      client_id_issued_at: expect.stringMatching(/^\d{10}$/),
      client_name: 'The Software',
      jwks_uri: ecosystem.jwksUri,
      registration_access_token: expect.any(String),
      registration_client_uri: `${tested.url}${REGISTER}/${body['client_id']}`,
    });
    expect(new Set(body['scope']?.split(' '))).toEqual(new Set(scope.split(' ')));
  });

  test('registers a client that can get its first token', async () => {
    const { client_id: clientId = '' } = await registered(send(request()));
    const now = Math.floor(Date.now() / 1000);
    const assertion = { iss: clientId, sub: clientId, aud: `${tested.url}/oauth2/token`, jti: 'first', exp: now + 60 };
    const response = await sendForm(tested, '/oauth2/token', {
      client_assertion: await signJws(ecosystem.softwareKeys.PS256, assertion),
      client_assertion_type: ASSERTION_TYPE,
      ...{ grant_type: 'client_credentials', scope: 'accounts openid' },
    });
    const { access_token: token } = (await response.json()) as { access_token: string };
    expect([response.status, claimsOf(token)]).toMatchObject([200, { client_id: clientId }]);
  });

  test('registers what the guide of the reference sends, word for word, for tokens and requests with openid', async () => {
    const own = await engineIn(ecosystem, PROFILE);
    try {
      // All but what is of the moment, of the server and of the directory that has signed.
      const guide = {
        iss: 'sgsMuc8ACBgBzinpr8oJ8B',
        scope: 'accounts payments',
        token_endpoint_auth_method: 'private_key_jwt',
        token_endpoint_auth_signing_alg: 'PS256',
        grant_types: [
          'client_credentials',
          'authorization_code',
          'refresh_token',
          'urn:ietf:params:oauth:grant-type:jwt-bearer',
          'urn:openid:params:grant-type:ciba',
        ],
        response_types: ['code id_token'],
        id_token_signed_response_alg: 'PS256',
        request_object_signing_alg: 'PS256',
        application_type: 'web',
        software_id: 'sgsMuc8ACBgBzinpr8oJ8B',
        redirect_uris: ['https://wso2.com'],
      };
      const { software_id } = guide;
      const ofGuide = { software_id, software_client_id: software_id, software_redirect_uris: ['https://wso2.com'] };
      const software_statement = await statement(ofGuide);
      const sent = await ecosystem.request(own, { ...guide, software_statement }, ecosystem.softwareKeys.PS256);
      const { client_id: clientId = '', ...body } = await registered(sendRegistration(own, sent));
      expect(body).toMatchObject({ grant_types: guide.grant_types, redirect_uris: guide.redirect_uris });
      expect(new Set(body['scope']?.split(' '))).toEqual(new Set(['openid', 'accounts', 'payments']));

      const now = Math.floor(Date.now() / 1000);
      const authentication = async () => ({
        client_assertion_type: ASSERTION_TYPE,
        client_assertion: await signJws(ecosystem.softwareKeys.PS256, {
          ...{ iss: clientId, sub: clientId, aud: `${own.url}/oauth2/token`, jti: randomUUID(), exp: now + 60 },
        }),
      });
      const form = { grant_type: 'client_credentials', scope: 'accounts openid' };
      expect((await sendForm(own, '/oauth2/token', { ...(await authentication()), ...form })).status).toBe(200);
      const requestObject = await signJws(ecosystem.softwareKeys.PS256, {
        ...{ iss: clientId, aud: own.url, jti: randomUUID(), iat: now, nbf: now, exp: now + 300 },
        ...{ scope: 'accounts openid', login_hint: 'alice@carbon.super' },
      });
      expect((await sendForm(own, '/oauth2/ciba', { ...(await authentication()), request: requestObject })).status).toBe(200);
    } finally {
      await own.close();
    }
  });

  test('registers tls_client_auth by its subject', async () => {
    const own = { token_endpoint_auth_method: 'tls_client_auth', tls_client_auth_subject_dn: 'CN=tpp' };
    expect(await registered(send(request(own)))).toMatchObject(own);
    await refuses(send(request({ ...own, tls_client_auth_subject_dn: undefined })));
  });

  test('registers ping with its endpoint', async () => {
    const own = { backchannel_token_delivery_mode: 'ping', backchannel_client_notification_endpoint: `${ecosystem.base}/ping` };
    expect(await registered(send(request(own)))).toMatchObject(own);
    await refuses(send(request({ ...own, backchannel_client_notification_endpoint: undefined })));
  });

  test('registers poll with an endpoint that nobody calls', async () => {
    const own = { backchannel_token_delivery_mode: 'poll', backchannel_client_notification_endpoint: 'https://nowhere.invalid/ping' };
    expect(await registered(send(request(own)))).toMatchObject(own);
    await refuses(send(request({ ...own, backchannel_client_notification_endpoint: 'http://tpp.example/ping' })));
  });

  test('does not encrypt ID tokens, and says so: the members that ask for it are not in the answer', async () => {
    const wanted = { id_token_encrypted_response_alg: 'RSA-OAEP', id_token_encrypted_response_enc: 'A256GCM' };
    const body = await registered(send(request(wanted)));
    for (const name of Object.keys(wanted)) expect(body).not.toHaveProperty(name);
    expect(Object.keys(body)).toEqual(Object.keys(await registered(send(request()))));
  });

  test('leaves tokens unbound in development, where the request does not say so', async () =>
    expect(await registered(send(request()))).toMatchObject({ tls_client_certificate_bound_access_tokens: false }));

  test('registers the redirect URIs of the statement', async () => {
    expect(await registered(send(request({ redirect_uris: REDIRECT_URIS.slice(1) })))).toMatchObject({ redirect_uris: REDIRECT_URIS });
    expect(await registered(send(request({ redirect_uris: undefined })))).toMatchObject({ redirect_uris: REDIRECT_URIS });
    await refuses(send(request({ redirect_uris: ['https://evil.example/'] })), 'invalid_redirect_uri');
  });

  test.each(['PS256', 'ES256'] as const)('takes requests and statements that are signed with %s', async (alg) => {
    const signed = await statement({}, ecosystem.directoryKeys[alg]);
    await registered(send(request({ software_statement: signed }, ecosystem.softwareKeys[alg])));
  });

  test.each<[string, () => Promise<string>, string?]>([
    ['a request of another software', () => request({ iss: 'another' })],
    ['a request that somebody else signed', () => request({}, testKey('ES256', 'software'))],
    ['a request with RS256', () => request({}, ecosystem.softwareKeys.PS256, { alg: 'RS256' })],
    ['a request for another server', () => request({ aud: 'https://another.example' })],
    ['a request that has expired', () => request({ exp: Math.floor(Date.now() / 1000) - 1 })],
    ...['iss', 'iat', 'exp', 'aud', 'jti'].map((name): [string, () => Promise<string>] => [
      `a request without ${name}`,
      () => request({ [name]: undefined }),
    ]),
    ['an authentication method that there is not', () => request({ token_endpoint_auth_method: 'none' })],
    ['a grant type that there is not', () => request({ grant_types: ['password'] })],
    ['a response type that there is not', () => request({ response_types: ['token'] })],
    ['a request without a statement', () => request({ software_statement: undefined }), 'invalid_software_statement'],
    ['a statement that is none', () => request({ software_statement: 'x' }), 'invalid_software_statement'],
    [
      'a statement that somebody else signed',
      async () => request({ software_statement: await statement({}, testKey('PS256', 'directory')) }),
      'invalid_software_statement',
    ],
    [
      'a statement of production that the sandbox signed',
      async () => request({ software_statement: await statement({ software_environment: 'production' }) }),
      'unapproved_software_statement',
    ],
    [
      'a statement of a withdrawn organisation',
      async () => request({ software_statement: await statement({ org_status: 'Withdrawn' }) }),
      'unapproved_software_statement',
    ],
  ])('refuses %s', (_, body, error = 'invalid_client_metadata') => refuses(send(body()), error));

  test('refuses the same software a second time, unless the settings say otherwise', async () => {
    const one = await engineIn(ecosystem, PROFILE);
    try {
      const signed = async () => ecosystem.request(one, { ...members, jwks_uri: ecosystem.jwksUri, software_statement: await statement() });
      await registered(sendRegistration(one, await signed()));
      await refuses(sendRegistration(one, await signed()));
      await registered(send(request()));
      await registered(send(request()));
    } finally {
      await one.close();
    }
  });

  test('refuses a request without a member that the settings want', async () => {
    const strict = await engineIn(ecosystem, {
      ...MANY,
      COUNTERSIGN_REGISTRATION_REQUIRED_MEMBERS: 'id_token_signed_response_alg, scope, redirect_uris',
    });
    const signed = async (claims: object) =>
      sendRegistration(
        strict,
        await ecosystem.request(strict, { ...members, jwks_uri: ecosystem.jwksUri, software_statement: await statement(), ...claims }),
      );
    try {
      await registered(signed({}));
      await registered(signed({ redirect_uris: undefined }));
      await refuses(signed({ scope: undefined }));
      await refuses(signed({ id_token_signed_response_alg: undefined }));
    } finally {
      await strict.close();
    }
  });
});

describe('B1: in production', () => {
  let production: TestEngine;
  beforeAll(async () => {
    production = await engineIn(ecosystem, {
      ...{ COUNTERSIGN_ENVIRONMENT: 'production', COUNTERSIGN_ISSUER: 'https://auth.bank.example' },
      ...{ COUNTERSIGN_TLS_CERTIFICATE_FILE: '/run/tls.pem', COUNTERSIGN_TLS_KEY_FILE: '/run/tls.key' },
      ...{ COUNTERSIGN_PSU_DIRECTORY_FILE: '/etc/psus.toml', COUNTERSIGN_KEYS_MASTER_FILE: '/run/master.key' },
      ...MANY,
      COUNTERSIGN_REGISTRATION_PRODUCTION_JWKS_URL: `${ecosystem.base}/production`,
    });
  });
  afterAll(() => production.close());

  const signed = async (claims: object = {}) =>
    ecosystem.request(production, {
      ...members,
      jwks_uri: ecosystem.jwksUri,
      software_statement: await statement({ software_environment: 'production' }, ecosystem.productionKey),
      ...claims,
    });
  const sent = async (body: object | Promise<string>) => sendRegistration(production, await body);

  test.each([
    { token_endpoint_auth_method: 'private_key_jwt' },
    { token_endpoint_auth_method: 'tls_client_auth', tls_client_auth_subject_dn: 'CN=tpp' },
  ])('a TPP registers itself: %j', async (own) => expect(await registered(sent(signed(own)))).toMatchObject(own));

  test.each(['client_secret_basic', 'client_secret_post', 'self_signed_tls_client_auth', undefined])('but not with %s', (method) =>
    refuses(sent(signed({ token_endpoint_auth_method: method }))),
  );

  test('and its tokens are bound to its certificate, unless it says otherwise', async () => {
    const { client_id: clientId = '', ...body } = await registered(sent(signed()));
    expect(body).toMatchObject({ tls_client_certificate_bound_access_tokens: true });
    const now = Math.floor(Date.now() / 1000);
    const tokenWith = async (headers: Record<string, string>) => {
      const assertion = { iss: clientId, sub: clientId, aud: `${production.url}/oauth2/token`, jti: randomUUID(), exp: now + 60 };
      const form = {
        client_assertion: await signJws(ecosystem.softwareKeys.PS256, assertion),
        client_assertion_type: ASSERTION_TYPE,
        ...{ grant_type: 'client_credentials', scope: 'accounts' },
      };
      const response = await sendForm(production, '/oauth2/token', form, headers);
      return [response.status, (await response.json()) as { access_token: string }] as const;
    };
    const shown = certificate();
    const [status, { access_token: token }] = await tokenWith(withCertificate(shown));
    expect([status, claimsOf(token)]).toMatchObject([200, { cnf: { 'x5t#S256': shown.thumbprint } }]);
    expect(await tokenWith({})).toMatchObject([400, { error: 'invalid_request' }]);

    const unbound = { tls_client_certificate_bound_access_tokens: false };
    expect(await registered(sent(signed(unbound)))).toMatchObject(unbound);
  });

  test('nor without a software statement, or with one that is not signed by the directory', async () => {
    await refuses(sent({ ...members, jwks_uri: ecosystem.jwksUri }), 'invalid_software_statement');
    await refuses(sent(signed({ software_statement: undefined })), 'invalid_software_statement');
    const forged = await statement({ software_environment: 'production' }, testKey('PS256', 'production directory'));
    await refuses(sent(signed({ software_statement: forged })), 'invalid_software_statement');
  });
});

describe('B1: RS256', () => {
  const RS256 = { alg: 'RS256' };
  let moving: TestEngine;
  beforeAll(async () => {
    moving = await engineIn(ecosystem, { ...MANY, COUNTERSIGN_REGISTRATION_ALLOW_RS256: 'true' });
  });
  afterAll(() => moving.close());

  /** A request, and a statement in it, that are each signed with RS256. */
  const sent = async (to: TestEngine, claims: object = {}) => {
    const software_statement = await statement({}, ecosystem.directoryKeys.PS256, RS256);
    const all = { ...members, jwks_uri: ecosystem.jwksUri, software_statement, ...claims };
    return sendRegistration(to, await ecosystem.request(to, all, ecosystem.softwareKeys.PS256, RS256));
  };

  test('is refused for requests and statements, and the refusal says why', async () => {
    const why = 'must be a JWT that is signed with PS256 or ES256: RS256 is switched off here (registration.allow_rs256)';
    const good = { software_statement: await statement() };
    await refused(sent(tested, good), 400, 'invalid_client_metadata', `the signed request ${why}`);
    await refused(sent(tested), 400, 'invalid_software_statement', `the software statement ${why}`);
  });

  test('is taken for both where the settings allow it, beside the others', async () => {
    await registered(sent(moving));
    await registered(sent(moving, { software_statement: await statement() }));
    const software_statement = await statement({}, ecosystem.directoryKeys.ES256);
    await registered(
      sendRegistration(moving, await ecosystem.request(moving, { ...members, jwks_uri: ecosystem.jwksUri, software_statement })),
    );
  });

  test('is taken from the right key alone', async () => {
    const stranger = await statement({}, testKey('PS256', 'directory'), RS256);
    await refused(sent(moving, { software_statement: stranger }), 400, 'invalid_software_statement');
  });

  test('is registered for nothing', async () => {
    for (const member of [
      'token_endpoint_auth_signing_alg',
      'request_object_signing_alg',
      'backchannel_authentication_request_signing_alg',
    ])
      await refuses(sent(moving, { [member]: 'RS256' }));
  });

  test('signs no assertion and no request object of a client that was registered by it', async () => {
    const { client_id: clientId = '' } = await registered(sent(moving));
    const now = Math.floor(Date.now() / 1000);
    const send = async (path: string, form: object, header: object = {}) => {
      const claims = { iss: clientId, sub: clientId, aud: moving.url, jti: randomUUID(), exp: now + 60 };
      const client_assertion = await signJws(ecosystem.softwareKeys.PS256, claims, header);
      return sendForm(moving, path, { client_assertion_type: ASSERTION_TYPE, client_assertion, ...form });
    };
    const own = { grant_type: 'client_credentials', scope: 'accounts' };
    expect((await send('/oauth2/token', own)).status).toBe(200);
    await refused(send('/oauth2/token', own, RS256), 401, 'invalid_client');

    const object = (header: object = {}) =>
      signJws(
        ecosystem.softwareKeys.PS256,
        {
          ...{ iss: clientId, aud: moving.url, jti: randomUUID(), iat: now, nbf: now, exp: now + 300 },
          ...{ scope: 'openid accounts', login_hint: 'alice' },
        },
        header,
      );
    expect((await send('/oauth2/ciba', { request: await object() })).status).toBe(200);
    await refused(send('/oauth2/ciba', { request: await object(RS256) }), 400, 'invalid_request');
  });
});

describe('B1: a registered client', () => {
  const manage = (
    body: Record<string, string>,
    method: string,
    sent?: string,
    token: string | null = body['registration_access_token'] ?? '',
  ) => {
    const [path, headers] = [`${REGISTER}/${body['client_id']}`, token === null ? {} : bearer(token)];
    return sent === undefined ? sendJson(tested, method, path, undefined, headers) : send(sent, { method, path, headers });
  };

  test('reads its registration', async () => {
    const body = await registered(send(request()));
    expect(await registered(manage(body, 'GET'), 200)).toEqual(body);
  });

  test('reads it with an access token of its own, by which it can do nothing else', async () => {
    const [body, other] = [await registered(send(request())), await registered(send(request()))];
    const token = async ({ client_id: clientId = '' }: Record<string, string>) => {
      const claims = { iss: clientId, sub: clientId, aud: tested.url, jti: randomUUID(), exp: Math.floor(Date.now() / 1000) + 60 };
      const client_assertion = await signJws(ecosystem.softwareKeys.PS256, claims);
      const form = { client_assertion, client_assertion_type: ASSERTION_TYPE, grant_type: 'client_credentials', scope: 'accounts openid' };
      return String(((await (await sendForm(tested, '/oauth2/token', form)).json()) as Record<string, string>)['access_token']);
    };
    const { registration_access_token: _, ...told } = body;
    const accessToken = await token(body);
    expect(await registered(manage(body, 'GET', undefined, accessToken), 200)).toEqual(told);
    await refused(manage(body, 'GET', undefined, await token(other)), 401, 'invalid_token');
    await refused(manage(body, 'PUT', await request({ scope: 'openid accounts' }), accessToken), 401, 'invalid_token');
    await refused(manage(body, 'DELETE', undefined, accessToken), 401, 'invalid_token');
    expect(await registered(manage(body, 'GET'), 200)).toEqual(body);
  });

  test('replaces it by a signed request', async () => {
    const body = await registered(send(request()));
    const changed = await registered(manage(body, 'PUT', await request({ scope: 'openid accounts' })), 200);
    expect(changed).toEqual({ ...body, scope: 'openid accounts', software_statement: changed['software_statement'] });
    await refuses(manage(body, 'PUT', await request({ iss: 'another' })));
  });

  test('ends it', async () => {
    const body = await registered(send(request()));
    expect((await manage(body, 'DELETE')).status).toBe(204);
    await refused(manage(body, 'GET'), 401, 'invalid_token');
  });

  test.each(['GET', 'PUT', 'DELETE'])('is unknown to %s under another id, with another token, and without one', async (method) => {
    const [one, other] = [await registered(send(request())), await registered(send(request()))];
    const sent = method === 'PUT' ? await request({ scope: 'openid accounts' }) : undefined;
    const calls: [string, () => Promise<Response>][] = [
      ['Bearer error="invalid_token"', () => manage({ ...one, client_id: 'unknown' }, method, sent)],
      ['Bearer error="invalid_token"', () => manage(one, method, sent, other['registration_access_token'])],
      ['Bearer', () => manage(one, method, sent, null)],
    ];
    const bodies = new Set<string>();
    for (const [challenge, call] of calls) {
      const response = await call();
      expect([response.status, response.headers.get('www-authenticate')]).toEqual([401, challenge]);
      bodies.add(await response.text());
    }
    expect([...bodies].map((body) => JSON.parse(body))).toEqual([{ error: 'invalid_token', error_description: expect.any(String) }]);
    expect(await registered(manage(one, 'GET'), 200)).toEqual(one);
  });
});
