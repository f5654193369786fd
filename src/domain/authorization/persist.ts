import { becomeConsents, type PersistDeps } from '../persist.ts';
import { authorization } from './decider.ts';
import { authorizationEvents } from './events.ts';

/**
 * The second append of an answer that was given in a browser: what was recorded on the authorization request becomes the consent's. Done by
 * the call that answered and, if that one died, by a reaction; whoever comes second finds it done.
 */
export const makePersistAuthorization =
  (deps: PersistDeps) =>
  async (requestId: string): Promise<void> => {
    const request = await deps.load(authorization, requestId);
    if (request.status === 'absent' || request.answer === null) return;
    const { answer } = request;
    const opened = () => answer.sealed && authorizationEvents.open('AuthorizationApproved', answer.sealed, deps.sealer);
    await becomeConsents(deps, { request, answer, psuId: answer.psuId, deviceId: null, opened });
  };
export type PersistAuthorization = ReturnType<typeof makePersistAuthorization>;
