import * as z from 'zod';
import { authorization, gone, lastShowing, type RequestedAuthorization, sessionIn } from '../../domain/authorization/decider.ts';
import type { Ids } from '../../domain/ports/clock.ts';
import { OF_REQUEST } from '../../projections/consent-lookup.ts';
import { makeAnswerInSession, makeShowing, type SessionDeps } from '../authorize/consent.ts';
import { sessionOf } from '../authorize/session-data-key.ts';
import { queryText, readJson } from '../body.ts';
import { json } from '../reply.ts';
import type { Handler, Route, RouteDoc } from '../route.ts';
import { PATHS } from '../surface.ts';
import { CONSENT_SCOPES, type Officer, refusedOfficer } from './officer.ts';

const answerBody = z.object({
  approval: z.union([z.boolean(), z.enum(['true', 'false'])]),
  accountIds: z.array(z.string().max(256)).max(1000).default([]),
  cookies: z.unknown().optional(),
});

const doc = (summary: string, answers: RouteDoc['answers'], more: Partial<RouteDoc> = {}): RouteDoc => ({
  summary,
  security: 'operator',
  answers,
  errors: ['invalid_request', 'invalid_client', 'access_denied', 'conflict', 'gone', 'temporarily_unavailable'],
  ...more,
});
const retrieveDoc = doc('What a signed-in PSU is asked, for a consent page of the ASPSP: every call is a showing', {
  200: z.object({
    consentData: z.array(z.object({ title: z.string(), data: z.array(z.string()) })),
    accounts: z.array(z.object({ account_id: z.string(), display_name: z.string() })),
    type: z.string(),
    application: z.string(),
  }),
});
const persistDoc = doc(
  'What the PSU answered to what was retrieved last: sends the browser back to the client',
  { 302: null, 200: z.object({ redirectUri: z.string() }) },
  {
    json: answerBody,
    query: z.object({ authorize: z.enum(['true', 'false']).optional().describe('false: tells where, and redirects not') }),
  },
);

interface Deps extends SessionDeps {
  officer: Officer;
}

/** Retrieving and answering what a browser was signed in for, by the ASPSP's own consent page. */
export const webAuthorisationRoutes = (deps: Deps): Route[] => {
  const { officer, load, ids, answerUrl } = deps;
  const showing = makeShowing(deps);
  const answerInSession = makeAnswerInSession(deps);

  const requestOf = async (requestId: string): Promise<RequestedAuthorization> => {
    const state = await load(authorization, requestId);
    if (state.status === 'absent') throw gone();
    return state;
  };

  const retrieve: Handler = async (call) => {
    await officer.client(call, CONSENT_SCOPES.authorize);
    const { requestId, sessionId } = inSession(call.params, ids);
    const { psuId } = sessionIn(await requestOf(requestId), sessionId);
    const { shown } = await showing({ requestId, sessionId, username: psuId, psuId });
    const { consent_data: consentData, accounts, consent_type: type, client } = shown;
    return json(200, { consentData, accounts, type: type ?? OF_REQUEST, application: client.client_name });
  };

  const persist: Handler = async (call) => {
    await officer.client(call, CONSENT_SCOPES.authorize);
    const { approval, accountIds } = await readJson(call, answerBody);
    const { requestId, secret, sessionId } = inSession(call.params, ids);
    const last = lastShowing(await requestOf(requestId), sessionId);
    if (last === undefined) throw gone();
    const approved = approval === true || approval === 'true';
    const { way, client, answer } = await answerInSession({
      ...{ requestId, secret, digest: last.digest, nonce: last.nonce },
      verdict: approved ? 'approved' : 'denied',
      accountIds: approved ? accountIds : [],
    });
    const url = await answerUrl(way, client, answer);
    if (new URLSearchParams(queryText(call)).get('authorize') === 'false') return json(200, { redirectUri: url });
    return { status: 302, headers: { Location: url, 'Cache-Control': 'no-store' }, body: '' };
  };

  const base = PATHS.consentAuthorize;
  return [
    { method: 'GET', path: `${base}/retrieve/{session_data_key}`, doc: retrieveDoc, handle: retrieve, refuse: refusedOfficer },
    { method: 'PATCH', path: `${base}/persist/{session_data_key}`, doc: persistDoc, handle: persist, refuse: refusedOfficer },
  ];
};

const inSession = ({ session_data_key: key = '' }: Readonly<Record<string, string>>, ids: Ids) => {
  const { requestId, secret } = sessionOf(key);
  return { requestId, secret, sessionId: ids.hash(secret) };
};
