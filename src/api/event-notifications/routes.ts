import { makeOfficer } from '../consent-service/officer.ts';
import type { Route } from '../route.ts';
import type { Bearer } from '../tpp/bearer.ts';
import type { AuthenticateClient } from '../tpp/client-auth.ts';
import { makeCaller } from './caller.ts';
import { createEventsRoute } from './create-events.ts';
import { type PollDeps, pollEventsRoute } from './poll-events.ts';
import { subscriptionRoutes } from './subscriptions.ts';

interface Deps extends Omit<PollDeps, 'caller'> {
  bearer: Bearer;
  authenticate: AuthenticateClient;
}

/** Event notifications as the reference has them: made, polled for and subscribed to. */
export const eventNotificationRoutes = (deps: Deps): Route[] => {
  const officer = makeOfficer(deps);
  const caller = makeCaller({ ...deps, officer });
  return [createEventsRoute({ ...deps, officer }), pollEventsRoute({ ...deps, caller }), ...subscriptionRoutes({ ...deps, caller })];
};
