import * as z from 'zod';
import { cibaRequest, ofPsu, type Verdict } from '../../domain/ciba-request/decider.ts';
import type { Load } from '../../domain/decide.ts';
import { OAuthError } from '../../domain/oauth-error.ts';
import type { Clock } from '../../domain/ports/clock.ts';
import type { Sealer } from '../../domain/ports/sealer.ts';
import { clientName } from '../../projections/client-lookup.ts';
import { waitingFor } from '../../projections/pending-requests.ts';
import { readJson } from '../body.ts';
import { parse } from '../parse.ts';
import type { ReadModels } from '../read-models.ts';
import { json } from '../reply.ts';
import type { Handler, Route } from '../route.ts';
import { PATHS } from '../surface.ts';
import type { AnswerRequest } from './answer-request.ts';
import { answerDoc, retrieveDoc, waitingDoc } from './approver-docs.ts';
import { AnswerBody } from './bodies.ts';
import { type DeviceStatements, type Proven, STATEMENT } from './device-auth.ts';
import { askedIn, type ShowRequest } from './show-request.ts';

// A phone signs at the moment of the tap.
const MAX_ANSWER_SECONDS = 600;

const answerClaims = z.object({
  aud: z.string(),
  request_id: z.string(),
  device_id: z.string(),
  digest: z.string(),
  nonce: z.string(),
  verdict: z.enum(['approved', 'denied']),
  account_ids: z.array(z.string()).max(1000),
  /** What is approved of the details that were shown; absent for all of them. */
  authorization_details: z
    .array(z.looseObject({ type: z.string() }))
    .max(16)
    .optional(),
  exp: z.number(),
});

interface Deps {
  load: Load;
  showRequest: ShowRequest;
  answerRequest: AnswerRequest;
  proven: Proven;
  statements: DeviceStatements;
  sealer: Sealer;
  readModels: ReadModels;
  clock: Clock;
  issuer: string;
}

/** What waits for a PSU: the list, each request as it is shown (every showing is a fact), and its signed answer. */
export const requestRoutes = (deps: Deps): Route[] => {
  const { proven, load, showRequest, sealer, readModels, clock } = deps;
  return [
    {
      method: 'GET',
      path: `${PATHS.approver}/requests`,
      doc: waitingDoc,
      handle: proven(async (_call, { psuId }) => {
        const requests = waitingFor(readModels.rows, psuId, clock()).map(async ({ requestId, clientId, expiresAt }) => ({
          request_id: requestId,
          client_name: clientName(readModels.rows, clientId),
          binding_message: askedIn(ofPsu(await load(cibaRequest, requestId), psuId), sealer).bindingMessage,
          expires_at: expiresAt,
        }));
        return json(200, { requests: await Promise.all(requests) });
      }),
    },
    {
      method: 'GET',
      path: `${PATHS.approver}/requests/{request_id}`,
      doc: retrieveDoc,
      hot: true,
      handle: proven(async ({ params: { request_id: requestId = '' } }, { psuId, deviceId }) => {
        const request = ofPsu(await load(cibaRequest, requestId), psuId);
        const shown = await showRequest(request, { deviceId, sessionId: null });
        return json(200, { ...shown, request_id: requestId, expires_at: request.expiresAt });
      }),
    },
    { method: 'POST', path: `${PATHS.approver}/requests/{request_id}/answer`, doc: answerDoc, hot: true, handle: answerHandler(deps) },
  ];
};

/** The signed answer, which proves the device by itself. */
const answerHandler =
  ({ answerRequest, statements, clock, issuer }: Deps): Handler =>
  async (call) => {
    const { request_id: requestId = '' } = call.params;
    const { answer: jws } = await readJson(call, AnswerBody);
    const { claims: given, deviceId, registered } = await statements(jws, STATEMENT.answer);
    const claims = parse(answerClaims, given);
    const at = clock();
    if (claims.aud !== issuer || claims.request_id !== requestId || claims.device_id !== deviceId)
      throw new OAuthError('invalid_token', 'the answer is for another request, or of another device');
    if (claims.exp <= at || claims.exp > at + MAX_ANSWER_SECONDS)
      throw new OAuthError('invalid_token', 'the answer has expired or lives too long: sign it again');
    const { psuId, keyThumbprint } = registered;
    const { verdict, digest, nonce, account_ids: accountIds, authorization_details: authorizationDetails = null } = claims;
    await answerRequest(requestId, { verdict, psuId, deviceId, keyThumbprint, digest, nonce, accountIds, authorizationDetails, jws, at });
    return json(200, { request_id: requestId, status: verdict satisfies Verdict });
  };
