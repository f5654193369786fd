import { authentication, succeed } from '../../src/domain/authentication/decider.ts';
import { cibaRequest, retrieve } from '../../src/domain/ciba-request/decider.ts';
import { consent } from '../../src/domain/consent/decider.ts';
import { makeDecide, makeLoad } from '../../src/domain/decide.ts';
import type { Clock, Ids } from '../../src/domain/ports/clock.ts';
import type { EventStore } from '../../src/domain/ports/event-store.ts';
import type { Sealer } from '../../src/domain/ports/sealer.ts';

/** The PSU signs in by a browser, chooses a request of the back channel and is shown what it asks for. The sign-in names no request. */
export const showInSession = async (
  { store, sealer, clock, ids }: { store: EventStore; sealer: Sealer; clock: Clock; ids: Ids },
  requestId: string,
  sessionId: string,
): Promise<void> => {
  const [decide, load] = [makeDecide({ store, sealer, ids }), makeLoad(store)];
  const request = await load(cibaRequest, requestId);
  if (request.status === 'absent') throw new Error(`no request ${requestId}`);
  const { psuId, consentId } = request;
  const by = (correlationId: string) => ({ id: ids.uuid(), actor: { kind: 'psu', id: psuId } as const, correlationId, causationId: null });
  const attempt = {
    flow: 'ciba',
    step: 'basic',
    deviceId: null,
    requestId: null,
    psuChannel: 'Online Banking',
    at: clock(),
    psuId,
  } as const;
  await decide(authentication, sessionId, succeed(attempt), by(sessionId));
  const { revision } = await load(consent, consentId);
  const bound = { digest: ids.hash(ids.uuid()), nonce: ids.uuid(), consentRevision: revision };
  const shown = retrieve({ psuId, deviceId: null, sessionId, ...bound, at: clock() }, 'what the page shows');
  await decide(cibaRequest, requestId, shown, by(consentId));
};
