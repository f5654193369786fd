import type { Decider } from './decider.ts';
import type { EventFamily, EventOf } from './events.ts';
import type { EventStore } from './ports/event-store.ts';

// biome-ignore lint/suspicious/noExplicitAny: any family; the decider at hand brings the exact one
type AnyFamily = EventFamily<any>;

/** What the events of a stream add up to, and the place of the last of them: revision -1 where there is none. */
export interface Folded<State> {
  state: State;
  revision: number;
  position: number;
}

export type Fold = <State, Family extends AnyFamily>(decider: Decider<State, Family>, id: string) => Promise<Folded<State>>;

// A shorter stream is read and folded in no time. Refresh tokens make a grant's stream thousands of events long.
const KEPT_FROM = 64;
const MOST_KEPT = 512;

/**
 * Folds the streams of a store. Of long ones what was folded last is kept, so that only what has come since is read. Events never change, so
 * that nothing depends on it.
 */
export const makeFold = (store: Pick<EventStore, 'read'>): Fold => {
  const kept = new Map<string, { decider: unknown; folded: Folded<unknown> }>();

  const keep = (stream: string, decider: unknown, folded: Folded<unknown>) => {
    kept.delete(stream);
    kept.set(stream, { decider, folded });
    // The one that was used longest ago.
    if (kept.size > MOST_KEPT) kept.delete(kept.keys().next().value as string);
  };

  return async <State, Family extends AnyFamily>(decider: Decider<State, Family>, id: string): Promise<Folded<State>> => {
    const { events, initial, evolve } = decider;
    const stream = `${events.category}-${id}`;
    const known = kept.get(stream);
    let { state, revision, position } = known?.decider === decider ? (known.folded as Folded<State>) : fromNothing(initial);
    for (const stored of await store.read(stream, revision + 1)) {
      state = evolve(state, events.decode(stored) as EventOf<typeof events>);
      ({ revision, position } = stored);
    }
    const folded = { state, revision, position };
    if (revision >= KEPT_FROM) keep(stream, decider, folded);
    return folded;
  };
};

/** A stream that has not begun. */
export const fromNothing = <State>(initial: State): Folded<State> => ({ state: initial, revision: -1, position: 0 });
