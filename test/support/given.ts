import { expect } from '@jest/globals';
import type { Decider, Decision } from '../../src/domain/decider.ts';
import type { EventFamily, EventOf, FactOf } from '../../src/domain/events.ts';
import { OAuthError, type OAuthErrorCode } from '../../src/domain/oauth-error.ts';
import type { StoredEvent } from '../../src/domain/ports/event-store.ts';
import type { Sealed } from '../../src/domain/ports/sealer.ts';

// biome-ignore lint/suspicious/noExplicitAny: any family; the decider at hand brings the exact one
type AnyFamily = EventFamily<any>;

/** The id of the aggregate whose past is given. */
export const ID = 'the-one';

/** The id of its event at a revision. */
export const eventIdAt = (revision: number): string => `event-${revision}`;

/** Facts of one stream as the log would give them back. Their personal parts are not encrypted: `personalPart` reads them. */
export const recorded = <Family extends AnyFamily>(family: Family, ...facts: FactOf<Family>[]): EventOf<Family>[] =>
  facts.map((fact, revision) => family.decode(stored(family, fact as { type: string; data: unknown }, revision)) as EventOf<Family>);

/** What `recorded` sealed. */
export const personalPart = ({ text }: Sealed): unknown => JSON.parse(text);

const stored = (family: AnyFamily, fact: { type: string; data: unknown }, revision: number): StoredEvent => {
  const { version, data, personal } = family.encode(fact);
  return {
    id: eventIdAt(revision),
    stream: `${family.category}-${ID}`,
    revision,
    position: revision + 1,
    recordedAt: 0,
    type: fact.type,
    version,
    actor: { kind: 'engine', id: 'test' },
    correlationId: ID,
    causationId: null,
    data,
    sealed: personal,
  };
};

/** The state that a past adds up to. */
export const stateOf = <State, Family extends AnyFamily>(
  { events, initial, evolve }: Decider<State, Family>,
  ...past: FactOf<Family>[]
): State => recorded(events, ...past).reduce(evolve, initial);

/** That this refuses with a code. */
export const expectRefusal = (act: () => unknown, error: OAuthErrorCode): void => {
  expect(act).toThrow(OAuthError);
  expect(act).toThrow(expect.objectContaining({ error }));
};

/** Given a past, when a decision is taken, then it states these facts (none: it has nothing new to say), or refuses with a code. */
export const given = <State, Family extends AnyFamily>(decider: Decider<State, Family>, ...past: FactOf<Family>[]) => ({
  when: (decision: Decision<State, Family>) => ({
    // biome-ignore lint/suspicious/noThenProperty: given, when, then; nobody awaits it
    then: (...facts: FactOf<Family>[]): void => {
      const decided = decision(stateOf(decider, ...past));
      expect(decided).toStrictEqual(facts);
      // What was decided can be kept, and read again.
      recorded(decider.events, ...decided);
    },
    refuses: (code: OAuthErrorCode): void => expectRefusal(() => decision(stateOf(decider, ...past)), code),
  }),
});
