import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { exportJWK, SignJWT } from 'jose';
import * as openid from 'openid-client';
import { boundTo, cibaParameters, type OpenidStage, openidStage } from '../support/openid-stage.ts';

let stage: OpenidStage;
beforeAll(async () => {
  stage = await openidStage();
});
afterAll(() => stage?.close());

const dpopTpp = () => stage.tppOf({ profile: 'fapi2', dpop_bound_access_tokens: true, userinfo_signed_response_alg: 'PS256' });

/** RFC 9864 calls the algorithm Ed25519; what profiles and metadata still name is EdDSA. */
const remapped: openid.ModifyAssertionOptions = {
  [openid.modifyAssertion]: (header) => {
    if (header['alg'] === 'Ed25519') header['alg'] = 'EdDSA';
  },
};

/** Sends a proof of the key with the authentication requests too: openid-client sends one with every call but those. */
const provingAtRequests = (config: openid.Configuration, { publicKey, privateKey }: openid.CryptoKeyPair): void => {
  const { [openid.customFetch]: send = fetch as openid.CustomFetch } = config;
  const endpoint = config.serverMetadata().backchannel_authentication_endpoint;
  config[openid.customFetch] = async (url, init) => {
    if (url !== endpoint) return send(url, init);
    const dpop = await new SignJWT({ htm: init.method, htu: url })
      .setProtectedHeader({ alg: 'ES256', typ: 'dpop+jwt', jwk: await exportJWK(publicKey) })
      .setIssuedAt()
      .setJti(randomUUID())
      .sign(privateKey);
    return send(url, { ...init, headers: { ...init.headers, dpop } });
  };
};

describe('openid-client plays CIBA with DPoP', () => {
  test.each(['ES256', 'EdDSA'] as const)(
    'and the tokens of a FAPI 2 client are bound to its %s key from the poll to refresh and userinfo',
    async (alg) => {
      const { config, clientId, request } = await dpopTpp();
      const bound = { DPoP: openid.getDPoPHandle(config, await openid.randomDPoPKeyPair(alg === 'EdDSA' ? 'Ed25519' : alg), remapped) };
      const foreign = { DPoP: openid.getDPoPHandle(config, await openid.randomDPoPKeyPair('ES256')) };
      const asked = await openid.initiateBackchannelAuthentication(config, { request: await request(cibaParameters(alg)) });
      const polling = openid.pollBackchannelAuthenticationGrant(config, asked, undefined, bound);
      polling.catch(() => undefined);
      await stage.answer(alg);
      const tokens = await polling;
      expect(tokens.token_type).toBe('dpop');

      const jkt = await bound.DPoP.calculateThumbprint();
      const active = { active: true, token_type: 'DPoP', cnf: { jkt } };
      expect(await openid.tokenIntrospection(config, tokens.access_token)).toMatchObject(active);
      const refreshed = await openid.refreshTokenGrant(config, tokens.refresh_token ?? '', undefined, bound);
      expect([refreshed.token_type, refreshed.refresh_token]).toEqual(['dpop', undefined]);
      // The refresh token is bound to the client: with another key of its own it gets a token that is bound to that one.
      const rekeyed = await openid.refreshTokenGrant(config, tokens.refresh_token ?? '', undefined, foreign);
      expect(boundTo(rekeyed.access_token)).toEqual({ jkt: await foreign.DPoP.calculateThumbprint() });
      await expect(openid.refreshTokenGrant(config, tokens.refresh_token ?? '')).rejects.toMatchObject({ error: 'invalid_dpop_proof' });

      const sub = tokens.claims()?.sub ?? '';
      for (const token of [tokens.access_token, refreshed.access_token])
        expect(await openid.fetchUserInfo(config, token, sub, bound)).toMatchObject({ sub, aud: clientId });
      await expect(openid.fetchUserInfo(config, tokens.access_token, sub, foreign)).rejects.toMatchObject({ status: 401 });
      await expect(openid.fetchUserInfo(config, tokens.access_token, sub)).rejects.toMatchObject({ status: 401 });
    },
  );

  test('and an auth_req_id that was asked for with a proof is redeemed with that key only', async () => {
    const { config, request } = await dpopTpp();
    const keys = await openid.randomDPoPKeyPair('ES256');
    const bound = { DPoP: openid.getDPoPHandle(config, keys) };
    const foreign = { DPoP: openid.getDPoPHandle(config, await openid.randomDPoPKeyPair('ES256')) };
    provingAtRequests(config, keys);
    const asked = await openid.initiateBackchannelAuthentication(config, { request: await request(cibaParameters('BOUND-1')) });
    await stage.answer('BOUND-1');
    const poll = (options?: openid.DPoPOptions) => openid.pollBackchannelAuthenticationGrant(config, asked, undefined, options);
    await expect(poll(foreign)).rejects.toMatchObject({ error: 'invalid_grant' });
    await expect(poll()).rejects.toMatchObject({ error: 'invalid_dpop_proof' });
    const tokens = await poll(bound);
    expect([tokens.token_type, boundTo(tokens.access_token)]).toEqual(['dpop', { jkt: await bound.DPoP.calculateThumbprint() }]);
  });
});
