import type { Decide, Load } from '../../domain/decide.ts';
import type { Clock, Ids } from '../../domain/ports/clock.ts';
import { makeOfficer } from '../consent-service/officer.ts';
import type { ReadModels } from '../read-models.ts';
import type { Route } from '../route.ts';
import type { Bearer } from '../tpp/bearer.ts';
import type { AuthenticateClient } from '../tpp/client-auth.ts';
import type { LongPolls } from '../tpp/long-polls.ts';
import { makeCaller } from './caller.ts';
import { createEventsRoute } from './create-events.ts';
import { pollEventsRoute } from './poll-events.ts';
import type { MakeSet } from './security-event-token.ts';
import { subscriptionRoutes } from './subscriptions.ts';

interface Deps {
  bearer: Bearer;
  authenticate: AuthenticateClient;
  decide: Decide;
  load: Load;
  readModels: ReadModels;
  makeSet: MakeSet;
  longPolls: LongPolls;
  longPollSeconds: number;
  setsPerPoll: number;
  clock: Clock;
  ids: Ids;
}

/** Event notifications as the reference has them: made, polled for and subscribed to. */
export const eventNotificationRoutes = (deps: Deps): Route[] => {
  const officer = makeOfficer(deps);
  const caller = makeCaller({ ...deps, officer });
  return [createEventsRoute({ ...deps, officer }), pollEventsRoute({ ...deps, caller }), ...subscriptionRoutes({ ...deps, caller })];
};
