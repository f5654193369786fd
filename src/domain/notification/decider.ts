import type { Decider, Decision } from '../decider.ts';
import { type NotificationEvents, notificationEvents } from './events.ts';

/** The notification of one request, as its attempts have left it. */
export interface Notification {
  status: 'open' | 'accepted' | 'rejected';
  attempts: number;
  /** No attempt is to be made before; null: at once, or none any more. */
  retryAt: number | null;
}

/** The notification of a client about one request, from its events. */
export const notification: Decider<Notification, NotificationEvents> = {
  events: notificationEvents,
  initial: { status: 'open', attempts: 0, retryAt: null },
  evolve(state, { type, data }) {
    if (state.status !== 'open') return state;
    const { attempts } = state;
    if (type === 'ClientNotificationAccepted') return { status: 'accepted', attempts: attempts + 1, retryAt: null };
    return { status: data.retryAt === null ? 'rejected' : 'open', attempts: attempts + 1, retryAt: data.retryAt };
  },
};

/**
 * What became of one attempt.
 * `retry`: the client could not be reached or could not take it; it may later.
 * `refused`: it, or our own rules, will not have it. `reason` holds no token and nothing that the client wrote.
 */
export type NotificationOutcome =
  | { outcome: 'accepted'; status: number }
  | { outcome: 'retry' | 'refused'; reason: string; status: number | null };

/**
 * What an HTTP status says: 200 and 204 are what the specification names, and only a fault of the server passes (CIBA Core 1.0, section
 * 10.2).
 */
export const outcomeOf = (status: number): NotificationOutcome => {
  if (status >= 200 && status < 300) return { outcome: 'accepted', status };
  return { outcome: status >= 500 ? 'retry' : 'refused', reason: 'http_status', status };
};

/** Whether an attempt is to be made now. */
export const isDue = ({ status, retryAt }: Notification, at: number): boolean => status === 'open' && (retryAt === null || retryAt <= at);

// Waits double from one second. Jitter makes them up to twice as long: clients that failed together do not come back together.
const LONGEST_WAIT_SECONDS = 60;

/**
 * Records one attempt, and when the next one is due. None is due after one that was accepted or refused, nor after the request's end.
 * The first attempt that ends it decides; one that another node made meanwhile is a fact too, and changes nothing.
 */
export const attempted =
  (
    by: { requestId: string; clientId: string; deliveryMode: 'ping' | 'push'; at: number; requestExpiresAt: number; mayRepeat: boolean },
    outcome: NotificationOutcome,
    /** At least 0 and less than 1. */
    jitter: number,
  ): Decision<Notification, NotificationEvents> =>
  ({ status, attempts }) => {
    const { requestExpiresAt, ...data } = by;
    if (outcome.outcome === 'accepted') return [{ type: 'ClientNotificationAccepted', data: { ...data, status: outcome.status } }];
    const wait = Math.min(2 ** attempts, LONGEST_WAIT_SECONDS);
    const next = status === 'open' && outcome.outcome === 'retry' ? by.at + wait + Math.round(wait * jitter) : null;
    const retryAt = next !== null && next < requestExpiresAt ? next : null;
    return [{ type: 'ClientNotificationRejected', data: { ...data, reason: outcome.reason, status: outcome.status, retryAt } }];
  };
