import type { Decider, Decision } from '../decider.ts';
import type { NotificationOutcome } from '../notification/decider.ts';
import type { Sealed, Sealer } from '../ports/sealer.ts';
import { type EventNotificationEvents, type EventNotificationFact, eventNotificationEvents } from './events.ts';

type CreatedFact = Extract<EventNotificationFact, { type: 'EventNotificationCreated' }>;

/** A notification that waits for its client, or that the client has answered for. */
export interface CreatedNotification {
  status: 'open' | 'acknowledged' | 'failed';
  clientId: string;
  eventTypes: readonly string[];
  at: number;
  /** How often the client's own endpoint did not take it. */
  attempts: number;
  /** From when on the endpoint may be called; null when it is not called any more. */
  callAt: number | null;
  sealed: Sealed;
}

export type EventNotification = { status: 'absent' } | CreatedNotification;
type Decides = Decision<EventNotification, EventNotificationEvents>;

/** An event notification, from its events. */
export const eventNotification: Decider<EventNotification, EventNotificationEvents> = {
  events: eventNotificationEvents,
  initial: { status: 'absent' },
  evolve(state, event) {
    if (event.type === 'EventNotificationCreated') {
      const { clientId, eventTypes, at } = event.data;
      return { status: 'open', clientId, eventTypes, at, attempts: 0, callAt: at, sealed: event.sealed };
    }
    if (state.status === 'absent') return state;
    if (event.type === 'EventNotificationNotDelivered') return { ...state, attempts: state.attempts + 1, callAt: event.data.retryAt };
    return { ...state, status: event.type === 'EventNotificationAcknowledged' ? 'acknowledged' : 'failed' };
  },
};

/** Something has happened that a client is told of. Again is once. */
export const create =
  (data: CreatedFact['data'], told: CreatedFact['personal']): Decides =>
  (state) =>
    state.status === 'absent' ? [{ type: 'EventNotificationCreated', data, personal: told }] : [];

/** The client has it. Again is once; what is not the client's is not there. */
export const acknowledge =
  (by: { clientId: string; at: number }): Decides =>
  (state) =>
    isOpenFor(state, by.clientId) ? [{ type: 'EventNotificationAcknowledged', data: { at: by.at } }] : [];

/** The client could not take it, and will not be sent it again. What it has answered for stays so. */
export const reportError =
  (by: { clientId: string; err: string; description: string; at: number }): Decides =>
  (state) =>
    isOpenFor(state, by.clientId)
      ? [{ type: 'EventNotificationErrorReported', data: { err: by.err, at: by.at }, personal: { description: by.description } }]
      : [];

// As the reference has it: five more attempts, after 5, 10, 20, 40 and 80 seconds.
const FIRST_WAIT_SECONDS = 5;
const MORE_ATTEMPTS = 5;

/** Whether the client's own endpoint is to be called now. */
export const isToBeCalled = ({ status, callAt }: CreatedNotification, at: number): boolean =>
  status === 'open' && callAt !== null && callAt <= at;

/**
 * The client's own endpoint was called, and took it or did not. What it refuses, or has not taken after the last attempt, waits for its
 * polls. Where two nodes made the same attempt and both failed, the first says when the next one is. Jitter, at least 0 and less than 1,
 * makes a wait up to twice as long.
 */
export const delivered =
  (
    outcome: NotificationOutcome,
    { attemptsBefore, ...by }: { clientId: string; attemptsBefore: number; at: number },
    jitter: number,
  ): Decides =>
  (state) => {
    if (outcome.outcome === 'accepted') return acknowledge(by)(state);
    if (state.status !== 'open' || state.attempts !== attemptsBefore) return [];
    const { reason, status } = outcome;
    const wait = FIRST_WAIT_SECONDS * 2 ** state.attempts * (1 + jitter);
    const again = outcome.outcome === 'retry' && state.attempts < MORE_ATTEMPTS;
    return [
      { type: 'EventNotificationNotDelivered', data: { reason, status, retryAt: again ? by.at + Math.round(wait) : null, at: by.at } },
    ];
  };

const isOpenFor = (state: EventNotification, clientId: string): boolean => state.status === 'open' && state.clientId === clientId;

/** What a notification says of each of its events; of what was erased only their types are left. */
export const toldIn = ({ eventTypes, sealed }: CreatedNotification, sealer: Sealer): Readonly<Record<string, object>> =>
  eventNotificationEvents.open('EventNotificationCreated', sealed, sealer)?.events ??
  Object.fromEntries(eventTypes.map((type) => [type, {}]));
