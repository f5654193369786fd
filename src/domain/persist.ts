import type { AuthorizationDetail } from './authorization-details/detail-type.ts';
import { type Answer, cibaRequest, type ReceivedCibaRequest } from './ciba-request/decider.ts';
import { cibaRequestEvents } from './ciba-request/events.ts';
import { authorise, consent, ofRequest, reject } from './consent/decider.ts';
import type { Decide, Load } from './decide.ts';
import type { Ids } from './ports/clock.ts';
import type { Sealer } from './ports/sealer.ts';
import { KeyErased } from './psu/key-erased.ts';

export interface PersistDeps {
  decide: Decide;
  load: Load;
  sealer: Sealer;
  ids: Ids;
}

/**
 * The second append of an answer: what was recorded on the request becomes the consent's. Done by the call that answered and, if that one
 * died, by a reaction; whoever comes second finds it done. The accounts and the details of an erased PSU are none.
 */
export const makePersist =
  (deps: PersistDeps) =>
  async (requestId: string): Promise<void> => {
    const request = await deps.load(cibaRequest, requestId);
    if (request.status === 'absent' || request.answer === null) return;
    const { psuId, answer } = request;
    const opened = () => cibaRequestEvents.open('CibaRequestApproved', answer.sealed, deps.sealer);
    await becomeConsents(deps, { request, answer, psuId, deviceId: answer.deviceId, opened });
  };
export type Persist = ReturnType<typeof makePersist>;

interface Answered {
  request: Pick<ReceivedCibaRequest, 'requestId' | 'clientId' | 'consentId' | 'consentOrigin' | 'scope'>;
  answer: Pick<Answer, 'verdict' | 'digest' | 'consentRevision' | 'at' | 'eventId'>;
  psuId: string;
  /** Null for an answer that was given in a browser. */
  deviceId: string | null;
  /** What an approval chose, or null where it can no longer be opened. */
  opened(): { accountIds: readonly string[]; authorizationDetails: readonly AuthorizationDetail[] | null } | null;
}

/** Makes an answer its consent's. What a PSU had answered who was erased then becomes nobody's. */
export const becomeConsents = async (
  { decide, ids }: PersistDeps,
  { request, answer, psuId, deviceId, opened }: Answered,
): Promise<void> => {
  const { requestId, clientId, consentId, consentOrigin, scope } = request;
  const { verdict, digest, consentRevision, at, eventId } = answer;
  const data = { requestId, psuId, deviceId, digest, at };
  const lodged = consentOrigin === 'lodged' ? null : ofRequest({ clientId, scope, at });
  const approved = () => {
    const { accountIds = [], authorizationDetails = null } = opened() ?? {};
    return authorise({ data, consentRevision, accountIds, authorizationDetails, lodged });
  };
  const decision = verdict === 'approved' ? approved() : reject({ data, consentRevision });
  const command = {
    id: ids.derived(`persist/${eventId}`),
    actor: deviceId === null ? ({ kind: 'psu', id: psuId } as const) : ({ kind: 'device', id: deviceId } as const),
    correlationId: consentId,
    causationId: eventId,
    // A consent of the request's own begins here: if it is there already, the conflict tells.
    fresh: lodged !== null,
  };
  await decide(consent, consentId, decision, command).catch((error: unknown) => {
    if (!(error instanceof KeyErased)) throw error;
  });
};
