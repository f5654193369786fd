import type { Fact, Say, World } from './world.ts';

/** R15: a sign-in is one fact. Those in a browser for the back channel are sessions, under their ids. */
export const authenticationFact = (world: World, { type, id, revision, at, data }: Fact, say: Say): void => {
  if (revision !== 0) say('R15', 'a sign-in is one fact');
  if (type === 'AuthenticationSucceeded' && data['flow'] === 'ciba' && data['step'] === 'basic')
    world.sessions.set(id, { psuId: data['psuId'] as string, at });
};
