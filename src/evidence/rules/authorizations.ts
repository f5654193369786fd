import { answerIsEvident } from './answers.ts';
import { lastShowing, redeem, requestBegins, settle } from './requests.ts';
import { shownFits } from './shown.ts';
import type { Fact, Request, Say, World } from './world.ts';

interface Requested {
  clientId: string;
  requiredPsuId: string | null;
  consentId: string;
  consentOrigin: string;
  scope: string;
  acr: string | null;
  dpopKeyThumbprint: string | null;
  redirectUri: string;
  expiresAt: number;
}
interface InSession {
  consentId: string;
  consentOrigin: string;
  psuId: string;
  sessionId: string;
  digest: string;
  nonce: string;
  consentRevision: number;
}

/** R3 to R8 and R15 for the requests of the redirect flow. */
export const authorizationFact = (world: World, fact: Fact, say: Say): void => {
  const { type, id, at, revision, data } = fact;
  const request = world.requests.code.get(id);
  if (type === 'AuthorizationRequested') {
    if (request !== undefined) say('R3', 'the request was received before');
    begin(world, fact, say);
    return;
  }
  if (request === undefined) {
    say('R3', 'the request was not received');
    return;
  }
  switch (type) {
    case 'AuthorizationPsuAuthenticated': {
      const { psuId, sessionId } = data as unknown as InSession;
      if (request.status !== 'pending' || at >= request.expiresAt) say('R15', 'a PSU signed in for a request that did not wait any more');
      if (request.psuId !== null && request.psuId !== psuId) say('R15', 'another PSU signed in than the request is for');
      request.sessions.push({ sessionId, psuId, at });
      return;
    }
    case 'AuthorizationShown': {
      const { psuId, sessionId, digest, nonce, consentRevision } = data as unknown as InSession;
      if (request.status !== 'pending' || at >= request.expiresAt) say('R4', 'it was shown when it did not wait any more');
      sessionOf(request, sessionId, psuId, say);
      const shown = shownFits(request, digest, null, fact, say);
      request.showings.push({ place: sessionId, digest, nonce, consentRevision, shown });
      return;
    }
    case 'AuthorizationApproved':
    case 'AuthorizationDenied':
      answer(world, request, fact, say);
      return;
    case 'AuthorizationCancelled':
      if (request.status !== 'pending' || at >= request.expiresAt) say('R7', `the request was ${request.status}, or over`);
      request.status = 'cancelled';
      return;
    case 'AuthorizationCodeIssued':
      if (request.status !== 'approved' || request.codeEndsAt !== null || revision !== request.answeredRevision + 1)
        say('R7', 'a code belongs to an approval, one to each');
      request.codeEndsAt = data['expiresAt'] as number;
      return;
    case 'AuthorizationCodeRedeemed':
      redeem(world, request, request.codeEndsAt, fact, say);
  }
};

const begin = (world: World, fact: Fact, say: Say): void => {
  const { requiredPsuId, clientId, consentId, consentOrigin, scope, acr, dpopKeyThumbprint, redirectUri, expiresAt } =
    fact.data as unknown as Requested;
  const request: Request = {
    ...{ flow: 'code', clientId, psuId: requiredPsuId, consentId, consentOrigin, scope, acr, certificateThumbprint: null },
    ...{ dpopKeyThumbprint, redirectUri, expiresAt, status: 'pending', asked: fact.opened, sessions: [], showings: [] },
    ...{ answer: null, answeredRevision: -1, codeEndsAt: null },
  };
  requestBegins(world, request, fact, say);
};

/** R15: the session of a PSU who has signed in for this request. */
const sessionOf = ({ sessions }: Request, sessionId: string, psuId: string, say: Say): { at: number } | undefined => {
  const session = sessions.find((one) => one.sessionId === sessionId);
  if (session?.psuId !== psuId) say('R15', 'this PSU has not signed in for this request');
  return session;
};

const answer = (world: World, request: Request, fact: Fact, say: Say): void => {
  const { consentId, consentOrigin, psuId, sessionId, digest } = fact.data as unknown as InSession;
  const verdict = fact.type === 'AuthorizationApproved' ? 'approved' : 'denied';
  if (request.status !== 'pending') say('R5', `the request was ${request.status} before`);
  if (fact.at >= request.expiresAt) say('R5', 'the request was over when it was answered');
  if (consentId !== request.consentId || consentOrigin !== request.consentOrigin)
    say('R5', 'the answer is over another consent than the request');
  const session = sessionOf(request, sessionId, psuId, say);
  const showing = lastShowing(request, sessionId);
  if (showing?.digest !== digest) say('R5', 'the answer is not over what was shown there last');
  const opened = fact.opened;
  if (opened !== undefined) answerIsEvident(world, { request, verdict, device: null, deviceId: null, showing }, fact, opened, say);
  settle(request, verdict, { psuId, deviceId: null, digest, authTime: session?.at ?? fact.at }, fact);
};
