import * as z from 'zod';
import { cancelOwn, cibaRequest } from '../../domain/ciba-request/decider.ts';
import { requestIdOf } from '../../domain/ciba-request/id.ts';
import type { Decide } from '../../domain/decide.ts';
import { OAuthError } from '../../domain/oauth-error.ts';
import type { Clock, Ids } from '../../domain/ports/clock.ts';
import { findPending } from '../../projections/pending-requests.ts';
import type { ReadModels } from '../read-models.ts';
import { noContent } from '../reply.ts';
import type { Endpoint, RouteDoc } from '../route.ts';
import type { AuthenticateClient } from './client-auth.ts';
import { clientAuthentication } from './protocol-docs.ts';

export const backchannelCancellationDoc: RouteDoc = {
  summary: 'A TPP takes back its own request while the PSU has not answered',
  security: 'client',
  form: z.object({ ...clientAuthentication.shape, auth_req_id: z.string() }),
  answers: { 204: null },
  errors: ['invalid_grant', 'expired_token'],
};

/**
 * `POST /oauth2/ciba/cancel`: a TPP takes back a request that its PSU has not answered. Polls say `access_denied` from then on, and devices
 * show it no more; what was answered is `invalid_grant` and stays answered. Ours: CIBA Core 1.0 has no such endpoint.
 */
export const backchannelCancellation =
  (deps: { authenticate: AuthenticateClient; decide: Decide; readModels: ReadModels; clock: Clock; ids: Ids }): Endpoint =>
  async (call) => {
    const { authenticate, decide, readModels, clock, ids } = deps;
    const { clientId } = await authenticate(call);
    const authReqId = call.form['auth_req_id'];
    if (authReqId === undefined) throw new OAuthError('invalid_request', 'auth_req_id is missing');
    const requestId = requestIdOf(authReqId, ids);
    const pending = await readModels.find((rows) => findPending(rows, requestId));
    const correlationId = pending?.consent_id ?? requestId;
    const command = { id: ids.uuid(), actor: { kind: 'client', id: clientId } as const, correlationId, causationId: null };
    const { position } = await decide(cibaRequest, requestId, cancelOwn({ clientId, at: clock() }), command);
    // Who polls next is told what has become of it.
    await readModels.reached(position);
    return noContent(204);
  };
