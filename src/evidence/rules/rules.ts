import { authorizationFact } from './authorizations.ts';
import { clientFact } from './clients.ts';
import { consentFact } from './consents.ts';
import { deviceFact } from './devices.ts';
import { psuFact, psuIsThere } from './erasures.ts';
import { grantFact } from './grants.ts';
import { cibaRequestFact } from './requests.ts';
import { authenticationFact } from './sessions.ts';
import type { Fact, Say, World } from './world.ts';

/** The rules of the families that have some. They are written apart from the deciders, which made the facts. */
const RULES: Readonly<Record<string, (world: World, fact: Fact, say: Say) => void>> = {
  client: clientFact,
  device: deviceFact,
  consent: consentFact,
  cibaRequest: cibaRequestFact,
  authorization: authorizationFact,
  grant: grantFact,
  authentication: authenticationFact,
  psu: psuFact,
};

/** Judges a fact by all that came before it, and adds it to that. */
export const judge = (world: World, category: string, fact: Fact, say: Say): void => {
  psuIsThere(world, fact, say);
  RULES[category]?.(world, fact, say);
};
