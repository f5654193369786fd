import type { ReceivedCibaRequest } from '../../domain/ciba-request/decider.ts';
import { grant, revoke } from '../../domain/grant/decider.ts';
import { grantEvents } from '../../domain/grant/events.ts';
import { notification } from '../../domain/notification/decider.ts';
import { OAuthError } from '../../domain/oauth-error.ts';
import type { Rows } from '../../domain/ports/rows.ts';
import { engineCommand } from './engine-command.ts';
import { type Message, type NotifyDeps, notifyClient, notifying } from './notify-client.ts';
import type { Reaction } from './runner.ts';

const NAME = 'push-tokens';

// CIBA Core 1.0, section 12: why an approval brings no tokens.
const TOLD: readonly string[] = ['access_denied', 'expired_token'];

/**
 * Redeems an approved request and opens its grant, which keeps the token response; a grant that is there already stays as it is.
 * What the token endpoint would refuse it refuses with the same error.
 */
export type OpenPushedGrant = (authReqId: string, request: ReceivedCibaRequest) => Promise<void>;

interface Deps extends NotifyDeps {
  rows: Rows;
  openPushedGrant: OpenPushedGrant;
}

/**
 * The end of a request of a client in the delivery mode push → the client is sent its tokens, or the error (CIBA Core 1.0, sections 10.3
 * and 12). The response is recorded with the grant before the first attempt, so that all attempts send the same. Tokens that the client
 * does not take are revoked.
 */
export const pushTokens = (deps: Deps): Reaction =>
  notifying(NAME, 'push', { ...deps, act: (requestId, mayRepeat) => pushTo(deps, requestId, mayRepeat) });

const pushTo = async (deps: Deps, requestId: string, mayRepeat: boolean): Promise<void> => {
  const { decide, load, clock, ids } = deps;
  const request = await notifyClient(deps, { requestId, reaction: NAME, mayRepeat }, (authReqId, its) => messageOf(deps, authReqId, its));
  // Decided by the first attempt that ended the notification, of whichever node.
  if (request === null || (await load(notification, requestId)).status !== 'rejected') return;
  const command = engineCommand(ids, NAME, request.consentId, request.answer?.eventId);
  await decide(grant, requestId, revoke({ reason: 'not_delivered', at: clock() }), command);
};

const messageOf = async (deps: Deps, authReqId: string, request: ReceivedCibaRequest): Promise<Message> => {
  const failed = (error: string, description: string): Message => ({
    body: JSON.stringify({ auth_req_id: authReqId, error, error_description: description }),
  });
  if (request.status === 'denied') return failed('access_denied', 'the PSU refused the request');
  if (request.status === 'cancelled') return failed('access_denied', 'the request was cancelled');
  if (request.status === 'expired') return failed('expired_token', 'auth_req_id has expired');
  if ((await deps.load(grant, request.requestId)).status !== 'absent')
    return deps.clock() < request.expiresAt ? keptResponse(deps, request) : { reason: 'request_expired' };
  try {
    await deps.openPushedGrant(authReqId, request);
  } catch (error) {
    if (!(error instanceof OAuthError && TOLD.includes(error.error))) throw error;
    return failed(error.error, error.message);
  }
  return keptResponse(deps, request);
};

const keptResponse = async ({ load, sealer }: Deps, { requestId }: ReceivedCibaRequest): Promise<Message> => {
  const opened = await load(grant, requestId);
  if (opened.status !== 'open') return { reason: 'grant_revoked' };
  const kept = opened.keptResponse && grantEvents.open('TokenResponseKept', opened.keptResponse, sealer);
  return kept === null ? { reason: 'erased' } : { body: kept.response };
};
