import { authenticate, authorization, cancel, signable, underWay } from '../../domain/authorization/decider.ts';
import { loginPage } from '../pages/login-page.ts';
import type { Reply } from '../reply.ts';
import type { Handler } from '../route.ts';
import { PATHS } from '../surface.ts';
import { csrfTokenOf, readPosted, withSecret } from './browser.ts';
import { makeShowConsent } from './consent.ts';
import type { AuthorizeDeps } from './deps.ts';
import { finish, wayBackOf } from './finish.ts';
import { knownClient } from './known-client.ts';

/** Why nobody has signed in, for the person at the browser. */
export const WORDS = {
  wrong_credentials: 'The user name or the password is not right. Try again.',
  too_many_attempts: 'There were too many attempts to sign in. Try again in a minute, or wait a quarter of an hour.',
  other_psu: 'This request is for somebody else. Sign in as the person whom the application knows.',
};

/** `POST` of the sign-in page: a PSU proves who they are, or gives up. */
export const loginHandler = (deps: AuthorizeDeps): Handler => {
  const { decide, load, readModels, sealer, clock, ids, answerUrl, login } = deps;
  const showConsent = makeShowConsent(deps);

  return async (call) => {
    const { requestId, secret, form } = await readPosted(call, ids);
    const state = await load(authorization, requestId);
    const request = underWay(state, clock());
    const client = await knownClient(readModels, request.clientId);
    const correlationId = request.consentId;

    if (form['step'] === 'cancel') {
      const command = { id: ids.uuid(), actor: { kind: 'psu', id: 'not signed in' } as const, correlationId, causationId: null };
      await decide(authorization, requestId, cancel(clock()), command);
      const answer = { error: 'access_denied', error_description: 'the person at the browser gave up' };
      return finish(answerUrl, wayBackOf(request, sealer), client, answer);
    }

    const { username = '', password = '' } = form;
    const again = (error: string): Reply =>
      loginPage({
        action: PATHS.login,
        interactionId: requestId,
        csrfToken: csrfTokenOf(requestId, secret, ids),
        formTargets: [],
        clientName: client.metadata.client_name,
        username,
        error,
      });
    const { clientId, requiredPsuId } = signable(state, clock());
    const loggedIn = await login.basic({ flow: 'code', requestId, clientId, requiredPsuId, correlationId }, username, password);
    if (typeof loggedIn === 'string') return again(WORDS[loggedIn]);

    const { psuId, secret: signedIn, sessionId } = loggedIn;
    const command = { id: ids.uuid(), actor: { kind: 'psu', id: psuId } as const, correlationId, causationId: null };
    await decide(authorization, requestId, authenticate({ psuId, sessionId, steps: ['basic'], at: clock() }), command);
    const page = await showConsent({ requestId, secret: signedIn, username, psuId });
    return { ...page, headers: { ...page.headers, ...withSecret(requestId, signedIn) } };
  };
};
