import * as z from 'zod';
import { OAuthError } from '../../domain/oauth-error.ts';
import type { Rows } from '../../domain/ports/rows.ts';
import { positionAt, type Span } from '../../projections/audit-search.ts';

const MOST_AT_ONCE = 200;
const POSITION = /^\d{1,15}$/;
const isInstant = (text: string): boolean => z.iso.datetime({ offset: true }).safeParse(text).success;

/** A moment of the log: an instant, or the position of the last fact that counts. */
export const moment = z
  .string()
  .max(40)
  .refine((text) => POSITION.test(text) || isInstant(text), 'is neither a position nor an instant with its offset (RFC 3339)')
  .describe('a position in the log, or an instant (RFC 3339)');

/** One page of a list. */
export const page = {
  limit: z.coerce.number().pipe(z.int().min(1).max(MOST_AT_ONCE)).default(100).describe(`${MOST_AT_ONCE} at most`),
  cursor: z
    .string()
    .regex(/^\d{1,15}\.\d{1,15}$/)
    .optional()
    .describe('`next` of the page before; all pages are of the log as it stood at the first'),
};

/** Where the head of the log is, and what time it is, in epoch seconds. */
export interface Now {
  rows: Rows;
  head: number;
  at: number;
}

/** The position of a moment. What has not come yet is refused: nobody knows what the log will hold. */
export const positionOf = (text: string, { rows, head, at }: Now): number => {
  const ms = POSITION.test(text) ? null : Date.parse(text);
  const position = ms === null ? Number(text) : Math.min(positionAt(rows, ms), head);
  // The clock says full seconds.
  if (position > head || (ms !== null && ms >= (at + 1) * 1000)) throw new OAuthError('invalid_request', 'that moment has not come yet');
  return position;
};

/** The span of a page: from its beginning, or behind what its cursor names, up to where the log stood at the first page. */
export const spanOf = ({ cursor, limit }: { cursor?: string | undefined; limit: number }, head: number): Span => {
  if (cursor === undefined) return { after: 0, until: head, limit };
  const [after = 0, until = 0] = cursor.split('.').map(Number);
  if (after > until || until > head) throw new OAuthError('invalid_request', 'the cursor is not of this log');
  return { after, until, limit };
};

/** One more than a page holds, by which is known whether another one follows. */
export const withOneMore = (span: Span): Span => ({ ...span, limit: span.limit + 1 });

/** The page, and the cursor of the one after it; null behind the last. */
export const pageOf = <Item>(found: readonly Item[], { until, limit }: Span, placeOf: (item: Item) => number) => {
  const items = found.slice(0, limit);
  const last = items.at(-1);
  return { items, next: found.length > limit && last !== undefined ? `${placeOf(last)}.${until}` : null };
};

/** The position of a moment, or another one where none is named. */
export const orElse = (text: string | undefined, otherwise: number, now: Now): number =>
  text === undefined ? otherwise : positionOf(text, now);
