import type { ReceivedCibaRequest } from '../../domain/ciba-request/decider.ts';
import { OAuthError } from '../../domain/oauth-error.ts';
import type { Rows } from '../../domain/ports/rows.ts';
import { findPending, pendingCount, pendingReached } from '../../projections/pending-requests.ts';

/**
 * Counts a request in, or refuses it: `old` is the one whose place it is to take. What it gives back counts the request out again, once it
 * stands in the rows or was refused.
 */
export type Admit = (clientId: string, psuId: string, old: ReceivedCibaRequest | null) => () => void;

/**
 * How many requests may wait for an answer at once. What has been recorded is counted in the rows of this node; what arrives meanwhile, in
 * the memory of this process: so requests that arrive together are no more than those that come one after another.
 */
export const makeAdmit = ({
  rows,
  settings,
}: {
  rows: Rows;
  settings: { pendingRequestsPerClient: number; pendingRequestsPerPsu: number };
}): Admit => {
  const arriving = new Map<string, number>();

  const count = (key: string, change: 1 | -1) => {
    const left = (arriving.get(key) ?? 0) + change;
    if (left === 0) arriving.delete(key);
    else arriving.set(key, left);
  };

  return (clientId, psuId, old) => {
    const [client, psu] = [`c ${clientId}`, `p ${psuId}`];
    // One that has left the rows meanwhile makes no further room.
    const leaving = old !== null && findPending(rows, old.requestId) !== undefined ? old : null;
    const clientRoom = settings.pendingRequestsPerClient - (arriving.get(client) ?? 0) + (leaving === null ? 0 : 1);
    if (pendingCount(rows, clientId) >= clientRoom) throw new OAuthError('access_denied', 'this client has too many pending requests');
    const psuRoom = settings.pendingRequestsPerPsu - (arriving.get(psu) ?? 0) + (leaving?.psuId === psuId ? 1 : 0);
    if (psuRoom <= 0 || pendingReached(rows, psuId, psuRoom)) throw new OAuthError('access_denied', 'too many requests wait for this PSU');
    count(client, 1);
    count(psu, 1);
    return () => {
      count(client, -1);
      count(psu, -1);
    };
  };
};
