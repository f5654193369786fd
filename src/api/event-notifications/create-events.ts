import * as z from 'zod';
import type { Decide, Load } from '../../domain/decide.ts';
import { create, eventNotification } from '../../domain/event-notification/decider.ts';
import { sealingSubject } from '../../domain/events.ts';
import type { Clock, Ids } from '../../domain/ports/clock.ts';
import type { Officer } from '../consent-service/officer.ts';
import type { ReadModels } from '../read-models.ts';
import { json } from '../reply.ts';
import type { Route } from '../route.ts';
import { PATHS } from '../surface.ts';
import { checkClient, namedClient, namedResource, operatorOf } from './caller.ts';
import { payloadForm, readPayload } from './payload.ts';
import { refusedBody, refusedNotification } from './words.ts';

const MAX_EVENTS = 50;
/** What is said of each type of event. */
const Events = z
  .record(z.string().min(1).max(256), z.record(z.string(), z.unknown()))
  .refine((events) => Object.keys(events).length > 0 && Object.keys(events).length <= MAX_EVENTS, `expected 1 to ${MAX_EVENTS} events`);
const Created = z.object({ notificationsID: z.string() });

interface Deps {
  officer: Officer;
  decide: Decide;
  load: Load;
  readModels: ReadModels;
  clock: Clock;
  ids: Ids;
}

/** `POST …/create-events`: a system of the ASPSP has something to tell a client. */
export const createEventsRoute = ({ officer, decide, load, readModels, clock, ids }: Deps): Route => {
  return {
    method: 'POST',
    path: `${PATHS.eventNotifications}/create-events`,
    doc: {
      summary: 'A system of the ASPSP has something to tell a client (RFC 8417)',
      security: 'operator',
      headers: z.object({
        'x-wso2-client_id': z.string().describe('the client that is told'),
        'x-wso2-resource_id': z.string().describe('what it is told about'),
      }),
      form: payloadForm,
      answers: { 201: Created },
      errors: ['invalid_request'],
      refusal: { schema: refusedBody },
    },
    refuse: refusedNotification,
    async handle(call) {
      const operatorId = await operatorOf(officer, call);
      const [clientId, resourceId] = [namedClient(call), namedResource(call)];
      const events = await readPayload(call, Events);
      await checkClient(clientId, load);
      const id = ids.uuid();
      const about = { clientId, psuId: sealingSubject(eventNotification.events.category, id, {}), changeId: null, at: clock() };
      const decision = create({ ...about, eventTypes: Object.keys(events) }, { resourceId, events });
      const actor = { kind: 'operator', id: operatorId } as const;
      const { position } = await decide(eventNotification, id, decision, { id: ids.uuid(), actor, correlationId: id, causationId: null });
      await readModels.reached(position);
      const created: z.output<typeof Created> = { notificationsID: id };
      return json(201, created);
    },
  };
};
