import type { Rows } from '../../domain/ports/rows.ts';
import { notificationsDueAt } from '../notifications-due.ts';
import { type NotifyDeps, notifyClient } from './notify-client.ts';
import type { Reaction } from './runner.ts';

const NAME = 'ping-client';

/** The calls to one client that may be under way at once. */
export const CALLS_PER_CLIENT = 32;

/** The end of a request of a client in the delivery mode ping → the client is told to fetch the result (CIBA Core 1.0, section 10.2). */
export const pingClient = (deps: NotifyDeps & { rows: Rows }): Reaction => ({
  name: NAME,
  after: [
    'ConsentAuthorised',
    'CibaRequestDenied',
    'CibaRequestCancelled',
    'CibaRequestExpired',
    'ClientNotificationAccepted',
    'ClientNotificationRejected',
  ],
  due: (limit) =>
    notificationsDueAt(deps.rows, 'ping', { at: deps.clock(), perClient: CALLS_PER_CLIENT, limit }).map(({ requestId }) => ({
      key: requestId,
      act: () =>
        notifyClient(deps, { requestId, reaction: NAME }, async (authReqId) => ({ body: JSON.stringify({ auth_req_id: authReqId }) })),
    })),
});
