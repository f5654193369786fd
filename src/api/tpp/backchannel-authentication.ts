import * as z from 'zod';
import { cibaRequest, receive } from '../../domain/ciba-request/decider.ts';
import { requestIdOf } from '../../domain/ciba-request/id.ts';
import {
  type AuthenticationRequest,
  acrOf,
  authenticationRequest,
  bindingMessageOf,
  hintOf,
  intentOf,
  lifeOf,
  scopeOf,
} from '../../domain/ciba-request/request.ts';
import { CIBA_GRANT } from '../../domain/client/metadata.ts';
import { awaiting, consent } from '../../domain/consent/decider.ts';
import type { Decide, Load } from '../../domain/decide.ts';
import { OAuthError } from '../../domain/oauth-error.ts';
import type { Clock, Ids } from '../../domain/ports/clock.ts';
import type { PsuDirectory } from '../../domain/ports/psu-directory.ts';
import type { Rows } from '../../domain/ports/rows.ts';
import type { Signer } from '../../domain/ports/signer.ts';
import { pendingCount, pendingReached } from '../../projections/pending-requests.ts';
import { parse } from '../parse.ts';
import { json } from '../reply.ts';
import type { Endpoint } from '../route.ts';
import type { AuthenticateClient, AuthenticatedClient } from './client-auth.ts';
import type { ReadRequestObject } from './request-object.ts';

// An ID token names its PSU for as long as a bank keeps a customer signed up for a TPP.
const MAX_HINT_AGE_SECONDS = 90 * 86_400;

const idTokenClaims = z.object({ iss: z.string(), sub: z.string(), aud: z.union([z.string(), z.array(z.string())]), iat: z.number() });

export interface BackchannelSettings {
  issuer: string;
  acrValuesSupported: readonly string[];
  defaultExpirySeconds: number;
  minExpirySeconds: number;
  maxExpirySeconds: number;
  intervalSeconds: number;
  pendingRequestsPerClient: number;
  pendingRequestsPerPsu: number;
}

/** `POST /oauth2/ciba`: a TPP asks for a PSU's consent (CIBA Core 1.0, section 7). */
export const backchannelAuthentication = (deps: {
  authenticate: AuthenticateClient;
  readRequestObject: ReadRequestObject;
  decide: Decide;
  load: Load;
  rows: Rows;
  directory: PsuDirectory;
  signer: Signer;
  clock: Clock;
  ids: Ids;
  settings: BackchannelSettings;
}): Endpoint => {
  const { authenticate, readRequestObject, decide, load, rows, directory, signer, clock, ids, settings } = deps;

  const parametersOf = async (form: Readonly<Record<string, string>>, client: AuthenticatedClient): Promise<AuthenticationRequest> => {
    const { request } = form;
    if (request !== undefined) return parse(authenticationRequest, await readRequestObject(request, client));
    if (client.profile.signedRequestRequired || client.metadata.backchannel_authentication_request_signing_alg !== null)
      throw new OAuthError('invalid_request', 'the parameters must arrive in a signed request object');
    return parse(authenticationRequest, { ...form, claims: jsonOf(form['claims']) });
  };

  const psuOf = async (parameters: AuthenticationRequest, clientId: string): Promise<string> => {
    const hint = hintOf(parameters);
    if (hint.kind === 'login_hint') {
      const psuId = await directory.findByHint(hint.value);
      if (psuId === null) throw new OAuthError('unknown_user_id', 'login_hint names no PSU of this ASPSP');
      return psuId;
    }
    const { data: claims } = idTokenClaims.safeParse(await signer.verify(hint.value, 'JWT'));
    if (claims?.iss !== settings.issuer || ![claims.aud].flat().includes(clientId) || claims.iat < clock() - MAX_HINT_AGE_SECONDS)
      throw new OAuthError('invalid_request', 'id_token_hint is no ID token that was issued here to this client');
    const psuId = claims.sub;
    if (!(await directory.exists(psuId))) throw new OAuthError('unknown_user_id', 'id_token_hint names no PSU of this ASPSP');
    return psuId;
  };

  const withinLimits = (clientId: string, psuId: string) => {
    if (pendingCount(rows, clientId) >= settings.pendingRequestsPerClient)
      throw new OAuthError('access_denied', 'this client has too many pending requests');
    if (pendingReached(rows, psuId, settings.pendingRequestsPerPsu))
      throw new OAuthError('access_denied', 'too many requests wait for this PSU');
  };

  return async (call) => {
    const client = await authenticate(call);
    const { clientId, metadata } = client;
    if (!metadata.grant_types.includes(CIBA_GRANT)) throw new OAuthError('unauthorized_client', 'this client is not registered for CIBA');
    const parameters = await parametersOf(call.form, client);
    const scope = scopeOf(parameters, metadata.scope);
    const bindingMessage = bindingMessageOf(parameters);
    const expiresIn = lifeOf(parameters, settings);
    const intent = intentOf(parameters);
    const psuId = await psuOf(parameters, clientId);
    const at = clock();
    if (intent !== null) awaiting(await load(consent, intent), clientId, at);
    withinLimits(clientId, psuId);

    const authReqId = ids.orderedSecret();
    const requestId = requestIdOf(authReqId, ids);
    // A consent of the request's own has the request's id.
    const consentId = intent ?? requestId;
    const received = {
      clientId,
      psuId,
      consentId,
      consentOrigin: intent === null ? ('request' as const) : ('lodged' as const),
      scope,
      acr: acrOf(parameters, settings.acrValuesSupported),
      certificateThumbprint: client.certificateThumbprint,
      intervalSeconds: settings.intervalSeconds,
      at,
      expiresAt: at + expiresIn,
      deliveryMode: metadata.backchannel_token_delivery_mode,
      dpopKeyThumbprint: null,
    };
    const asked = { bindingMessage, authorizationDetails: null, requestContext: null, notificationToken: null };
    const command = {
      id: ids.uuid(),
      actor: { kind: 'client', id: clientId } as const,
      correlationId: consentId,
      causationId: null,
      fresh: true,
    };
    await decide(cibaRequest, requestId, receive(received, asked), command);
    return json(200, { auth_req_id: authReqId, expires_in: expiresIn, interval: settings.intervalSeconds });
  };
};

const jsonOf = (text: string | undefined): unknown => {
  if (text === undefined) return undefined;
  try {
    return JSON.parse(text);
  } catch {
    throw new OAuthError('invalid_request', 'claims is not valid JSON');
  }
};
