import { sameJson } from './narrowing.ts';
import { type Consent, type Fact, goesOn, isBefore, momentOf, type Request, requestIn, type Say, type World } from './world.ts';

interface Lodged {
  clientId: string;
  content: Record<string, unknown>;
  expiresAt: number | null;
  authorisers?: readonly string[];
  awaitsUpload?: boolean;
}
interface Persisted {
  requestId: string;
  psuId: string;
  deviceId: string | null;
  digest: string;
  hasAuthorizationDetails?: boolean;
}

/** R9 and R10: the life of a consent, and who has authorised it. */
export const consentFact = (world: World, fact: Fact, say: Say): void => {
  const { type, id, at, data } = fact;
  const consent = world.consents.get(id);
  if (type === 'ConsentLodged') {
    if (consent !== undefined) say('R9', 'the consent was lodged before');
    lodge(world, fact, say);
    return;
  }
  if (consent === undefined) {
    say('R9', 'the consent was not lodged');
    return;
  }
  const isOver = consent.expiresAt !== null && at >= consent.expiresAt;
  switch (type) {
    case 'ConsentFileUploaded':
      if (consent.status !== 'awaitingUpload' || isOver) say('R9', 'the consent awaited no file');
      consent.status = 'awaiting';
      break;
    case 'ConsentAuthorisationGiven':
    case 'ConsentAuthorised':
      authorise(world, consent, fact, say);
      break;
    case 'ConsentRejected':
      reject(world, consent, fact, say);
      break;
    case 'ConsentAmended':
      if (!stands(consent) || isOver) say('R9', 'a consent was amended that had ended');
      amend(consent, fact, say);
      break;
    case 'ConsentRevoked':
      if (!stands(consent)) say('R9', `the consent was ${consent.status} before`);
      end(consent, 'revoked', fact);
      break;
    case 'ConsentExpired':
      if (!stands(consent) || !isOver) say('R9', `the consent was ${consent.status}, or had time left`);
      end(consent, 'expired', fact);
  }
  // That one of several has agreed changes nothing of it for the others.
  if (type !== 'ConsentAuthorisationGiven') consent.revision = fact.revision;
  if (type === 'ConsentAmended') consent.expiresAt = data['expiresAt'] as number | null;
};

const stands = ({ status }: Consent): boolean => status !== 'rejected' && status !== 'revoked' && status !== 'expired';

const lodge = (world: World, fact: Fact, say: Say): void => {
  const { clientId, expiresAt, authorisers = [], awaitsUpload = false } = fact.data as unknown as Lodged;
  const client = world.clients.get(clientId);
  if (client === undefined) say('R1', `client ${clientId} is not registered`);
  // A consent of a request's own begins with its answer, also when its client was disabled meanwhile: no token comes of it.
  else if (requestIn(world, fact.id) === undefined && !goesOn(world, client.disabled, fact))
    say('R1', `client ${clientId} was disabled before`);
  if (expiresAt !== null && fact.at >= expiresAt) say('R9', 'the consent was over when it was lodged');
  world.consents.set(fact.id, {
    ...{ status: awaitsUpload ? 'awaitingUpload' : 'awaiting', clientId, revision: fact.revision, authorisers, awaitsUpload, expiresAt },
    ...{ authorisations: [], past: [] },
  });
};

/** The answer that became the consent's (R10): it was given, with this verdict, over this consent as it stood. */
const answered = (world: World, consent: Consent, verdict: 'approved' | 'denied', fact: Fact, say: Say): Request | undefined => {
  const { requestId, psuId, deviceId, digest } = fact.data as unknown as Persisted;
  const request = requestIn(world, requestId);
  const answer = request?.answer;
  if (request === undefined || answer?.verdict !== verdict || request.consentId !== fact.id || request.clientId !== consent.clientId) {
    say('R10', `no request of this client over this consent was ${verdict}`);
    return undefined;
  }
  if (answer.psuId !== psuId || answer.deviceId !== deviceId || answer.digest !== digest || answer.at !== fact.at)
    say('R10', 'the answer was given by another PSU, on another device, over something else or at another time');
  const isOwn = request.consentOrigin === 'request';
  if (isOwn ? requestId !== fact.id || fact.revision !== 1 : answer.consentRevision !== consent.revision)
    say('R10', 'the consent is not the one that was shown: it has changed since');
  if (consent.status !== 'awaiting') say('R10', `the consent was ${consent.status} before`);
  if (consent.authorisers.length > 0 && !consent.authorisers.includes(psuId)) say('R10', 'this PSU was not to be asked');
  return request;
};

const authorise = (world: World, consent: Consent, fact: Fact, say: Say): void => {
  const { requestId, psuId, hasAuthorizationDetails } = fact.data as unknown as Persisted;
  const request = answered(world, consent, 'approved', fact, say);
  if (consent.expiresAt !== null && fact.at >= consent.expiresAt) say('R10', 'the consent was over when it was authorised');
  const { authorisations, authorisers } = consent;
  if (authorisations.some((given) => given.psuId === psuId)) say('R10', 'this PSU had agreed before');
  const isLast = authorisers.every((one) => one === psuId || authorisations.some((given) => given.psuId === one));
  if (isLast !== (fact.type === 'ConsentAuthorised')) say('R10', 'all who were to be asked have agreed, or not');
  const chosen = fact.opened;
  if (chosen !== undefined) {
    const { authorizationDetails = null, accountIds } = chosen;
    if (hasAuthorizationDetails !== undefined && hasAuthorizationDetails !== (authorizationDetails !== null))
      say('R10', 'whether there are authorization details is said wrongly');
    const { answer } = request ?? {};
    if (
      answer?.accountIds !== undefined &&
      !(sameJson(answer.accountIds, accountIds) && sameJson(answer.authorizationDetails, authorizationDetails))
    )
      say('R10', 'what became the consent’s is not what was approved');
  }
  authorisations.push({ requestId, psuId });
  if (fact.type === 'ConsentAuthorised') consent.status = 'authorised';
};

const reject = (world: World, consent: Consent, fact: Fact, say: Say): void => {
  answered(world, consent, 'denied', fact, say);
  end(consent, 'rejected', fact);
};

const amend = (consent: Consent, fact: Fact, say: Say): void => {
  const { authorisations, authorisers, awaitsUpload } = consent;
  const ended = authorisations.map(({ requestId }) => requestId);
  if (!sameJson(fact.data['endedRequests'], ended)) say('R9', 'other requests end than had authorised the consent');
  if (authorisers.length === 0) consent.authorisers = authorisations.map(({ psuId }) => psuId);
  end(consent, awaitsUpload ? 'awaitingUpload' : 'awaiting', fact);
  consent.authorisations = [];
};

const end = (consent: Consent, status: Consent['status'], fact: Fact): void => {
  if (consent.status === 'authorised')
    for (const { requestId } of consent.authorisations) consent.past.push({ requestId, until: momentOf(fact) });
  consent.status = status;
};

/** Whether a consent covers tokens of a request now; or did until a moment ago, when they were decided. */
export const coveredBy = (world: World, consentId: string | null, requestId: string, fact: Fact): 'yes' | 'lately' | 'no' => {
  const consent = world.consents.get(consentId ?? '');
  if (consent === undefined) return 'no';
  if (consent.status === 'authorised' && consent.authorisations.some((given) => given.requestId === requestId)) {
    if (consent.expiresAt === null || fact.at < consent.expiresAt) return 'yes';
    return isBefore(world, fact.at, consent.expiresAt) ? 'lately' : 'no';
  }
  const until = consent.past.findLast((one) => one.requestId === requestId)?.until;
  return until !== undefined && goesOn(world, until, fact) ? 'lately' : 'no';
};
