import type { Rows } from '../domain/ports/rows.ts';
import type { Projection } from './projection.ts';

// The call that took the answer makes it the consent's right away; where that died, or the consent was gone, this is how long to wait.
const PERSIST_SECONDS = 2;

/**
 * The notifications that are owed to clients: of the end of a request in the delivery modes ping and push, until the client has taken it
 * or no further attempt will be made. Where a consent waits for further PSUs, none is due until something becomes of it. `tokens` is
 * `undelivered` where a grant is left whose tokens were pushed in vain.
 */
export const notificationsDue: Projection = {
  name: 'notifications_due',
  version: 2,
  tables: {
    notification_due: [
      `create table notification_due (
        request_id text primary key, client_id text not null, delivery_mode text not null, tokens text not null, retry_at integer
      ) strict, without rowid`,
      'create index notification_due_at on notification_due (delivery_mode, client_id, retry_at) where retry_at is not null',
    ],
    notification_held: [
      'create table notification_held (consent_id text, request_id text, primary key (consent_id, request_id)) strict, without rowid',
    ],
  },
  on: {
    CibaRequestReceived: (rows, { id, data: { clientId, deliveryMode } }) => {
      if (deliveryMode !== 'poll') rows.run(`insert into notification_due values (?, ?, ?, 'none', null)`, id, clientId, deliveryMode);
    },
    CibaRequestApproved: (rows, { id, data }) => dueAt(rows, id, data.at + PERSIST_SECONDS),
    ConsentAuthorisationGiven: (rows, { id, data }) => {
      rows.run('insert into notification_held select ?, request_id from notification_due where request_id = ?', id, data.requestId);
      rows.run('update notification_due set retry_at = null where request_id = ?', data.requestId);
    },
    ConsentAuthorised: (rows, { id, data }) => {
      dueAt(rows, data.requestId, data.at);
      if (id !== data.requestId) heldDueAt(rows, id, data.at);
    },
    ConsentRejected: (rows, { id, data }) => heldDueAt(rows, id, data.at),
    ConsentAmended: (rows, { id, data }) => heldDueAt(rows, id, data.at),
    ConsentRevoked: (rows, { id, data }) => heldDueAt(rows, id, data.at),
    ConsentExpired: (rows, { id, data }) => heldDueAt(rows, id, data.at),
    CibaRequestDenied: (rows, { id, data }) => dueAt(rows, id, data.at),
    CibaRequestCancelled: (rows, { id, data }) => dueAt(rows, id, data.at),
    CibaRequestExpired: (rows, { id, data }) => dueAt(rows, id, data.at),
    GrantOpened: (rows, { id }) =>
      rows.run(`update notification_due set tokens = 'open' where request_id = ? and delivery_mode = 'push'`, id),
    GrantRevoked: (rows, { id }) => {
      rows.run(`delete from notification_due where request_id = ? and tokens = 'undelivered'`, id);
      rows.run(`update notification_due set tokens = 'none' where request_id = ?`, id);
    },
    // The tokens of one that was rejected first are still to be revoked, whatever another node was told.
    ClientNotificationAccepted: (rows, { id }) =>
      rows.run(`delete from notification_due where request_id = ? and tokens <> 'undelivered'`, id),
    ClientNotificationRejected: (rows, { id, data }) => {
      dueAt(rows, id, data.retryAt ?? data.at);
      if (data.retryAt !== null) return;
      rows.run(`update notification_due set tokens = 'undelivered' where request_id = ? and tokens = 'open'`, id);
      rows.run(`delete from notification_due where request_id = ? and tokens = 'none'`, id);
    },
  },
};

const dueAt = (rows: Rows, requestId: string, at: number) =>
  rows.run('update notification_due set retry_at = ? where request_id = ?', at, requestId);

const heldDueAt = (rows: Rows, consentId: string, at: number) => {
  rows.run(
    'update notification_due set retry_at = ? where request_id in (select request_id from notification_held where consent_id = ?)',
    at,
    consentId,
  );
  rows.run('delete from notification_held where consent_id = ?', consentId);
};

/** The requests whose notification is due, oldest first; of each client at most so many. */
export const notificationsDueAt = (
  rows: Rows,
  deliveryMode: 'ping' | 'push',
  { at, perClient, limit }: { at: number; perClient: number; limit: number },
): readonly { requestId: string; clientId: string }[] => {
  // Asked after almost every event, and most nodes owe nothing at most times.
  if (rows.get('select 1 from notification_due where delivery_mode = ? and retry_at is not null limit 1', deliveryMode) === undefined)
    return [];
  // From one client that is owed something to the next, so that the backlog of one costs the others nothing.
  return rows.all(
    `with recursive owed (client_id) as (
       select min(client_id) from notification_due where delivery_mode = ?1 and retry_at is not null
       union all
       select (select min(next.client_id) from notification_due as next
         where next.delivery_mode = ?1 and next.retry_at is not null and next.client_id > owed.client_id)
       from owed where owed.client_id is not null
     )
     select request_id as requestId, due.client_id as clientId from owed join notification_due as due on request_id in (
       select request_id from notification_due as its
       where its.delivery_mode = ?1 and its.client_id = owed.client_id and its.retry_at <= ?2
       order by its.retry_at limit ?3
     ) order by retry_at limit ?4`,
    deliveryMode,
    at,
    perClient,
    limit,
  );
};
