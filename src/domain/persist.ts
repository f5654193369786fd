import { type Answer, cibaRequest, type ReceivedCibaRequest } from './ciba-request/decider.ts';
import { cibaRequestEvents } from './ciba-request/events.ts';
import { authorise, consent, reject } from './consent/decider.ts';
import type { Decide, Load } from './decide.ts';
import type { Ids } from './ports/clock.ts';
import type { Sealer } from './ports/sealer.ts';

/** An answer that was recorded on its request. */
export interface RecordedAnswer extends Pick<Answer, 'verdict' | 'deviceId' | 'digest' | 'at' | 'eventId'> {
  requestId: string;
  request: Pick<ReceivedCibaRequest, 'clientId' | 'psuId' | 'consentId' | 'consentOrigin' | 'scope'>;
  accountIds: readonly string[];
}

/**
 * The second append of an answer: it becomes the consent's. Done by the call that answered and, if that one died, by a reaction;
 * whoever comes second finds it done.
 */
export const makePersist =
  ({ decide, ids }: { decide: Decide; ids: Ids }) =>
  async ({ requestId, request, verdict, deviceId, digest, at, eventId, accountIds }: RecordedAnswer): Promise<void> => {
    const { clientId, psuId, consentId, consentOrigin, scope } = request;
    const data = { requestId, psuId, deviceId, digest, at };
    const lodged = consentOrigin === 'lodged' ? null : { clientId, content: { kind: 'scope' as const, scope }, expiresAt: null, at };
    const decision = verdict === 'approved' ? authorise({ data, accountIds, lodged }) : reject({ data });
    const command = { id: ids.derived(`persist/${eventId}`), actor: { kind: 'device', id: deviceId }, correlationId: consentId, causationId: eventId } as const;
    await decide(consent, consentId, decision, command);
  };
export type Persist = ReturnType<typeof makePersist>;

/** The same for an answer of which only the request's id is known. The accounts of an erased PSU are none. */
export const makePersistOf =
  ({ load, sealer, persist }: { load: Load; sealer: Sealer; persist: Persist }) =>
  async (requestId: string): Promise<void> => {
    const request = await load(cibaRequest, requestId);
    if (request.status === 'absent' || request.answer === null) return;
    const { answer } = request;
    const type = answer.verdict === 'approved' ? 'CibaRequestApproved' : 'CibaRequestDenied';
    const accountIds = cibaRequestEvents.open(type, answer.sealed, sealer)?.accountIds ?? [];
    await persist({ requestId, request, accountIds, ...answer });
  };
