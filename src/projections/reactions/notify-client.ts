import { cibaRequest, type ReceivedCibaRequest } from '../../domain/ciba-request/decider.ts';
import { cibaRequestEvents } from '../../domain/ciba-request/events.ts';
import { client } from '../../domain/client/decider.ts';
import { consent, waits } from '../../domain/consent/decider.ts';
import type { Decide, Load } from '../../domain/decide.ts';
import { attempted, isDue, type NotificationOutcome, notification } from '../../domain/notification/decider.ts';
import type { Clock, Ids } from '../../domain/ports/clock.ts';
import type { Outbound } from '../../domain/ports/outbound.ts';
import type { Rows } from '../../domain/ports/rows.ts';
import type { Sealer } from '../../domain/ports/sealer.ts';
import { notificationsDueAt } from '../notifications-due.ts';
import { CALLS_PER_CLIENT, fraction, post, refused } from './call-client.ts';
import { engineCommand } from './engine-command.ts';
import type { Reaction } from './runner.ts';
import { untilKept } from './until-kept.ts';

const ALL = Number.MAX_SAFE_INTEGER;

export interface NotifyDeps {
  decide: Decide;
  load: Load;
  sealer: Sealer;
  outbound: Outbound;
  clock: Clock;
  ids: Ids;
}

/** The body that a client is sent, or why there is none any more. */
export type Message = { body: string } | { reason: string };

/** Does something for each notification that is due in a delivery mode. */
export const notifying = (
  name: string,
  mode: 'ping' | 'push',
  { rows, clock, act }: { rows: Rows; clock: Clock; act(requestId: string, mayRepeat: boolean): Promise<unknown> },
): Reaction => ({
  name,
  outstanding: () => notificationsDueAt(rows, mode, { at: clock(), perClient: ALL, limit: ALL }).map(({ requestId }) => requestId),
  after: [
    'ConsentAuthorised',
    'ConsentRejected',
    'ConsentAmended',
    'ConsentRevoked',
    'ConsentExpired',
    'CibaRequestDenied',
    'CibaRequestCancelled',
    'CibaRequestExpired',
    'ClientNotificationAccepted',
    'ClientNotificationRejected',
  ],
  due: (limit) =>
    notificationsDueAt(rows, mode, { at: clock(), perClient: CALLS_PER_CLIENT, limit }).map(({ requestId }) => ({
      key: requestId,
      act: (mayRepeat) => act(requestId, mayRepeat),
    })),
});

/**
 * Makes one attempt to tell a client of the end of its request, if one is due, and records what became of it (CIBA Core 1.0, section 10).
 * Before tokens can be had for an approval, none is due. Gives the request, or null where there is nothing to tell yet.
 */
export const notifyClient = async (
  deps: NotifyDeps,
  { requestId, reaction, mayRepeat }: { requestId: string; reaction: string; mayRepeat: boolean },
  messageOf: (authReqId: string, request: ReceivedCibaRequest) => Promise<Message>,
): Promise<ReceivedCibaRequest | null> => {
  const { decide, load, clock, ids } = deps;
  const [request, notified] = await Promise.all([load(cibaRequest, requestId), load(notification, requestId)]);
  if (request.status === 'absent' || request.status === 'pending' || request.deliveryMode === 'poll') return null;
  if (!isDue(notified, clock())) return request;
  if (request.status === 'approved' && waits(await load(consent, request.consentId), request.answer?.consentRevision ?? -1)) return null;
  const outcome = await attempt(deps, request, messageOf);
  const { clientId, deliveryMode, expiresAt: requestExpiresAt } = request;
  const by = { requestId, clientId, deliveryMode, at: clock(), requestExpiresAt, mayRepeat };
  const told = attempted(by, outcome, fraction(ids));
  const command = engineCommand(ids, reaction, request.consentId, request.answer?.eventId);
  await untilKept((again) => decide(notification, requestId, told, { ...command, again }));
  return request;
};

const attempt = async (
  { load, sealer, outbound }: NotifyDeps,
  request: ReceivedCibaRequest,
  messageOf: (authReqId: string, request: ReceivedCibaRequest) => Promise<Message>,
): Promise<NotificationOutcome> => {
  const registered = await load(client, request.clientId);
  if (registered.status !== 'active') return refused('client_disabled');
  const url = registered.metadata.backchannel_client_notification_endpoint;
  if (url === null) return refused('no_endpoint');
  const asked = cibaRequestEvents.open('CibaRequestReceived', request.sealed, sealer);
  if (asked === null || asked.authReqId === null || asked.notificationToken === null) return refused('erased');
  const message = await messageOf(asked.authReqId, request);
  if ('reason' in message) return refused(message.reason);
  return post(outbound, url, message.body, { authorization: `Bearer ${asked.notificationToken}` });
};
