import type { Decider, Decision } from '../decider.ts';
import { OAuthError } from '../oauth-error.ts';
import { type EventSubscriptionEvents, eventSubscriptionEvents } from './subscription-events.ts';

/** What a client wants to be told, and where it can be called. */
export interface Wanted {
  callbackUrl: string | null;
  eventTypes: string[];
  version: string | null;
}

export type EventSubscription = { status: 'absent' | 'deleted' } | ({ status: 'active'; clientId: string } & Wanted);
export type ActiveSubscription = Extract<EventSubscription, { status: 'active' }>;
type Decides = Decision<EventSubscription, EventSubscriptionEvents>;

/** A subscription to events, from its events. */
export const eventSubscription: Decider<EventSubscription, EventSubscriptionEvents> = {
  events: eventSubscriptionEvents,
  initial: { status: 'absent' },
  evolve(_state, event) {
    if (event.type === 'EventSubscriptionDeleted') return { status: 'deleted' };
    const { at: _, ...wanted } = event.data;
    return { status: 'active', ...wanted };
  },
};

/** A client subscribes, under an id that was never used. */
export const subscribe =
  (by: Wanted & { clientId: string; at: number }): Decides =>
  (state) =>
    state.status === 'absent' ? [{ type: 'EventSubscriptionCreated', data: by }] : [];

/** The client changes what it names, and keeps the rest. The same again records nothing. */
export const update =
  ({ clientId, at, ...changes }: Partial<Wanted> & { clientId: string; at: number }): Decides =>
  (state) => {
    const { status: _, ...current } = ownSubscription(state, clientId);
    const changed = { ...current, ...changes };
    if (JSON.stringify(changed) === JSON.stringify(current)) return [];
    return [{ type: 'EventSubscriptionUpdated', data: { ...changed, at } }];
  };

/** The client ends it. */
export const unsubscribe =
  ({ clientId, at }: { clientId: string; at: number }): Decides =>
  (state) => {
    ownSubscription(state, clientId);
    return [{ type: 'EventSubscriptionDeleted', data: { clientId, at } }];
  };

/** The subscription, if it is the client's: what is not does not exist. */
export const ownSubscription = (state: EventSubscription, clientId: string): ActiveSubscription => {
  if (state.status !== 'active' || state.clientId !== clientId) throw new OAuthError('not_found', 'no such event subscription');
  return state;
};
