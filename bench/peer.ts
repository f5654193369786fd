// The peer: oidc-provider with the features that ours has, on plain HTTP. What target.ts says of a server under test holds here.
import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import Provider from 'oidc-provider';
import { announce } from './measure.ts';
import { memoryAdapter, sqliteAdapter } from './peer-adapters.ts';
import { APPROVE_PATH } from './peer-approval.ts';
import type { Target, TppClients } from './target.ts';

const USERS = 1000;
const HOUR = 3600;
const RESOURCE = 'https://api.bench.test';
const SCOPE = 'accounts';

const { values: given } = parseArgs({
  options: {
    store: { type: 'string' },
    'id-token-alg': { type: 'string', default: 'ES256' },
    data: { type: 'string', default: '.' },
    notification: { type: 'string' },
  },
});

const ecKey = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey.export({ format: 'jwk' });
const rsaKey = generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey.export({ format: 'jwk' });
const tppKey = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey.export({ format: 'jwk' });

const clients: TppClients = {
  secret: { clientId: 'tpp-secret', clientSecret: randomBytes(32).toString('base64url') },
  privateKeyJwt: { clientId: 'tpp-key', jwk: { ...tppKey, kid: 'tpp' } },
  signedRequest: { clientId: 'tpp-fapi', jwk: { ...tppKey, kid: 'tpp' } },
  ping: { clientId: 'tpp-ping', clientSecret: randomBytes(32).toString('base64url') },
  // It has no consents to validate.
  gateway: { clientId: 'none', clientSecret: 'none' },
};

const clientMetadata = {
  grant_types: ['urn:openid:params:grant-type:ciba', 'refresh_token'],
  backchannel_token_delivery_mode: 'poll',
  id_token_signed_response_alg: given['id-token-alg'],
  redirect_uris: [],
  response_types: [],
};

const { kty, crv, x, y } = tppKey;
const jwks = { keys: [{ kty, crv, x, y, kid: 'tpp', alg: 'ES256', use: 'sig' }] };

/** Everything that ours does not do is off, and what a deployment must supply costs nothing here. It polls by the default interval of 5 s. */
const configuration = {
  adapter: given.store === 'sqlite' ? sqliteAdapter(join(given.data, 'peer.sqlite')) : memoryAdapter(),
  clients: [
    {
      ...clientMetadata,
      client_id: clients.secret.clientId,
      client_secret: clients.secret.clientSecret,
      token_endpoint_auth_method: 'client_secret_post',
    },
    {
      ...clientMetadata,
      client_id: clients.privateKeyJwt.clientId,
      token_endpoint_auth_method: 'private_key_jwt',
      token_endpoint_auth_signing_alg: 'ES256',
      jwks,
    },
    {
      ...clientMetadata,
      client_id: clients.signedRequest.clientId,
      token_endpoint_auth_method: 'private_key_jwt',
      token_endpoint_auth_signing_alg: 'ES256',
      backchannel_authentication_request_signing_alg: 'ES256',
      jwks,
    },
    ...(given.notification
      ? [
          {
            ...clientMetadata,
            client_id: clients.ping.clientId,
            client_secret: clients.ping.clientSecret,
            token_endpoint_auth_method: 'client_secret_post',
            backchannel_token_delivery_mode: 'ping',
            backchannel_client_notification_endpoint: given.notification,
          },
        ]
      : []),
  ],
  jwks: {
    keys: [
      { ...ecKey, kid: 'ec', alg: 'ES256', use: 'sig' },
      { ...rsaKey, kid: 'rsa', alg: 'PS256', use: 'sig' },
    ],
  },
  clientAuthMethods: ['client_secret_post', 'private_key_jwt'],
  enabledJWA: { idTokenSigningAlgValues: ['ES256', 'PS256'], requestObjectSigningAlgValues: ['ES256'] },
  // The endpoint of the bench is on loopback, which the peer's own dispatcher would refuse.
  fetch: (url: string, { dispatcher: _, ...options }: RequestInit & { dispatcher?: unknown }) => fetch(url, options),
  findAccount: (_ctx: unknown, accountId: string) => ({ accountId, claims: () => ({ sub: accountId }) }),
  issueRefreshToken: () => true,
  ttl: { AccessToken: HOUR, BackchannelAuthenticationRequest: HOUR, Grant: HOUR, IdToken: HOUR, RefreshToken: HOUR },
  features: {
    devInteractions: { enabled: false },
    requestObjects: { enabled: true },
    introspection: {
      enabled: true,
      allowedPolicy: (_ctx: unknown, client: { clientId: string }, token: { clientId: string }) => client.clientId === token.clientId,
    },
    resourceIndicators: {
      enabled: true,
      defaultResource: () => RESOURCE,
      useGrantedResource: () => true,
      getResourceServerInfo: () => ({ scope: SCOPE, audience: RESOURCE, accessTokenFormat: 'jwt', jwt: { sign: { alg: 'ES256' } } }),
    },
    ciba: {
      enabled: true,
      deliveryModes: ['poll', 'ping'],
      processLoginHint: (_ctx: unknown, loginHint: string) => loginHint,
      triggerAuthenticationDevice: () => {},
      validateBindingMessage: () => {},
      validateRequestContext: () => {},
      verifyUserCode: () => {},
    },
  },
};

/** In place of the bank's app: approves the request with this `auth_req_id`. It stands in the path, because reading a body costs CPU. */
const approve = async (provider: Provider, authReqId: string, res: ServerResponse): Promise<void> => {
  const request = await provider.BackchannelAuthenticationRequest.find(authReqId);
  if (!request) {
    res.writeHead(404).end();
    return;
  }
  const grant = new provider.Grant({ clientId: request.clientId, accountId: request.accountId });
  grant.addOIDCScope('openid');
  grant.addResourceScope(RESOURCE, SCOPE);
  await provider.backchannelResult(request, await grant.save(), { acr: 'sca', amr: ['pop'], authTime: Math.floor(Date.now() / 1000) });
  res.writeHead(204).end();
};

const server = createServer().listen(0, '127.0.0.1');
await once(server, 'listening');
const { port } = server.address() as AddressInfo;
const issuer = `http://127.0.0.1:${port}`;
const provider = new Provider(issuer, configuration);
const serve = provider.callback();
server.on('request', (req, res) => {
  if (req.url?.startsWith(APPROVE_PATH)) approve(provider, req.url.slice(APPROVE_PATH.length), res);
  else serve(req, res);
});

const target: Target = {
  issuer,
  paths: { ciba: '/backchannel', token: '/token', introspection: '/token/introspection' },
  clients,
  requests: Array.from({ length: USERS }, (_, n) => ({
    scope: `openid ${SCOPE}`,
    login_hint: `user-${n}`,
    binding_message: `Payment ${n}`,
  })),
  approval: './peer-approval.ts',
};
announce(port, target);
