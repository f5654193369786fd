import type { Observable } from 'rxjs';
import { map } from 'rxjs';
import * as z from 'zod';
import type { Decide, Load } from '../../domain/decide.ts';
import { acknowledge, type EventNotification, eventNotification, reportError } from '../../domain/event-notification/decider.ts';
import type { Clock, Ids } from '../../domain/ports/clock.ts';
import type { Rows } from '../../domain/ports/rows.ts';
import { clientToAnswer, openNotifications } from '../../projections/event-notifications.ts';
import type { Applied } from '../../projections/runner.ts';
import type { ReadModels } from '../read-models.ts';
import { json } from '../reply.ts';
import type { Call, Route } from '../route.ts';
import { PATHS } from '../surface.ts';
import type { LongPolls, Watchable } from '../tpp/long-polls.ts';
import type { Called, Caller } from './caller.ts';
import { payloadForm, readPayload } from './payload.ts';
import type { MakeSet } from './security-event-token.ts';
import { refusedBody, refusedNotification } from './words.ts';

// Of one call: what it may answer for, and what it may be given.
const MAX_ANSWERED = 500;
const MAX_SETS = 100;

const jti = z.string().min(1).max(256);
const Poll = z.object({
  returnImmediately: z.boolean().default(true),
  maxEvents: z.int().nonnegative().optional(),
  ack: z.array(jti).max(MAX_ANSWERED).default([]),
  setErrs: z
    .record(jti, z.object({ err: z.string().regex(/^[\w.:-]{1,64}$/, 'expected a code'), description: z.string().max(1000).default('') }))
    .refine((errors) => Object.keys(errors).length <= MAX_ANSWERED, `expected at most ${MAX_ANSWERED}`)
    .default({}),
});
const Sets = z.object({ moreAvailable: z.boolean(), sets: z.record(z.string(), z.string()) });

/** What polls need. */
export interface PollDeps {
  caller: Caller;
  decide: Decide;
  load: Load;
  readModels: ReadModels;
  makeSet: MakeSet;
  longPolls: LongPolls;
  /** The longest that a poll waits. */
  longPollSeconds: number;
  /** What a poll is given that names no number. */
  setsPerPoll: number;
  clock: Clock;
  ids: Ids;
}

/**
 * `POST …/events` (RFC 8936): a client answers for the notifications it has, and is given those that are open, oldest first. A poll that
 * does not want to return at once waits for the first one. What was not answered for is given again.
 */
export const pollEventsRoute = (deps: PollDeps): Route => {
  const { caller, load, readModels, makeSet, longPolls, longPollSeconds: seconds, setsPerPoll } = deps;

  const openOf = async (clientId: string, most: number): Promise<z.output<typeof Sets>> => {
    const known = openNotifications(readModels.rows, clientId, most + 1);
    const given = await Promise.all(known.slice(0, most).map(async (id) => [id, await load(eventNotification, id)] as const));
    const sets = await Promise.all(given.filter(isOpen).map(async ([id, state]) => [id, await makeSet(id, state)] as const));
    return { moreAvailable: known.length > most, sets: Object.fromEntries(sets) };
  };

  const openOrWait = async (clientId: string, most: number, closed: AbortSignal) => {
    const watch = longPolls.watch([topicOf(clientId)], { seconds, closed, of: clientId });
    try {
      for (;;) {
        const answer = await openOf(clientId, most);
        if (answer.moreAvailable || Object.keys(answer.sets).length > 0 || !(await watch?.changed())) return answer;
      }
    } finally {
      watch?.end();
    }
  };

  return {
    method: 'POST',
    path: `${PATHS.eventNotifications}/events`,
    doc: {
      summary: 'A TPP polls for security event tokens, and answers for those it has (RFC 8936)',
      security: 'operator',
      headers: z.object({ 'x-wso2-client_id': z.string().optional().describe('the TPP, where a system of the ASPSP calls for it') }),
      form: payloadForm,
      json: Poll,
      answers: { 200: Sets },
      errors: ['invalid_request'],
      refusal: { schema: refusedBody },
    },
    refuse: refusedNotification,
    async handle(call: Call) {
      const by = await caller(call);
      const { clientId } = by;
      const poll = await readPayload(call, Poll);
      await answerFor(deps, by, poll);
      const most = Math.min(poll.maxEvents ?? setsPerPoll, MAX_SETS);
      await readModels.latest();
      return json(200, poll.returnImmediately || most === 0 ? await openOf(clientId, most) : await openOrWait(clientId, most, call.closed));
    },
  };
};

const isOpen = <S extends EventNotification>(given: readonly [string, S]): given is [string, Exclude<S, { status: 'absent' }>] =>
  given[1].status === 'open';

const answerFor = async (
  { decide, clock, ids }: PollDeps,
  { clientId, actor }: Called,
  { ack, setErrs }: z.output<typeof Poll>,
): Promise<void> => {
  const by = { clientId, at: clock() };
  const answers = [
    ...Object.entries(setErrs).map(([id, error]) => [id, reportError({ ...by, ...error })] as const),
    ...ack.map((id) => [id, acknowledge(by)] as const),
  ];
  await Promise.all(
    answers.map(([id, decision]) =>
      decide(eventNotification, id, decision, { id: ids.uuid(), actor, correlationId: id, causationId: null }),
    ),
  );
};

const STREAM = `${eventNotification.events.category}-`;
const topicOf = (clientId: string): string => `event notifications of ${clientId}`;

/** What was applied, with each new notification under the name of its client too, which is what polls for them wait for. */
export const withNewNotifications = (applied: Observable<Pick<Applied, 'events' | 'types'>>, rows: Rows): Watchable =>
  applied.pipe(
    map(({ events, types }) => ({ events: types.has('EventNotificationCreated') ? [...events, ...topicsOf(events, rows)] : events })),
  );

const topicsOf = (events: Applied['events'], rows: Rows) =>
  events.flatMap(({ stream, type }) => {
    const clientId = type === 'EventNotificationCreated' ? clientToAnswer(rows, stream.slice(STREAM.length)) : undefined;
    return clientId === undefined ? [] : [{ stream: topicOf(clientId) }];
  });
