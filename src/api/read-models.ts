import type { EventStore } from '../domain/ports/event-store.ts';
import type { Rows } from '../domain/ports/rows.ts';
import type { Projections } from '../projections/runner.ts';

/** The read models of this node, and how to be sure of them. */
export interface ReadModels {
  rows: Rows;
  /** Looks something up; what is not there is looked up again once the read models have seen everything that stands in the log now. */
  find<Found>(look: (rows: Rows) => Found | undefined): Promise<Found | undefined>;
  /** Resolves when the read models have seen everything that stands in the log now. */
  latest(): Promise<void>;
  /** Resolves when the read models have seen a position. */
  reached(position: number): Promise<void>;
}

/** The read models that follow a store. */
export const readModels = (store: EventStore, rows: Rows, projections: Projections): ReadModels => ({
  rows,
  reached: projections.reached,
  async latest() {
    await projections.reached(await store.head());
  },
  async find(look) {
    // What the rows had seen when they were looked at: they go on while the store is asked.
    const seen = projections.position();
    const found = look(rows);
    if (found !== undefined) return found;
    const head = await store.head();
    if (seen >= head) return undefined;
    await projections.reached(head);
    return look(rows);
  },
});
