import * as z from 'zod';
import { cibaRequest } from '../../domain/ciba-request/decider.ts';
import { requestIdOf } from '../../domain/ciba-request/id.ts';
import { answerable, consent } from '../../domain/consent/decider.ts';
import type { Load } from '../../domain/decide.ts';
import { OAuthError } from '../../domain/oauth-error.ts';
import type { Clock, Ids } from '../../domain/ports/clock.ts';
import type { Sealer } from '../../domain/ports/sealer.ts';
import { openShown } from '../approver/shown-request.ts';
import { json } from '../reply.ts';
import type { Route } from '../route.ts';
import type { SandboxDevice } from './device.ts';

const pushData = z.record(z.string(), z.string());
const pushShown = z.object({ data: pushData });
const VERDICTS: Readonly<Record<string, 'approved' | 'denied'>> = { allow: 'approved', deny: 'denied' };

interface Deps {
  load: Load;
  sealer: Sealer;
  clock: Clock;
  ids: Ids;
  deviceOf(psuId: string): Promise<SandboxDevice>;
}

/**
 * `POST /sandbox/ciba/{auth_req_id}/{action}`: a device of the PSU retrieves the request and answers it. `GET …/pushes`: what phones of the
 * reference were told of it, for those who try such a phone out without FCM. Never served in production.
 */
export const sandboxRoutes = (deps: Deps): Route[] => [
  // Ahead of the actions.
  {
    method: 'GET',
    path: '/sandbox/ciba/{auth_req_id}/pushes',
    doc: {
      summary: 'Sandbox: the data of the pushes that phones of the reference have got for a request',
      security: 'none',
      answers: { 200: z.object({ pushes: z.array(pushData) }) },
      errors: ['not_found'],
    },
    async handle({ params: { auth_req_id: authReqId = '' } }) {
      const request = await deps.load(cibaRequest, requestIdOf(authReqId, deps.ids));
      if (request.status === 'absent') throw new OAuthError('not_found', 'no such request');
      const shown = request.retrievals.map(({ sealed }) => pushShown.safeParse(JSON.parse(openShown(sealed, deps.sealer) ?? 'null')).data);
      return json(200, { pushes: shown.flatMap((told) => (told === undefined ? [] : [told.data])) });
    },
  },
  {
    method: 'POST',
    path: '/sandbox/ciba/{auth_req_id}/{action}',
    doc: {
      summary: 'Sandbox: a device of the PSU retrieves a request and answers it; the action is allow or deny',
      security: 'none',
      answers: { 200: z.object({ request_id: z.string(), status: z.enum(['approved', 'denied']) }) },
      errors: ['invalid_request', 'not_found', 'conflict', 'expired_token'],
    },
    async handle({ params: { auth_req_id: authReqId = '', action = '' } }) {
      const verdict = Object.hasOwn(VERDICTS, action) ? VERDICTS[action] : undefined;
      if (verdict === undefined) throw new OAuthError('invalid_request', 'the action is allow or deny');
      const requestId = requestIdOf(authReqId, deps.ids);
      const request = await deps.load(cibaRequest, requestId);
      if (request.status === 'absent') throw new OAuthError('not_found', 'no such request');
      if (request.answer?.verdict === verdict) return json(200, { request_id: requestId, status: verdict });
      // A device that was enrolled for an answer that cannot be given would be a fact of a refused call.
      if (request.status !== 'pending') throw new OAuthError('conflict', `the request was already ${request.status}`);
      if (deps.clock() >= request.expiresAt) throw new OAuthError('expired_token', 'the request has expired');
      if (!answerable(await deps.load(consent, request.consentId), request.psuId, deps.clock()))
        throw new OAuthError('conflict', 'the consent no longer awaits authorisation');
      return (await deps.deviceOf(request.psuId)).answer(requestId, verdict);
    },
  },
];
