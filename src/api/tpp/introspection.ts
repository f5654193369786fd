import type { Load } from '../../domain/decide.ts';
import { confirmation, tokenType } from '../../domain/grant/binding.ts';
import { OAuthError } from '../../domain/oauth-error.ts';
import type { Clock, Ids } from '../../domain/ports/clock.ts';
import type { Sealer } from '../../domain/ports/sealer.ts';
import { findToken } from '../../projections/token-lookup.ts';
import type { ReadModels } from '../read-models.ts';
import { json } from '../reply.ts';
import type { Endpoint } from '../route.ts';
import { approvedDetails } from './approved-details.ts';
import type { AuthenticateClient } from './client-auth.ts';

const INACTIVE = json(200, { active: false });

/**
 * `POST /oauth2/introspect` (RFC 7662): a client about its own tokens, a resource server about all. A token is inactive as soon as its
 * consent or its client has ended, whatever the grant still says.
 */
export const introspection =
  (deps: {
    authenticate: AuthenticateClient;
    load: Load;
    sealer: Sealer;
    readModels: ReadModels;
    clock: Clock;
    ids: Ids;
    issuer: string;
  }): Endpoint =>
  async (call) => {
    const { authenticate, load, sealer, readModels, clock, ids, issuer } = deps;
    const { clientId, metadata } = await authenticate(call);
    const given = call.form['token'];
    if (given === undefined) throw new OAuthError('invalid_request', 'token is missing');
    const token = await readModels.find((rows) => findToken(rows, ids.hash(given)));
    if (token === undefined || token.expiresAt <= clock() || (token.clientId !== clientId && !metadata.resource_server)) return INACTIVE;
    const details = token.hasAuthorizationDetails === 1 ? await approvedDetails(load, sealer, token.consentId) : null;
    return json(200, {
      active: true,
      iss: issuer,
      client_id: token.clientId,
      sub: token.psuId ?? token.clientId,
      iat: token.issuedAt,
      exp: token.expiresAt,
      ...(token.kind === 'access_token' && { token_type: tokenType(token), scope: token.scope }),
      ...(token.consentId !== null && { consent_id: token.consentId }),
      ...(token.authTime !== null && { auth_time: token.authTime }),
      ...(token.acr !== null && { acr: token.acr }),
      ...(details !== null && { authorization_details: details }),
      ...confirmation(token),
    });
  };
