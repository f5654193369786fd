import { randomUUID } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import * as openid from 'openid-client';
import type { Identity } from '../../src/adapters/tls/servers.ts';
import { trustingFetch } from '../../src/demo/trusting-fetch.ts';
import { CIBA_GRANT } from '../../src/domain/client/metadata.ts';
import { bearer, type Ecosystem, startEcosystem } from '../api/registration/ecosystem.ts';
import { signJws, testKey } from '../support/jws.ts';
import { authorizationParameters, boundTo, cibaParameters, type OpenidStage, openidStage, thumbprintOf } from '../support/openid-stage.ts';
import { redirecting } from '../support/redirecting.ts';
import { temporaryFolder } from '../support/served.ts';

const INITIAL = 'initial-access-token-of-the-test';

let ecosystem: Ecosystem;
let stage: OpenidStage;
beforeAll(async () => {
  ecosystem = await startEcosystem();
  const folder = temporaryFolder();
  writeFileSync(join(folder, 'token'), `${INITIAL}\n`);
  writeFileSync(join(folder, 'directory.json'), JSON.stringify({ keys: [ecosystem.directoryKey.publicJwk] }));
  const settings = {
    COUNTERSIGN_REGISTRATION_ENABLED: 'true',
    COUNTERSIGN_REGISTRATION_REQUIRE_SOFTWARE_STATEMENT: 'false',
    COUNTERSIGN_REGISTRATION_INITIAL_ACCESS_TOKEN_FILE: join(folder, 'token'),
    COUNTERSIGN_REGISTRATION_SANDBOX_JWKS_FILE: join(folder, 'directory.json'),
  };
  stage = await openidStage(settings, { outbound: ecosystem.outbound });
});
afterAll(async () => {
  await stage?.close();
  await ecosystem?.close();
});

const now = () => Math.floor(Date.now() / 1000);

const wanted = {
  client_name: 'Registers itself',
  grant_types: [CIBA_GRANT],
  response_types: [],
  token_endpoint_auth_method: 'private_key_jwt',
};

const softwareKey = async () => {
  const der = ecosystem.softwareKey.privateKey.export({ format: 'der', type: 'pkcs8' });
  const key = await crypto.subtle.importKey('pkcs8', der, { name: 'ECDSA', namedCurve: 'P-256' }, false, ['sign']);
  return { key, kid: ecosystem.softwareKey.kid };
};

const registerWith = async (metadata: object, initialAccessToken: string, identity: Identity) => {
  const members = { ...metadata, id_token_signed_response_alg: 'ES256' } as Partial<openid.ClientMetadata>;
  const authentication = openid.PrivateKeyJwt(await softwareKey());
  const fetch = trustingFetch(stage.ca, identity) as openid.CustomFetch;
  const registered = await openid.dynamicClientRegistration(new URL(stage.issuer), members, authentication, {
    initialAccessToken,
    [openid.customFetch]: fetch,
  });
  // What openid-client is to do with certificates is a setting of its own, which no server answers.
  const known = { ...registered.clientMetadata(), use_mtls_endpoint_aliases: true };
  const tpp = new openid.Configuration(registered.serverMetadata(), known.client_id, known, authentication);
  tpp[openid.customFetch] = fetch;
  return tpp;
};

/** A whole CIBA ceremony of a client of FAPI-CIBA. */
const ceremony = async (tpp: openid.Configuration, bindingMessage: string) => {
  const clientId = tpp.clientMetadata().client_id;
  const at = now();
  const claims = { iss: clientId, aud: stage.issuer, jti: randomUUID(), iat: at, nbf: at, exp: at + 300 };
  const request = await signJws(ecosystem.softwareKey, { ...claims, ...cibaParameters(bindingMessage) });
  const polling = openid.pollBackchannelAuthenticationGrant(tpp, await openid.initiateBackchannelAuthentication(tpp, { request }));
  polling.catch(() => undefined);
  await stage.answer(bindingMessage);
  return polling;
};

/** Calls the registration endpoint, or a registration, as it is served. */
const call = (url: string, method: string, token: unknown, body?: string, type = 'application/json') =>
  trustingFetch(stage.ca)(url, {
    method,
    headers: { ...bearer(String(token)), ...(body !== undefined && { 'content-type': type }) },
    ...(body !== undefined && { body }),
  });

describe('openid-client registers itself', () => {
  test('(DCR) and goes through whole CIBA ceremonies at once, with other keys later, until it ends', async () => {
    const identity = await stage.identityOf('Registered');
    const keys = { jwks: { keys: [ecosystem.softwareKey.publicJwk] } };
    const tpp = await registerWith({ ...wanted, ...keys }, INITIAL, identity);
    const { registration_access_token: token, registration_client_uri: uri, client_id: clientId } = tpp.clientMetadata();
    expect(uri).toBe(`${stage.issuer}/open-banking/0.1/register/${clientId}`);
    expect((await ceremony(tpp, 'REGISTERED-1')).claims()).toMatchObject({ aud: clientId });

    const moved = await call(String(uri), 'PUT', token, JSON.stringify({ ...wanted, jwks_uri: ecosystem.jwksUri }));
    expect([moved.status, await moved.json()]).toMatchObject([200, { client_id: clientId, jwks_uri: ecosystem.jwksUri }]);
    const tokens = await ceremony(tpp, 'REGISTERED-2');
    expect(ecosystem.calls).toContain('/software');

    expect((await call(String(uri), 'DELETE', token)).status).toBe(204);
    expect((await call(String(uri), 'GET', token)).status).toBe(401);
    await expect(openid.tokenIntrospection(tpp, tokens.access_token)).rejects.toMatchObject({ error: 'invalid_client' });
  });

  test('(DCR) and goes through a whole code flow at once, with JAR and JARM', async () => {
    const identity = await stage.identityOf('Redirecting');
    const keys = { jwks: { keys: [ecosystem.softwareKey.publicJwk] } };
    const members = { ...wanted, ...redirecting, authorization_signed_response_alg: 'ES256' };
    const tpp = await registerWith({ ...members, ...keys }, INITIAL, identity);
    openid.useJwtResponseMode(tpp);
    const { parameters, checks } = await authorizationParameters();
    const back = await stage.answeredAt(await openid.buildAuthorizationUrlWithJAR(tpp, parameters, await softwareKey()));
    expect([...back.searchParams.keys()]).toEqual(['response']);
    const tokens = await openid.authorizationCodeGrant(tpp, back, { ...checks, idTokenExpected: true });
    expect(tokens.claims()).toMatchObject({ aud: tpp.clientMetadata().client_id });
    const refreshed = await openid.refreshTokenGrant(tpp, tokens.refresh_token ?? '');
    for (const { access_token: token } of [tokens, refreshed]) expect(boundTo(token)).toEqual({ 'x5t#S256': thumbprintOf(identity) });
  });

  test('only with the initial access token', async () => {
    const identity = await stage.identityOf('Unknown');
    const keys = { jwks: { keys: [testKey('ES256').publicJwk] } };
    await expect(registerWith({ ...wanted, ...keys }, 'another', identity)).rejects.toMatchObject({
      cause: [{ scheme: 'bearer', parameters: { error: 'invalid_token' } }],
    });
    const refused = await trustingFetch(stage.ca)(`${stage.issuer}/oauth2/register`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: '{}',
    });
    expect([refused.status, refused.headers.get('www-authenticate')]).toEqual([401, 'Bearer']);
  });

  test('with a software statement, whose keys it signs with from then on', async () => {
    const identity = await stage.identityOf('With a statement');
    const tpp = await registerWith({ ...wanted, software_statement: await ecosystem.statement() }, INITIAL, identity);
    expect(tpp.clientMetadata()).toMatchObject({ client_name: 'The Software', jwks_uri: ecosystem.jwksUri });
    expect((await ceremony(tpp, 'STATEMENT-1')).claims()).toMatchObject({ acr: 'urn:openbanking:psd2:sca' });
  });
});

test('a signed request registers as in the reference', async () => {
  const at = now();
  const claims = {
    iss: 'software-1',
    aud: stage.issuer,
    iat: at,
    exp: at + 300,
    jti: randomUUID(),
    software_statement: await ecosystem.statement(),
  };
  const members = {
    redirect_uris: ['https://tpp.example/callback'],
    token_endpoint_auth_method: 'private_key_jwt',
    token_endpoint_auth_signing_alg: 'ES256',
    grant_types: ['client_credentials', 'authorization_code', 'refresh_token', 'urn:ietf:params:oauth:grant-type:jwt-bearer', CIBA_GRANT],
    response_types: ['code id_token'],
    software_id: 'software-1',
    scope: 'openid accounts payments',
    application_type: 'web',
    jwks_uri: ecosystem.jwksUri,
    id_token_signed_response_alg: 'PS256',
    request_object_signing_alg: 'ES256',
    backchannel_token_delivery_mode: 'poll',
    backchannel_authentication_request_signing_alg: 'ES256',
    backchannel_user_code_parameter_supported: false,
  };
  const request = await signJws(ecosystem.softwareKey, { ...claims, ...members });
  const { backchannel_user_code_parameter_supported: _, application_type: _type, ...echoed } = members;
  const response = await call(`${stage.issuer}/open-banking/0.1/register`, 'POST', INITIAL, request, 'application/jwt');
  expect([response.status, await response.json()]).toMatchObject([201, { ...echoed, client_name: 'The Software' }]);
});
