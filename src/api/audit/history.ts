import * as z from 'zod';
import { STATUSES } from '../../domain/audit/status.ts';
import { families } from '../../domain/catalogue.ts';
import { OAuthError } from '../../domain/oauth-error.ts';
import { type FactPlace, findFacts, findTerm, type Span, TERM_KINDS } from '../../projections/audit-search.ts';
import { json } from '../reply.ts';
import type { Route } from '../route.ts';
import type { AuditDeps } from './deps.ts';
import { fact, makeFactOf, readFacts } from './fact.ts';
import { moment, type Now, orElse, page, pageOf, spanOf, withOneMore } from './span.ts';
import { SUBJECTS, subject, subjectOf } from './subject.ts';

const between = {
  from: moment.optional().describe('only facts behind this moment'),
  to: moment.optional().describe('only facts up to this moment'),
};
const facts = { facts: z.array(fact), next: z.string().nullable() };

/** A value as the index holds it. */
const value = z.string().min(1).max(256);
const values = Object.fromEntries(TERM_KINDS.map((kind) => [kind, value.optional()])) as Record<
  (typeof TERM_KINDS)[number],
  z.ZodOptional<typeof value>
>;
/** Of these there are only so many. */
const words = {
  type: z.enum(families.flatMap(({ definitions }) => Object.keys(definitions))).optional(),
  status: z.enum(STATUSES).optional(),
};

/** The facts of one subject, and the facts that are found by what they say. */
export const historyRoutes = ({ reading, store, sealer, auditIndex: { rows }, clock }: AuditDeps): Route[] => {
  const factOf = makeFactOf(sealer);
  const factsIn = async (terms: readonly number[], query: z.output<z.ZodObject<typeof between & typeof page>>, now: Now) => {
    const whole = spanOf(query, now.head);
    const span: Span = {
      ...whole,
      after: Math.max(whole.after, orElse(query.from, 0, now)),
      until: Math.min(whole.until, orElse(query.to, whole.until, now)),
    };
    const { items, next } = pageOf(await findFacts(rows, terms, withOneMore(span)), whole, ({ position }: FactPlace) => position);
    return { facts: (await readFacts(store, rows, items)).map(factOf), next };
  };

  const histories = SUBJECTS.map(({ kind, plural }) =>
    reading({
      path: `/${plural}/{id}/history`,
      summary: `Every fact of a ${kind}, the oldest first: who, when, why, and what was shown`,
      query: { ...between, ...page },
      answers: { 200: z.object({ subject, ...facts }) },
      errors: ['not_found'],
      async answer({ query, params, head }) {
        const now = { rows, head, at: clock() };
        const { id, term } = subjectOf(kind, params, now);
        return json(200, { subject: { kind, id }, ...(await factsIn([term], query, now)) });
      },
    }),
  );

  const search = reading({
    path: '/events',
    summary: 'The facts that have all of this, the oldest first',
    query: { ...values, ...words, ...between, ...page },
    answers: { 200: z.object(facts) },
    errors: ['not_found'],
    async answer({ query, head }) {
      const asked = TERM_KINDS.flatMap((kind) => (query[kind] === undefined ? [] : [{ kind, term: findTerm(rows, kind, query[kind]) }]));
      // What is answered stands in the log for ever, and nobody knows what somebody takes for an id.
      const unknown = asked.find(({ kind, term }) => term === undefined && !(kind in words));
      if (unknown !== undefined) throw new OAuthError('not_found', `no such ${unknown.kind}`);
      const terms = asked.flatMap(({ term }) => term ?? []);
      const now = { rows, head, at: clock() };
      // What no fact has, no fact has together with anything else.
      if (terms.length < asked.length) return json(200, { facts: [], next: null });
      return json(200, await factsIn(terms, query, now));
    },
  });
  return [...histories, search];
};
