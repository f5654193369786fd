import { authorise, consent, ofRequest, reject } from '../consent/decider.ts';
import type { Decide, Load } from '../decide.ts';
import { nothingOfTheErased } from '../persist.ts';
import type { Ids } from '../ports/clock.ts';
import type { Sealer } from '../ports/sealer.ts';
import { authorization } from './decider.ts';
import { authorizationEvents } from './events.ts';

/**
 * The second append of an answer that was given in a browser: what was recorded on the authorization request becomes the consent's. Done by
 * the call that answered and, if that one died, by a reaction; whoever comes second finds it done.
 */
export const makePersistAuthorization =
  ({ decide, load, sealer, ids }: { decide: Decide; load: Load; sealer: Sealer; ids: Ids }) =>
  async (requestId: string): Promise<void> => {
    const state = await load(authorization, requestId);
    if (state.status === 'absent' || state.answer === null) return;
    const { clientId, consentId, consentOrigin, scope, answer } = state;
    const { verdict, psuId, digest, consentRevision, at, eventId, sealed } = answer;
    const data = { requestId, psuId, deviceId: null, digest, at };
    const lodged = consentOrigin === 'lodged' ? null : ofRequest({ clientId, scope, at });
    const approved = () => {
      const { accountIds = [], authorizationDetails = null } =
        (sealed && authorizationEvents.open('AuthorizationApproved', sealed, sealer)) ?? {};
      return authorise({ data, consentRevision, accountIds, authorizationDetails, lodged });
    };
    const command = {
      id: ids.derived(`persist/${eventId}`),
      actor: { kind: 'psu', id: psuId } as const,
      correlationId: consentId,
      causationId: eventId,
    };
    const decision = verdict === 'approved' ? approved() : reject({ data, consentRevision });
    await decide(consent, consentId, decision, command).catch(nothingOfTheErased);
  };
export type PersistAuthorization = ReturnType<typeof makePersistAuthorization>;
