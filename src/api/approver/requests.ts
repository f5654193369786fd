import * as z from 'zod';
import type { DetailTypes } from '../../domain/authorization-details/detail-type.ts';
import {
  type Answer,
  answer,
  type Choice,
  cibaRequest,
  lastRetrieval,
  ofPsu,
  type ReceivedCibaRequest,
  type Retrieval,
  retrieve,
  type SealedParts,
  type Verdict,
} from '../../domain/ciba-request/decider.ts';
import { cibaRequestEvents } from '../../domain/ciba-request/events.ts';
import { answerable, type Consent, consent } from '../../domain/consent/decider.ts';
import type { Decide, Load } from '../../domain/decide.ts';
import { OAuthError } from '../../domain/oauth-error.ts';
import type { Persist } from '../../domain/persist.ts';
import type { Clock, Ids } from '../../domain/ports/clock.ts';
import type { PsuDirectory } from '../../domain/ports/psu-directory.ts';
import type { Sealer } from '../../domain/ports/sealer.ts';
import { clientName } from '../../projections/client-lookup.ts';
import { findPending, waitingFor } from '../../projections/pending-requests.ts';
import { readJson } from '../body.ts';
import { parse } from '../parse.ts';
import type { ReadModels } from '../read-models.ts';
import { json } from '../reply.ts';
import type { Handler, Route } from '../route.ts';
import { PATHS } from '../surface.ts';
import { answerDoc, retrieveDoc, waitingDoc } from './approver-docs.ts';
import { AnswerBody } from './bodies.ts';
import { type DeviceStatements, type Proven, type ProvenDevice, STATEMENT } from './device-auth.ts';
import { choicesShown, openShown, type Shown, shownText } from './shown-request.ts';

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
  decide: Decide;
  load: Load;
  persist: Persist;
  proven: Proven;
  statements: DeviceStatements;
  directory: PsuDirectory;
  detailTypes: DetailTypes;
  sealer: Sealer;
  readModels: ReadModels;
  clock: Clock;
  ids: Ids;
  issuer: string;
}

/** What waits for a PSU: the list, each request as it is shown (every showing is a fact), and its signed answer. */
export const requestRoutes = (deps: Deps): Route[] => {
  const { proven, sealer, readModels, clock } = deps;
  return [
    {
      method: 'GET',
      path: `${PATHS.approver}/requests`,
      doc: waitingDoc,
      handle: proven(async (_call, { psuId }) => {
        const requests = waitingFor(readModels.rows, psuId, clock()).map(async ({ requestId, clientId, expiresAt }) => ({
          request_id: requestId,
          client_name: clientName(readModels.rows, clientId),
          binding_message: askedIn(ofPsu(await deps.load(cibaRequest, requestId), psuId), sealer).bindingMessage,
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
      handle: proven(async ({ params: { request_id: requestId = '' } }, device) => {
        const request = ofPsu(await deps.load(cibaRequest, requestId), device.psuId);
        const shown = await show(deps, request, device);
        return json(200, { ...shown, request_id: requestId, expires_at: request.expiresAt });
      }),
    },
    { method: 'POST', path: `${PATHS.approver}/requests/{request_id}/answer`, doc: answerDoc, hot: true, handle: answerHandler(deps) },
  ];
};

/** The signed answer, which proves the device by itself. */
const answerHandler = ({ decide, persist, load, statements, detailTypes, sealer, readModels, clock, ids, issuer }: Deps): Handler => {
  /** What is sealed, as far as an answer needs it; what the device was shown holds it all, and is opened once. */
  const partsFor = (deviceId: string): SealedParts => {
    let opened: ReturnType<typeof choicesShown> | undefined;
    const shownIn = ({ sealed }: Retrieval) => {
      opened ??= choicesShown(sealed, sealer);
      return opened;
    };
    return {
      asked(request) {
        const retrieval = lastRetrieval(request, deviceId);
        return retrieval === undefined ? null : shownIn(retrieval).authorizationDetails;
      },
      offered: (retrieval) => shownIn(retrieval).accountIds,
      chosen: (given) => choiceOf(given, sealer),
    };
  };

  return async (call) => {
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
    const pending = findPending(readModels.rows, requestId);
    const consentId = pending?.consent_id ?? ofPsu(await load(cibaRequest, requestId), psuId).consentId;
    const signed = { verdict, psuId, deviceId, keyThumbprint, digest, nonce, accountIds, authorizationDetails, jws, at };
    const command = { id: ids.uuid(), actor: { kind: 'device', id: deviceId } as const, correlationId: consentId, causationId: null };
    // A request that has its own consent and waits for its answer has no stream of that consent yet.
    const consentState = consentId === requestId && pending !== undefined ? consent.initial : await load(consent, consentId);
    await decide(cibaRequest, requestId, answer(signed, consentState, partsFor(deviceId), detailTypes), command);
    await persist(requestId);
    return json(200, { request_id: requestId, status: verdict satisfies Verdict });
  };
};

/** Shows a request on a device, and records that it was shown; what the device was shown before, unchanged, is shown again. */
const show = async (deps: Deps, request: ReceivedCibaRequest, { psuId, deviceId }: ProvenDevice) => {
  const { decide, load, detailTypes, sealer, readModels, directory, clock, ids } = deps;
  const { requestId, consentId, clientId } = request;
  // A consent of the request's own begins with the answer.
  const notYet = request.status === 'pending' && request.consentOrigin === 'request';
  const consentState = notYet ? consent.initial : await load(consent, consentId);
  if (request.status === 'pending' && !answerable(consentState, clock()))
    throw new OAuthError('conflict', 'the consent no longer awaits authorisation');
  const before = lastRetrieval(request, deviceId);
  if (
    request.status === 'pending' &&
    before !== undefined &&
    before.consentRevision === consentState.revision &&
    clock() < request.expiresAt
  )
    return reshown(before, sealer);

  const shown = await textToShow(request, consentState, {
    sealer,
    directory,
    detailTypes,
    salt: ids.secret(),
    clientName: clientName(readModels.rows, clientId),
  });
  const digest = ids.hash(shown);
  const nonce = ids.secret();
  const data = { psuId, deviceId, digest, nonce, consentRevision: consentState.revision, at: clock() };
  const command = { id: ids.uuid(), actor: { kind: 'device', id: deviceId } as const, correlationId: consentId, causationId: null };
  const { eventIds, state } = await decide(cibaRequest, requestId, retrieve(data, shown), command);
  if (eventIds.length > 0) return { shown, digest, nonce };
  // Another call of the same device was first: what it recorded is what counts.
  return reshown(lastRetrieval(ofPsu(state, psuId), deviceId) as NonNullable<typeof before>, sealer);
};

const reshown = (retrieval: NonNullable<ReturnType<typeof lastRetrieval>>, sealer: Sealer) => ({
  shown: openShown(retrieval.sealed, sealer),
  digest: retrieval.digest,
  nonce: retrieval.nonce,
});

const textToShow = async (
  request: ReceivedCibaRequest,
  consentState: Consent,
  { sealer, directory, ...told }: { sealer: Sealer; directory: PsuDirectory; detailTypes: DetailTypes; clientName: string; salt: string },
): Promise<string> => {
  const asked = askedIn(request, sealer);
  const accounts = request.scope.split(' ').includes('accounts') ? await directory.accounts(request.psuId) : [];
  return shownText(request, { consent: consentState, asked, accounts, ...told });
};

// Of a PSU who was erased nothing is left to show.
const askedIn = ({ sealed }: ReceivedCibaRequest, sealer: Sealer): Shown =>
  cibaRequestEvents.open('CibaRequestReceived', sealed, sealer) ?? {
    bindingMessage: null,
    requestContext: null,
    authorizationDetails: null,
  };

const choiceOf = ({ verdict, sealed }: Answer, sealer: Sealer): Choice => {
  if (verdict === 'approved')
    return cibaRequestEvents.open('CibaRequestApproved', sealed, sealer) ?? { accountIds: [], authorizationDetails: null };
  const accountIds = cibaRequestEvents.open('CibaRequestDenied', sealed, sealer)?.accountIds ?? [];
  return { accountIds, authorizationDetails: null };
};
