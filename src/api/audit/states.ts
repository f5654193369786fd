import { setImmediate as nextTurn } from 'node:timers/promises';
import * as z from 'zod';
import { difference } from '../../domain/audit/difference.ts';
import { makeTouched } from '../../domain/audit/touched.ts';
import { OAuthError } from '../../domain/oauth-error.ts';
import type { StoredEvent } from '../../domain/ports/event-store.ts';
import type { Sealer } from '../../domain/ports/sealer.ts';
import { makeReplay } from '../../domain/replay.ts';
import { findChangedStreams, findStreams, type StreamPlace } from '../../projections/audit-search.ts';
import { json } from '../reply.ts';
import type { Route } from '../route.ts';
import type { AuditDeps } from './deps.ts';
import { cause, causeOf } from './fact.ts';
import { moment, orElse, page, pageOf, positionOf, spanOf, withOneMore } from './span.ts';
import { SUBJECTS, subject, subjectOf } from './subject.ts';
import { makeTurns } from './turns.ts';

const stateOfStream = z.object({
  stream: z.string(),
  revision: z.int(),
  position: z.int(),
  state: z.unknown().describe('as the decider of the stream folds its facts'),
});
const change = z.object({
  path: z.string().describe('in the state (RFC 6901)'),
  before: z.unknown().optional(),
  after: z.unknown().optional(),
  facts: z.array(cause).describe('the facts that made it'),
});
const changedStream = z.object({ stream: z.string(), changes: z.array(change) });
const next = z.string().nullable();

/** The state of a subject at a moment, and what became of it between two. */
export const stateRoutes = ({ reading, store, sealer, auditIndex: { rows }, clock }: AuditDeps): Route[] =>
  SUBJECTS.flatMap(({ kind, plural }) => [
    reading({
      path: `/${plural}/{id}/state`,
      summary: `The state of a ${kind} as of a moment: of each of its streams, the oldest first`,
      query: { as_of: moment.optional().describe('now, if it is not given'), ...page },
      answers: { 200: z.object({ subject, as_of: z.int(), streams: z.array(stateOfStream), next }) },
      errors: ['not_found'],
      async answer({ query, params, head }) {
        const span = spanOf(query, head);
        const now = { rows, head: span.until, at: clock() };
        const { id, term } = subjectOf(kind, params, now);
        const asOf = orElse(query.as_of, span.until, now);
        const { items, next } = pageOf(findStreams(rows, term, withOneMore({ ...span, until: asOf })), span, firstOf);
        const streams = [];
        for (const { stream } of items) {
          streams.push(await stateOf(stream, upTo(await store.read(stream), asOf), sealer));
          await nextTurn();
        }
        return json(200, { subject: { kind, id }, as_of: asOf, streams, next });
      },
    }),
    reading({
      path: `/${plural}/{id}/diff`,
      summary: `What became of a ${kind} between two moments: each member that differs, and the facts that made it so`,
      query: { from: moment, to: moment.optional().describe('now, if it is not given'), ...page },
      answers: { 200: z.object({ subject, from: z.int(), to: z.int(), streams: z.array(changedStream), next }) },
      errors: ['not_found'],
      async answer({ query, params, head }) {
        const span = spanOf(query, head);
        const now = { rows, head: span.until, at: clock() };
        const { id, term } = subjectOf(kind, params, now);
        const from = positionOf(query.from, now);
        const to = orElse(query.to, span.until, now);
        if (from > to) throw new OAuthError('invalid_request', 'from is later than to');
        const changed = await findChangedStreams(rows, term, { ...withOneMore({ ...span, until: to }), from });
        const { items, next } = pageOf(changed, span, firstOf);
        const streams = [];
        for (const place of items) {
          const events = upTo(await store.read(place.stream), to);
          // A stream that was none of the subject's has had no state for it.
          streams.push({ stream: place.stream, changes: await changesOf(events, place.since > from ? 0 : from, place.stream, sealer) });
          await nextTurn();
        }
        return json(200, { subject: { kind, id }, from, to, streams, next });
      },
    }),
  ]);

const firstOf = ({ first }: StreamPlace): number => first;

const upTo = (events: readonly StoredEvent[], position: number): readonly StoredEvent[] =>
  events.filter((event) => event.position <= position);

const stateOf = async (stream: string, events: readonly StoredEvent[], sealer: Sealer): Promise<z.output<typeof stateOfStream>> => {
  const [replay, turns] = [makeReplay(sealer), makeTurns()];
  for (const event of events) {
    replay.apply(event);
    await turns();
  }
  const { revision = -1, position = 0 } = events.at(-1) ?? {};
  return { stream, revision, position, state: replay.state(stream) };
};

/** How the state of a stream differs from what it was at a position, and which facts have to do with each difference. */
const changesOf = async (
  events: readonly StoredEvent[],
  from: number,
  stream: string,
  sealer: Sealer,
): Promise<z.output<typeof change>[]> => {
  const [replay, turns] = [makeReplay(sealer), makeTurns()];
  const touched = makeTouched<z.output<typeof cause>>();
  for (const event of events) {
    if (event.position > from) break;
    replay.apply(event);
    await turns();
  }
  const before = replay.state(stream);
  let state = before;
  for (const event of events) {
    if (event.position <= from) continue;
    replay.apply(event);
    const after = replay.state(stream);
    const paths = difference(state, after).map(({ path }) => path);
    touched.add(causeOf(event), paths);
    state = after;
    await turns();
  }
  return difference(before, state).map((one) => ({ ...one, facts: touched.by(one.path) }));
};
