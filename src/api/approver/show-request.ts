import type { DetailTypes } from '../../domain/authorization-details/detail-type.ts';
import { askingOf } from '../../domain/ciba-request/asking.ts';
import {
  cibaRequest,
  lastRetrieval,
  ofPsu,
  type ReceivedCibaRequest,
  type Retrieval,
  retrieve,
} from '../../domain/ciba-request/decider.ts';
import { cibaRequestEvents } from '../../domain/ciba-request/events.ts';
import { answerable, consent } from '../../domain/consent/decider.ts';
import type { Decide, Load } from '../../domain/decide.ts';
import { OAuthError } from '../../domain/oauth-error.ts';
import type { Clock, Ids } from '../../domain/ports/clock.ts';
import type { ConsentSteps } from '../../domain/ports/consent-steps.ts';
import type { Sealer } from '../../domain/ports/sealer.ts';
import { clientName } from '../../projections/client-lookup.ts';
import type { ReadModels } from '../read-models.ts';
import { openShown, type Shown, shownText } from './shown-request.ts';

interface Deps {
  decide: Decide;
  load: Load;
  consentSteps: ConsentSteps;
  detailTypes: DetailTypes;
  sealer: Sealer;
  readModels: ReadModels;
  clock: Clock;
  ids: Ids;
}

/** Where a request is shown and answered: on a device, or in a browser in which its PSU has signed in. */
export type Place = { deviceId: string; sessionId: null } | { deviceId: null; sessionId: string };

/** Who acts there, as the log names them. */
export const actorAt = ({ deviceId }: Place, psuId: string) =>
  deviceId === null ? ({ kind: 'psu', id: psuId } as const) : ({ kind: 'device', id: deviceId } as const);

/** Shows a request, and records that it was shown; what was shown there before, unchanged, is shown again. */
export const makeShowRequest =
  ({ decide, load, consentSteps, detailTypes, sealer, readModels, clock, ids }: Deps) =>
  async (request: ReceivedCibaRequest, place: Place) => {
    const { requestId, consentId, clientId, psuId } = request;
    // A consent of the request's own begins with the answer.
    const notYet = request.status === 'pending' && request.consentOrigin === 'request';
    const consentState = notYet ? consent.initial : await load(consent, consentId);
    if (request.status === 'pending' && !answerable(consentState, psuId, clock()))
      throw new OAuthError('conflict', 'the consent no longer awaits authorisation');
    const there = place.deviceId ?? place.sessionId;
    const before = lastRetrieval(request, there);
    const unchanged = before !== undefined && before.consentRevision === consentState.revision;
    if (request.status === 'pending' && unchanged && clock() < request.expiresAt) return reshown(before, sealer);

    const asked = askedIn(request, sealer);
    const shown = shownText(request, {
      ...(await consentSteps.retrieve(askingOf(request, consentState, asked.authorizationDetails))),
      ...{ consent: consentState, asked, detailTypes },
      salt: ids.secret(),
      clientName: clientName(readModels.rows, clientId),
    });
    const digest = ids.hash(shown);
    const nonce = ids.secret();
    const data = { psuId, ...place, digest, nonce, consentRevision: consentState.revision, at: clock() };
    const command = { id: ids.uuid(), actor: actorAt(place, psuId), correlationId: consentId, causationId: null };
    const { eventIds, state } = await decide(cibaRequest, requestId, retrieve(data, shown), command);
    if (eventIds.length > 0) return { shown, digest, nonce };
    // Another call from there was first: what it recorded is what counts.
    return reshown(lastRetrieval(ofPsu(state, psuId), there) as Retrieval, sealer);
  };
export type ShowRequest = ReturnType<typeof makeShowRequest>;

const reshown = (retrieval: Retrieval, sealer: Sealer) => ({
  shown: openShown(retrieval.sealed, sealer),
  digest: retrieval.digest,
  nonce: retrieval.nonce,
});

/** What a request asked for in private. Of a PSU who was erased nothing is left to show. */
export const askedIn = ({ sealed }: ReceivedCibaRequest, sealer: Sealer): Shown =>
  cibaRequestEvents.open('CibaRequestReceived', sealed, sealer) ?? {
    bindingMessage: null,
    requestContext: null,
    authorizationDetails: null,
  };
