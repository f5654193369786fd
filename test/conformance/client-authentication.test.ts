import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { issueClientCertificate } from '../../src/adapters/tls/certificates.ts';
import { registerTpp, type Tpp } from './support/tpp.ts';
import { type Answer, expectError, openWire, type Wire } from './support/wire.ts';

let wire: Wire;
let tpp: Tpp;
let rsa: Tpp;
beforeAll(async () => {
  wire = await openWire();
  tpp = await registerTpp(wire);
  rsa = await registerTpp(wire, {}, 'PS256');
});
afterAll(() => wire.close());

const OWN = { grant_type: 'client_credentials', scope: 'accounts' };
const asOwn = async (client: Tpp, ...assertion: Parameters<Tpp['auth']>): Promise<Answer> =>
  client.token(OWN, { auth: await client.auth(...assertion) });
const asAsk = async (client: Tpp, ...assertion: Parameters<Tpp['auth']>): Promise<Answer> =>
  client.asks({}, { auth: await client.auth(...assertion) });

test('R20 assertions with PS256 and ES256 are taken, with RS256 of the same key they are not', async () => {
  for (const client of [tpp, rsa]) {
    expect((await asOwn(client)).status).toBe(200);
    expect((await asAsk(client)).status).toBe(200);
  }
  const rs256 = { ...rsa.key, alg: 'RS256' };
  expectError(await asOwn(rsa, {}, {}, rs256), [401, 'invalid_client'], [400, 'invalid_client']);
  expectError(await asAsk(rsa, {}, {}, rs256), [401, 'invalid_client'], [400, 'invalid_client']);
});

test('R21 at the backchannel endpoint three audiences are good', async () => {
  const { token_endpoint: token, backchannel_authentication_endpoint: backchannel } = wire.metadata;
  for (const aud of [wire.issuer, token, backchannel, [wire.issuer]])
    expect({ aud, status: (await asAsk(tpp, { aud })).status }).toEqual({ aud, status: 200 });
  expectError(await asAsk(tpp, { aud: 'https://other.example' }), [401, 'invalid_client']);
});

test('R22 at the token endpoint its URL, its alias and the issuer are good', async () => {
  const { token_endpoint: token, mtls_endpoint_aliases: aliases } = wire.metadata;
  for (const aud of [token, aliases['token_endpoint'], wire.issuer])
    expect({ aud, status: (await asOwn(tpp, { aud })).status }).toEqual({ aud, status: 200 });
  expectError(await asOwn(tpp, { aud: 'https://other.example/token' }), [401, 'invalid_client']);
});

test('R23 an assertion names its client twice, ends, has a jti and counts once', async () => {
  const at = wire.now();
  expect((await asOwn(tpp, { iat: at, nbf: at })).status).toBe(200);
  const wrong = [{ iss: 'other' }, { sub: 'other' }, { sub: undefined }, { iss: undefined }, { jti: undefined }, { exp: undefined }];
  for (const claims of [...wrong, { exp: at - 3600 }, { exp: at + 86_400 }, { nbf: at + 600 }, { aud: undefined }])
    expectError(await asOwn(tpp, claims), [401, 'invalid_client']);
  const once = await tpp.auth();
  expect((await tpp.token(OWN, { auth: once })).status).toBe(200);
  expectError(await tpp.token(OWN, { auth: once }), [401, 'invalid_client']);
  expectError(await tpp.asks({}, { auth: once }), [401, 'invalid_client']);
});

test('R24 the id and a certificate are not enough for a client of private_key_jwt', async () => {
  const auth = { client_id: tpp.clientId };
  expectError(await tpp.token(OWN, { auth }), [401, 'invalid_client'], [400, 'invalid_client'], [400, 'invalid_request']);
  expectError(
    await tpp.asks({}, { auth }),
    [401, 'invalid_client'],
    [400, 'invalid_client'],
    [400, 'invalid_request'],
    [403, 'access_denied'],
  );
});

test('R25 a certificate proves the client that it belongs to and no other', async () => {
  for (const method of ['tls_client_auth', 'self_signed_tls_client_auth'] as const) {
    const client = await registerTpp(wire, { token_endpoint_auth_method: method });
    const other = await registerTpp(wire, { token_endpoint_auth_method: method });
    expect((await client.token(OWN)).status).toBe(200);
    expect((await client.asks()).status).toBe(200);
    const identity = other.identity;
    expectError(await client.token(OWN, { identity }), [401, 'invalid_client'], [400, 'invalid_client']);
    expectError(await client.asks({}, { identity }), [401, 'invalid_client']);
    // The form names one client, the request object another.
    expectError(await client.asks({ iss: other.clientId }, { identity }), [401, 'invalid_client']);
    expectError(await client.token(OWN, { identity: null }), [401, 'invalid_client'], [400, 'invalid_client']);
  }
  const foreign = await registerTpp(wire, { token_endpoint_auth_method: 'tls_client_auth' });
  const stranger = await issueClientCertificate(wire.authority, { commonName: 'someone else' }, wire.now());
  expectError(await foreign.token(OWN, { identity: stranger }), [401, 'invalid_client']);
});
