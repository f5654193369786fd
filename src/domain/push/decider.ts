import type { Decider, Decision } from '../decider.ts';
import type { PushOutcome } from '../ports/push-sender.ts';
import { type PushEvents, pushEvents } from './events.ts';

export interface Push {
  status: 'open' | 'accepted' | 'rejected';
  attempts: number;
}

/** The id of the pushes of one request to one device by one token: a new token begins anew. */
export const pushIdOf = ({ requestId, deviceId, tokenRevision }: { requestId: string; deviceId: string; tokenRevision: number }): string =>
  `${requestId}.${deviceId}.${tokenRevision}`;

/** The pushes of one request to one device by one token, from their events. */
export const push: Decider<Push, PushEvents> = {
  events: pushEvents,
  initial: { status: 'open', attempts: 0 },
  evolve({ attempts }, { type, data }) {
    if (type === 'DevicePushAccepted') return { status: 'accepted', attempts: attempts + 1 };
    return { status: data.retryAt === null ? 'rejected' : 'open', attempts: attempts + 1 };
  },
};

// Waits double from one second, and are longer where the push service asks for it; the phone can list what waits for it meanwhile.
const LONGEST_WAIT_SECONDS = 60;

/** Records one attempt, and when the next is due. Nothing follows one that was accepted or cannot succeed, nor the request's end. */
export const attempted =
  (
    by: {
      requestId: string;
      deviceId: string;
      tokenRevision: number;
      psuId: string;
      at: number;
      requestExpiresAt: number;
      mayRepeat: boolean;
    },
    outcome: PushOutcome,
  ): Decision<Push, PushEvents> =>
  ({ status, attempts }) => {
    if (status !== 'open') return [];
    const { requestExpiresAt, ...data } = by;
    if (outcome.outcome === 'accepted') return [{ type: 'DevicePushAccepted', data: { ...data, messageId: outcome.messageId } }];
    let retryAt: number | null = null;
    if (outcome.outcome === 'retry') retryAt = by.at + Math.max(outcome.afterSeconds ?? 0, Math.min(2 ** attempts, LONGEST_WAIT_SECONDS));
    if (retryAt !== null && retryAt >= requestExpiresAt) retryAt = null;
    return [{ type: 'DevicePushRejected', data: { ...data, reason: outcome.reason, retryAt } }];
  };
