import { randomUUID } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import * as openid from 'openid-client';
import { issueClientCertificate } from '../../src/adapters/tls/certificates.ts';
import { accountsIn, askForEnrolment, enrol, type Phone } from '../../src/demo/phone.ts';
import { trustingFetch } from '../../src/demo/trusting-fetch.ts';
import { CIBA_GRANT } from '../../src/domain/client/metadata.ts';
import { bearer, type Ecosystem, startEcosystem } from '../api/registration/ecosystem.ts';
import { signJws, testKey } from '../support/jws.ts';
import { type Served, served, temporaryFolder } from '../support/served.ts';

const INITIAL = 'initial-access-token-of-the-test';

let ecosystem: Ecosystem;
let engine: Served;
let ca: string;
let phone: Phone;
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
  engine = await served(settings, { outbound: ecosystem.outbound });
  ca = readFileSync(`${engine.config.dataDir}/tls/ca.pem`, 'utf8');
  const [alice] = engine.serving.sandbox?.psus ?? [];
  const offer = await askForEnrolment(trustingFetch(ca), engine.config.issuer, alice as { username: string; password: string });
  phone = await enrol(trustingFetch(ca), offer, { alg: 'EdDSA' });
});
afterAll(async () => {
  await engine.serving.close();
  await ecosystem.close();
});

const now = () => Math.floor(Date.now() / 1000);
const identityOf = (commonName: string) =>
  issueClientCertificate({ certificate: ca, key: readFileSync(`${engine.config.dataDir}/tls/ca.key`, 'utf8') }, { commonName }, now());

const wanted = {
  client_name: 'Registers itself',
  grant_types: [CIBA_GRANT],
  response_types: [],
  token_endpoint_auth_method: 'private_key_jwt',
};

const registerWith = async (metadata: object, initialAccessToken: string, identity: Awaited<ReturnType<typeof identityOf>>) => {
  const key = await crypto.subtle.importKey(
    'pkcs8',
    ecosystem.softwareKey.privateKey.export({ format: 'der', type: 'pkcs8' }),
    { name: 'ECDSA', namedCurve: 'P-256' },
    false,
    ['sign'],
  );
  const members = { ...metadata, id_token_signed_response_alg: 'ES256' } as Partial<openid.ClientMetadata>;
  const authentication = openid.PrivateKeyJwt({ key, kid: ecosystem.softwareKey.kid });
  const fetch = trustingFetch(ca, identity) as openid.CustomFetch;
  const registered = await openid.dynamicClientRegistration(new URL(engine.config.issuer), members, authentication, {
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
  const claims = { iss: clientId, aud: engine.config.issuer, jti: randomUUID(), iat: at, nbf: at, exp: at + 300 };
  const parameters = { scope: 'openid accounts', login_hint: 'alice', binding_message: bindingMessage };
  const asked = await openid.initiateBackchannelAuthentication(tpp, {
    request: await signJws(ecosystem.softwareKey, { ...claims, ...parameters }),
  });
  const polling = openid.pollBackchannelAuthenticationGrant(tpp, asked);
  polling.catch(() => undefined);
  const request = (await phone.requests()).find((waiting) => waiting.binding_message === bindingMessage);
  const shown = await phone.retrieve(request?.request_id ?? '');
  await phone.send(shown.request_id, await phone.sign(shown, 'approved', accountsIn(shown)));
  return polling;
};

/** Calls the registration endpoint, or a registration, as it is served. */
const call = (url: string, method: string, token: unknown, body?: string, type = 'application/json') =>
  trustingFetch(ca)(url, {
    method,
    headers: { ...bearer(String(token)), ...(body !== undefined && { 'content-type': type }) },
    ...(body !== undefined && { body }),
  });

describe('openid-client registers itself', () => {
  test('and is at once a client of FAPI-CIBA, with other keys later, until it ends', async () => {
    const identity = await identityOf('Registered');
    const keys = { jwks: { keys: [ecosystem.softwareKey.publicJwk] } };
    const tpp = await registerWith({ ...wanted, ...keys }, INITIAL, identity);
    const { registration_access_token: token, registration_client_uri: uri, client_id: clientId } = tpp.clientMetadata();
    expect(uri).toBe(`${engine.config.issuer}/open-banking/0.1/register/${clientId}`);
    expect((await ceremony(tpp, 'REGISTERED-1')).claims()).toMatchObject({ aud: clientId });

    const moved = await call(String(uri), 'PUT', token, JSON.stringify({ ...wanted, jwks_uri: ecosystem.jwksUri }));
    expect([moved.status, await moved.json()]).toMatchObject([200, { client_id: clientId, jwks_uri: ecosystem.jwksUri }]);
    const tokens = await ceremony(tpp, 'REGISTERED-2');
    expect(ecosystem.calls).toContain('/software');

    expect((await call(String(uri), 'DELETE', token)).status).toBe(204);
    expect((await call(String(uri), 'GET', token)).status).toBe(401);
    await expect(openid.tokenIntrospection(tpp, tokens.access_token)).rejects.toMatchObject({ error: 'invalid_client' });
  });

  test('only with the initial access token', async () => {
    const identity = await identityOf('Unknown');
    const keys = { jwks: { keys: [testKey('ES256').publicJwk] } };
    await expect(registerWith({ ...wanted, ...keys }, 'another', identity)).rejects.toMatchObject({
      cause: [{ scheme: 'bearer', parameters: { error: 'invalid_token' } }],
    });
    const refused = await trustingFetch(ca)(`${engine.config.issuer}/oauth2/register`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: '{}',
    });
    expect([refused.status, refused.headers.get('www-authenticate')]).toEqual([401, 'Bearer']);
  });

  test('with a software statement, whose keys it signs with from then on', async () => {
    const identity = await identityOf('With a statement');
    const tpp = await registerWith({ ...wanted, software_statement: await ecosystem.statement() }, INITIAL, identity);
    expect(tpp.clientMetadata()).toMatchObject({ client_name: 'The Software', jwks_uri: ecosystem.jwksUri });
    expect((await ceremony(tpp, 'STATEMENT-1')).claims()).toMatchObject({ acr: 'urn:openbanking:psd2:sca' });
  });
});

test('a signed request registers as in the reference', async () => {
  const at = now();
  const claims = {
    iss: 'software-1',
    aud: engine.config.issuer,
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
  const response = await call(`${engine.config.issuer}/open-banking/0.1/register`, 'POST', INITIAL, request, 'application/jwt');
  expect([response.status, await response.json()]).toMatchObject([
    201,
    { ...echoed, scope: 'openid accounts', client_name: 'The Software' },
  ]);
});
