import type { Wanted } from '../domain/event-notification/subscription.ts';
import { type ConsentTopic, topicOf } from '../domain/event-notification/topics.ts';
import type { Rows } from '../domain/ports/rows.ts';
import type { Projection } from './projection.ts';

/**
 * What clients subscribe to, the notifications that they have not answered for yet, and those that are still to be made: of changes of the
 * consents that they lodged. A consent of a request's own was not lodged, and its client is told nothing of it here.
 */
export const eventNotifications: Projection = {
  name: 'event_notifications',
  version: 2,
  tables: {
    event_subscription: [
      `create table event_subscription (
        subscription_id text primary key, client_id text not null, callback_url text, event_types text not null, version text
      ) strict, without rowid`,
      'create index event_subscription_client on event_subscription (client_id)',
    ],
    subscribed_topic: [
      `create table subscribed_topic (
        client_id text not null, topic text not null, subscription_id text not null, event_type text not null,
        primary key (client_id, topic, subscription_id)
      ) strict, without rowid`,
      'create index subscribed_topic_subscription on subscribed_topic (subscription_id)',
    ],
    consent_to_tell_of: ['create table consent_to_tell_of (consent_id text primary key, client_id text not null) strict, without rowid'],
    notification_to_make: [
      `create table notification_to_make (
        change_id text primary key, consent_id text not null, client_id text not null, event_type text not null, at integer not null
      ) strict, without rowid`,
    ],
    open_notification: [
      `create table open_notification (
        notification_id text primary key, client_id text not null, position integer not null
      ) strict, without rowid`,
      'create index open_notification_client on open_notification (client_id, position)',
    ],
    notification_to_deliver: [
      `create table notification_to_deliver (
        notification_id text primary key, client_id text not null, retry_at integer not null
      ) strict, without rowid`,
      'create index notification_to_deliver_at on notification_to_deliver (client_id, retry_at)',
    ],
  },
  on: {
    EventSubscriptionCreated: (rows, { id, data }) => keepSubscription(rows, id, data),
    EventSubscriptionUpdated: (rows, { id, data }) => {
      dropSubscription(rows, id);
      keepSubscription(rows, id, data);
    },
    EventSubscriptionDeleted: (rows, { id }) => dropSubscription(rows, id),
    ConsentLodged: (rows, { id, data }) => {
      if (data.consentType !== null) rows.run('insert into consent_to_tell_of values (?, ?)', id, data.clientId);
    },
    ConsentAmended: (rows, { id, eventId, data }) => tell(rows, id, eventId, 'resource-update', data.at),
    ConsentRejected: (rows, { id }) => forget(rows, id),
    ConsentRevoked: (rows, { id, eventId, data }) => {
      tell(rows, id, eventId, 'consent-authorization-revoked', data.at);
      forget(rows, id);
    },
    ConsentExpired: (rows, { id, eventId, data }) => {
      tell(rows, id, eventId, 'consent-authorization-revoked', data.at);
      forget(rows, id);
    },
    EventNotificationCreated: (rows, { id, position, data }) => {
      if (data.changeId !== null) rows.run('delete from notification_to_make where change_id = ?', data.changeId);
      rows.run('insert into open_notification values (?, ?, ?)', id, data.clientId, position);
      for (const type of data.eventTypes) deliver(rows, id, data.clientId, topicOf(type), data.at);
    },
    EventNotificationAcknowledged: (rows, { id }) => answered(rows, id),
    EventNotificationErrorReported: (rows, { id }) => answered(rows, id),
    EventNotificationNotDelivered: (rows, { id, data }) => {
      if (data.retryAt === null) rows.run('delete from notification_to_deliver where notification_id = ?', id);
      else rows.run('update notification_to_deliver set retry_at = ? where notification_id = ?', data.retryAt, id);
    },
    ClientDisabled: (rows, { id }) => {
      rows.run('delete from event_subscription where client_id = ?', id);
      rows.run('delete from subscribed_topic where client_id = ?', id);
      rows.run('delete from notification_to_make where client_id = ?', id);
      rows.run('delete from open_notification where client_id = ?', id);
      rows.run('delete from notification_to_deliver where client_id = ?', id);
    },
  },
};

const keepSubscription = (rows: Rows, id: string, data: Wanted & { clientId: string }) => {
  const { clientId, callbackUrl, eventTypes, version } = data;
  rows.run('insert into event_subscription values (?, ?, ?, ?, ?)', id, clientId, callbackUrl, JSON.stringify(eventTypes), version);
  for (const type of eventTypes) rows.run('insert or ignore into subscribed_topic values (?, ?, ?, ?)', clientId, topicOf(type), id, type);
};

const dropSubscription = (rows: Rows, id: string) => {
  rows.run('delete from event_subscription where subscription_id = ?', id);
  rows.run('delete from subscribed_topic where subscription_id = ?', id);
};

/** Once for each client, however many of its subscriptions want to know; the first of them says how the event is called. */
const tell = (rows: Rows, consentId: string, changeId: string, topic: ConsentTopic, at: number) =>
  rows.run(
    `insert into notification_to_make
     select ?1, consent_id, client_id, event_type, ?4 from consent_to_tell_of join subscribed_topic using (client_id)
     where consent_id = ?2 and topic = ?3 order by subscription_id limit 1`,
    changeId,
    consentId,
    topic,
    at,
  );

/** Where a subscription wants to be called. */
const deliver = (rows: Rows, notificationId: string, clientId: string, topic: string, at: number) =>
  rows.run(
    `insert or ignore into notification_to_deliver
     select ?1, client_id, ?4 from subscribed_topic join event_subscription using (subscription_id, client_id)
     where client_id = ?2 and topic = ?3 and callback_url is not null limit 1`,
    notificationId,
    clientId,
    topic,
    at,
  );

const answered = (rows: Rows, notificationId: string) => {
  rows.run('delete from open_notification where notification_id = ?', notificationId);
  rows.run('delete from notification_to_deliver where notification_id = ?', notificationId);
};

const forget = (rows: Rows, consentId: string) => rows.run('delete from consent_to_tell_of where consent_id = ?', consentId);

/** A subscription as its client sees it. */
export interface SubscriptionRow extends Wanted {
  subscriptionId: string;
}

type Stored = Omit<SubscriptionRow, 'eventTypes'> & { eventTypes: string };
const COLUMNS = 'subscription_id as subscriptionId, callback_url as callbackUrl, event_types as eventTypes, version';
const read = ({ eventTypes, ...row }: Stored): SubscriptionRow => ({ ...row, eventTypes: JSON.parse(eventTypes) });

/** The subscriptions of a client. */
export const subscriptionsOf = (rows: Rows, clientId: string): readonly SubscriptionRow[] =>
  rows.all<Stored>(`select ${COLUMNS} from event_subscription where client_id = ? order by subscription_id`, clientId).map(read);

/** The subscriptions of a client to a topic. */
export const subscriptionsTo = (rows: Rows, clientId: string, topic: string): readonly SubscriptionRow[] =>
  rows
    .all<Stored>(
      `select ${COLUMNS} from subscribed_topic join event_subscription using (subscription_id, client_id)
       where client_id = ? and topic = ? order by subscription_id`,
      clientId,
      topic,
    )
    .map(read);

/** The notifications that a client has not answered for, oldest first. */
export const openNotifications = (rows: Rows, clientId: string, limit: number): readonly string[] =>
  rows
    .all<{ id: string }>(
      'select notification_id as id from open_notification where client_id = ? order by position limit ?',
      clientId,
      limit,
    )
    .map(({ id }) => id);

/** The client that has yet to answer for a notification. */
export const clientToAnswer = (rows: Rows, notificationId: string): string | undefined =>
  rows.get<{ clientId: string }>('select client_id as clientId from open_notification where notification_id = ?', notificationId)?.clientId;

/** A change of a consent that a client is still to be told of. */
export interface NotificationToMake {
  changeId: string;
  consentId: string;
  clientId: string;
  eventType: string;
  at: number;
}

/** The changes of consents that nobody was told of yet. */
export const notificationsToMake = (rows: Rows, limit: number): readonly NotificationToMake[] =>
  rows.all(
    `select change_id as changeId, consent_id as consentId, client_id as clientId, event_type as eventType, at
     from notification_to_make limit ?`,
    limit,
  );

/** The notifications that clients are to be called for, oldest first; of each client at most so many. */
export const notificationsToDeliver = (
  rows: Rows,
  { at, perClient, limit }: { at: number; perClient: number; limit: number },
): readonly { notificationId: string }[] =>
  // From one client that is owed something to the next, so that the backlog of one costs the others nothing.
  rows.all(
    `with recursive owed (client_id) as (
       select min(client_id) from notification_to_deliver
       union all
       select (select min(next.client_id) from notification_to_deliver as next where next.client_id > owed.client_id)
       from owed where owed.client_id is not null
     )
     select notification_id as notificationId from owed join notification_to_deliver on notification_id in (
       select its.notification_id from notification_to_deliver as its
       where its.client_id = owed.client_id and its.retry_at <= ? order by its.retry_at limit ?
     ) order by retry_at limit ?`,
    at,
    perClient,
    limit,
  );
