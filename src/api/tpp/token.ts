import { CIBA_GRANT, JWT_BEARER_GRANT } from '../../domain/client/metadata.ts';
import { OAuthError } from '../../domain/oauth-error.ts';
import type { Form } from '../body.ts';
import { asRefusal, type Reply, refusalReply } from '../reply.ts';
import type { Call, Endpoint } from '../route.ts';
import { type AuthenticateClient, type AuthenticatedClient, requireBinding } from './client-auth.ts';

/** One grant type at the token endpoint: the form, the client that sent it and the call itself, to its tokens. */
export type GrantHandler = (form: Form, client: AuthenticatedClient, call: Call) => Promise<Reply>;

/** `POST /oauth2/token` (RFC 6749, section 3.2): authenticates the client and hands over to its grant. */
export const tokenEndpoint = (deps: {
  authenticate: AuthenticateClient;
  ciba: GrantHandler;
  authorizationCode: GrantHandler;
  clientCredentials: GrantHandler;
  refreshToken: GrantHandler;
  jwtBearer: GrantHandler;
}): Endpoint => {
  const handlers = new Map<string, GrantHandler>([
    [CIBA_GRANT, deps.ciba],
    ['authorization_code', deps.authorizationCode],
    ['client_credentials', deps.clientCredentials],
    ['refresh_token', deps.refreshToken],
    [JWT_BEARER_GRANT, deps.jwtBearer],
  ]);
  return async (call) => {
    const client = await deps.authenticate(call);
    const grantType = call.form['grant_type'];
    if (grantType === undefined) throw new OAuthError('invalid_request', 'grant_type is missing');
    const handler = handlers.get(grantType);
    if (handler === undefined) throw new OAuthError('unsupported_grant_type', 'grant_type is not supported');
    if (!(client.metadata.grant_types as readonly string[]).includes(grantType))
      throw new OAuthError('unauthorized_client', 'this client is not registered for this grant_type');
    requireBinding(client);
    try {
      return await handler(call.form, client, call);
    } catch (error) {
      const refusal = asRefusal(error);
      // At this endpoint every refusal but invalid_client is a 400, access_denied too (RFC 6749, section 5.2; CIBA Core 1.0, section 11).
      if (refusal.error === 'access_denied') return refusalReply(refusal, 400);
      throw error;
    }
  };
};
