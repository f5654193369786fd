import { consent } from '../../src/domain/consent/decider.ts';
import { type Command, makeDecide, makeLoad } from '../../src/domain/decide.ts';
import { acknowledge, create, delivered, eventNotification, reportError } from '../../src/domain/event-notification/decider.ts';
import { eventSubscription, subscribe, unsubscribe, update } from '../../src/domain/event-notification/subscription.ts';
import type { Clock, Ids } from '../../src/domain/ports/clock.ts';
import type { EventStore } from '../../src/domain/ports/event-store.ts';
import type { Sealer } from '../../src/domain/ports/sealer.ts';

const CHANGES = ['ConsentRevoked', 'ConsentExpired', 'ConsentAmended'];

/** What happens to event notifications and subscriptions, step by step and with the real deciders. */
export const eventNotificationSteps = ({ store, sealer, clock, ids }: { store: EventStore; sealer: Sealer; clock: Clock; ids: Ids }) => {
  const decide = makeDecide({ store, sealer, ids });
  const load = makeLoad(store);
  const as = (kind: Command['actor']['kind'], id: string, correlationId: string): Command => ({
    id: ids.uuid(),
    actor: { kind, id },
    correlationId,
    causationId: null,
  });
  return {
    subscribe: (id: string, clientId: string, eventTypes: string[]) =>
      decide(
        eventSubscription,
        id,
        subscribe({ clientId, callbackUrl: 'https://tpp.example/news', eventTypes, version: null, at: clock() }),
        as('client', clientId, id),
      ),
    changeSubscription: (id: string, clientId: string, eventTypes: string[]) =>
      decide(eventSubscription, id, update({ clientId, eventTypes, at: clock() }), as('client', clientId, id)),
    unsubscribe: (id: string, clientId: string) =>
      decide(eventSubscription, id, unsubscribe({ clientId, at: clock() }), as('client', clientId, id)),

    tell: (id: string, clientId: string) => {
      const data = { clientId, psuId: `eventNotification ${id}`, eventTypes: ['news'], changeId: null, at: clock() };
      return decide(eventNotification, id, create(data, { resourceId: 'r', events: { news: {} } }), as('operator', 'bank', id));
    },
    /** Tells the client of a consent of its last change, if that is one to be told of. */
    async tellOf(consentId: string) {
      const state = await load(consent, consentId);
      const last = (await store.read(`consent-${consentId}`)).at(-1);
      if (state.status === 'absent' || last === undefined || !CHANGES.includes(last.type)) return;
      const { clientId } = state;
      const data = { clientId, psuId: `consent ${consentId}`, eventTypes: ['news'], changeId: last.id, at: clock() };
      const told = create(data, { resourceId: consentId, events: { news: { consentID: consentId } } });
      await decide(eventNotification, ids.derived(`notify/${last.id}`), told, as('engine', 'test', consentId));
    },
    async notDelivered(id: string, clientId: string, outcome: 'retry' | 'refused') {
      const state = await load(eventNotification, id);
      const by = { clientId, attemptsBefore: state.status === 'absent' ? 0 : state.attempts, at: clock() };
      const decision = delivered({ outcome, reason: 'http_status', status: 503 }, by, 0);
      return decide(eventNotification, id, decision, as('engine', 'test', id));
    },
    acknowledge: (id: string, clientId: string) =>
      decide(eventNotification, id, acknowledge({ clientId, at: clock() }), as('client', clientId, id)),
    reportError: (id: string, clientId: string) =>
      decide(eventNotification, id, reportError({ clientId, err: 'jwtParse', description: '', at: clock() }), as('client', clientId, id)),
  };
};
export type EventNotificationSteps = ReturnType<typeof eventNotificationSteps>;
