import { createSecretKey } from 'node:crypto';
import { systemIds } from '../../src/adapters/clock.ts';
import { encrypt } from '../../src/adapters/keys/aes-gcm.ts';
import { sealingContext } from '../../src/domain/events.ts';
import type { BundledFact } from '../../src/evidence/bundle.ts';
import type { LeafEvent } from '../../src/evidence/leaf.ts';
import { openWithEventKey, readSealedText, sealedText } from '../../src/evidence/sealed-text.ts';
import type { History } from './histories.ts';
import { renumbered } from './mutations.ts';

// biome-ignore lint/suspicious/noExplicitAny: the members of whichever event is changed
export type Json = any;
export type Facts = readonly BundledFact[];

/** How somebody who has every key forges a log, and which rule shows it. */
export interface Recipe {
  name: string;
  rule: string;
  /** How the type of the fact begins at which it shows, where that is not the one that was changed. */
  at?: string;
  /** The forged log, and the first fact in it that may be in doubt; null where this log has nothing for it. */
  make(facts: Facts, history: History): { facts: BundledFact[]; index: number } | null;
}

/** The public part of a fact. */
export const dataOf = ({ event }: BundledFact): Json => JSON.parse(event.data);

/** The same fact with another public part. */
export const withData = (fact: BundledFact, data: object): BundledFact => ({
  ...fact,
  event: { ...fact.event, data: JSON.stringify(data) },
});

const contextOf = ({ event }: BundledFact): string => sealingContext(event.stream, event.revision, event);

/** What is sealed in a fact, if it can be opened. */
export const personalOf = (fact: BundledFact): Json | null => {
  const { event, key } = fact;
  return event.sealed === null || key === undefined ? null : JSON.parse(openWithEventKey(event.sealed, contextOf(fact), key));
};

/** The same fact with something else inside, sealed with the right key. */
export const withPersonal = (fact: BundledFact, personal: object): BundledFact => {
  const { event, key = '' } = fact;
  const secret = Buffer.from(key, 'base64url');
  const text = encrypt(createSecretKey(secret), Buffer.from(JSON.stringify(personal)), contextOf(fact));
  const sealed = sealedText(readSealedText(event.sealed ?? '')?.name ?? '', secret, contextOf(fact), text);
  return { ...fact, event: { ...event, sealed } };
};

/** The facts on the stream of a fact. */
export const streamOf = (facts: Facts, { event }: BundledFact): BundledFact[] =>
  facts.filter((other) => other.event.stream === event.stream);

/** What a stream began with. */
export const beginningOf = (facts: Facts, fact: BundledFact): Json => dataOf(streamOf(facts, fact)[0] as BundledFact);

/** The id of a stream. */
export const idOf = ({ event }: BundledFact): string => event.stream.slice(event.stream.indexOf('-') + 1);

/** Another fact in the place of the last one of this type for which there is one. */
export const changed = (
  type: string,
  rule: string,
  what: string,
  change: (fact: BundledFact, facts: Facts, history: History) => BundledFact | null,
): Recipe => ({
  name: `${type}: ${what}`,
  rule,
  make(facts, history) {
    for (let index = facts.length - 1; index >= 0; index -= 1) {
      const fact = facts[index] as BundledFact;
      const other = fact.event.type === type ? change(fact, facts, history) : null;
      if (other !== null) return { facts: facts.with(index, other), index };
    }
    return null;
  },
});

/** Another public part. */
export const edit = (
  type: string,
  rule: string,
  what: string,
  change: (data: Json, fact: BundledFact, facts: Facts) => Json | null,
): Recipe =>
  changed(type, rule, what, (fact, facts) => {
    const data = change(dataOf(fact), fact, facts);
    return data === null ? null : withData(fact, data);
  });

/** Something else inside a sealed part. */
export const resealed = (
  type: string,
  rule: string,
  what: string,
  change: (personal: Json, fact: BundledFact, facts: Facts) => Json | null,
): Recipe =>
  changed(type, rule, `sealed: ${what}`, (fact, facts) => {
    const personal = personalOf(fact);
    const other = personal === null ? null : change(personal, fact, facts);
    return other === null ? null : withPersonal(fact, other);
  });

/** Something else in the envelope of the last fact. */
export const envelope = (rule: string, what: string, change: (event: LeafEvent, facts: Facts) => LeafEvent): Recipe => ({
  name: what,
  rule,
  make(facts) {
    const index = facts.length - 1;
    const fact = facts[index] as BundledFact;
    return { facts: facts.with(index, { ...fact, event: change(fact.event, facts) }), index };
  },
});

/** A fact at the end, made from the last one of this type for which that can be. What is sealed in it is not opened. */
export const again = (
  type: string,
  rule: string,
  what: string,
  change: (data: Json, fact: BundledFact, facts: Facts) => Json | null = (data) => data,
  as: Partial<Pick<LeafEvent, 'type' | 'version'>> = {},
): Recipe => ({
  name: `${type}: ${what}`,
  rule,
  make(facts) {
    for (const fact of facts.filter(({ event }) => event.type === type).reverse()) {
      const data = change(dataOf(fact), fact, facts);
      if (data === null) continue;
      const event = { ...fact.event, ...as, id: systemIds.uuid(), data: JSON.stringify(data), revision: streamOf(facts, fact).length };
      return { facts: [...facts, { index: facts.length, event }], index: facts.length };
    }
    return null;
  },
});

/** A fact of this type on a stream that nothing else stands on. */
export const ofNothing = (type: string, rule: string): Recipe => ({
  name: `${type}: of nothing`,
  rule,
  make(facts) {
    const { event } = facts.findLast((fact) => fact.event.type === type) ?? {};
    if (event === undefined) return null;
    const stream = `${event.stream.slice(0, event.stream.indexOf('-'))}-nothing`;
    const fact = { index: facts.length, event: { ...event, id: systemIds.uuid(), stream, revision: 0 } };
    return { facts: [...facts, fact], index: facts.length };
  },
});

type Where = (data: Json, fact: BundledFact, facts: Facts) => boolean;
const ALWAYS: Where = () => true;

/** A fact becomes one of another type, which has the same members. */
export const retyped = (type: string, to: readonly [type: string, version: number], rule: string, at: string, where = ALWAYS): Recipe => ({
  ...changed(type, rule, `as ${to[0]}`, ({ key: _, ...fact }, facts) =>
    where(dataOf(fact), fact, facts) ? { ...fact, event: { ...fact.event, type: to[0], version: to[1] } } : null,
  ),
  at,
});

/** A fact of this type is left out, and the others are numbered as if it had not been. */
export const without = (type: string, rule: string, at: string, where = ALWAYS): Recipe => ({
  ...{ name: `no ${type}`, rule, at },
  make(facts) {
    const index = facts.findLastIndex((fact) => fact.event.type === type && where(dataOf(fact), fact, facts));
    return index === -1 ? null : { facts: renumbered(facts.toSpliced(index, 1)), index };
  },
});

/** Facts are left out, or stand elsewhere; the others are numbered as if that had been so. */
export const rearranged = (
  name: string,
  rule: string,
  at: string,
  arrange: (facts: Facts) => { facts: BundledFact[]; index: number } | null,
): Recipe => ({
  ...{ name, rule, at },
  make(facts) {
    const made = arrange(facts);
    return made && { ...made, facts: renumbered(made.facts) };
  },
});

/** What has ended, before a fact: how long before it, by both clocks. */
const LONG_BEFORE = { at: 60, recordedAt: 60_000 };

/** An end that was there before a fact of this type, with time between them. */
export const endedBefore = (
  type: string,
  rule: string,
  ending: (data: Json, fact: BundledFact, facts: Facts) => { stream: string; type: string; data: object } | null,
  before = LONG_BEFORE,
): Recipe => ({
  name: `${type}: behind an end`,
  rule,
  make(facts) {
    for (const [index, fact] of facts.entries()) {
      if (fact.event.type !== type) continue;
      const data = dataOf(fact);
      const end = ending(data, fact, facts);
      const stream = facts.filter(({ event }) => event.stream === end?.stream);
      // Nothing of the stream may stand behind it, so that all others keep their revisions.
      if (end === null || stream.some((other) => other.index >= index)) continue;
      const { recordedAt, actor } = fact.event;
      const event: LeafEvent = {
        ...{ id: systemIds.uuid(), type: end.type, version: 1, actor, correlationId: 'x', causationId: null },
        ...{ data: JSON.stringify({ ...end.data, at: data.at - before.at }), sealed: null, stream: end.stream },
        ...{ revision: stream.length, recordedAt: recordedAt - before.recordedAt },
      };
      return { facts: facts.toSpliced(index, 0, { index, event }).map((one, at) => ({ ...one, index: at })), index: index + 1 };
    }
    return null;
  },
});

/** It shows in a fact behind the one that was changed. */
export const shownAt = (at: string, recipe: Recipe): Recipe => ({ ...recipe, name: `${recipe.name} (${at})`, at });
