import * as z from 'zod';
import type { Told } from './told.ts';

/** As many of each kind are told at once: 300 KB at most, where an event store takes a megabyte. */
export const MOST_IN_BATCH = 2000;

const text = z.string().max(128);
const whole = z.int().min(0);
const list = <Item extends z.ZodType>(item: Item) => z.array(item).max(MOST_IN_BATCH);

/** What one process tells at once: in a short form the arguments of `Told`. */
const newsBatch = z.object({
  limits: z.literal(1),
  origin: text,
  used: list(z.tuple([text, whole])),
  polled: list(z.tuple([text, whole, whole, whole, whole])),
  spent: list(z.tuple([text, text, whole, whole, whole])),
});
export type NewsBatch = z.infer<typeof newsBatch>;

/** Tells on everything in a batch. */
export const tellEach = ({ origin, used, polled, spent }: NewsBatch, told: Told): void => {
  for (const [identifier, expiresAt] of used) told.used(identifier, expiresAt);
  for (const [requestId, polledAt, intervalMs, slowedMs, expiresAtMs] of polled)
    told.polled(requestId, { polledAt, intervalMs, slowedMs, expiresAtMs });
  for (const [budget, key, revision, count, until] of spent) told.spent(budget, key, { origin, revision, count, until });
};

/** The batch that another process has told, or null: what is malformed, or comes from this process itself, says nothing. */
export const heardBatch = (news: unknown, ownOrigin: string): NewsBatch | null => {
  if (typeof news === 'object' && news !== null && 'origin' in news && news.origin === ownOrigin) return null;
  return newsBatch.safeParse(news).data ?? null;
};
