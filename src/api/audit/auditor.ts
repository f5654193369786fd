import * as z from 'zod';
import { audit, record } from '../../domain/audit/decider.ts';
import type { Decide } from '../../domain/decide.ts';
import { OAuthError } from '../../domain/oauth-error.ts';
import type { Clock, Ids } from '../../domain/ports/clock.ts';
import type { EventStore } from '../../domain/ports/event-store.ts';
import { isSeen } from '../../domain/showable.ts';
import type { AuditIndex } from '../../projections/audit-runner.ts';
import { parse } from '../parse.ts';
import { type Reply, refusalReply } from '../reply.ts';
import type { Call, Route, RouteDoc } from '../route.ts';
import { PATHS } from '../surface.ts';
import { type Bearer, tokenRefusal } from '../tpp/bearer.ts';

/** The scope of auditors' clients. The operator gives it; nobody registers itself for it. */
export const AUDIT_SCOPE = 'audit';

const MAX_PURPOSE = 200;
const purposeText = z.string().min(1).max(MAX_PURPOSE).refine(isSeen, 'holds characters that are not seen');
const headers = z.object({
  'Countersign-Purpose': purposeText
    .optional()
    .describe('what it is read for, unless the query says it; nothing personal, for it is never erased'),
});

export interface AuditorDeps {
  bearer: Bearer;
  decide: Decide;
  store: EventStore;
  auditIndex: AuditIndex;
  clock: Clock;
  ids: Ids;
}

/** A read that was asked for. */
export interface Asked<Query> {
  query: Query;
  params: Call['params'];
  /** The log as it stands at the call: all up to here can be found. */
  head: number;
}

interface Reading<Shape extends z.ZodRawShape> {
  path: string;
  summary: string;
  query: Shape;
  answers: RouteDoc['answers'];
  errors?: RouteDoc['errors'];
  answer(asked: Asked<z.output<z.ZodObject<Shape>>>): Promise<Reply>;
}

/** Makes the routes of auditors: every read that is answered is recorded before, with its purpose; one that is refused is none. */
export const makeReading =
  ({ bearer, decide, store, auditIndex, clock, ids }: AuditorDeps) =>
  <Shape extends z.ZodRawShape>({ path, summary, query: shape, answers, errors = [], answer }: Reading<Shape>): Route => {
    const query = z.strictObject({ ...shape, purpose: purposeText.optional().describe('what it is read for, unless the header says it') });
    return {
      method: 'GET',
      path: `${PATHS.audit}${path}`,
      doc: { summary, security: 'bearer', headers, query, answers, errors: ['invalid_request', 'temporarily_unavailable', ...errors] },
      async handle(call) {
        const { clientId, psuId } = await bearer(call, AUDIT_SCOPE);
        if (psuId !== null) throw new OAuthError('insufficient_scope', 'auditors read with a client_credentials token');
        const asked = parse(query, queryOf(call)) as z.output<z.ZodObject<Shape>> & { purpose?: string };
        const purpose = asked.purpose ?? parse(purposeText.optional(), call.headers['countersign-purpose']);
        if (purpose === undefined)
          throw new OAuthError('invalid_request', 'the purpose is missing: name it in the header Countersign-Purpose');
        const head = await store.head();
        await auditIndex.reached(head);
        const reply = await answer({ query: asked, params: call.params, head });
        const readId = ids.uuid();
        await decide(audit, readId, record({ clientId, purpose, what: whatOf(call), at: clock() }), {
          ...{ id: ids.uuid(), actor: { kind: 'operator', id: clientId }, correlationId: readId, causationId: null, fresh: true },
        });
        return reply;
      },
      refuse: (refusal, call) => tokenRefusal(refusal, call) ?? refusalReply(refusal),
    };
  };
export type MakeReading = ReturnType<typeof makeReading>;

const split = ({ target }: Call): [string, URLSearchParams] => {
  const border = target.indexOf('?');
  return border < 0 ? [target, new URLSearchParams()] : [target.slice(0, border), new URLSearchParams(target.slice(border))];
};

const queryOf = (call: Call): Record<string, string> => {
  const [, given] = split(call);
  if (new Set(given.keys()).size !== given.size) throw new OAuthError('invalid_request', 'a parameter is repeated');
  return Object.fromEntries(given);
};

/** What was asked for, without its purpose. */
const whatOf = (call: Call): string => {
  const [path, given] = split(call);
  given.delete('purpose');
  return `${path.replace(PATHS.audit, '')}${given.size === 0 ? '' : `?${given}`}`;
};
