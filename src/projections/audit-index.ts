import { statusAfter } from '../domain/audit/status.ts';
import { streamOf, subjectsOf } from '../domain/audit/subjects.ts';
import { type DomainEvent, families } from '../domain/catalogue.ts';
import type { Rows } from '../domain/ports/rows.ts';
import { findTerm, type TermKind } from './audit-search.ts';
import type { Projection } from './projection.ts';

// A fact is never of an earlier moment than the one before it.
const INSERT_FACT = `insert into audit_fact select ?, ?, ?, max(?, coalesce((select moment from audit_fact order by position desc limit 1), 0))`;

const index = (rows: Rows, event: DomainEvent): void => {
  const { position, revision, recordedAt } = event;
  const name = streamOf(event);
  const known = revision === 0 ? undefined : findStream(rows, name);
  const stream = known ?? begin(rows, name, position);
  rows.run(INSERT_FACT, position, stream, revision, recordedAt);

  const parts = new Set(partsOf(rows, known));
  const join = (part: number) => {
    if (parts.has(part)) return;
    parts.add(part);
    add(rows, { part, stream, since: position });
  };
  for (const { kind, id } of subjectsOf(event)) join(termOf(rows, kind, id));
  const { requestId, sessionId } = event.data as { requestId?: unknown; sessionId?: unknown };
  // Whose request it is, what happens because of it does not always say.
  for (const category of typeof requestId === 'string' ? ['cibaRequest', 'authorization'] : [])
    for (const part of partsOf(rows, findStream(rows, `${category}-${requestId}`))) join(part);
  if (typeof sessionId === 'string') addSession(rows, sessionId, { parts, since: position });

  const status = statusAfter(event);
  const own = [termOf(rows, 'type', event.type), termOf(rows, 'actor', event.actor.id)];
  if (status !== null) own.push(termOf(rows, 'status', status));
  for (const term of [...own, ...parts]) post(rows, term, position, position);
};

const findStream = (rows: Rows, name: string): number | undefined =>
  rows.get<{ first: number }>('select first from audit_stream where name = ?', name)?.first;

const begin = (rows: Rows, name: string, first: number): number => {
  rows.run('insert into audit_stream values (?, ?)', first, name);
  return first;
};

const partsOf = (rows: Rows, stream: number | undefined): readonly number[] =>
  stream === undefined ? [] : rows.all<{ term: number }>('select term from audit_part where stream = ?', stream).map(({ term }) => term);

const termOf = (rows: Rows, kind: TermKind, value: string): number => {
  const known = findTerm(rows, kind, value);
  if (known !== undefined) return known;
  rows.run('insert into audit_term (kind, value) values (?, ?)', kind, value);
  return findTerm(rows, kind, value) as number;
};

/** From now on a stream belongs to a subject, with all that it holds already. */
const add = (rows: Rows, { part, stream, since }: { part: number; stream: number; since: number }): void => {
  rows.run('insert into audit_part values (?, ?, ?)', part, stream, since);
  if (stream === since) return;
  const earlier = rows.all<{ position: number }>('select position from audit_fact where stream = ? and position < ?', stream, since);
  for (const { position } of earlier) post(rows, part, position, since);
};

/** The sign-in that a session came from belongs to what was done in the session. */
const addSession = (rows: Rows, sessionId: string, { parts, since }: { parts: ReadonlySet<number>; since: number }): void => {
  const stream = findStream(rows, `authentication-${sessionId}`);
  const known = partsOf(rows, stream);
  if (stream === undefined) return;
  for (const part of parts) if (!known.includes(part)) add(rows, { part, stream, since });
};

const post = (rows: Rows, term: number, position: number, since: number): void =>
  rows.run('insert into audit_posting values (?, ?, ?)', term, position, since);

/**
 * What auditors search the log by: which facts are about which consent, request, device, PSU and client, of which type, by whom, and to which
 * status they led. `since` is the position of the fact by which that was known: up to any position, the rows say what they said when the log
 * ended there. A stream is told by the position of its first fact.
 */
export const auditIndex: Projection = {
  name: 'audit_index',
  version: 2,
  tables: {
    audit_term: ['create table audit_term (id integer primary key, kind text not null, value text not null, unique (kind, value)) strict'],
    audit_stream: ['create table audit_stream (first integer primary key, name text not null unique) strict'],
    audit_part: [
      'create table audit_part (term integer, stream integer, since integer not null, primary key (term, stream)) strict, without rowid',
      'create index audit_part_stream on audit_part (stream)',
      'create index audit_part_since on audit_part (term, since)',
    ],
    // `moment` is that of the newest fact up to here: it never goes back, whatever the clocks of a cluster do.
    audit_fact: [
      `create table audit_fact (
        position integer primary key, stream integer not null, revision integer not null, moment integer not null
      ) strict`,
      'create index audit_fact_stream on audit_fact (stream, position)',
    ],
    audit_posting: [
      'create table audit_posting (term integer, position integer, since integer not null, primary key (term, position)) strict, without rowid',
    ],
  },
  on: Object.fromEntries(families.flatMap(({ definitions }) => Object.keys(definitions).map((type) => [type, index]))),
};
