import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import * as openid from 'openid-client';
import { type NotificationEndpoint, notificationEndpoint } from '../support/notification-endpoint.ts';
import {
  boundTo,
  cibaParameters,
  lodgeConsent,
  type OpenidStage,
  type OpenidTpp,
  openidStage,
  thumbprintOf,
} from '../support/openid-stage.ts';

let endpoint: NotificationEndpoint;
let stage: OpenidStage;
beforeAll(async () => {
  endpoint = await notificationEndpoint();
  stage = await openidStage({}, { outbound: endpoint.outbound });
});
afterAll(async () => {
  await stage?.close();
  await endpoint?.close();
});

/** Asks, and polls until Alice has answered. */
const ceremony = async (config: openid.Configuration, parameters: Record<string, string>, bindingMessage: string) => {
  const asked = await openid.initiateBackchannelAuthentication(config, parameters);
  const polling = openid.pollBackchannelAuthenticationGrant(config, asked);
  polling.catch(() => undefined);
  await stage.answer(bindingMessage);
  return polling;
};

const sandboxClient = async () => {
  const { clientId, clientSecret } = stage.engine.serving.sandbox?.client ?? { clientId: '', clientSecret: '' };
  return { clientId, config: await stage.discovered(clientId, openid.ClientSecretBasic(clientSecret)) };
};

const certificateOf = ({ identity }: OpenidTpp) => ({ 'x5t#S256': identity && thumbprintOf(identity) });

describe('openid-client plays CIBA, poll', () => {
  test('with a client secret: it polls its way to tokens, refreshes them and has them revoked', async () => {
    const { clientId, config } = await sandboxClient();
    const tokens = await ceremony(config, cibaParameters('SECRET-1'), 'SECRET-1');
    expect(tokens.claims()).toMatchObject({ aud: clientId, acr: 'urn:openbanking:psd2:sca' });
    const refreshed = await openid.refreshTokenGrant(config, tokens.refresh_token ?? '');
    expect((await openid.tokenIntrospection(config, refreshed.access_token)).active).toBe(true);
    await openid.tokenRevocation(config, tokens.refresh_token ?? '');
    expect((await openid.tokenIntrospection(config, refreshed.access_token)).active).toBe(false);
    await expect(openid.refreshTokenGrant(config, tokens.refresh_token ?? '')).rejects.toMatchObject({ error: 'invalid_grant' });
  });

  test.each(['ES256', 'PS256'] as const)(
    'as a client of FAPI-CIBA: private_key_jwt, a signed request (%s), tokens bound to its certificate',
    async (alg) => {
      const algs = { backchannel_authentication_request_signing_alg: alg, id_token_signed_response_alg: alg };
      const tpp = await stage.tppOf(algs, alg);
      const request = await tpp.request(cibaParameters(`FAPI-${alg}`));
      const tokens = await ceremony(tpp.config, { request }, `FAPI-${alg}`);
      const cnf = certificateOf(tpp);
      const refreshed = await openid.refreshTokenGrant(tpp.config, tokens.refresh_token ?? '');
      for (const { access_token: token } of [tokens, refreshed]) {
        expect(boundTo(token)).toEqual(cnf);
        expect(await openid.tokenIntrospection(tpp.config, token)).toMatchObject({ active: true, cnf });
      }
    },
  );

  test.each(['tls_client_auth', 'self_signed_tls_client_auth'] as const)(
    'as a client of FAPI-CIBA by %s, over its consent',
    async (method) => {
      const tpp = await stage.tppOf({ token_endpoint_auth_method: method });
      const consent = await lodgeConsent(tpp);
      const message = `TLS-${method.length}`;
      const request = await tpp.request({ ...cibaParameters(message), openbanking_intent_id: consent.consentId });
      const tokens = await ceremony(tpp.config, { request }, message);
      expect(boundTo(tokens.access_token)).toEqual(certificateOf(tpp));
      expect(await consent.status()).toBe('Authorised');

      const stranger = await stage.discovered(tpp.clientId, openid.TlsClientAuth(), await stage.identityOf('other.example'));
      await expect(openid.clientCredentialsGrant(stranger)).rejects.toMatchObject({ error: 'invalid_client', status: 401 });
    },
  );

  test('and is told when the PSU refuses', async () => {
    const { config } = await sandboxClient();
    const asked = await openid.initiateBackchannelAuthentication(config, cibaParameters('NO-1'));
    const polling = openid.pollBackchannelAuthenticationGrant(config, asked);
    polling.catch(() => undefined);
    await stage.answer('NO-1', 'denied');
    await expect(polling).rejects.toMatchObject({ error: 'access_denied', status: 400 });
  });
});

describe('openid-client plays CIBA, ping', () => {
  const NOTIFICATION_TOKEN = '8d67dc78-7faa-4d41-aabd-67707b374255';
  let pings = 0;

  /** Asks, is pinged when Alice has answered, and only then polls. */
  const pinged = async ({ config, calls, request }: OpenidTpp, bindingMessage: string, verdict: 'approved' | 'denied') => {
    const claims = { ...cibaParameters(bindingMessage), client_notification_token: NOTIFICATION_TOKEN };
    const asked = await openid.initiateBackchannelAuthentication(config, { request: await request(claims) });
    await stage.answer(bindingMessage, verdict);
    pings += 1;
    expect(await endpoint.call(pings)).toMatchObject({
      method: 'POST',
      authorization: `Bearer ${NOTIFICATION_TOKEN}`,
      text: JSON.stringify({ auth_req_id: asked.auth_req_id }),
    });
    expect(calls.filter((path) => path === '/oauth2/token')).toEqual([]);
    return openid.pollBackchannelAuthenticationGrant(config, asked);
  };
  const pingTpp = () => stage.tppOf({ backchannel_token_delivery_mode: 'ping', backchannel_client_notification_endpoint: endpoint.url });

  test('as a client of FAPI-CIBA: pinged over TLS when the PSU has approved, it polls once and has its tokens', async () => {
    const tpp = await pingTpp();
    const tokens = await pinged(tpp, 'PING-1', 'approved');
    expect(tpp.calls.filter((path) => path === '/oauth2/token')).toHaveLength(1);
    expect(tokens.claims()).toMatchObject({ aud: tpp.clientId, acr: 'urn:openbanking:psd2:sca' });
    expect(boundTo(tokens.access_token)).toEqual(certificateOf(tpp));
    expect(boundTo((await openid.refreshTokenGrant(tpp.config, tokens.refresh_token ?? '')).access_token)).toEqual(certificateOf(tpp));
  });

  test('as a client of FAPI-CIBA: pinged when the PSU has refused, it polls once and is told so', async () => {
    const tpp = await pingTpp();
    await expect(pinged(tpp, 'PING-2', 'denied')).rejects.toMatchObject({ error: 'access_denied', status: 400 });
    expect(tpp.calls.filter((path) => path === '/oauth2/token')).toHaveLength(1);
  });
});
