import { createHash, createPublicKey, X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { exportJWK, exportPKCS8, generateKeyPair, importPKCS8, SignJWT } from 'jose';
import * as openid from 'openid-client';
import { issueClientCertificate, selfSignedCertificate } from '../../src/adapters/tls/certificates.ts';
import { accountsIn, askForEnrolment, enrol, type Phone } from '../../src/demo/phone.ts';
import { trustingFetch } from '../../src/demo/trusting-fetch.ts';
import { type Served, served } from '../support/served.ts';

let engine: Served;
let phone: Phone;
let ca: string;
beforeAll(async () => {
  engine = await served();
  const { issuer, dataDir } = engine.config;
  ca = readFileSync(`${dataDir}/tls/ca.pem`, 'utf8');
  const [alice] = engine.serving.sandbox?.psus ?? [];
  phone = await enrol(
    trustingFetch(ca),
    await askForEnrolment(trustingFetch(ca), issuer, alice as { username: string; password: string }),
    { alg: 'EdDSA' },
  );
});
afterAll(() => engine.serving.close());

const now = () => Math.floor(Date.now() / 1000);

const configured = (clientId: string, metadata: Partial<openid.ClientMetadata>, auth: openid.ClientAuth, fetch = trustingFetch(ca)) =>
  openid.discovery(new URL(engine.config.issuer), clientId, metadata, auth, { [openid.customFetch]: fetch as openid.CustomFetch });

/** Approves the newest request that waits, as soon as it waits. */
const approve = async (bindingMessage: string) => {
  const request = (await phone.requests()).find((waiting) => waiting.binding_message === bindingMessage);
  const shown = await phone.retrieve(request?.request_id ?? '');
  await phone.send(shown.request_id, await phone.sign(shown, 'approved', accountsIn(shown)));
};

const ceremony = async (tpp: openid.Configuration, parameters: Record<string, string>, bindingMessage: string) => {
  const asked = await openid.initiateBackchannelAuthentication(tpp, parameters);
  const polling = openid.pollBackchannelAuthenticationGrant(tpp, asked);
  polling.catch(() => undefined);
  await approve(bindingMessage);
  return polling;
};

const thumbprint = (certificate: string) => createHash('sha256').update(new X509Certificate(certificate).raw).digest('base64url');
const authority = () => ({ certificate: ca, key: readFileSync(`${engine.config.dataDir}/tls/ca.key`, 'utf8') });
const ciba = { scope: 'openid accounts', login_hint: 'alice' };

describe('openid-client', () => {
  test('with a client secret polls its way to tokens, refreshes them and has them revoked', async () => {
    const { clientId, clientSecret } = engine.serving.sandbox?.client ?? { clientId: '', clientSecret: '' };
    const tpp = await configured(clientId, {}, openid.ClientSecretBasic(clientSecret));
    const tokens = await ceremony(tpp, { ...ciba, binding_message: 'SECRET-1' }, 'SECRET-1');
    expect(tokens.claims()).toMatchObject({ aud: clientId, acr: 'urn:openbanking:psd2:sca' });
    const refreshed = await openid.refreshTokenGrant(tpp, tokens.refresh_token ?? '');
    expect((await openid.tokenIntrospection(tpp, refreshed.access_token)).active).toBe(true);
    await openid.tokenRevocation(tpp, tokens.refresh_token ?? '');
    expect((await openid.tokenIntrospection(tpp, refreshed.access_token)).active).toBe(false);
    await expect(openid.refreshTokenGrant(tpp, tokens.refresh_token ?? '')).rejects.toMatchObject({ error: 'invalid_grant' });
  });

  test.each([
    ['ES256', 'ES256'],
    ['PS256', 'PS256'],
  ] as const)(
    'with private_key_jwt, a signed request (%s) and tokens bound to its certificate keeps to FAPI-CIBA',
    async (alg, idTokenAlg) => {
      const { publicKey, privateKey } = await generateKeyPair(alg, { extractable: true });
      const jwk = { ...(await exportJWK(publicKey)), kid: 'tpp-1', alg };
      const clientId = await engine.client({
        client_name: 'FAPI TPP',
        token_endpoint_auth_method: 'private_key_jwt',
        jwks: { keys: [jwk as { kty: 'EC' | 'RSA' }] },
        backchannel_authentication_request_signing_alg: alg,
        id_token_signed_response_alg: idTokenAlg,
      });
      const identity = await issueClientCertificate(authority(), { commonName: 'FAPI TPP' }, now());
      const fetch = trustingFetch(ca, identity);
      const key = await importPKCS8(await exportPKCS8(privateKey), alg);
      const metadata = { use_mtls_endpoint_aliases: true, id_token_signed_response_alg: idTokenAlg };
      const tpp = await configured(clientId, metadata, openid.PrivateKeyJwt({ key, kid: 'tpp-1' }), fetch);
      const request = await new SignJWT({ ...ciba, binding_message: `FAPI-${alg}` })
        .setProtectedHeader({ alg, kid: 'tpp-1', typ: 'oauth-authz-req+jwt' })
        .setIssuer(clientId)
        .setAudience(engine.config.issuer)
        .setIssuedAt()
        .setNotBefore('0s')
        .setExpirationTime('5m')
        .setJti(crypto.randomUUID())
        .sign(key);
      const tokens = await ceremony(tpp, { request }, `FAPI-${alg}`);
      const { cnf } = JSON.parse(Buffer.from(tokens.access_token.split('.')[1] ?? '', 'base64url').toString());
      expect(cnf).toEqual({ 'x5t#S256': thumbprint(identity.certificate) });
      expect(await openid.tokenIntrospection(tpp, tokens.access_token)).toMatchObject({ active: true, cnf });
    },
  );

  test('with tls_client_auth is known by the subject of its certificate', async () => {
    const identity = await issueClientCertificate(authority(), { commonName: 'tpp.example', organization: 'TPP' }, now());
    const clientId = await engine.client({
      client_name: 'mTLS TPP',
      profile: 'plain',
      token_endpoint_auth_method: 'tls_client_auth',
      tls_client_auth_subject_dn: 'CN=tpp.example,O=TPP',
    });
    const tpp = await configured(clientId, { use_mtls_endpoint_aliases: true }, openid.TlsClientAuth(), trustingFetch(ca, identity));
    const tokens = await ceremony(tpp, { ...ciba, binding_message: 'MTLS-1' }, 'MTLS-1');
    expect(tokens.token_type).toBe('bearer');

    const stranger = await issueClientCertificate(authority(), { commonName: 'other.example', organization: 'TPP' }, now());
    const other = await configured(clientId, { use_mtls_endpoint_aliases: true }, openid.TlsClientAuth(), trustingFetch(ca, stranger));
    await expect(openid.clientCredentialsGrant(other)).rejects.toMatchObject({ error: 'invalid_client', status: 401 });
  });

  test('with self_signed_tls_client_auth is known by the key of its certificate', async () => {
    const identity = await selfSignedCertificate({ commonName: 'Self-signed TPP' }, now());
    const jwk = createPublicKey(identity.certificate).export({ format: 'jwk' }) as { kty: 'EC' };
    const clientId = await engine.client({
      client_name: 'Self-signed TPP',
      profile: 'plain',
      token_endpoint_auth_method: 'self_signed_tls_client_auth',
      jwks: { keys: [jwk] },
    });
    const tpp = await configured(clientId, { use_mtls_endpoint_aliases: true }, openid.TlsClientAuth(), trustingFetch(ca, identity));
    expect((await ceremony(tpp, { ...ciba, binding_message: 'SELF-1' }, 'SELF-1')).id_token).toBeDefined();
  });

  test('is told when the PSU refuses', async () => {
    const { clientId, clientSecret } = engine.serving.sandbox?.client ?? { clientId: '', clientSecret: '' };
    const tpp = await configured(clientId, {}, openid.ClientSecretBasic(clientSecret));
    const asked = await openid.initiateBackchannelAuthentication(tpp, { ...ciba, binding_message: 'NO-1' });
    const polling = openid.pollBackchannelAuthenticationGrant(tpp, asked);
    polling.catch(() => undefined);
    const request = (await phone.requests()).find((waiting) => waiting.binding_message === 'NO-1');
    const shown = await phone.retrieve(request?.request_id ?? '');
    await phone.send(shown.request_id, await phone.sign(shown, 'denied', []));
    await expect(polling).rejects.toMatchObject({ error: 'access_denied', status: 400 });
  });
});
