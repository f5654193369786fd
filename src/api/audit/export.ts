import * as z from 'zod';
import { OAuthError } from '../../domain/oauth-error.ts';
import { lastUpTo } from '../../projections/audit-search.ts';
import { streamed } from '../reply.ts';
import type { Route } from '../route.ts';
import { type Bundles, keptSizes } from './bundles.ts';
import { csvJson, csvRecord } from './csv.ts';
import type { AuditDeps } from './deps.ts';
import { type Fact, makeFactOf } from './fact.ts';
import { pagesOf } from './pages.ts';
import { moment, orElse } from './span.ts';

interface Deps extends AuditDeps {
  /** Null where no evidence log is kept. */
  bundles: Bundles | null;
}

const JSON_LINES = 'application/jsonl';
const CSV = 'text/csv';

/** A range of the log as one file, which is made as it is read. */
export const exportRoute = ({ reading, store, sealer, auditIndex: { rows }, clock, bundles }: Deps): Route => {
  const factOf = makeFactOf(sealer);

  async function* linesOf(after: number, until: number, line: (fact: Fact) => string): AsyncGenerator<string> {
    for await (const events of pagesOf(store, after, until)) yield events.map((event) => line(factOf(event))).join('');
  }

  async function* csvOf(after: number, until: number): AsyncGenerator<string> {
    yield csvRecord(COLUMNS);
    yield* linesOf(after, until, (fact) => csvRecord(cellsOf(fact)));
  }

  return reading({
    path: '/export',
    summary: 'All facts of a range, in order: as JSON lines, as CSV that holds no formula, or as a bundle for a verifier',
    query: {
      format: z.enum(bundles === null ? ['jsonl', 'csv'] : ['jsonl', 'csv', 'bundle']).default('jsonl'),
      from: moment.optional().describe('only facts behind this moment'),
      to: moment.optional().describe('only facts up to this moment'),
      kept: keptSizes,
    },
    answers: { 200: [JSON_LINES, CSV] },
    async answer({ query: { format, from, to, kept }, head }) {
      const now = { rows, head, at: clock() };
      const [after, until] = [orElse(from, 0, now), orElse(to, head, now)].map((position) => lastUpTo(rows, position)) as [number, number];
      if (after > until) throw new OAuthError('invalid_request', 'from is later than to');
      if (format === 'bundle' && bundles !== null) {
        if (after === until) throw new OAuthError('invalid_request', 'the range holds no fact');
        return streamed(JSON_LINES, await bundles.ofRange({ after, last: until, kept }));
      }
      return format === 'csv'
        ? streamed(`${CSV}; charset=utf-8`, csvOf(after, until))
        : streamed(
            JSON_LINES,
            linesOf(after, until, (fact) => `${JSON.stringify(fact)}\n`),
          );
    },
  });
};

const COLUMNS = [
  ...['position', 'stream', 'revision', 'event_id', 'type', 'version', 'recorded_at', 'actor_kind', 'actor_id'],
  ...['correlation_id', 'causation_id', 'reason', 'data', 'personal'],
];

const cellsOf = (fact: Fact) => [
  ...[fact.position, fact.stream, fact.revision, fact.event_id, fact.type, fact.version, fact.recorded_at, fact.actor.kind, fact.actor.id],
  ...[fact.correlation_id, fact.causation_id, fact.reason, csvJson(fact.data)],
  typeof fact.personal === 'string' ? fact.personal : fact.personal && csvJson(fact.personal),
];
