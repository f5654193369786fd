import { authentication, fail, succeed } from '../../src/domain/authentication/decider.ts';
import {
  answer,
  authenticate,
  authorization,
  cancel,
  lastShowing,
  type RequestedAuthorization,
  redeem,
  request,
  show,
} from '../../src/domain/authorization/decider.ts';
import { makePersistAuthorization } from '../../src/domain/authorization/persist.ts';
import { detailTypes } from '../../src/domain/authorization-details/registered.ts';
import { consent } from '../../src/domain/consent/decider.ts';
import { type Command, makeDecide, makeLoad } from '../../src/domain/decide.ts';
import { grant, open } from '../../src/domain/grant/decider.ts';
import type { Clock, Ids } from '../../src/domain/ports/clock.ts';
import type { EventStore } from '../../src/domain/ports/event-store.ts';
import type { Sealer } from '../../src/domain/ports/sealer.ts';

const ACCOUNTS = ['account-1', 'account-2'];
const REDIRECT_URI = 'https://tpp.example/callback';

/** What happens to authorization requests, step by step and with the real deciders; a refused step throws. */
export const redirectSteps = ({ store, sealer, clock, ids }: { store: EventStore; sealer: Sealer; clock: Clock; ids: Ids }) => {
  const decide = makeDecide({ store, sealer, ids });
  const load = makeLoad(store);
  const persistAuthorization = makePersistAuthorization({ decide, load, sealer, ids });
  const as = (kind: Command['actor']['kind'], id: string, correlationId: string): Command => ({
    id: ids.uuid(),
    actor: { kind, id },
    correlationId,
    causationId: null,
  });
  const requestOf = async (requestId: string): Promise<RequestedAuthorization> => {
    const state = await load(authorization, requestId);
    if (state.status === 'absent') throw new Error(`no request ${requestId}`);
    return state;
  };
  const sessionOf = (requestId: string, psuId: string) => ids.hash(`${requestId}/${psuId}`);
  const codeHash = (requestId: string) => ids.hash(`code of ${requestId}`);

  return {
    persistAuthorization,
    /** `consentId` is null for a request that brings its own consent. */
    requestAuthorization: (requestId: string, by: { clientId: string; consentId: string | null }) => {
      const { clientId } = by;
      const consentId = by.consentId ?? requestId;
      const data = {
        ...{ clientId, psuId: `client ${clientId}`, requiredPsuId: null, consentId },
        consentOrigin: by.consentId === null ? ('request' as const) : ('lodged' as const),
        ...{ pushed: true, silent: false, redirectUri: REDIRECT_URI, responseType: 'code' as const, responseMode: 'query' as const },
        ...{ scope: 'openid accounts', acr: null, codeChallenge: null, dpopKeyThumbprint: null },
        ...{ at: clock(), startBy: clock() + 90, expiresAt: clock() + 600 },
      };
      const asked = { state: `state of ${requestId}`, nonce: null, loginHint: null, authorizationDetails: null };
      return decide(authorization, requestId, request(data, asked), as('client', clientId, consentId));
    },
    async signIn(requestId: string, psuId: string) {
      const { consentId } = await requestOf(requestId);
      const by = { step: 'basic', deviceId: null, psuChannel: 'Online Banking' } as const;
      const attempt = { flow: 'code', ...by, requestId, psuId, at: clock() } as const;
      const failed = fail({ ...attempt, reason: 'wrong_credentials' });
      await decide(authentication, ids.uuid(), failed, as('psu', psuId, consentId));
      await decide(authentication, sessionOf(requestId, psuId), succeed(attempt), as('psu', psuId, consentId));
      const data = { psuId, sessionId: sessionOf(requestId, psuId), steps: ['basic' as const], at: clock() };
      return decide(authorization, requestId, authenticate(data), as('psu', psuId, consentId));
    },
    async showAuthorization(requestId: string, psuId: string) {
      const { consentId } = await requestOf(requestId);
      const { revision } = await load(consent, consentId);
      const bound = { sessionId: sessionOf(requestId, psuId), digest: ids.hash(ids.uuid()), nonce: ids.uuid() };
      const data = { psuId, ...bound, consentRevision: revision, at: clock() };
      return decide(authorization, requestId, show(data, `what ${psuId} is shown`), as('psu', psuId, consentId));
    },
    /** The answer alone: it has not become the consent's yet. */
    async answerAuthorization(requestId: string, psuId: string, verdict: 'approved' | 'denied') {
      const state = await requestOf(requestId);
      const sessionId = sessionOf(requestId, psuId);
      const { digest = '', nonce = '' } = lastShowing(state, sessionId) ?? {};
      const given = {
        verdict,
        sessionId,
        digest,
        nonce,
        accountIds: ACCOUNTS,
        authorizationDetails: null,
        codeHash: codeHash(requestId),
        codeSeconds: 60,
        at: clock(),
      };
      const opened = { offered: () => ACCOUNTS, chosen: () => ({ accountIds: ACCOUNTS, authorizationDetails: null }), details: null };
      const decision = answer(given, await load(consent, state.consentId), opened, detailTypes);
      return decide(authorization, requestId, decision, as('psu', psuId, state.consentId));
    },
    async giveUp(requestId: string) {
      const { consentId } = await requestOf(requestId);
      return decide(authorization, requestId, cancel(clock()), as('psu', 'not signed in', consentId));
    },
    async redeemCode(requestId: string) {
      const { clientId, consentId } = await requestOf(requestId);
      const consentState = await load(consent, consentId);
      const presented = {
        clientId,
        codeHash: codeHash(requestId),
        redirectUri: REDIRECT_URI,
        codeChallenge: null,
        dpopKeyThumbprint: null,
      };
      const redemption = { ...presented, consent: consentState, grantId: requestId, at: clock() };
      const { state } = await decide(authorization, requestId, redeem(redemption), as('client', clientId, consentId));
      const { answer: given } = state as RequestedAuthorization;
      const unbound = { certificateThumbprint: null, dpopKeyThumbprint: null };
      const opened = {
        ...{ clientId, psuId: given?.psuId ?? null, consentId, requestId, authTime: clock(), acr: null, scope: 'openid' },
        ...{ at: clock(), ...unbound, hasAuthorizationDetails: false },
      };
      const token = { tokenHash: ids.hash(`${requestId}/0`), scope: 'openid', ...unbound, at: clock(), expiresAt: clock() + 600 };
      return decide(grant, requestId, open(opened, token, null), as('client', clientId, consentId));
    },
  };
};
export type RedirectSteps = ReturnType<typeof redirectSteps>;
