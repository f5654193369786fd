import {
  type Authorization,
  type AuthorizationAnswer,
  answer,
  authorization,
  gone,
  lastShowing,
  type RequestedAuthorization,
  type Showing,
  sessionIn,
  show,
  underWay,
} from '../../domain/authorization/decider.ts';
import { authorizationEvents } from '../../domain/authorization/events.ts';
import { approvedOf, describe, linesOf } from '../../domain/authorization-details/approval.ts';
import type { AuthorizationDetail, DetailTypes } from '../../domain/authorization-details/detail-type.ts';
import type { Choice } from '../../domain/ciba-request/decider.ts';
import { answerable, type Consent, consent } from '../../domain/consent/decider.ts';
import { OAuthError } from '../../domain/oauth-error.ts';
import type { Asking } from '../../domain/ports/consent-steps.ts';
import type { Sealer } from '../../domain/ports/sealer.ts';
import { clientName } from '../../projections/client-lookup.ts';
import type { Form } from '../body.ts';
import { choicesIn, MOST_PARAMETERS } from '../pages/choices.ts';
import { consentPage } from '../pages/consent-page.ts';
import { goOnPage } from '../pages/go-on-page.ts';
import type { Reply } from '../reply.ts';
import type { Handler } from '../route.ts';
import { PATHS } from '../surface.ts';
import { csrfTokenOf, readPosted } from './browser.ts';
import type { AuthorizeDeps } from './deps.ts';
import { askedIn, finish, wayBackOf } from './finish.ts';
import { knownClient } from './known-client.ts';
import { CODE_SECONDS } from './life.ts';
import { sessionDataKeyOf } from './session-data-key.ts';
import { openShown, readShown, type ShownAuthorization, shownText } from './shown-authorization.ts';

/** What showing and answering in a session stand on, whoever makes the page. */
export type SessionDeps = Omit<AuthorizeDeps, 'accept' | 'readObject' | 'login'>;

/** Finds what a PSU who has signed in is asked, and records that it was shown. */
export const makeShowing =
  ({ decide, load, readModels, consentSteps, sealer, detailTypes, clock, ids }: SessionDeps) =>
  async (by: { requestId: string; sessionId: string; username: string; psuId: string }) => {
    const { requestId, sessionId, username, psuId } = by;
    const request = underWay(await load(authorization, requestId), clock());
    const consentState = await load(consent, request.consentId);
    if (!answerable(consentState, psuId, clock())) throw new OAuthError('conflict', 'the consent no longer awaits authorisation');
    const { authorizationDetails } = askedIn(request, sealer);
    const shown = shownText(request, {
      ...(await consentSteps.retrieve(askingOf(request, psuId, consentState, authorizationDetails))),
      consent: consentState,
      clientName: clientName(readModels.rows, request.clientId),
      username,
      authorizationDetails,
      details: (authorizationDetails ?? []).flatMap((detail) => describe(detail, detailTypes)),
      salt: ids.secret(),
    });
    const digest = ids.hash(shown);
    const nonce = ids.secret();
    const data = { psuId, sessionId, digest, nonce, consentRevision: consentState.revision, at: clock() };
    const command = {
      id: ids.uuid(),
      actor: { kind: 'psu', id: psuId } as const,
      correlationId: request.consentId,
      causationId: null,
    };
    await decide(authorization, requestId, show(data, shown), command);
    return { shown: readShown(shown), digest, nonce };
  };

/** Shows a PSU who has signed in the consent page, or goes on to the ASPSP's own. */
export const makeShowConsent = (deps: AuthorizeDeps) => {
  const showing = makeShowing(deps);
  return async (by: { requestId: string; secret: string; username: string; psuId: string }): Promise<Reply> => {
    const { requestId, secret } = by;
    if (deps.consentPageUrl !== null) {
      const url = new URL(deps.consentPageUrl);
      url.searchParams.append('sessionDataKeyConsent', sessionDataKeyOf(requestId, secret));
      return goOnPage(url.href);
    }
    const { shown, digest, nonce } = await showing({ ...by, sessionId: deps.ids.hash(secret) });
    const csrfToken = csrfTokenOf(requestId, secret, deps.ids);
    return pageOf(shown, { csrfToken, digest, nonce, error: null, before: null }, deps.detailTypes);
  };
};

const askingOf = (
  { requestId, clientId, scope, consentId, consentOrigin }: RequestedAuthorization,
  psuId: string,
  consent: Consent,
  authorizationDetails: readonly AuthorizationDetail[] | null,
): Asking => ({
  ...{ flow: 'code', requestId, clientId, psuId, scope, consentId },
  consent: consentOrigin === 'request' || consent.status === 'absent' ? null : consent,
  authorizationDetails,
});

const pageOf = (
  { request_id: interactionId, client, username, scope, consent: asked, consent_data: consentData, ...shown }: ShownAuthorization,
  bound: { csrfToken: string; digest: string; nonce: string; error: string | null; before: Form | null },
  detailTypes: DetailTypes,
): Reply =>
  consentPage({
    ...bound,
    action: PATHS.consent,
    interactionId,
    formTargets: [],
    username,
    clientName: client.client_name,
    bindingMessage: null,
    scope,
    consent: asked && {
      permissions: asked.permissions,
      expiration: asked.expiration,
      transactionsFrom: asked.transactions_from,
      transactionsTo: asked.transactions_to,
    },
    consentData,
    details: (shown.authorization_details ?? []).map((entry) => linesOf(entry, detailTypes)),
    context: [],
    accounts: shown.accounts.map(({ account_id: accountId, display_name: displayName }) => ({ accountId, displayName })),
  });

/** What a PSU answers in a session to what was shown there. */
interface GivenInSession {
  requestId: string;
  secret: string;
  verdict: 'approved' | 'denied';
  digest: string;
  nonce: string;
  accountIds: readonly string[];
  /** What is approved of the authorization details that were shown; all of them if not given. */
  authorizationDetails?: readonly AuthorizationDetail[] | null;
}

/** Takes an answer: it is a fact, the consent follows it, and what the client is told goes the way back. */
export const makeAnswerInSession = (deps: SessionDeps) => {
  const { decide, load, readModels, consentSteps, sealer, detailTypes, clock, ids, frontChannelIdToken, persistAuthorization } = deps;

  const approval = async (request: RequestedAuthorization, sessionId: string, code: string, client: Client) => {
    const { psuId, at: authTime } = sessionIn(request, sessionId);
    if (request.responseType === 'code') return { code };
    const { state, nonce } = askedIn(request, sealer);
    return { code, id_token: await frontChannelIdToken(request, { psuId, authTime, code, state, nonce }, client.metadata) };
  };

  return async ({ requestId, secret, verdict, digest, nonce, accountIds, authorizationDetails = null }: GivenInSession) => {
    const at = clock();
    const before = await load(authorization, requestId);
    if (before.status === 'absent') throw gone();
    const client = await knownClient(readModels, before.clientId);
    const sessionId = ids.hash(secret);
    // The same answer has the same code, so that a form that is posted twice ends as if it was posted once.
    const code = `${requestId}.${ids.hash(`code\n${secret}\n${nonce}`)}`;
    const chosen = { accountIds, authorizationDetails };
    const given = { verdict, sessionId, digest, nonce, ...chosen, codeHash: ids.hash(code), codeSeconds: CODE_SECONDS, at };
    const command = {
      id: ids.uuid(),
      actor: { kind: 'psu', id: sessionIn(before, sessionId).psuId } as const,
      correlationId: before.consentId,
      causationId: null,
    };
    const consentState = await load(consent, before.consentId);
    const decision = answer(given, consentState, opened(before, sealer), detailTypes);
    if (verdict === 'approved' && decision(before).length > 0) {
      const { authorizationDetails: asked } = askedIn(before, sealer);
      const asking = askingOf(before, sessionIn(before, sessionId).psuId, consentState, asked);
      await consentSteps.check(asking, { accountIds, authorizationDetails: approvedOf(asked, authorizationDetails, detailTypes) });
    }
    await decide(authorization, requestId, decision, command);
    await persistAuthorization(requestId);
    const way = wayBackOf(before, sealer);
    if (verdict === 'denied') return { way, client, answer: { error: 'access_denied', error_description: 'the PSU refused the request' } };
    const after = (await load(authorization, requestId)) as RequestedAuthorization;
    // Posted again when the code is used up or too old: it leads nowhere any more.
    if (after.status !== 'approved' || after.code?.codeHash !== given.codeHash || clock() >= after.code.expiresAt) throw gone();
    return { way, client, answer: await approval(after, sessionId, code, client) };
  };
};

/** `POST` of the consent page: the browser goes back to the client with the answer. */
export const consentHandler = (deps: AuthorizeDeps): Handler => {
  const { load, sealer, ids, answerUrl, detailTypes } = deps;
  const answerInSession = makeAnswerInSession(deps);

  return async (call) => {
    const { requestId, secret, form } = await readPosted(call, ids, MOST_PARAMETERS);
    const { verdict, digest, nonce } = answerIn(form);
    const take = async (chosen: Partial<Choice> = {}): Promise<Reply> => {
      const { way, client, answer } = await answerInSession({ requestId, secret, verdict, digest, nonce, accountIds: [], ...chosen });
      return finish(answerUrl, way, client, answer);
    };
    if (verdict === 'denied') return take();

    const request = await load(authorization, requestId);
    const showing = request.status === 'absent' ? undefined : lastShowing(request, ids.hash(secret));
    const shown = showing && openShown(showing, sealer);
    // Not shown there, or the PSU was erased since.
    if (!showing || !shown) throw gone();
    const offered = { accounts: shown.accounts, details: shown.authorization_details };
    const { tooLittle, ...chosen } = choicesIn(form, offered, detailTypes);
    if (tooLittle === null || request.status !== 'open') return take(chosen);
    const bound = { csrfToken: csrfTokenOf(requestId, secret, ids), digest: showing.digest, nonce: showing.nonce };
    return pageOf(shown, { ...bound, error: tooLittle, before: form }, detailTypes);
  };
};

type Client = Awaited<ReturnType<typeof knownClient>>;

const answerIn = (form: Form): { verdict: 'approved' | 'denied'; digest: string; nonce: string } => {
  const { verdict, digest = '', nonce = '' } = form;
  if (verdict !== 'approved' && verdict !== 'denied') throw new OAuthError('invalid_request', 'the form holds no answer');
  return { verdict, digest, nonce };
};

const opened = (request: Exclude<Authorization, { status: 'absent' }>, sealer: Sealer) => ({
  offered: (showing: Showing): readonly string[] => (openShown(showing, sealer)?.accounts ?? []).map((account) => account.account_id),
  chosen: ({ sealed }: AuthorizationAnswer): Choice =>
    (sealed && authorizationEvents.open('AuthorizationApproved', sealed, sealer)) ?? { accountIds: [], authorizationDetails: null },
  details: askedIn(request, sealer).authorizationDetails,
});
