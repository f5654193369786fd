import type { DetailTypes } from '../../domain/authorization-details/detail-type.ts';
import { authorizationDetailsOf } from '../../domain/authorization-details/parameter.ts';
import { cancel, cibaRequest, type ReceivedCibaRequest, receive, supersedable } from '../../domain/ciba-request/decider.ts';
import { requestIdOf } from '../../domain/ciba-request/id.ts';
import {
  type AuthenticationRequest,
  acrOf,
  authenticationRequest,
  bindingMessageOf,
  hintOf,
  intentOf,
  lifeOf,
  notificationTokenOf,
  requestContextOf,
  scopeOf,
} from '../../domain/ciba-request/request.ts';
import { worded } from '../../domain/client/error-words.ts';
import { CIBA_GRANT } from '../../domain/client/metadata.ts';
import { awaiting, consent } from '../../domain/consent/decider.ts';
import { checkScope } from '../../domain/consent/scope.ts';
import type { Decide, Load } from '../../domain/decide.ts';
import { OAuthError } from '../../domain/oauth-error.ts';
import type { Clock, Ids } from '../../domain/ports/clock.ts';
import type { Rows } from '../../domain/ports/rows.ts';
import { KeyErased } from '../../domain/psu/key-erased.ts';
import { parametersIn } from '../authorize/plain-parameters.ts';
import type { Form } from '../body.ts';
import { parse } from '../parse.ts';
import type { ReadModels } from '../read-models.ts';
import { json, type Reply } from '../reply.ts';
import type { Endpoint } from '../route.ts';
import { PATHS } from '../surface.ts';
import { type AuthenticateClient, type AuthenticatedClient, requireBinding } from './client-auth.ts';
import { makeAdmit } from './pending-limits.ts';
import type { PsuOfHint } from './psu-of-hint.ts';
import type { ReadRequestObject } from './request-object.ts';
import type { CheckUserCode } from './user-code.ts';

interface BackchannelSettings {
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
  readModels: ReadModels;
  psuOfHint: PsuOfHint;
  checkUserCode: CheckUserCode;
  detailTypes: DetailTypes;
  clock: Clock;
  ids: Ids;
  issuer: string;
  settings: BackchannelSettings;
}): Endpoint => {
  const { authenticate, readRequestObject, decide, load, readModels, psuOfHint, checkUserCode, detailTypes, clock, ids, issuer, settings } =
    deps;
  const admit = makeAdmit(deps);

  const parametersOf = async (form: Form, client: AuthenticatedClient): Promise<AuthenticationRequest> => {
    const { request } = form;
    if (request !== undefined) return parse(authenticationRequest, await readRequestObject(request, client));
    if (client.profile.signedRequestRequired || client.metadata.backchannel_authentication_request_signing_alg !== null)
      throw new OAuthError('invalid_request', 'the parameters must arrive in a signed request object');
    return parse(authenticationRequest, parametersIn(form));
  };

  /** By what else than a push the PSU hears of the request, or null; refuses what the client's profile has no place for. */
  const channelOf = (parameters: AuthenticationRequest, { profile }: AuthenticatedClient): 'external' | null => {
    for (const name of profile.refusedParameters)
      if (parameters[name] !== undefined) throw new OAuthError('invalid_request', `${name} is not supported`);
    const { notification_channel: asked } = parameters;
    if (asked === undefined || profile.notificationChannels === null) return null;
    const channel = profile.notificationChannels.find((one) => one === asked);
    if (channel === undefined) throw new OAuthError('invalid_request', 'notification_channel names a channel that is not offered');
    return channel;
  };

  /** What the PSU is to be asked, besides the scope. */
  const askedOf = (parameters: AuthenticationRequest, { metadata }: AuthenticatedClient) => {
    const { authorization_details: details } = parameters;
    const allowed = metadata.authorization_details_types;
    return {
      bindingMessage: bindingMessageOf(parameters),
      authorizationDetails: details === undefined ? null : [...authorizationDetailsOf(details, detailTypes, allowed)],
      requestContext: requestContextOf(parameters),
      notificationToken: notificationTokenOf(parameters, metadata.backchannel_token_delivery_mode),
    };
  };

  const timesOf = (parameters: AuthenticationRequest, { profile: { cibaTimes } }: AuthenticatedClient) => {
    if (cibaTimes === null) return { expiresIn: lifeOf(parameters, settings), intervalSeconds: settings.intervalSeconds };
    const { intervalSeconds, expirySeconds } = cibaTimes;
    const limits = { ...settings, defaultExpirySeconds: expirySeconds, maxExpirySeconds: expirySeconds };
    return { expiresIn: lifeOf(parameters, limits), intervalSeconds };
  };

  /** Ends the request whose place another has taken, unless it was answered first. A reaction does it if this process dies before. */
  const supersede = async ({ requestId, consentId }: ReceivedCibaRequest, eventId: string, clientId: string): Promise<void> => {
    const actor = { kind: 'client', id: clientId } as const;
    const command = { id: ids.derived(`supersede/${eventId}`), actor, correlationId: consentId, causationId: eventId };
    const { position } = await decide(cibaRequest, requestId, cancel({ reason: 'superseded', at: clock() }), command);
    await readModels.reached(position);
  };

  const request = async (form: Form, client: AuthenticatedClient): Promise<Reply> => {
    const { clientId, metadata } = client;
    if (!metadata.grant_types.includes(CIBA_GRANT)) throw new OAuthError('unauthorized_client', 'this client is not registered for CIBA');
    const parameters = await parametersOf(form, client);
    const channel = channelOf(parameters, client);
    const scope = scopeOf(parameters, metadata.scope);
    const asked = askedOf(parameters, client);
    const deliveryMode = metadata.backchannel_token_delivery_mode;
    // Its tokens are bound to what this call came with: there will be no other.
    if (deliveryMode === 'push') requireBinding(client);
    const { expiresIn, intervalSeconds } = timesOf(parameters, client);
    const intent = intentOf(parameters);
    const { psuId, useUp } = await psuOfHint(hintOf(parameters), client);
    const at = clock();
    if (intent !== null) checkScope(awaiting(await load(consent, intent), { clientId, psuId, at }), scope);
    const { supersedes } = parameters;
    const old = supersedes === undefined ? null : supersedable(await load(cibaRequest, requestIdOf(supersedes, ids)), clientId, at);

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
      ...client.binding,
      intervalSeconds,
      at,
      expiresAt: at + expiresIn,
      deliveryMode,
      supersedes: old === null ? null : old.requestId,
    };
    const personal = { ...asked, authReqId: deliveryMode === 'poll' ? null : authReqId };
    const command = {
      id: ids.uuid(),
      actor: { kind: 'client', id: clientId } as const,
      correlationId: consentId,
      causationId: null,
      fresh: true,
    };
    const leave = admit(clientId, psuId, old);
    let eventIds: readonly string[];
    try {
      await checkUserCode(parameters.user_code, psuId, client);
      if (useUp !== null) await useUp();
      ({ eventIds } = await decide(cibaRequest, requestId, receive(received, personal), command));
    } finally {
      leave();
    }
    if (old !== null) await supersede(old, String(eventIds[0]), clientId);
    // CIBA Core 1.0, section 7.3: who never polls needs no interval.
    const pace = deliveryMode === 'push' ? {} : { interval: intervalSeconds };
    const page = channel === 'external' ? { auth_url: issuer + PATHS.answer } : {};
    return json(200, { auth_req_id: authReqId, expires_in: expiresIn, ...pace, ...page });
  };

  return async (call) => {
    const client = await authenticate(call);
    try {
      return await request(call.form, client);
    } catch (error) {
      throw error instanceof OAuthError ? worded(asUnknown(error), client.profile.errorWords.request) : error;
    }
  };
};

/** A PSU who is erased while they are asked for is one whom nobody knows. */
const asUnknown = (error: OAuthError): OAuthError =>
  error instanceof KeyErased ? new OAuthError('unknown_user_id', 'the hint names no PSU of this ASPSP') : error;
