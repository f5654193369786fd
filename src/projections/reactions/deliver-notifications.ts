import { client } from '../../domain/client/decider.ts';
import { type ClientMetadata, profileOf } from '../../domain/client/metadata.ts';
import type { Decide, Load } from '../../domain/decide.ts';
import { type CreatedNotification, delivered, eventNotification, isToBeCalled } from '../../domain/event-notification/decider.ts';
import { eventSubscription } from '../../domain/event-notification/subscription.ts';
import { topicOf } from '../../domain/event-notification/topics.ts';
import type { NotificationOutcome } from '../../domain/notification/decider.ts';
import type { Clock, Ids } from '../../domain/ports/clock.ts';
import type { Outbound } from '../../domain/ports/outbound.ts';
import type { Rows } from '../../domain/ports/rows.ts';
import { notificationsToDeliver, subscriptionsTo } from '../event-notifications.ts';
import { CALLS_PER_CLIENT, fraction, post, refused } from './call-client.ts';
import { engineCommand } from './engine-command.ts';
import type { Reaction } from './runner.ts';
import { untilKept } from './until-kept.ts';

const NAME = 'deliver-notifications';

interface Deps {
  decide: Decide;
  load: Load;
  rows: Rows;
  outbound: Outbound;
  clock: Clock;
  ids: Ids;
  /** Makes the security event token of a notification. */
  makeSet(jti: string, notification: CreatedNotification): Promise<string>;
}

/** EventNotificationCreated → the callback of a subscription is called: at least once, until it has taken it or was called often enough. */
export const deliverNotifications = (deps: Deps): Reaction => ({
  name: NAME,
  after: ['EventNotificationCreated', 'EventNotificationAcknowledged', 'EventNotificationNotDelivered'],
  due: (limit) =>
    notificationsToDeliver(deps.rows, { at: deps.clock(), perClient: CALLS_PER_CLIENT, limit }).map(({ notificationId }) => ({
      key: notificationId,
      act: () => deliver(deps, notificationId),
    })),
});

const deliver = async (deps: Deps, notificationId: string): Promise<void> => {
  const { decide, load, clock, ids } = deps;
  const notification = await load(eventNotification, notificationId);
  // The read model may not know yet what the last attempt has left.
  if (notification.status === 'absent' || !isToBeCalled(notification, clock())) return;
  const { clientId, attempts: attemptsBefore } = notification;
  const outcome = await attempt(deps, notificationId, notification);
  const command = engineCommand(ids, NAME, notificationId);
  const told = delivered(outcome, { clientId, attemptsBefore, at: clock() }, fraction(ids));
  await untilKept((again) => decide(eventNotification, notificationId, told, { ...command, again }));
};

const attempt = async (deps: Deps, notificationId: string, notification: CreatedNotification): Promise<NotificationOutcome> => {
  const { load, outbound, makeSet } = deps;
  const [registered, callbackUrl] = await Promise.all([load(client, notification.clientId), callbackOf(deps, notification)]);
  if (registered.status !== 'active') return refused('client_disabled');
  if (callbackUrl === null) return refused('no_callback');
  const set = await makeSet(notificationId, notification);
  const { body, headers } = messageOf(registered.metadata, notificationId, set);
  const outcome = await post(outbound, callbackUrl, body, headers);
  // RFC 8935, section 2.2: 202 says that the client has it. Any page can say 200.
  return outcome.outcome === 'accepted' && outcome.status !== 202 ? refused('http_status', outcome.status) : outcome;
};

/** Where the client wants to be called now: by the first of its subscriptions to such events that names a place. */
const callbackOf = async ({ rows, load }: Deps, { clientId, eventTypes }: CreatedNotification): Promise<string | null> => {
  const topics = [...new Set(eventTypes.map(topicOf))];
  const ids = topics.flatMap((topic) => subscriptionsTo(rows, clientId, topic)).map(({ subscriptionId }) => subscriptionId);
  for (const id of new Set(ids)) {
    const subscription = await load(eventSubscription, id);
    if (subscription.status === 'active' && subscription.callbackUrl !== null) return subscription.callbackUrl;
  }
  return null;
};

const messageOf = (metadata: ClientMetadata, notificationId: string, set: string) =>
  profileOf(metadata).eventCallback === 'reference'
    ? { body: JSON.stringify({ notificationId, SET: set }), headers: {} }
    : { body: set, headers: { 'content-type': 'application/secevent+jwt', accept: 'application/json' } };
