import type { Decider, Decision } from './decider.ts';
import type { EventFamily } from './events.ts';
import { sealedFor, sealingContext } from './events.ts';
import { fromNothing, makeFold } from './fold.ts';
import type { Ids } from './ports/clock.ts';
import { type Actor, type EventStore, type NewEvent, RevisionConflict } from './ports/event-store.ts';
import type { Sealer } from './ports/sealer.ts';

/** What a decision is recorded with. */
export interface Command {
  /** The ids of the events are derived from it: the same command, repeated, is the same events. */
  id: string;
  actor: Actor;
  correlationId: string;
  causationId: string | null;
  /** Most likely nothing stands on the stream yet, so that reading it can wait for a conflict. */
  fresh?: boolean;
  /** It may have been kept before, under the same id, without anybody knowing: then it is not decided again. */
  again?: boolean;
}

/**
 * The outcome of a decision: the state that it was made on, and the ids and last position of what it recorded (none: it had nothing new to
 * say).
 */
export interface Decided<State> {
  state: State;
  eventIds: readonly string[];
  position: number;
}

// biome-ignore lint/suspicious/noExplicitAny: any family; the decider and its decision hold the exact one
type AnyFamily = EventFamily<any>;

/** Reads the stream, decides, appends at the revision that was read. On a conflict it decides again on the newer state. */
export type Decide = <State, Family extends AnyFamily>(
  decider: Decider<State, Family>,
  id: string,
  decision: Decision<State, Family>,
  command: Command,
) => Promise<Decided<State>>;

/** The state of an aggregate, from its stream. */
export type Load = <State, Family extends AnyFamily>(decider: Decider<State, Family>, id: string) => Promise<State>;

// Each round one of the callers wins, so this many may meet on one stream before one of them gives up.
const ATTEMPTS = 256;

/** Loads from a store. */
export const makeLoad = (store: EventStore): Load => {
  const fold = makeFold(store);
  return async (decider, id) => (await fold(decider, id)).state;
};

interface Fact {
  type: string;
  data: unknown;
}

/** Decides on a store; what is personal is sealed before it is appended. */
export const makeDecide = ({ store, sealer, ids }: { store: EventStore; sealer: Sealer; ids: Ids }): Decide => {
  const fold = makeFold(store);
  return async (decider, id, decision, command) => {
    const { events, initial } = decider;
    const stream = `${events.category}-${id}`;
    for (let attempt = 1; ; attempt += 1) {
      const isFresh = command.fresh === true && attempt === 1;
      const { state, revision, position } = isFresh ? fromNothing(initial) : await fold(decider, id);
      const isKept = command.again === true && (await store.read(stream)).some((stored) => stored.id === ids.derived(`${command.id}/0`));
      const facts = isKept ? [] : decision(state);
      if (facts.length === 0) return { state, eventIds: [], position };
      const texts = (facts as readonly Fact[]).map((fact) => events.encode(fact));
      const subjectOf = (index: number) => sealedFor(events, id, (facts[index] as Fact).data);
      if (sealer.prepare !== undefined)
        await sealer.prepare(texts.flatMap(({ personal }, index) => (personal === null ? [] : [subjectOf(index)])));
      const appended = texts.map(({ version, compatibleFrom, data, personal }, index): NewEvent => {
        const { type } = facts[index] as Fact;
        const event = { id: ids.derived(`${command.id}/${index}`), type, version };
        const context = sealingContext(stream, revision + 1 + index, event);
        const sealed = personal && sealer.seal(subjectOf(index), personal, context);
        const { actor, correlationId, causationId } = command;
        return { ...event, compatibleFrom, actor, correlationId, causationId, data, sealed };
      });
      try {
        const { position } = await store.append(stream, appended, revision);
        return { state, eventIds: appended.map((event) => event.id), position };
      } catch (error) {
        if (!(error instanceof RevisionConflict) || attempt === ATTEMPTS) throw error;
      }
    }
  };
};
