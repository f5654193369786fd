import { createHash, X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { exportJWK, generateKeyPair } from 'jose';
import * as openid from 'openid-client';
import { issueClientCertificate } from '../../src/adapters/tls/certificates.ts';
import { trustingFetch } from '../../src/demo/trusting-fetch.ts';
import { browser, decide, signIn } from '../support/browser.ts';
import { type Served, served } from '../support/served.ts';

const CALLBACK = 'https://tpp.example/callback';

let engine: Served;
let ca: string;
let alice: { username: string; password: string };
beforeAll(async () => {
  engine = await served();
  ca = readFileSync(`${engine.config.dataDir}/tls/ca.pem`, 'utf8');
  [alice = { username: '', password: '' }] = engine.serving.sandbox?.psus ?? [];
});
afterAll(() => engine.serving.close());

const now = () => Math.floor(Date.now() / 1000);
const authority = () => ({ certificate: ca, key: readFileSync(`${engine.config.dataDir}/tls/ca.key`, 'utf8') });
const thumbprint = (certificate: string) => createHash('sha256').update(new X509Certificate(certificate).raw).digest('base64url');
const claimsIn = (jwt: string) => JSON.parse(Buffer.from(jwt.split('.')[1] ?? '', 'base64url').toString());

/** A client with a key and a certificate, as openid-client plays it. */
const tppOf = async (profile: 'fapi1-advanced' | 'fapi2', metadata: object = {}, { dpop = false } = {}) => {
  const { publicKey, privateKey } = await generateKeyPair('ES256');
  const clientId = await engine.client({
    client_name: 'Redirecting TPP',
    profile,
    token_endpoint_auth_method: 'private_key_jwt',
    jwks: { keys: [{ ...(await exportJWK(publicKey)), kty: 'EC', kid: 'tpp-1' }] },
    grant_types: ['authorization_code', 'refresh_token'],
    response_types: profile === 'fapi2' ? ['code'] : ['code', 'code id_token'],
    redirect_uris: [CALLBACK],
    ...(dpop && { tls_client_certificate_bound_access_tokens: false, dpop_bound_access_tokens: true }),
    ...metadata,
  });
  const identity = await issueClientCertificate(authority(), { commonName: 'Redirecting TPP' }, now());
  const key = { key: privateKey, kid: 'tpp-1' };
  const config = await openid.discovery(
    new URL(engine.config.issuer),
    clientId,
    { use_mtls_endpoint_aliases: !dpop, id_token_signed_response_alg: 'ES256', authorization_signed_response_alg: 'ES256' },
    openid.PrivateKeyJwt(key, {
      [openid.modifyAssertion]: (_header, payload) => {
        payload['aud'] = engine.config.issuer;
      },
    }),
    { [openid.customFetch]: trustingFetch(ca, identity) as openid.CustomFetch },
  );
  const verifier = openid.randomPKCECodeVerifier();
  const parameters = {
    redirect_uri: CALLBACK,
    scope: 'openid accounts',
    state: openid.randomState(),
    nonce: openid.randomNonce(),
    code_challenge: await openid.calculatePKCECodeChallenge(verifier),
    code_challenge_method: 'S256',
  };
  return { config, key, parameters, verifier, clientId, bound: thumbprint(identity.certificate) };
};

/** Alice follows a link, signs in, approves, and is sent back: to this URL. */
const approvedAt = async (url: URL): Promise<URL> => {
  const at = browser(engine.config.issuer, trustingFetch(ca) as Parameters<typeof browser>[1]);
  const page = await signIn(at, await at.get(url.href), alice.username, alice.password);
  return new URL((await decide(at, page, 'approved')).goesTo ?? '');
};

describe('openid-client gets tokens by the redirect flow', () => {
  test('with PAR, PKCE, private_key_jwt and a certificate', async () => {
    const { config, parameters, verifier, bound } = await tppOf('fapi2');
    const back = await approvedAt(await openid.buildAuthorizationUrlWithPAR(config, parameters));
    const checks = { pkceCodeVerifier: verifier, expectedState: parameters.state, expectedNonce: parameters.nonce, idTokenExpected: true };
    const tokens = await openid.authorizationCodeGrant(config, back, checks);
    expect(tokens.claims()).toMatchObject({ acr: 'urn:openbanking:psd2:ca', auth_time: expect.any(Number) });
    expect(claimsIn(tokens.access_token).cnf).toEqual({ 'x5t#S256': bound });
    const refreshed = await openid.refreshTokenGrant(config, tokens.refresh_token ?? '');
    expect(claimsIn(refreshed.access_token).cnf).toEqual({ 'x5t#S256': bound });
  });

  test('with PAR, PKCE, private_key_jwt and DPoP', async () => {
    const { config, parameters, verifier } = await tppOf('fapi2', {}, { dpop: true });
    const DPoP = openid.getDPoPHandle(config, await openid.randomDPoPKeyPair('ES256'));
    const url = await openid.buildAuthorizationUrlWithPAR(config, parameters, { DPoP });
    const checks = { pkceCodeVerifier: verifier, expectedState: parameters.state, expectedNonce: parameters.nonce };
    const back = await approvedAt(url);
    const otherKey = openid.getDPoPHandle(config, await openid.randomDPoPKeyPair('ES256'));
    await expect(openid.authorizationCodeGrant(config, back, checks, undefined, { DPoP: otherKey })).rejects.toMatchObject({
      error: 'invalid_grant',
    });
    const tokens = await openid.authorizationCodeGrant(config, back, checks, undefined, { DPoP });
    expect(tokens.token_type).toBe('dpop');
    expect(claimsIn(tokens.access_token).cnf).toEqual({ jkt: expect.any(String) });
  });

  test('with a signed request by value and code id_token', async () => {
    const { config, key, parameters, verifier } = await tppOf('fapi1-advanced');
    openid.useCodeIdTokenResponseType(config);
    openid.enableDetachedSignatureResponseChecks(config);
    const url = await openid.buildAuthorizationUrlWithJAR(config, { ...parameters, response_type: 'code id_token' }, key, {
      [openid.modifyAssertion]: (_header, payload) => {
        payload['nbf'] = now();
      },
    });
    const checks = { pkceCodeVerifier: verifier, expectedState: parameters.state, expectedNonce: parameters.nonce };
    const tokens = await openid.authorizationCodeGrant(config, await approvedAt(url), checks);
    expect(tokens.claims()?.sub).toEqual(expect.any(String));
  });

  test('with a signed request that was pushed, and a signed response', async () => {
    const { config, key, parameters, verifier } = await tppOf('fapi1-advanced');
    openid.useJwtResponseMode(config);
    const signed = await openid.buildAuthorizationUrlWithJAR(config, { ...parameters, response_type: 'code' }, key, {
      [openid.modifyAssertion]: (_header, payload) => {
        payload['nbf'] = now();
      },
    });
    const url = await openid.buildAuthorizationUrlWithPAR(config, { request: signed.searchParams.get('request') ?? '' });
    const back = await approvedAt(url);
    expect([...back.searchParams.keys()]).toEqual(['response']);
    const checks = { pkceCodeVerifier: verifier, expectedState: parameters.state, expectedNonce: parameters.nonce };
    expect((await openid.authorizationCodeGrant(config, back, checks)).id_token).toBeDefined();
  });

  test('and is told when the PSU refuses', async () => {
    const { config, parameters, verifier } = await tppOf('fapi2');
    const at = browser(engine.config.issuer, trustingFetch(ca) as Parameters<typeof browser>[1]);
    const login = await at.get((await openid.buildAuthorizationUrlWithPAR(config, parameters)).href);
    const done = await decide(at, await signIn(at, login, alice.username, alice.password), 'denied');
    const checks = { pkceCodeVerifier: verifier, expectedState: parameters.state };
    await expect(openid.authorizationCodeGrant(config, new URL(done.goesTo ?? ''), checks)).rejects.toMatchObject({
      error: 'access_denied',
    });
  });
});
