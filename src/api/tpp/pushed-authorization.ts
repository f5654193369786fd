import { OAuthError } from '../../domain/oauth-error.ts';
import type { Clock, Ids } from '../../domain/ports/clock.ts';
import type { Accept } from '../authorize/accept.ts';
import { LIFE_SECONDS } from '../authorize/life.ts';
import { parametersIn } from '../authorize/plain-parameters.ts';
import type { ReadAuthorizationObject } from '../authorize/request-object.ts';
import { json } from '../reply.ts';
import type { Endpoint } from '../route.ts';
import type { AuthenticateClient } from './client-auth.ts';

const REQUEST_URI = 'urn:ietf:params:oauth:request_uri:';
const REQUEST_URI_SECONDS = 90;

/** The id of the request that was pushed under a request_uri; null for a URI that is none of ours. */
export const pushedRequestId = (requestUri: string, { hash }: Pick<Ids, 'hash'>): string | null =>
  requestUri.startsWith(REQUEST_URI) ? hash(requestUri) : null;

/** `POST /oauth2/par` (RFC 9126): a client that has proved who it is leaves its authorization request here and gets a name for it. */
export const pushedAuthorization =
  (deps: { authenticate: AuthenticateClient; readObject: ReadAuthorizationObject; accept: Accept; clock: Clock; ids: Ids }): Endpoint =>
  async (call) => {
    const { authenticate, readObject, accept, clock, ids } = deps;
    const client = await authenticate(call);
    const { form } = call;
    if (form['request_uri'] !== undefined) throw new OAuthError('invalid_request', 'request_uri cannot be pushed');
    const { request: object } = form;
    const given = object === undefined ? parametersIn(form) : await readObject(object, client);
    const { dpopKeyThumbprint } = client.binding;
    const accepted = await accept(given, client, { pushed: true, signed: object !== undefined, dpopKeyThumbprint });
    const requestUri = REQUEST_URI + ids.secret();
    const at = clock();
    await accepted.record(ids.hash(requestUri), { startBy: at + REQUEST_URI_SECONDS, expiresAt: at + LIFE_SECONDS });
    return json(201, { request_uri: requestUri, expires_in: REQUEST_URI_SECONDS });
  };
