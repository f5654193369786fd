import { authorization, type RequestedAuthorization, startable } from '../../domain/authorization/decider.ts';
import { wayBack } from '../../domain/authorization/parameters.ts';
import { OAuthError } from '../../domain/oauth-error.ts';
import type { Form } from '../body.ts';
import { loginPage } from '../pages/login-page.ts';
import { asRefusal, type Reply } from '../reply.ts';
import { PATHS } from '../surface.ts';
import { refusalAnswer, type WayBack } from '../tpp/authorization-response.ts';
import { pushedRequestId } from '../tpp/pushed-authorization.ts';
import { csrfTokenOf, secretOf, withSecret } from './browser.ts';
import type { AuthorizeDeps } from './deps.ts';
import { askedIn, wayBackOf } from './finish.ts';
import { knownClient } from './known-client.ts';
import { LIFE_SECONDS } from './life.ts';
import { parametersIn } from './plain-parameters.ts';
import type { NamedClient } from './request-object.ts';

// Anybody can send a browser here: the requests of a client that come with no signature leave this many facts behind at most.
const UNSIGNED_PER_MINUTE = 600;

// What has no way back to the client that could be trusted, or is our own fault, is told to the person.
const SHOWN: readonly string[] = ['gone', 'server_error'];

/** Answers a browser that brings a request (RFC 6749, section 3.1): with the sign-in page, or with a refusal that goes to the client. */
export const makeAuthorize = (deps: AuthorizeDeps) => {
  const { load, readModels, sealer, limits, clock, ids, accept, readObject, answerUrl, login } = deps;
  const unsigned = limits.budget('unsigned authorization requests', { count: UNSIGNED_PER_MINUTE, seconds: 60 });

  const begin = async (requestId: string, { clientId }: NamedClient): Promise<RequestedAuthorization> =>
    startable(await load(authorization, requestId), { clientId, at: clock() });

  const refused = async (error: unknown, way: WayBack | null, client: NamedClient): Promise<Reply> => {
    const refusal = asRefusal(error);
    if (way === null || SHOWN.includes(refusal.error)) throw error;
    const Location = await answerUrl(way, client, refusalAnswer(refusal));
    return { status: 303, headers: { Location, 'Cache-Control': 'no-store', 'Referrer-Policy': 'no-referrer' }, body: '' };
  };

  const nobodyIsSignedIn = () => new OAuthError('login_required', 'nobody is signed in');

  const signInPage = async (request: RequestedAuthorization, client: NamedClient, headers: Headers): Promise<Reply> => {
    await login.begin({ flow: 'code', requestId: request.requestId, clientId: client.clientId });
    // Tabs of one browser share the secret; whoever signs in gets a new one.
    const secret = secretOf(headers, request.requestId) ?? ids.secret();
    const reply = loginPage({
      action: PATHS.login,
      interactionId: request.requestId,
      csrfToken: csrfTokenOf(request.requestId, secret, ids),
      formTargets: [],
      clientName: client.metadata.client_name,
      username: askedIn(request, sealer).loginHint,
      error: null,
    });
    return { ...reply, headers: { ...reply.headers, ...withSecret(request.requestId, secret) } };
  };

  /** A request that was pushed: nothing else that the browser brings counts (RFC 9126, section 4). */
  const pushed = async (requestId: string, client: NamedClient, headers: Headers): Promise<Reply> => {
    const request = await begin(requestId, client);
    if (request.silent) return refused(nobodyIsSignedIn(), wayBackOf(request, sealer), client);
    try {
      return await signInPage(request, client, headers);
    } catch (error) {
      return refused(error, wayBackOf(request, sealer), client);
    }
  };

  /** A request that the browser brings itself. The same request object is the same request, however often it comes. */
  const brought = async (
    given: Readonly<Record<string, unknown>>,
    object: string | undefined,
    client: NamedClient,
  ): Promise<RequestedAuthorization> => {
    const signed = object !== undefined;
    const accepted = await accept(given, client, { pushed: false, signed, dpopKeyThumbprint: null });
    if (accepted.silent) throw nobodyIsSignedIn();
    const requestId = ids.hash(signed ? `request\n${client.clientId}\n${object}` : ids.secret());
    if ((await load(authorization, requestId)).status === 'absent') {
      if (!signed && !(await unsigned.spend(client.clientId)))
        throw new OAuthError('temporarily_unavailable', 'there are too many requests of this client');
      const expiresAt = clock() + LIFE_SECONDS;
      await accepted.record(requestId, { startBy: expiresAt, expiresAt });
    }
    return begin(requestId, client);
  };

  return async (form: Form, headers: Headers): Promise<Reply> => {
    const { request_uri: requestUri, request: object, client_id: clientId = '' } = form;
    const client = await knownClient(readModels, clientId);
    const requestId = requestUri === undefined ? null : pushedRequestId(requestUri, ids);
    if (requestId !== null) return pushed(requestId, client, headers);
    if (requestUri !== undefined)
      return refused(
        new OAuthError('request_uri_not_supported', 'only a request_uri that was pushed here is supported'),
        wayBack(form, client.metadata),
        client,
      );
    // Beside a signed request no parameter counts, not even as the way back (FAPI 1 Advanced 5.2.2-10).
    const parameters = object === undefined ? form : await readObject(object, client);
    try {
      const given = object === undefined ? parametersIn(form) : parameters;
      return await signInPage(await brought(given, object, client), client, headers);
    } catch (error) {
      return refused(error, wayBack(parameters, client.metadata), client);
    }
  };
};

type Headers = Parameters<typeof secretOf>[0];
