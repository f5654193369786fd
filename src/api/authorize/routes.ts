import * as z from 'zod';
import { OAuthError } from '../../domain/oauth-error.ts';
import { hasBody, parseForm, parseQuery } from '../body.ts';
import type { Handler, Route, RouteDoc } from '../route.ts';
import { PATHS } from '../surface.ts';
import { makeAuthorize } from './authorize.ts';
import { consentHandler } from './consent.ts';
import type { AuthorizeDeps } from './deps.ts';
import { loginHandler } from './login.ts';
import { asPage } from './refusal-page.ts';

/** The pages of the redirect flow: a browser arrives with a request, its PSU signs in and answers, and it leaves with the answer. */
export const authorizeRoutes = (deps: AuthorizeDeps): Route[] => {
  const authorize = makeAuthorize(deps);
  const byQuery: Handler = (call) => authorize(parseQuery(call), call.headers);
  const byForm: Handler = async (call) => {
    if (call.target.includes('?')) throw new OAuthError('invalid_request', 'parameters belong in the body, not in the query');
    if (!hasBody(call.headers)) throw new OAuthError('invalid_request', 'the parameters are missing');
    return authorize(parseForm(await call.text(), call.headers), call.headers);
  };
  return [
    { method: 'GET', path: PATHS.authorization, handle: byQuery, doc: { ...authorizeDoc, query: arriving }, refuse: asPage },
    { method: 'POST', path: PATHS.authorization, handle: byForm, doc: { ...authorizeDoc, form: arriving }, refuse: asPage },
    { method: 'POST', path: PATHS.login, handle: loginHandler(deps), doc: loginDoc, refuse: asPage },
    { method: 'POST', path: PATHS.consent, handle: consentHandler(deps), doc: consentDoc, refuse: asPage },
  ];
};

const PAGE = 'text/html';
const AS_PAGE: RouteDoc['refusal'] = { type: PAGE, status: { invalid_client: 400 } };
const optional = z.string().optional();

const arriving = z.object({
  client_id: z.string(),
  response_type: optional,
  redirect_uri: optional,
  scope: optional,
  state: optional,
  nonce: optional,
  response_mode: optional,
  prompt: optional,
  max_age: optional,
  acr_values: optional,
  login_hint: optional,
  id_token_hint: optional,
  code_challenge: optional,
  code_challenge_method: optional,
  dpop_jkt: optional,
  claims: optional,
  authorization_details: optional,
  request: optional,
  request_uri: optional,
});
/** The parameters of an authorization request, as a form or a query holds them. */
export const authorizationForm = arriving;

const authorizeDoc: RouteDoc = {
  summary: 'A browser brings the authorization request of a TPP (RFC 6749, section 4.1.1; RFC 9101; RFC 9126)',
  security: 'none',
  // A refusal that may go to the client goes there.
  answers: { 200: PAGE, 303: null },
  errors: ['invalid_request', 'invalid_request_object', 'request_uri_not_supported', 'invalid_client', 'unauthorized_client', 'gone'],
  refusal: AS_PAGE,
};

const bound = { interaction_id: z.string(), csrf_token: z.string() };
const loginDoc: RouteDoc = {
  summary: 'The sign-in page is posted',
  security: 'none',
  form: z.object({ ...bound, username: optional, password: optional, step: z.enum(['login', 'cancel']).optional() }),
  answers: { 200: PAGE },
  errors: ['invalid_request', 'invalid_client', 'conflict', 'gone'],
  refusal: AS_PAGE,
};
const consentDoc: RouteDoc = {
  summary: 'The consent page is posted; what is ticked are parameters account.<n> and detail.<n>',
  security: 'none',
  form: z.object({ ...bound, nonce: z.string(), digest: z.string(), verdict: z.enum(['approved', 'denied']) }),
  answers: { 200: PAGE },
  errors: ['invalid_request', 'invalid_client', 'conflict', 'gone'],
  refusal: AS_PAGE,
};
