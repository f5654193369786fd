import { makeMakeSet } from '../api/event-notifications/security-event-token.ts';
import { makeIssueTokens } from '../api/tpp/issue-tokens.ts';
import { makeTokens } from '../api/tpp/tokens.ts';
import type { Config } from '../config.ts';
import { makePersistAuthorization } from '../domain/authorization/persist.ts';
import { makeDecide, makeLoad } from '../domain/decide.ts';
import { makePersist } from '../domain/persist.ts';
import { livingPsus } from '../projections/living-psus.ts';
import type { Ports } from './ports.ts';

/** What everything in an engine is made with: its ports, and how facts are read, decided on, and become a consent's. */
export const makeCore = (ports: Ports) => {
  const { store, rows, sealer, ids } = ports;
  const decide = makeDecide({ store, sealer, ids });
  const load = makeLoad(store);
  const persist = makePersist({ decide, load, sealer, ids });
  const persistAuthorization = makePersistAuthorization({ decide, load, sealer, ids });
  return { ...ports, directory: livingPsus(ports.directory, rows), decide, load, persist, persistAuthorization };
};
export type Core = ReturnType<typeof makeCore>;

/** The same, with what is signed for others: tokens and event notifications. */
export const makeIssuing = (core: Core, { issuer, tokens: settings }: Pick<Config, 'issuer' | 'tokens'>) => {
  const { signer, ids } = core;
  const tokens = makeTokens({ signer, ids, settings: { issuer, ...settings } });
  return { ...core, tokens, issueTokens: makeIssueTokens({ ...core, tokens }), makeSet: makeMakeSet({ ...core, issuer }) };
};
export type Issuing = ReturnType<typeof makeIssuing>;
