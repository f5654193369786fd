import type { EventOf, FactOf } from './events.ts';

/** One kind of aggregate: its events, and the state that they add up to. */
export interface Decider<State, Family> {
  events: Family;
  initial: State;
  evolve(state: State, event: EventOf<Family>): State;
}

/** A decision: state in, new facts out. It refuses by throwing an `OAuthError`; no facts means that all was said before. */
export type Decision<State, Family> = (state: State) => readonly FactOf<Family>[];
