import { approvedOf } from '../../domain/authorization-details/approval.ts';
import type { DetailTypes } from '../../domain/authorization-details/detail-type.ts';
import { askingOf } from '../../domain/ciba-request/asking.ts';
import {
  type Answer,
  answer,
  type Choice,
  cibaRequest,
  lastRetrieval,
  ofPsu,
  type ReceivedCibaRequest,
  type Retrieval,
  type SealedParts,
  type SessionAnswer,
  type SignedAnswer,
} from '../../domain/ciba-request/decider.ts';
import { cibaRequestEvents } from '../../domain/ciba-request/events.ts';
import { consent } from '../../domain/consent/decider.ts';
import type { Decide, Load } from '../../domain/decide.ts';
import type { Persist } from '../../domain/persist.ts';
import type { Ids } from '../../domain/ports/clock.ts';
import type { ConsentSteps } from '../../domain/ports/consent-steps.ts';
import type { LoginScript } from '../../domain/ports/login-script.ts';
import type { Sealer } from '../../domain/ports/sealer.ts';
import { findPending } from '../../projections/pending-requests.ts';
import type { ReadModels } from '../read-models.ts';
import { actorAt, askedIn } from './show-request.ts';
import { choicesShown } from './shown-request.ts';

interface Deps {
  decide: Decide;
  load: Load;
  persist: Persist;
  consentSteps: ConsentSteps;
  detailTypes: DetailTypes;
  sealer: Sealer;
  loginScript: LoginScript;
  readModels: ReadModels;
  ids: Ids;
}

/**
 * Records the answer of a PSU, who was proved before, and lets the consent follow it. An approval passes the ASPSP's own steps first; one
 * that would be refused anyway, or was recorded already, passes none.
 */
export const makeAnswerRequest =
  ({ decide, load, persist, consentSteps, detailTypes, sealer, loginScript, readModels, ids }: Deps) =>
  async (requestId: string, by: SignedAnswer | SessionAnswer): Promise<void> => {
    const { psuId, accountIds } = by;
    const place = by.deviceId === null ? by : { deviceId: by.deviceId, sessionId: null };
    const pending = findPending(readModels.rows, requestId);
    const consentId = pending?.consent_id ?? ofPsu(await load(cibaRequest, requestId), psuId).consentId;
    const command = { id: ids.uuid(), actor: actorAt(place, psuId), correlationId: consentId, causationId: null };
    // A request that has its own consent and waits for its answer has no stream of that consent yet.
    const consentState = consentId === requestId && pending !== undefined ? consent.initial : await load(consent, consentId);
    const decision = answer(by, consentState, partsAt(place.deviceId ?? place.sessionId, sealer), detailTypes);
    if (by.verdict === 'approved' && consentSteps.guarded) {
      const request = ofPsu(await load(cibaRequest, requestId), psuId);
      if (decision(request).length > 0) {
        const { authorizationDetails: asked } = askedIn(request, sealer);
        const chosen = { accountIds, authorizationDetails: approvedOf(asked, by.authorizationDetails, detailTypes) };
        await consentSteps.check(askingOf(request, consentState, asked), chosen);
      }
    }
    const { eventIds, state } = await decide(cibaRequest, requestId, decision, command);
    // The step of a session is the signing in, which was told then.
    if (eventIds.length > 0 && by.deviceId !== null && state.status !== 'absent') tellOfPush(loginScript, state, by.verdict === 'approved');
    await persist(requestId);
  };
export type AnswerRequest = ReturnType<typeof makeAnswerRequest>;

/** Tells the ASPSP's script how the step `push` has ended, once it is a fact: well with an approval, as in the reference. */
export const tellOfPush = (loginScript: LoginScript, { requestId, clientId, psuId }: ReceivedCibaRequest, approved: boolean): void => {
  const outcome = { flow: 'ciba', requestId, clientId, step: 'push', psuId } as const;
  if (approved) loginScript.succeeded(outcome);
  else loginScript.failed(outcome);
};

/** What is sealed, as far as an answer needs it; what was shown holds it all, and is opened once. */
const partsAt = (deviceOrSessionId: string, sealer: Sealer): SealedParts => {
  let opened: ReturnType<typeof choicesShown> | undefined;
  const shownIn = ({ sealed }: Retrieval) => {
    opened ??= choicesShown(sealed, sealer);
    return opened;
  };
  return {
    asked(request) {
      const retrieval = lastRetrieval(request, deviceOrSessionId);
      return retrieval === undefined ? null : shownIn(retrieval).authorizationDetails;
    },
    offered: (retrieval) => shownIn(retrieval).accountIds,
    chosen: (given) => choiceOf(given, sealer),
  };
};

const choiceOf = ({ verdict, sealed }: Answer, sealer: Sealer): Choice => {
  if (verdict === 'approved')
    return cibaRequestEvents.open('CibaRequestApproved', sealed, sealer) ?? { accountIds: [], authorizationDetails: null };
  const accountIds = cibaRequestEvents.open('CibaRequestDenied', sealed, sealer)?.accountIds ?? [];
  return { accountIds, authorizationDetails: null };
};
