import * as z from 'zod';
import { authentication, signedIn } from '../../domain/authentication/decider.ts';
import { linesOf } from '../../domain/authorization-details/approval.ts';
import type { DetailTypes } from '../../domain/authorization-details/detail-type.ts';
import { cibaRequest, lastRetrieval, ofPsu, type ReceivedCibaRequest } from '../../domain/ciba-request/decider.ts';
import type { Load } from '../../domain/decide.ts';
import { OAuthError } from '../../domain/oauth-error.ts';
import type { Clock, Ids } from '../../domain/ports/clock.ts';
import type { Sealer } from '../../domain/ports/sealer.ts';
import { clientName } from '../../projections/client-lookup.ts';
import { waitingFor } from '../../projections/pending-requests.ts';
import type { AnswerRequest } from '../approver/answer-request.ts';
import { askedIn, type ShowRequest } from '../approver/show-request.ts';
import { openShown } from '../approver/shown-request.ts';
import { csrfTokenOf, readPosted, secretOf, withSecret } from '../authorize/browser.ts';
import { WORDS } from '../authorize/login.ts';
import { asPage } from '../authorize/refusal-page.ts';
import type { Form } from '../body.ts';
import type { Login } from '../login.ts';
import { choicesIn, MOST_PARAMETERS } from '../pages/choices.ts';
import { type ConsentPage, consentPage } from '../pages/consent-page.ts';
import { loginPage } from '../pages/login-page.ts';
import { waitingPage } from '../pages/waiting-page.ts';
import type { ReadModels } from '../read-models.ts';
import type { Reply } from '../reply.ts';
import type { Call, Handler, Route, RouteDoc } from '../route.ts';
import { PATHS } from '../surface.ts';
import { readShownRequest } from './shown.ts';

// What ties the pages to their browser: there is one such page, whatever it shows.
const PAGE_ID = 'answer';
const SESSION_SECONDS = 600;
const NOTHING_CHOSEN = { accountIds: [], authorizationDetails: null, tooLittle: null };
const ANYBODY = { flow: 'ciba', requestId: null, clientId: null, requiredPsuId: null, correlationId: null } as const;

interface Deps {
  load: Load;
  login: Login;
  showRequest: ShowRequest;
  answerRequest: AnswerRequest;
  detailTypes: DetailTypes;
  sealer: Sealer;
  readModels: ReadModels;
  clock: Clock;
  ids: Ids;
}

/** The pages on which a PSU answers CIBA requests in a browser: signs in, sees what waits, sees one whole, and answers it. */
export const answerRoutes = (deps: Deps): Route[] => {
  const { load, login, showRequest, answerRequest, detailTypes, sealer, readModels, clock, ids } = deps;

  const psuOf = async (sessionId: string): Promise<string | null> =>
    signedIn(await load(authentication, sessionId), clock(), SESSION_SECONDS);

  const signInPage = (secret: string, { username, error }: { username: string | null; error: string | null }): Reply => {
    const csrfToken = csrfTokenOf(PAGE_ID, secret, ids);
    const bound = { action: `${PATHS.answer}/login`, interactionId: PAGE_ID, csrfToken, formTargets: [] };
    return loginPage({ ...bound, clientName: null, username, error });
  };

  const listPage = async (psuId: string, secret: string, answered: 'approved' | 'denied' | null): Promise<Reply> => {
    await readModels.latest();
    const requests = waitingFor(readModels.rows, psuId, clock()).map(async ({ requestId, clientId }) => ({
      action: `${PATHS.answer}/show/${requestId}`,
      clientName: clientName(readModels.rows, clientId),
      bindingMessage: askedIn(ofPsu(await load(cibaRequest, requestId), psuId), sealer).bindingMessage,
    }));
    const csrfToken = csrfTokenOf(PAGE_ID, secret, ids);
    return waitingPage({
      interactionId: PAGE_ID,
      csrfToken,
      requests: await Promise.all(requests),
      answered,
      signOutAction: `${PATHS.answer}/sign-out`,
    });
  };

  const requestPage = async (
    request: ReceivedCibaRequest,
    { secret, sessionId }: Session,
    { error, before }: Pick<ConsentPage, 'error' | 'before'>,
  ): Promise<Reply> => {
    const { requestId } = request;
    const { shown, digest, nonce } = await showRequest(request, { deviceId: null, sessionId });
    if (shown === null) throw new OAuthError('gone', 'the PSU was erased');
    const { client, scope, consent, ...read } = readShownRequest(shown);
    const context = Object.entries(read.request_context ?? {}).map(([name, value]) => `${name}: ${JSON.stringify(value)}`);
    return consentPage({
      ...{ action: `${PATHS.answer}/give/${requestId}`, interactionId: PAGE_ID, formTargets: [] },
      ...{ csrfToken: csrfTokenOf(PAGE_ID, secret, ids), digest, nonce, error, before },
      ...{ username: null, clientName: client.client_name, bindingMessage: read.binding_message, scope },
      consent: consent && {
        permissions: consent.permissions,
        expiration: consent.expiration,
        transactionsFrom: consent.transactions_from,
        transactionsTo: consent.transactions_to,
      },
      consentData: read.consent_data,
      details: (read.authorization_details ?? []).map((entry) => linesOf(entry, detailTypes)),
      context,
      accounts: read.accounts.map(({ account_id: accountId, display_name: displayName }) => ({ accountId, displayName })),
    });
  };

  /** A posted form of somebody who is signed in. */
  const posted = async (call: Call) => {
    const { secret, form } = await readPosted(call, ids, MOST_PARAMETERS);
    const sessionId = ids.hash(secret);
    const psuId = await psuOf(sessionId);
    if (psuId === null) throw new OAuthError('gone', 'nobody is signed in any more');
    return { secret, sessionId, psuId, form };
  };

  const arrive: Handler = async ({ headers }) => {
    const known = secretOf(headers, PAGE_ID);
    const psuId = known && (await psuOf(ids.hash(known)));
    if (known !== null && psuId !== null) return listPage(psuId, known, null);
    await login.begin(ANYBODY);
    const secret = known ?? ids.secret();
    const reply = signInPage(secret, { username: null, error: null });
    return { ...reply, headers: { ...reply.headers, ...withSecret(PAGE_ID, secret) } };
  };

  const signIn: Handler = async (call) => {
    const { secret, form } = await readPosted(call, ids);
    const { username = '', password = '' } = form;
    const loggedIn = await login.basic(ANYBODY, username, password);
    if (typeof loggedIn === 'string') return signInPage(secret, { username, error: WORDS[loggedIn] });
    const reply = await listPage(loggedIn.psuId, loggedIn.secret, null);
    return { ...reply, headers: { ...reply.headers, ...withSecret(PAGE_ID, loggedIn.secret) } };
  };

  /** The browser forgets the secret that was the session. */
  const signOut: Handler = async (call) => {
    await readPosted(call, ids);
    const secret = ids.secret();
    const reply = signInPage(secret, { username: null, error: null });
    return { ...reply, headers: { ...reply.headers, ...withSecret(PAGE_ID, secret) } };
  };

  const requestIn = async ({ params }: Call, psuId: string) => ofPsu(await load(cibaRequest, params['request_id'] ?? ''), psuId);

  const show: Handler = async (call) => {
    const session = await posted(call);
    return requestPage(await requestIn(call, session.psuId), session, { error: null, before: null });
  };

  /** What was ticked of what the session was shown last. */
  const chosenIn = (form: Form, request: ReceivedCibaRequest, sessionId: string) => {
    const retrieval = lastRetrieval(request, sessionId);
    const text = retrieval === undefined ? null : openShown(retrieval.sealed, sealer);
    const { accounts, authorization_details: details } =
      text === null ? { accounts: [], authorization_details: null } : readShownRequest(text);
    return choicesIn(form, { accounts, details }, detailTypes);
  };

  const give: Handler = async (call) => {
    const session = await posted(call);
    const { psuId, sessionId, secret, form } = session;
    const { verdict, digest = '', nonce = '' } = form;
    if (verdict !== 'approved' && verdict !== 'denied') throw new OAuthError('invalid_request', 'the form holds no answer');
    const request = await requestIn(call, psuId);
    const { tooLittle, ...chosen } = verdict === 'approved' ? chosenIn(form, request, sessionId) : NOTHING_CHOSEN;
    if (tooLittle !== null && request.status === 'pending') return requestPage(request, session, { error: tooLittle, before: form });
    await answerRequest(request.requestId, { verdict, psuId, deviceId: null, sessionId, digest, nonce, ...chosen, at: clock() });
    return listPage(psuId, secret, verdict);
  };

  return [
    { method: 'GET', path: PATHS.answer, handle: arrive, doc: arriveDoc, refuse: asPage },
    { method: 'POST', path: `${PATHS.answer}/login`, handle: signIn, doc: loginDoc, refuse: asPage },
    { method: 'POST', path: `${PATHS.answer}/sign-out`, handle: signOut, doc: signOutDoc, refuse: asPage },
    {
      method: 'POST',
      path: `${PATHS.answer}/show/{request_id}`,
      handle: show,
      doc: showDoc,
      refuse: asPage,
    },
    { method: 'POST', path: `${PATHS.answer}/give/{request_id}`, handle: give, doc: giveDoc, refuse: asPage },
  ];
};

interface Session {
  psuId: string;
  secret: string;
  sessionId: string;
}

const PAGE = 'text/html';
const AS_PAGE: RouteDoc['refusal'] = { type: PAGE };
const optional = z.string().optional();
const bound = { interaction_id: z.string(), csrf_token: z.string() };

const arriveDoc: RouteDoc = {
  summary: 'A PSU signs in, or sees the CIBA requests that wait for their answer',
  security: 'none',
  answers: { 200: PAGE },
  errors: ['access_denied'],
  refusal: AS_PAGE,
};
const loginDoc: RouteDoc = {
  summary: 'The sign-in page for CIBA requests is posted',
  security: 'none',
  form: z.object({ ...bound, username: optional, password: optional }),
  answers: { 200: PAGE },
  errors: ['invalid_request', 'access_denied'],
  refusal: AS_PAGE,
};
const signOutDoc: RouteDoc = {
  summary: 'A PSU signs out of the pages for CIBA requests',
  security: 'none',
  form: z.object(bound),
  answers: { 200: PAGE },
  errors: ['invalid_request'],
  refusal: AS_PAGE,
};
const showDoc: RouteDoc = {
  summary: 'One CIBA request as it is to be answered; the showing is recorded',
  security: 'none',
  form: z.object(bound),
  answers: { 200: PAGE },
  errors: ['invalid_request', 'not_found', 'conflict', 'gone', 'access_denied'],
  refusal: AS_PAGE,
};
const giveDoc: RouteDoc = {
  summary: 'The page of a CIBA request is posted; what is ticked are parameters account.<n> and detail.<n>',
  security: 'none',
  form: z.object({ ...bound, nonce: z.string(), digest: z.string(), verdict: z.enum(['approved', 'denied']) }),
  answers: { 200: PAGE },
  errors: ['invalid_request', 'not_found', 'conflict', 'gone', 'access_denied'],
  refusal: AS_PAGE,
};
