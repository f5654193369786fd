import { SUBJECT_KINDS } from '../domain/audit/subjects.ts';
import type { Rows } from '../domain/ports/rows.ts';

/** What facts are found by. */
export const TERM_KINDS = [...SUBJECT_KINDS, 'actor', 'status', 'type'] as const;
export type TermKind = (typeof TERM_KINDS)[number];

/** Facts behind a position and up to another one, the oldest first. What the index learned later does not count: a page stays what it is. */
export interface Span {
  after: number;
  until: number;
  limit: number;
}

/** Where a fact stands. */
export interface FactPlace {
  position: number;
  stream: string;
  revision: number;
}

/** A stream of a subject: the position of its first fact, and that of the fact by which it became one of the subject's. */
export interface StreamPlace {
  first: number;
  stream: string;
  since: number;
}

/** The number of a term; undefined for one that no fact has. */
export const findTerm = (rows: Rows, kind: TermKind, value: string): number | undefined =>
  rows.get<{ id: number }>('select id from audit_term where kind = ? and value = ?', kind, value)?.id;

const AND_OF =
  ' and exists (select 1 from audit_posting as also where also.term = ? and also.position = posting.position and also.since <= ?)';
// A cross join leaves the order of the tables as it is written.
const WITH_STREAM = 'cross join audit_stream as stream on stream.first = fact.stream';

const COUNTED = 10_000;
const HELD = `select count(*) as held from (select 1 from audit_posting where term = ? limit ${COUNTED})`;

/** The terms with the rarest first, as far as counting is worth it. */
const rarestFirst = (rows: Rows, terms: readonly number[]): readonly number[] => {
  if (terms.length < 2) return terms;
  const held = new Map(terms.map((term) => [term, rows.get<{ held: number }>(HELD, term)?.held ?? 0]));
  return [...terms].sort((one, other) => (held.get(one) ?? 0) - (held.get(other) ?? 0));
};

// What is looked through to its end, and may be all of a log, is looked through a little at a time.
const WINDOW = 10_000;

/**
 * The rows that `find` has in a span, when it is given one window after the other: `endOf` says where the window ends that begins behind a
 * position, and undefined where the rest is less than one. Others have their turn in between.
 */
const inWindows = async <Row>(
  { after, until, limit }: Span,
  endOf: (after: number) => { end: number } | undefined,
  find: (window: Span) => readonly Row[],
): Promise<readonly Row[]> => {
  const found: Row[] = [];
  for (let at = after; ; await new Promise((resolve) => setImmediate(resolve))) {
    const end = endOf(at)?.end ?? until;
    found.push(...find({ after: at, until: end, limit: limit - found.length }));
    if (end >= until || found.length >= limit) return found;
    at = end;
  }
};

/** The facts that have all of the terms. */
export const findFacts = async (rows: Rows, terms: readonly number[], span: Span): Promise<readonly FactPlace[]> => {
  const { after, until, limit } = span;
  const [rarest, ...others] = rarestFirst(rows, terms);
  const also = AND_OF.repeat(others.length);
  const alsoValues = others.flatMap((term) => [term, until]);
  if (rarest === undefined)
    return rows.all<FactPlace>(
      `select fact.position, stream.name as stream, fact.revision from audit_fact as fact ${WITH_STREAM}
        where fact.position > ? and fact.position <= ? order by fact.position limit ?`,
      ...[after, until, limit],
    );
  return inWindows(
    span,
    (at) =>
      rows.get<{ end: number }>(
        `select position as end from audit_posting where term = ? and position > ? and position <= ? order by position limit 1 offset ${WINDOW - 1}`,
        ...[rarest, at, until],
      ),
    (window) =>
      rows.all<FactPlace>(
        `select fact.position, stream.name as stream, fact.revision
          from audit_posting as posting cross join audit_fact as fact on fact.position = posting.position ${WITH_STREAM}
          where posting.term = ? and posting.position > ? and posting.position <= ? and posting.since <= ?${also}
          order by posting.position limit ?`,
        ...[rarest, window.after, window.until, until, ...alsoValues, window.limit],
      ),
  );
};

/** Whether a subject was heard of up to a position. */
export const isKnown = (rows: Rows, term: number, until: number): boolean =>
  rows.get('select 1 from audit_part where term = ? and since <= ? limit 1', term, until) !== undefined;

/** The revision of a stream's last fact; -1 where it has none. */
export const lastRevisionOf = (rows: Rows, stream: string): number =>
  rows.get<{ revision: number }>(
    `select fact.revision from audit_stream as stream cross join audit_fact as fact on fact.stream = stream.first
      where stream.name = ? order by fact.position desc limit 1`,
    stream,
  )?.revision ?? -1;

/** The streams of a subject, in the order in which they begin. */
export const findStreams = (rows: Rows, term: number, { after, until, limit }: Span): readonly StreamPlace[] =>
  rows.all<StreamPlace>(
    `select part.stream as first, stream.name as stream, part.since
      from audit_part as part cross join audit_stream as stream on stream.first = part.stream
      where part.term = ? and part.stream > ? and part.stream <= ? and part.since <= ?
      order by part.stream limit ?`,
    ...[term, after, until, until, limit],
  );

/** A moment, and the span of streams that are asked for: its end is the later moment. */
type Since = Span & { from: number };

/** Those of them to which something happened behind `from`, or which became the subject's there. */
export const findChangedStreams = async (rows: Rows, term: number, since: Since): Promise<readonly StreamPlace[]> => {
  const { from, until } = since;
  const happened = rows.get<{ held: number }>(
    `select count(*) as held from (
      select 1 from audit_posting where term = ? and position > ? and position <= ? limit ${COUNTED}
    )`,
    ...[term, from, until],
  );
  return (happened?.held ?? 0) < COUNTED ? changedByFacts(rows, term, since) : changedOfAll(rows, term, since);
};

/** Found from what happened, which is little. */
const changedByFacts = (rows: Rows, term: number, { from, after, until, limit }: Since): readonly StreamPlace[] =>
  rows.all<StreamPlace>(
    `with changed (stream) as (
        select fact.stream from audit_posting as posting cross join audit_fact as fact on fact.position = posting.position
          where posting.term = ? and posting.position > ? and posting.position <= ?
        union select stream from audit_part where term = ? and since > ? and since <= ?
      )
      select part.stream as first, stream.name as stream, part.since
      from changed cross join audit_part as part on part.term = ? and part.stream = changed.stream
        cross join audit_stream as stream on stream.first = part.stream
      where part.stream > ? and part.stream <= ? and part.since <= ?
      order by part.stream limit ?`,
    ...[term, from, until, term, from, until, term, after, until, until, limit],
  );

/** Found from the streams of the subject: where much has happened, a page of them is soon full. */
const changedOfAll = (rows: Rows, term: number, { from, ...span }: Since): Promise<readonly StreamPlace[]> =>
  inWindows(
    span,
    (at) =>
      rows.get<{ end: number }>(
        `select stream as end from audit_part where term = ? and stream > ? and stream <= ? order by stream limit 1 offset ${WINDOW - 1}`,
        ...[term, at, span.until],
      ),
    (window) =>
      rows.all<StreamPlace>(
        `select part.stream as first, stream.name as stream, part.since
          from audit_part as part cross join audit_stream as stream on stream.first = part.stream
          where part.term = ? and part.stream > ? and part.stream <= ? and part.since <= ?
            and (part.since > ? or exists (
              select 1 from audit_fact as fact where fact.stream = part.stream and fact.position > ? and fact.position <= ?
            ))
          order by part.stream limit ?`,
        ...[term, window.after, window.until, span.until, from, from, span.until, window.limit],
      ),
  );

/** The position of the last fact up to another position; 0 where there is none. A store whose positions leave gaps reads on from facts only. */
export const lastUpTo = (rows: Rows, position: number): number =>
  rows.get<{ last: number | null }>('select max(position) as last from audit_fact where position <= ?', position)?.last ?? 0;

/** The position of the last fact that was recorded at or before a moment, in epoch milliseconds, with all before it; 0 where there is none. */
export const positionAt = (rows: Rows, moment: number): number => {
  const next = (from: number) =>
    rows.get<{ position: number; moment: number }>(
      'select position, moment from audit_fact where position >= ? order by position limit 1',
      from,
    );
  let [known, end] = [0, lastUpTo(rows, Number.MAX_SAFE_INTEGER)];
  // Moments never go back, and positions may leave gaps: everything up to `known` is early enough, everything behind `end` is too late.
  while (known < end) {
    const middle = known + Math.ceil((end - known) / 2);
    const found = next(middle);
    if (found !== undefined && found.position <= end && found.moment <= moment) known = found.position;
    else end = middle - 1;
  }
  return known;
};
