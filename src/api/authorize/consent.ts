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
import { describe } from '../../domain/authorization-details/approval.ts';
import { answerable, consent } from '../../domain/consent/decider.ts';
import { OAuthError } from '../../domain/oauth-error.ts';
import type { Sealer } from '../../domain/ports/sealer.ts';
import { clientName } from '../../projections/client-lookup.ts';
import type { Form } from '../body.ts';
import { chosenAccounts, consentPage } from '../pages/consent-page.ts';
import type { Reply } from '../reply.ts';
import type { Handler } from '../route.ts';
import { PATHS } from '../surface.ts';
import { csrfTokenOf, readPosted } from './browser.ts';
import type { AuthorizeDeps } from './deps.ts';
import { askedIn, finish, wayBackOf } from './finish.ts';
import { knownClient } from './known-client.ts';
import { CODE_SECONDS } from './life.ts';
import { openShown, readShown, type ShownAuthorization, shownText } from './shown-authorization.ts';

// An account is a parameter: as many as a device may name in its answer, and what else the form holds.
const MOST_PARAMETERS = 1010;
const CHOOSE = 'Choose at least one account to approve, or deny.';

/** Shows a PSU who has signed in what is asked, and records that it was shown. */
export const makeShowConsent = ({ decide, load, readModels, directory, sealer, detailTypes, clock, ids }: AuthorizeDeps) => {
  return async (by: { requestId: string; secret: string; username: string; psuId: string }): Promise<Reply> => {
    const { requestId, secret, username, psuId } = by;
    const request = underWay(await load(authorization, requestId), clock());
    const consentState = await load(consent, request.consentId);
    if (!answerable(consentState, clock())) throw new OAuthError('conflict', 'the consent no longer awaits authorisation');
    const { authorizationDetails } = askedIn(request, sealer);
    const shown = shownText(request, {
      consent: consentState,
      clientName: clientName(readModels.rows, request.clientId),
      username,
      authorizationDetails,
      details: (authorizationDetails ?? []).flatMap((detail) => describe(detail, detailTypes)),
      accounts: request.scope.split(' ').includes('accounts') ? await directory.accounts(psuId) : [],
      salt: ids.secret(),
    });
    const digest = ids.hash(shown);
    const nonce = ids.secret();
    const data = { psuId, sessionId: ids.hash(secret), digest, nonce, consentRevision: consentState.revision, at: clock() };
    const command = {
      id: ids.uuid(),
      actor: { kind: 'psu', id: psuId } as const,
      correlationId: request.consentId,
      causationId: null,
    };
    await decide(authorization, requestId, show(data, shown), command);
    return pageOf(readShown(shown), { csrfToken: csrfTokenOf(requestId, secret, ids), digest, nonce, error: null });
  };
};

const pageOf = (
  { request_id: interactionId, client, username, scope, consent: asked, details, accounts }: ShownAuthorization,
  bound: { csrfToken: string; digest: string; nonce: string; error: string | null },
): Reply =>
  consentPage({
    ...bound,
    action: PATHS.consent,
    interactionId,
    formTargets: [],
    username,
    clientName: client.client_name,
    scope,
    consent: asked && {
      permissions: asked.permissions,
      expiration: asked.expiration,
      transactionsFrom: asked.transactions_from,
      transactionsTo: asked.transactions_to,
    },
    details,
    accounts: accounts.map(({ account_id: accountId, display_name: displayName }) => ({ accountId, displayName })),
  });

/** `POST` of the consent page: the answer is a fact, the consent follows it, and the browser goes back to the client. */
export const consentHandler = (deps: AuthorizeDeps): Handler => {
  const { decide, load, readModels, sealer, clock, ids, answerUrl, frontChannelIdToken, persistAuthorization } = deps;

  const approval = async (request: RequestedAuthorization, sessionId: string, code: string, client: Client) => {
    const { psuId, at: authTime } = sessionIn(request, sessionId);
    if (request.responseType === 'code') return { code };
    const { state, nonce } = askedIn(request, sealer);
    return { code, id_token: await frontChannelIdToken(request, { psuId, authTime, code, state, nonce }, client.metadata) };
  };

  return async (call) => {
    const { requestId, secret, form } = await readPosted(call, ids, MOST_PARAMETERS);
    const { verdict, digest, nonce } = answerIn(form);
    const at = clock();
    const before = await load(authorization, requestId);
    if (before.status === 'absent') throw gone();
    const client = await knownClient(readModels, before.clientId);
    const sessionId = ids.hash(secret);
    // The same answer has the same code, so that a form that is posted twice ends as if it was posted once.
    const code = `${requestId}.${ids.hash(`code\n${secret}\n${nonce}`)}`;
    const accountIds = verdict === 'approved' ? chosenAccounts(form) : [];
    const given = { verdict, sessionId, digest, nonce, accountIds, codeHash: ids.hash(code), codeSeconds: CODE_SECONDS, at };
    const command = {
      id: ids.uuid(),
      actor: { kind: 'psu', id: sessionIn(before, sessionId).psuId } as const,
      correlationId: before.consentId,
      causationId: null,
    };
    const showing = lastShowing(before, sessionId);
    if (verdict === 'approved' && before.status === 'open' && accountIds.length === 0 && showing !== undefined) {
      const shown = openShown(showing, sealer);
      const bound = { csrfToken: csrfTokenOf(requestId, secret, ids), digest: showing.digest, nonce: showing.nonce, error: CHOOSE };
      if (shown !== null && shown.accounts.length > 0) return pageOf(shown, bound);
    }

    const decision = answer(given, await load(consent, before.consentId), opened(before, sealer));
    await decide(authorization, requestId, decision, command);
    await persistAuthorization(requestId);
    const way = wayBackOf(before, sealer);
    if (verdict === 'denied')
      return finish(answerUrl, way, client, { error: 'access_denied', error_description: 'the PSU refused the request' });
    const after = (await load(authorization, requestId)) as RequestedAuthorization;
    // Posted again when the code is used up or too old: it leads nowhere any more.
    if (after.status !== 'approved' || after.code?.codeHash !== given.codeHash || clock() >= after.code.expiresAt) throw gone();
    return finish(answerUrl, way, client, await approval(after, sessionId, code, client));
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
  chosen: ({ sealed }: AuthorizationAnswer): readonly string[] =>
    (sealed && authorizationEvents.open('AuthorizationApproved', sealed, sealer)?.accountIds) ?? [],
  details: askedIn(request, sealer).authorizationDetails,
});
