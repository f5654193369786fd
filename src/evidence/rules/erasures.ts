import { type Fact, goesOn, momentOf, type Say, type World } from './world.ts';

/** R16: a PSU is erased once. */
export const psuFact = (world: World, fact: Fact, say: Say): void => {
  if (fact.data['psuId'] !== fact.id) say('R16', 'the fact is about another PSU than its stream');
  if (fact.type !== 'PsuErased') return;
  if (world.erased.has(fact.id)) say('R16', 'the PSU was erased before');
  else world.erased.set(fact.id, momentOf(fact));
};

/** R16: nothing is sealed for a PSU who was erased. */
export const psuIsThere = (world: World, fact: Fact, say: Say): void => {
  const { sealedFor } = fact;
  if (sealedFor !== null && !goesOn(world, world.erased.get(sealedFor), fact)) say('R16', `PSU ${sealedFor} was erased before`);
};
