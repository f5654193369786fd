import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { exportJWK, generateKeyPair, SignJWT } from 'jose';
import * as openid from 'openid-client';
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
    { alg: 'ES256' },
  );
});
afterAll(() => engine.serving.close());

const approve = async () => {
  const [request] = await phone.requests();
  const shown = await phone.retrieve(request?.request_id ?? '');
  await phone.send(shown.request_id, await phone.sign(shown, 'approved', accountsIn(shown)));
};

test.each(['ES256', 'EdDSA'] as const)(
  'openid-client keeps tokens of a FAPI 2 client bound to its %s key from the request to userinfo',
  async (alg) => {
    const { publicKey, privateKey } = await generateKeyPair('ES256');
    const clientId = await engine.client({
      client_name: 'FAPI 2 TPP',
      profile: 'fapi2',
      token_endpoint_auth_method: 'private_key_jwt',
      jwks: { keys: [{ ...(await exportJWK(publicKey)), kid: 'tpp-1' } as { kty: 'EC' }] },
      tls_client_certificate_bound_access_tokens: false,
      dpop_bound_access_tokens: true,
      userinfo_signed_response_alg: 'PS256',
    });
    const { issuer } = engine.config;
    const options = { [openid.customFetch]: trustingFetch(ca) as openid.CustomFetch };
    const metadata = { userinfo_signed_response_alg: 'PS256' };
    const authentication = openid.PrivateKeyJwt({ key: privateKey, kid: 'tpp-1' });
    const tpp = await openid.discovery(new URL(issuer), clientId, metadata, authentication, options);
    const bound = { DPoP: openid.getDPoPHandle(tpp, await openid.randomDPoPKeyPair(alg === 'EdDSA' ? 'Ed25519' : alg), remapped) };
    const foreign = { DPoP: openid.getDPoPHandle(tpp, await openid.randomDPoPKeyPair('ES256')) };

    const request = await new SignJWT({ scope: 'openid accounts', login_hint: 'alice' })
      .setProtectedHeader({ alg: 'ES256', kid: 'tpp-1' })
      .setIssuer(clientId)
      .setAudience(issuer)
      .setIssuedAt()
      .setNotBefore('0s')
      .setExpirationTime('5m')
      .setJti(crypto.randomUUID())
      .sign(privateKey);
    const polling = openid.pollBackchannelAuthenticationGrant(
      tpp,
      await openid.initiateBackchannelAuthentication(tpp, { request }),
      undefined,
      bound,
    );
    polling.catch(() => undefined);
    await approve();
    const tokens = await polling;
    expect(tokens.token_type).toBe('dpop');

    const jkt = await bound.DPoP.calculateThumbprint();
    expect(await openid.tokenIntrospection(tpp, tokens.access_token)).toMatchObject({ active: true, token_type: 'DPoP', cnf: { jkt } });
    const refreshed = await openid.refreshTokenGrant(tpp, tokens.refresh_token ?? '', undefined, bound);
    expect([refreshed.token_type, refreshed.refresh_token]).toEqual(['dpop', undefined]);
    const stolen = openid.refreshTokenGrant(tpp, tokens.refresh_token ?? '', undefined, foreign);
    await expect(stolen).rejects.toMatchObject({ error: 'invalid_grant' });

    const sub = tokens.claims()?.sub ?? '';
    for (const token of [tokens.access_token, refreshed.access_token])
      expect(await openid.fetchUserInfo(tpp, token, sub, bound)).toMatchObject({ sub, aud: clientId });
    await expect(openid.fetchUserInfo(tpp, tokens.access_token, sub, foreign)).rejects.toMatchObject({ status: 401 });
    await expect(openid.fetchUserInfo(tpp, tokens.access_token, sub)).rejects.toMatchObject({ status: 401 });
  },
);

/** RFC 9864 calls the algorithm Ed25519; what profiles and metadata still name is EdDSA. */
const remapped: openid.ModifyAssertionOptions = {
  [openid.modifyAssertion]: (header) => {
    if (header['alg'] === 'Ed25519') header['alg'] = 'EdDSA';
  },
};
