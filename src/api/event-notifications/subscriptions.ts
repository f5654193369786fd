import * as z from 'zod';
import type { Decide, Load } from '../../domain/decide.ts';
import type { Decision } from '../../domain/decider.ts';
import {
  type EventSubscription,
  eventSubscription,
  ownSubscription,
  subscribe,
  unsubscribe,
  update,
  type Wanted,
} from '../../domain/event-notification/subscription.ts';
import type { EventSubscriptionEvents } from '../../domain/event-notification/subscription-events.ts';
import { topicOf } from '../../domain/event-notification/topics.ts';
import { OAuthError } from '../../domain/oauth-error.ts';
import type { Clock, Ids } from '../../domain/ports/clock.ts';
import type { Actor } from '../../domain/ports/event-store.ts';
import { subscriptionsOf, subscriptionsTo } from '../../projections/event-notifications.ts';
import type { ReadModels } from '../read-models.ts';
import { json, noContent } from '../reply.ts';
import type { Call, Route, RouteDoc } from '../route.ts';
import { PATHS } from '../surface.ts';
import type { Caller } from './caller.ts';
import { readPayload } from './payload.ts';
import { refusedBody, refusedNotification } from './words.ts';

const MAX_SUBSCRIPTIONS = 50;

const callbackUrl = z
  .string()
  .max(2048)
  .refine((value) => {
    const url = URL.parse(value);
    // A user name and a password would stand in the log, and are never sent.
    return url?.protocol === 'https:' && url.username === '' && url.password === '';
  }, 'expected an https URL without user name and password');
const Changes = z.object({
  callbackUrl: callbackUrl.nullable().exactOptional(),
  eventTypes: z.array(z.string().min(1).max(256)).min(1).max(50).exactOptional(),
  version: z.string().min(1).max(64).exactOptional(),
});
const Subscription = Changes.required({ eventTypes: true });
const Representation = z.object({
  subscriptionId: z.string(),
  callbackUrl: z.string().optional(),
  eventTypes: z.array(z.string()),
  version: z.string().optional(),
});

const represented = (subscriptionId: string, { callbackUrl, eventTypes, version }: Wanted): z.output<typeof Representation> => ({
  ...(callbackUrl !== null && { callbackUrl }),
  subscriptionId,
  eventTypes,
  ...(version !== null && { version }),
});

const doc = (summary: string, more: Partial<RouteDoc>): RouteDoc => ({
  summary,
  security: 'operator',
  headers: z.object({ 'x-wso2-client_id': z.string().optional().describe('the TPP, where a system of the ASPSP calls for it') }),
  answers: { 200: Representation },
  errors: ['invalid_request', 'not_found'],
  refusal: { schema: refusedBody, status: { not_found: 400 } },
  ...more,
});

interface Deps {
  caller: Caller;
  decide: Decide;
  load: Load;
  readModels: ReadModels;
  clock: Clock;
  ids: Ids;
}

/** What a client wants to be told of: it subscribes, looks, changes its mind and leaves. Those of others do not exist. */
export const subscriptionRoutes = ({ caller, decide, load, readModels, clock, ids }: Deps): Route[] => {
  const all = `${PATHS.eventNotifications}/subscription`;
  const one = `${all}/{subscription_id}`;

  const change = async (actor: Actor, id: string, decision: Decision<EventSubscription, EventSubscriptionEvents>) => {
    const command = { id: ids.uuid(), actor, correlationId: id, causationId: null };
    const { position } = await decide(eventSubscription, id, decision, command);
    await readModels.reached(position);
  };
  const own = async (call: Call) => {
    const { clientId, actor } = await caller(call);
    const { subscription_id: id = '' } = call.params;
    return { clientId, actor, id, subscription: ownSubscription(await load(eventSubscription, id), clientId) };
  };

  const routes: Omit<Route, 'refuse'>[] = [
    {
      method: 'POST',
      path: all,
      doc: doc('A TPP subscribes to types of events', { json: Subscription, answers: { 201: Representation } }),
      async handle(call) {
        const { clientId, actor } = await caller(call);
        const { eventTypes, callbackUrl = null, version = null } = await readPayload(call, Subscription);
        await readModels.latest();
        if (subscriptionsOf(readModels.rows, clientId).length >= MAX_SUBSCRIPTIONS)
          throw new OAuthError('invalid_request', `a client has at most ${MAX_SUBSCRIPTIONS} subscriptions`);
        const id = ids.uuid();
        const wanted = { callbackUrl, eventTypes, version };
        await change(actor, id, subscribe({ clientId, ...wanted, at: clock() }));
        return json(201, represented(id, wanted));
      },
    },
    {
      method: 'GET',
      path: all,
      doc: doc('The subscriptions of the caller', { answers: { 200: z.array(Representation) } }),
      async handle(call) {
        const { clientId } = await caller(call);
        await readModels.latest();
        return json(
          200,
          subscriptionsOf(readModels.rows, clientId).map((row) => represented(row.subscriptionId, row)),
        );
      },
    },
    {
      method: 'GET',
      path: one,
      doc: doc('A subscription of the caller', {}),
      async handle(call) {
        const { id, subscription } = await own(call);
        return json(200, represented(id, subscription));
      },
    },
    {
      method: 'PUT',
      path: one,
      doc: doc('Changes what it names of a subscription of the caller', { json: Changes }),
      async handle(call) {
        const { clientId, actor, id } = await own(call);
        const changes = await readPayload(call, Changes);
        await change(actor, id, update({ clientId, at: clock(), ...changes }));
        return json(200, represented(id, ownSubscription(await load(eventSubscription, id), clientId)));
      },
    },
    {
      method: 'DELETE',
      path: one,
      doc: doc('Ends a subscription of the caller', { answers: { 204: null } }),
      async handle(call) {
        const { clientId, actor, id } = await own(call);
        await change(actor, id, unsubscribe({ clientId, at: clock() }));
        return noContent(204);
      },
    },
    {
      method: 'GET',
      path: `${all}/type/{event_type}`,
      doc: doc('The subscriptions of the caller to a type of event', { answers: { 200: z.array(Representation) } }),
      async handle(call) {
        const { clientId } = await caller(call);
        await readModels.latest();
        const rows = subscriptionsTo(readModels.rows, clientId, topicOf(call.params['event_type'] ?? ''));
        return json(
          200,
          rows.map((row) => represented(row.subscriptionId, row)),
        );
      },
    },
  ];
  // The reference's clients write the collection with a slash at its end.
  const withSlash = routes.filter(({ path }) => path === all).map((route) => ({ ...route, path: `${all}/` }));
  return [...routes, ...withSlash].map((route) => ({ ...route, refuse: refusedNotification }));
};
