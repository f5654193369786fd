import { type Fact, goesOn, momentOf, type Say, type World } from './world.ts';

/** R1: a client is registered once and disabled once; nothing of it changes afterwards. */
export const clientFact = (world: World, fact: Fact, say: Say): void => {
  const client = world.clients.get(fact.id);
  if (fact.type === 'ClientRegistered') {
    if (client !== undefined) say('R1', 'the client was registered before');
    world.clients.set(fact.id, { disabled: null });
    return;
  }
  if (client === undefined || client.disabled !== null) {
    say('R1', 'the client is not registered, or was disabled before');
    return;
  }
  if (fact.type === 'ClientDisabled') client.disabled = momentOf(fact);
};

/** R1: what a client asks for or gets, it asks for or gets while it is registered. */
export const clientIsActive = (world: World, clientId: string, fact: Fact, say: Say): void => {
  const client = world.clients.get(clientId);
  if (client === undefined) say('R1', `client ${clientId} is not registered`);
  else if (!goesOn(world, client.disabled, fact)) say('R1', `client ${clientId} was disabled before`);
};
