import type { BundledFact } from '../../src/evidence/bundle.ts';
import { KNOWN } from '../../src/evidence/rules/known.ts';
import { factsOf } from './bundles.ts';
import { OF_ANSWERS } from './forged-answers.ts';
import { OF_CONSENTS } from './forged-consents.ts';
import { OF_GRANTS } from './forged-grants.ts';
import { OF_PARTIES } from './forged-parties.ts';
import { OF_REQUESTS } from './forged-requests.ts';
import { OF_SHOWINGS } from './forged-showings.ts';
import { makeHistory } from './histories.ts';
import { changed, dataOf, envelope, type Recipe, withData } from './recipes.ts';

/** What somebody makes of a log who has every key, and which rule shows it at which fact. */
export interface Forgery {
  name: string;
  rule: string;
  facts: BundledFact[];
  /** Of the first fact that may be in doubt. */
  index: number;
  /** How the type of the fact begins at which the rule is broken; it is broken at the index where this is not given. */
  at: string | undefined;
}

// What is not of the kind that a member has to be.
const WRONG: Readonly<Record<string, unknown>> = { t: 1, 't?': 1, n: '1', 'n?': 0.5, b: 1, l: [1], o: [], 'o?': 'x' };

/** A member of this kind is of another one. */
const ofWrongKind = (kind: string): Recipe => ({
  name: `a member that is not ${kind}`,
  rule: 'P1',
  make(facts) {
    for (const [index, fact] of facts.entries()) {
      const { members = [] } = KNOWN.get(fact.event.type)?.versions[fact.event.version - 1] ?? {};
      const name = members.find((member) => member[1] === kind)?.[0];
      if (name !== undefined) return { facts: facts.with(index, withData(fact, { ...dataOf(fact), [name]: WRONG[kind] })), index };
    }
    return null;
  },
});

/** What breaks the rules of the form (S2 to S4, P1 to P3). */
const OF_FORM: readonly Recipe[] = [
  envelope('S2', 'a revision too many', (event) => ({ ...event, revision: event.revision + 1 })),
  envelope('S2', 'a revision too few', (event) => ({ ...event, revision: event.revision - 1 })),
  envelope('S3', 'the id of another event', (event, facts) => ({ ...event, id: (facts[0] as BundledFact).event.id })),
  envelope('S4', 'a type that nobody knows', (event) => ({ ...event, type: 'SomethingNoted' })),
  envelope('S4', 'a version that nobody knows', (event) => ({ ...event, version: 99 })),
  envelope('S4', 'a version that nobody can read', (event) => ({ ...event, version: 99, compatibleFrom: 98 })),
  envelope('S4', 'another kind of stream', ({ stream, ...event }) => ({
    ...event,
    stream: `push${stream.slice(stream.indexOf('-'))}`,
    revision: 0,
  })),
  changed('GrantOpened', 'S4', 'on another kind of stream, whose name is as long', (fact) => ({
    ...fact,
    event: { ...fact.event, stream: fact.event.stream.replace('grant', 'audit') },
  })),
  envelope('S4', 'a stream without an id', ({ stream, ...event }) => ({
    ...event,
    stream: stream.slice(0, stream.indexOf('-') + 1),
    revision: 0,
  })),
  envelope('S4', 'a stream without a kind', ({ stream, ...event }) => ({ ...event, stream: stream.replace('-', '_'), revision: 0 })),
  envelope('P1', 'a member too many', (event) => ({ ...event, data: event.data.replace('{', '{"more":1,') })),
  envelope('P1', 'a member too few', (event) => ({ ...event, data: event.data.replace(/,"[^"]*":[^,]*}$/, '}') })),
  envelope('P1', 'no JSON', (event) => ({ ...event, data: '{' })),
  envelope('P1', 'no object', (event) => ({ ...event, data: '[]' })),
  ...Object.keys(WRONG).map(ofWrongKind),
  {
    name: 'a sealed part that is not there',
    rule: 'P2',
    make(facts) {
      const index = facts.findIndex(({ event }) => event.type === 'ConsentRetrieved');
      const fact = facts[index];
      if (fact === undefined) return null;
      const { key: _, ...without } = fact;
      return { facts: facts.with(index, { ...without, event: { ...fact.event, sealed: null } }), index };
    },
  },
  {
    name: 'a sealed part that should not be there',
    rule: 'P2',
    make(facts) {
      const index = facts.findIndex(({ event }) => event.type === 'AccessTokenIssued');
      const fact = facts[index];
      return fact === undefined ? null : { facts: facts.with(index, { ...fact, event: { ...fact.event, sealed: 'x' } }), index };
    },
  },
  {
    name: 'a sealed part of another event',
    rule: 'P3',
    make(facts) {
      const [one, other] = facts.filter(({ event, key }) => event.type === 'ConsentRetrieved' && key !== undefined);
      if (one === undefined || other === undefined) return null;
      return {
        facts: facts.with(one.index, { ...one, key: other.key, event: { ...one.event, sealed: other.event.sealed } }),
        index: one.index,
      };
    },
  },
];

const RECIPES: readonly Recipe[] = [...OF_FORM, ...OF_PARTIES, ...OF_REQUESTS, ...OF_SHOWINGS, ...OF_ANSWERS, ...OF_CONSENTS, ...OF_GRANTS];

/** What is made by recipes, each of a log that has what it needs. */
export const madeBy = async (recipes: readonly Recipe[]): Promise<Forgery[]> => {
  const open = new Set(recipes);
  const made: Forgery[] = [];
  for (let seed = 500; open.size > 0; seed += 1) {
    if (seed === 700) throw new Error(`no log has what this needs: ${[...open].map(({ name }) => name).join(', ')}`);
    const history = await makeHistory(seed, 14);
    const facts = factsOf(history);
    for (const recipe of open) {
      const forged = recipe.make(facts, history);
      if (forged === null) continue;
      made.push({ name: recipe.name, rule: recipe.rule, at: recipe.at, ...forged });
      open.delete(recipe);
    }
  }
  return made;
};

/** Every forgery. */
export const forgeries = (): Promise<Forgery[]> => madeBy(RECIPES);
