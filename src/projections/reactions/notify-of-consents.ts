import { afterAmendment, consent } from '../../domain/consent/decider.ts';
import type { Decide, Load } from '../../domain/decide.ts';
import { create, eventNotification } from '../../domain/event-notification/decider.ts';
import { topicOf } from '../../domain/event-notification/topics.ts';
import { sealingSubject } from '../../domain/events.ts';
import type { Clock, Ids } from '../../domain/ports/clock.ts';
import type { Rows } from '../../domain/ports/rows.ts';
import { type NotificationToMake, notificationsToMake } from '../event-notifications.ts';
import type { Reaction } from './runner.ts';

const ENGINE = { kind: 'engine', id: 'notify-of-consents' } as const;

interface Deps {
  decide: Decide;
  load: Load;
  rows: Rows;
  clock: Clock;
  ids: Ids;
}

/** ConsentRevoked, ConsentExpired, ConsentAmended → EventNotificationCreated, where the client subscribes to such events. */
export const notifyOfConsents = (deps: Deps): Reaction => ({
  name: 'notify-of-consents',
  after: ['ConsentRevoked', 'ConsentExpired', 'ConsentAmended', 'EventNotificationCreated'],
  due: (limit) => notificationsToMake(deps.rows, limit).map((change) => ({ key: change.changeId, act: () => notify(deps, change) })),
});

/** The id of the notification follows from the change: made twice, also by two nodes, it is one. */
const notify = async ({ decide, load, clock, ids }: Deps, change: NotificationToMake): Promise<void> => {
  const { changeId, consentId, clientId, eventType, at } = change;
  const state = await load(consent, consentId);
  // An end is the last that happens to a consent; an amendment may be over when it is told.
  const status = topicOf(eventType) === 'resource-update' && state.status !== 'absent' ? afterAmendment(state) : state.status;
  // The reference writes this one state with a capital.
  const said = { consentID: consentId, status: status === 'expired' ? 'Expired' : status, timeStamp: at * 1000 };
  const data = { clientId, psuId: sealingSubject(consent.events.category, consentId, {}), eventTypes: [eventType], changeId, at: clock() };
  const command = { id: ids.derived(`notify/${changeId}`), actor: ENGINE, correlationId: consentId, causationId: changeId };
  await decide(eventNotification, command.id, create(data, { resourceId: consentId, events: { [eventType]: said } }), command);
};
