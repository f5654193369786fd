import { setImmediate as nextTurn } from 'node:timers/promises';
import * as z from 'zod';
import { decode } from '../../domain/catalogue.ts';
import type { EventStore, StoredEvent } from '../../domain/ports/event-store.ts';
import type { Rows } from '../../domain/ports/rows.ts';
import type { Sealed, Sealer } from '../../domain/ports/sealer.ts';
import { withoutSecrets } from '../../domain/replay.ts';
import { type FactPlace, lastRevisionOf, lastUpTo } from '../../projections/audit-search.ts';

/** A fact as an auditor reads it. */
export const fact = z.object({
  position: z.int(),
  stream: z.string(),
  revision: z.int(),
  event_id: z.string(),
  type: z.string(),
  version: z.int(),
  recorded_at: z.string(),
  actor: z.object({ kind: z.string(), id: z.string() }),
  correlation_id: z.string(),
  causation_id: z.string().nullable(),
  reason: z.string().nullable(),
  data: z.record(z.string(), z.unknown()),
  personal: z
    .union([z.record(z.string(), z.unknown()), z.literal('erased')])
    .nullable()
    .describe('what was sealed: opened, with what is still a secret as `withheld`, or `erased`; null where there is nothing'),
});
export type Fact = z.output<typeof fact>;

/** Which fact it was, who caused it and why. */
export const cause = fact.pick({
  position: true,
  event_id: true,
  type: true,
  recorded_at: true,
  actor: true,
  causation_id: true,
  reason: true,
});

/** A fact as the cause of something. */
export const causeOf = ({ position, id, type, recordedAt, actor, causationId, data }: StoredEvent): z.output<typeof cause> => ({
  ...{ position, event_id: id, type, recorded_at: new Date(recordedAt).toISOString(), actor, causation_id: causationId },
  reason: reasonIn(JSON.parse(data) as Record<string, unknown>),
});

const reasonIn = ({ reason }: Record<string, unknown>): string | null => (typeof reason === 'string' ? reason : null);

/** Opens facts for auditors. */
export const makeFactOf =
  (sealer: Sealer) =>
  (stored: StoredEvent): Fact => {
    const { stream, revision, version, correlationId: correlation_id, data } = stored;
    const told = { correlation_id, data: JSON.parse(data) as Record<string, unknown>, personal: personalOf(stored, sealer) };
    return { ...causeOf(stored), stream, revision, version, ...told };
  };
export type FactOf = ReturnType<typeof makeFactOf>;

const personalOf = (stored: StoredEvent, sealer: Sealer): Fact['personal'] => {
  const { sealed } = decode(stored);
  if (sealed === null) return null;
  const text = sealer.open(sealed);
  return text === null ? 'erased' : (withoutSecrets(JSON.parse(text)) as Record<string, unknown>);
};

/** Whether what is sealed holds what somebody could still use. */
export const holdsSecrets = (sealed: Sealed, sealer: Sealer): boolean => {
  const text = sealer.open(sealed);
  return text !== null && JSON.stringify(withoutSecrets(JSON.parse(text))) !== text;
};

// A stream is read to its end where that is at most so many facts for each that is wanted.
const READ_FOR_ONE = 10;

/** The facts at these places, in their order. */
export const readFacts = async (store: EventStore, rows: Rows, places: readonly FactPlace[]): Promise<readonly StoredEvent[]> => {
  const byStream = [...Map.groupBy(places, ({ stream }) => stream)];
  const found = new Map<number, StoredEvent>();
  const keep = (events: readonly StoredEvent[]) => {
    for (const event of events) found.set(event.position, event);
  };
  // One after the other: a store has more to do than this, and this process, too.
  for (const [stream, there] of byStream) {
    const first = Math.min(...there.map(({ revision }) => revision));
    if (lastRevisionOf(rows, stream) - first < READ_FOR_ONE * there.length) keep(await store.read(stream, first));
    else for (const { position } of there) keep(await store.readAll(lastUpTo(rows, position - 1), 1));
    await nextTurn();
  }
  return places.map(({ position, stream }) => {
    const event = found.get(position);
    if (event === undefined) throw new Error(`${stream} does not hold event ${position}, which the audit index names`);
    return event;
  });
};
