import type { Rows } from '../../domain/ports/rows.ts';
import { type NotifyDeps, notifyClient, notifying } from './notify-client.ts';
import type { Reaction } from './runner.ts';

const NAME = 'ping-client';

/** The end of a request of a client in the delivery mode ping → the client is told to fetch the result (CIBA Core 1.0, section 10.2). */
export const pingClient = (deps: NotifyDeps & { rows: Rows }): Reaction =>
  notifying(NAME, 'ping', {
    ...deps,
    act: (requestId, mayRepeat) =>
      notifyClient(deps, { requestId, reaction: NAME, mayRepeat }, async (authReqId, { status, expiresAt }) => {
        // An expiry is told when it has come; what else came before it can no longer be fetched.
        if (status !== 'expired' && deps.clock() >= expiresAt) return { reason: 'request_expired' };
        return { body: JSON.stringify({ auth_req_id: authReqId }) };
      }),
  });
