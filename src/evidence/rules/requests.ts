import { answerIsEvident } from './answers.ts';
import { clientIsActive } from './clients.ts';
import { coveredBy } from './consents.ts';
import { activeDevice } from './devices.ts';
import { shownFits } from './shown.ts';
import { type Fact, isBefore, type Request, type Say, type Showing, type World } from './world.ts';

interface Received {
  clientId: string;
  psuId: string;
  consentId: string;
  consentOrigin: string;
  scope: string;
  acr: string | null;
  certificateThumbprint: string | null;
  dpopKeyThumbprint?: string | null;
  supersedes?: string | null;
  expiresAt: number;
}
interface Retrieved {
  psuId: string;
  deviceId: string | null;
  sessionId?: string | null;
  digest: string;
  nonce: string;
  consentRevision: number;
}
interface Answered {
  consentId: string;
  consentOrigin: string;
  psuId: string;
  deviceId: string | null;
  sessionId?: string | null;
  digest: string;
  keyThumbprint: string | null;
}

const SESSION_SECONDS = 600;

/** R3 to R8 for the requests of the back channel. */
export const cibaRequestFact = (world: World, fact: Fact, say: Say): void => {
  const { type, id, at } = fact;
  const request = world.requests.ciba.get(id);
  if (type === 'CibaRequestReceived') {
    if (request !== undefined) say('R3', 'the request was received before');
    receive(world, fact, say);
    return;
  }
  if (request === undefined) {
    say('R3', 'the request was not received');
    return;
  }
  switch (type) {
    case 'ConsentRetrieved':
      retrieve(world, request, fact, say);
      return;
    case 'CibaRequestApproved':
    case 'CibaRequestDenied':
      answer(world, request, fact, say);
      return;
    case 'CibaRequestCancelled':
      if (request.status !== 'pending') say('R7', `the request was ${request.status} before`);
      request.status = 'cancelled';
      return;
    case 'CibaRequestExpired':
      if (request.status !== 'pending' || at < request.expiresAt) say('R7', `the request was ${request.status}, or had time left`);
      request.status = 'expired';
      return;
    case 'CibaRequestRedeemed':
      redeem(world, request, request.expiresAt, fact, say);
  }
};

/** What a client asks for (R3). */
export const requestBegins = (world: World, request: Request, fact: Fact, say: Say): void => {
  clientIsActive(world, request.clientId, fact, say);
  if (request.expiresAt <= fact.at) say('R3', 'the request was over when it began');
  if (request.consentOrigin === 'request') {
    if (request.consentId !== fact.id) say('R3', 'a consent of the request’s own has another id');
  } else if (world.consents.get(request.consentId)?.clientId !== request.clientId)
    say('R3', `consent ${request.consentId} was not lodged by this client`);
  world.requests[request.flow].set(fact.id, request);
};

const receive = (world: World, fact: Fact, say: Say): void => {
  const received = fact.data as unknown as Received;
  const { clientId, psuId, consentId, consentOrigin, scope, acr, certificateThumbprint, supersedes = null, expiresAt } = received;
  if (supersedes !== null) {
    const older = world.requests.ciba.get(supersedes);
    if (older === undefined ? world.whole : older.clientId !== clientId) say('R3', 'it supersedes no request of this client');
  }
  const request: Request = {
    ...{ flow: 'ciba', clientId, psuId, consentId, consentOrigin, scope, acr, certificateThumbprint, expiresAt },
    ...{ dpopKeyThumbprint: received.dpopKeyThumbprint ?? null, redirectUri: null, status: 'pending', asked: fact.opened },
    ...{ sessions: [], showings: [], answer: null, answeredRevision: -1, codeEndsAt: null },
  };
  requestBegins(world, request, fact, say);
};

const retrieve = (world: World, request: Request, fact: Fact, say: Say): void => {
  const { psuId, deviceId, sessionId = null, digest, nonce, consentRevision } = fact.data as unknown as Retrieved;
  if (psuId !== request.psuId) say('R4', 'it was shown to another PSU than it is for');
  if (request.status !== 'pending' || fact.at >= request.expiresAt) say('R4', 'it was shown when it did not wait any more');
  if ((deviceId === null) === (sessionId === null)) say('R4', 'it is shown on a device or in a session');
  const device = deviceId === null ? null : activeDevice(world, deviceId, psuId, fact, say);
  if (sessionId !== null) signedIn(world, sessionId, psuId, fact, say);
  const shown = shownFits(request, digest, device?.dialect ?? null, fact, say);
  request.showings.push({ place: deviceId ?? sessionId ?? '', digest, nonce, consentRevision, shown });
};

/** R15: a PSU is signed in for ten minutes to answer requests of the back channel. */
const signedIn = (world: World, sessionId: string, psuId: string, fact: Fact, say: Say): void => {
  const session = world.sessions.get(sessionId);
  if (session === undefined || session.psuId !== psuId) say('R15', 'this PSU has not signed in for this session');
  else if (!isBefore(world, fact.at, session.at + SESSION_SECONDS)) say('R15', 'the session was over');
};

const answer = (world: World, request: Request, fact: Fact, say: Say): void => {
  const given = fact.data as unknown as Answered;
  const { psuId, deviceId, sessionId = null, digest, keyThumbprint } = given;
  const verdict = fact.type === 'CibaRequestApproved' ? 'approved' : 'denied';
  if (request.status !== 'pending') say('R5', `the request was ${request.status} before`);
  if (fact.at >= request.expiresAt) say('R5', 'the request was over when it was answered');
  if (psuId !== request.psuId || given.consentId !== request.consentId || given.consentOrigin !== request.consentOrigin)
    say('R5', 'the answer is of another PSU, or over another consent, than the request');
  if ((deviceId === null) === (sessionId === null) || (deviceId === null) !== (keyThumbprint === null))
    say('R5', 'an answer is given on a device and signed, or in a session');
  const showing = lastShowing(request, deviceId ?? sessionId ?? '');
  if (showing?.digest !== digest) say('R5', 'the answer is not over what was shown there last');
  const device = deviceId === null ? null : activeDevice(world, deviceId, psuId, fact, say);
  if (device !== null && device.keyThumbprint !== keyThumbprint) say('R5', 'the key that signed is not the one of the device');
  if (sessionId !== null) signedIn(world, sessionId, psuId, fact, say);
  const opened = fact.opened;
  if (opened !== undefined) answerIsEvident(world, { request, verdict, device, deviceId, showing }, fact, opened, say);
  settle(request, verdict, { psuId, deviceId, digest, authTime: fact.at }, fact);
};

/** What was shown last on a device or in a session. */
export const lastShowing = ({ showings }: Request, place: string): Showing | undefined => showings.findLast((one) => one.place === place);

/** The answer is kept; what was needed to judge it is not. */
export const settle = (
  request: Request,
  verdict: 'approved' | 'denied',
  given: { psuId: string; deviceId: string | null; digest: string; authTime: number },
  { at, revision, opened }: Fact,
): void => {
  const consentRevision = request.showings.findLast((one) => one.digest === given.digest)?.consentRevision ?? -1;
  const accountIds = opened?.['accountIds'] as readonly string[] | undefined;
  const authorizationDetails = opened === undefined ? undefined : ((opened['authorizationDetails'] ?? null) as readonly unknown[] | null);
  request.status = verdict;
  request.answer = { verdict, ...given, consentRevision, at, accountIds, authorizationDetails };
  request.answeredRevision = revision;
  request.showings = [];
  request.asked = undefined;
};

/** R8: what was approved is redeemed once, in time, while its consent covers it, and opens the grant with its own id. */
export const redeem = (world: World, request: Request, endsAt: number | null, fact: Fact, say: Say): void => {
  if (request.status !== 'approved') say('R8', `the request was ${request.status} when it was redeemed`);
  if (endsAt === null || fact.at >= endsAt) say('R8', 'it was redeemed too late');
  if (fact.data['grantId'] !== fact.id) say('R8', 'it was redeemed for another grant');
  clientIsActive(world, request.clientId, fact, say);
  if (coveredBy(world, request.consentId, fact.id, fact) === 'no') say('R8', 'the consent did not cover the request when it was redeemed');
  request.status = 'redeemed';
};
