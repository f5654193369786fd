import type { RequestedAuthorization } from '../../domain/authorization/decider.ts';
import { authorizationEvents } from '../../domain/authorization/events.ts';
import type { Sealer } from '../../domain/ports/sealer.ts';
import { continuePage } from '../pages/continue-page.ts';
import type { Reply } from '../reply.ts';
import type { AnswerUrl, WayBack } from '../tpp/authorization-response.ts';
import type { NamedClient } from './request-object.ts';

/** What a request asked for in private. Of an erased PSU nothing is left. */
export const askedIn = ({ sealed }: RequestedAuthorization, sealer: Sealer) =>
  authorizationEvents.open('AuthorizationRequested', sealed, sealer) ?? {
    state: null,
    nonce: null,
    loginHint: null,
    authorizationDetails: null,
  };

/** Where the answer to a request goes. */
export const wayBackOf = (request: RequestedAuthorization, sealer: Sealer): WayBack => ({
  redirectUri: request.redirectUri,
  responseMode: request.responseMode,
  state: askedIn(request, sealer).state,
});

/** The last page, which takes the browser back to the client with an answer. */
export const finish = async (
  answerUrl: AnswerUrl,
  way: WayBack,
  client: NamedClient,
  answer: Readonly<Record<string, string>>,
): Promise<Reply> => continuePage(client.metadata.client_name, await answerUrl(way, client, answer));
