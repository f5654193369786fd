import { afterAll, beforeAll, beforeEach, expect, test } from '@jest/globals';
import { jwsReader } from '../../../src/adapters/jose/jws-reader.ts';
import { outboundClient } from '../../../src/adapters/outbound/outbound.ts';
import { type Host, startHttps, testIdentity } from '../../adapters/outbound/hosts.ts';
import { type StandingClock, standingClock } from '../../support/clock.ts';
import { type TestEngine, testEngine } from '../../support/engine.ts';
import { expectRefusal, sendForm } from '../../support/http.ts';
import { type TestKey, testKey } from '../../support/jws.ts';
import { certificate, type SigningTpp, signingTpp, withCertificate } from '../../support/tpp.ts';

const [oldKey, newKey] = [testKey('ES256', 'old'), testKey('PS256', 'new')];

let host: Host;
let published: TestKey[];
let time: StandingClock;
let tested: TestEngine;
let tpp: SigningTpp;

beforeAll(async () => {
  const identity = await testIdentity();
  host = await startHttps(identity, (_req, res) => {
    res.end(JSON.stringify({ keys: published.map(({ publicJwk }) => publicJwk) }));
  });
  time = standingClock();
  const outbound = outboundClient({ development: true, allowedHosts: [`localhost:${host.port}`], ca: identity.ca });
  tested = await testEngine({ clock: time.clock, nowMs: time.nowMs, outbound });
});
afterAll(async () => {
  await tested.close();
  await host.close();
});
beforeEach(async () => {
  published = [oldKey];
  tpp = await signingTpp(tested, byReference, oldKey);
});

const byReference = {
  jwks: null,
  get jwks_uri() {
    return `https://localhost:${host.port}/jwks`;
  },
};
const ask = async (key: TestKey) => {
  const authentication = tpp.authenticatedBy(await tpp.assertion({}, {}, key));
  return sendForm(tested, '/oauth2/ciba', { ...authentication, request: await tpp.requestObject({}, {}, key) });
};

test('a TPP whose keys stand at a URL signs its assertions and its request objects, also after it has changed them', async () => {
  expect((await ask(oldKey)).status).toBe(200);
  published = [newKey];
  await expectRefusal(tested, () => ask(newKey), 401, 'invalid_client');
  time.pass(60);
  expect((await ask(newKey)).status).toBe(200);
  await expectRefusal(tested, () => ask(oldKey), 401, 'invalid_client');
});

test('a request object may be signed by a newer key than the assertion beside it', async () => {
  expect((await ask(oldKey)).status).toBe(200);
  published = [oldKey, newKey];
  time.pass(60);
  const form = { ...(await tpp.authentication()), request: await tpp.requestObject({}, {}, newKey) };
  expect((await sendForm(tested, '/oauth2/ciba', form)).status).toBe(200);
});

test('a self-signed certificate is known by its key', async () => {
  const clientId = await tested.client({ token_endpoint_auth_method: 'self_signed_tls_client_auth', jwks_uri: byReference.jwks_uri });
  const call = (key: TestKey) => {
    const publicKeyThumbprint = jwsReader.publicKey(key.publicJwk).thumbprint;
    const headers = withCertificate(certificate({ chainTrusted: false, publicKeyThumbprint }));
    return sendForm(tested, '/oauth2/token', { client_id: clientId, grant_type: 'client_credentials' }, headers);
  };
  expect((await call(oldKey)).status).toBe(200);
  await expectRefusal(tested, () => call(newKey), 401, 'invalid_client');
});
