import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import * as openid from 'openid-client';
import { trustingFetch } from '../../src/demo/trusting-fetch.ts';
import {
  authorizationParameters,
  boundTo,
  lodgeConsent,
  type OpenidStage,
  openidStage,
  type TppMetadata,
  thumbprintOf,
} from '../support/openid-stage.ts';
import { redirecting } from '../support/redirecting.ts';

let stage: OpenidStage;
beforeAll(async () => {
  stage = await openidStage();
});
afterAll(() => stage?.close());

const FAPI_1: TppMetadata = { ...redirecting, profile: 'fapi1-advanced' };
const FAPI_2: TppMetadata = { ...redirecting, profile: 'fapi2', response_types: ['code'] };

describe('openid-client plays the code flow of FAPI 2', () => {
  test.each(['the proof at PAR', 'dpop_jkt'])(
    'with PAR, PKCE, private_key_jwt and DPoP, %s binding the code to its key',
    async (binding) => {
      const tpp = await stage.tppOf({ ...FAPI_2, dpop_bound_access_tokens: true });
      const { config } = tpp;
      const bound = { DPoP: openid.getDPoPHandle(config, await openid.randomDPoPKeyPair('ES256')) };
      const foreign = { DPoP: openid.getDPoPHandle(config, await openid.randomDPoPKeyPair('ES256')) };
      const jkt = await bound.DPoP.calculateThumbprint();
      const consent = await lodgeConsent(tpp, bound);

      const { parameters, checks } = await authorizationParameters({ openbanking_intent_id: consent.consentId });
      const url =
        binding === 'dpop_jkt'
          ? await openid.buildAuthorizationUrlWithPAR(config, { ...parameters, dpop_jkt: jkt })
          : await openid.buildAuthorizationUrlWithPAR(config, parameters, bound);
      expect([...url.searchParams.keys()].sort()).toEqual(['client_id', 'request_uri']);
      const back = await stage.answeredAt(url);
      const stolen = openid.authorizationCodeGrant(config, back, checks, undefined, foreign);
      await expect(stolen).rejects.toMatchObject({ error: 'invalid_grant' });
      const tokens = await openid.authorizationCodeGrant(config, back, { ...checks, idTokenExpected: true }, undefined, bound);
      expect([tokens.token_type, boundTo(tokens.access_token)]).toEqual(['dpop', { jkt }]);
      expect(await consent.status()).toBe('Authorised');

      const { sub = '' } = tokens.claims() ?? {};
      const refreshed = await openid.refreshTokenGrant(config, tokens.refresh_token ?? '', undefined, bound);
      expect([refreshed.token_type, boundTo(refreshed.access_token)]).toEqual(['dpop', { jkt }]);
      const rekeyed = await openid.refreshTokenGrant(config, tokens.refresh_token ?? '', undefined, foreign);
      expect(boundTo(rekeyed.access_token)).toEqual({ jkt: await foreign.DPoP.calculateThumbprint() });
      for (const { access_token: token } of [tokens, refreshed]) {
        expect(await openid.fetchUserInfo(config, token, sub, bound)).toMatchObject({ sub, openbanking_intent_id: consent.consentId });
        await expect(openid.fetchUserInfo(config, token, sub, foreign)).rejects.toMatchObject({ status: 401 });
        await expect(openid.fetchUserInfo(config, token, sub)).rejects.toMatchObject({ status: 401 });
      }
    },
  );

  test.each(['private_key_jwt', 'tls_client_auth', 'self_signed_tls_client_auth'] as const)(
    'with PAR, PKCE, %s and tokens bound to its certificate',
    async (method) => {
      const tpp = await stage.tppOf({ ...FAPI_2, token_endpoint_auth_method: method });
      const { config, identity } = tpp;
      if (identity === null) throw new Error('it has a certificate');
      const cnf = { 'x5t#S256': thumbprintOf(identity) };
      const consent = await lodgeConsent(tpp);

      const { parameters, checks } = await authorizationParameters({ openbanking_intent_id: consent.consentId });
      const back = await stage.answeredAt(await openid.buildAuthorizationUrlWithPAR(config, parameters));
      const tokens = await openid.authorizationCodeGrant(config, back, { ...checks, idTokenExpected: true });
      expect(tokens.claims()).toMatchObject({ acr: 'urn:openbanking:psd2:ca', auth_time: expect.any(Number) });
      expect([tokens.token_type, boundTo(tokens.access_token)]).toEqual(['bearer', cnf]);
      expect(await consent.status()).toBe('Authorised');

      const { sub = '' } = tokens.claims() ?? {};
      const refreshed = await openid.refreshTokenGrant(config, tokens.refresh_token ?? '');
      expect([refreshed.token_type, boundTo(refreshed.access_token)]).toEqual(['bearer', cnf]);
      for (const { access_token: token } of [tokens, refreshed])
        expect(await openid.fetchUserInfo(config, token, sub)).toMatchObject({ sub, openbanking_intent_id: consent.consentId });
      const another = await stage.identityOf('Another');
      for (const thief of [trustingFetch(stage.ca), trustingFetch(stage.ca, another)]) {
        config[openid.customFetch] = thief as openid.CustomFetch;
        await expect(openid.fetchUserInfo(config, tokens.access_token, sub)).rejects.toMatchObject({ status: 401 });
      }
    },
  );

  test('and is told when the PSU refuses', async () => {
    const { config } = await stage.tppOf(FAPI_2);
    const { parameters, checks } = await authorizationParameters();
    const back = await stage.answeredAt(await openid.buildAuthorizationUrlWithPAR(config, parameters), 'denied');
    await expect(openid.authorizationCodeGrant(config, back, checks)).rejects.toMatchObject({ error: 'access_denied' });
  });
});

describe('openid-client plays the code flow of FAPI 1', () => {
  test('with a signed request (JAR) by value and code id_token', async () => {
    const { config, key, identity } = await stage.tppOf(FAPI_1);
    openid.useCodeIdTokenResponseType(config);
    openid.enableDetachedSignatureResponseChecks(config);
    const { parameters, checks } = await authorizationParameters({ response_type: 'code id_token' });
    const back = await stage.answeredAt(await openid.buildAuthorizationUrlWithJAR(config, parameters, key));
    expect([back.search, new URLSearchParams(back.hash.slice(1)).has('id_token')]).toEqual(['', true]);
    const tokens = await openid.authorizationCodeGrant(config, back, checks);
    expect(tokens.claims()?.sub).toEqual(expect.any(String));
    expect(boundTo(tokens.access_token)).toEqual({ 'x5t#S256': identity && thumbprintOf(identity) });
  });

  test.each(['by value', 'that was pushed'])('with a signed request (JAR) %s and a signed response (JARM)', async (way) => {
    const { config, key, identity } = await stage.tppOf(FAPI_1);
    openid.useJwtResponseMode(config);
    const { parameters, checks } = await authorizationParameters();
    const byValue = await openid.buildAuthorizationUrlWithJAR(config, parameters, key);
    const request = byValue.searchParams.get('request') ?? '';
    const back = await stage.answeredAt(way === 'by value' ? byValue : await openid.buildAuthorizationUrlWithPAR(config, { request }));
    expect([...back.searchParams.keys()]).toEqual(['response']);
    const tokens = await openid.authorizationCodeGrant(config, back, { ...checks, idTokenExpected: true });
    const refreshed = await openid.refreshTokenGrant(config, tokens.refresh_token ?? '');
    for (const { access_token: token } of [tokens, refreshed])
      expect(boundTo(token)).toEqual({ 'x5t#S256': identity && thumbprintOf(identity) });
  });

  test('and is told in a signed response when the PSU refuses', async () => {
    const { config, key } = await stage.tppOf(FAPI_1);
    openid.useJwtResponseMode(config);
    const { parameters, checks } = await authorizationParameters();
    const back = await stage.answeredAt(await openid.buildAuthorizationUrlWithJAR(config, parameters, key), 'denied');
    expect([...back.searchParams.keys()]).toEqual(['response']);
    await expect(openid.authorizationCodeGrant(config, back, checks)).rejects.toMatchObject({ error: 'access_denied' });
  });
});
