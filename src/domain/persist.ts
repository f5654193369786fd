import { cibaRequest } from './ciba-request/decider.ts';
import { cibaRequestEvents } from './ciba-request/events.ts';
import { authorise, consent, ofRequest, reject } from './consent/decider.ts';
import type { Decide, Load } from './decide.ts';
import type { Ids } from './ports/clock.ts';
import type { Sealer } from './ports/sealer.ts';
import { KeyErased } from './psu/key-erased.ts';

/**
 * The second append of an answer: what was recorded on the request becomes the consent's. Done by the call that answered and, if that one
 * died, by a reaction; whoever comes second finds it done. The accounts and the details of an erased PSU are none.
 */
export const makePersist =
  ({ decide, load, sealer, ids }: { decide: Decide; load: Load; sealer: Sealer; ids: Ids }) =>
  async (requestId: string): Promise<void> => {
    const request = await load(cibaRequest, requestId);
    if (request.status === 'absent' || request.answer === null) return;
    const { clientId, psuId, consentId, consentOrigin, scope, answer } = request;
    const { verdict, deviceId, digest, consentRevision, at, eventId } = answer;
    const data = { requestId, psuId, deviceId, digest, at };
    const lodged = consentOrigin === 'lodged' ? null : ofRequest({ clientId, scope, at });
    const approved = () => {
      const { accountIds = [], authorizationDetails = null } = cibaRequestEvents.open('CibaRequestApproved', answer.sealed, sealer) ?? {};
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
    await decide(consent, consentId, decision, command).catch(nothingOfTheErased);
  };

/** What a PSU had answered who was erased then becomes nobody's consent. */
export const nothingOfTheErased = (error: unknown): void => {
  if (!(error instanceof KeyErased)) throw error;
};
export type Persist = ReturnType<typeof makePersist>;
