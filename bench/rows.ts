import type { Filling } from './filling.ts';
import type { Job } from './load.ts';
import type { How } from './measure.ts';

/** Who is measured in most rows. */
export const PEERS = ['ours', 'peer, memory', 'peer, sqlite'] as const;
/** Who is measured where the peer has nothing like it: the least that a lookup costs. */
export const LIMIT = ['ours', 'limit'] as const;
export type Contender = (typeof PEERS)[number] | (typeof LIMIT)[number];

/** One row of the table: what is done, and how many times the peer's rate ours is to reach. */
export interface Row {
  name: string;
  scenario: Job['scenario'];
  client: Job['client'];
  outstanding: number;
  idTokenAlg: 'ES256' | 'PS256';
  /** What the servers are filled with. Such a row is measured beside the limit, not beside the peer. */
  filling: Filling | null;
  toReach: Partial<Record<Exclude<Contender, 'ours'>, number>>;
}

/** Who takes part in a row: those who can do what it does. */
export const contendersOf = ({ filling }: Row): readonly Contender[] => (filling === null ? PEERS : LIMIT);

const METHOD = {
  secret: 'client_secret_post',
  privateKeyJwt: 'private_key_jwt',
  signedRequest: 'private_key_jwt + signed request',
  ping: 'client_secret_post',
  gateway: 'client_secret_basic',
};

/** A row, named for what is done and for how the client proves who it is. */
export const row = (what: string, of: Pick<Row, 'scenario' | 'client'> & Partial<Row>): Row => ({
  name: `${what}, ${METHOD[of.client]}`,
  outstanding: 0,
  idTokenAlg: 'ES256',
  filling: null,
  toReach: {},
  ...of,
});

/** How many requests wait while one is polled. The cost of a poll is to stay flat within 20 % from the fewest to the most. */
export const OUTSTANDING = [1_000, 10_000, 100_000];

/** As many requests as wait at most. */
export const mostOutstanding = ({ quick }: Pick<How, 'quick'>): number => (quick ? Math.min(...OUTSTANDING) : Math.max(...OUTSTANDING));

const pendingPolls = (client: Row['client'], toReach: Row['toReach']): Row[] =>
  OUTSTANDING.map((outstanding) =>
    row(`pending poll, ${outstanding.toLocaleString('en')} outstanding`, { scenario: 'pendingPoll', client, outstanding, toReach }),
  );

const ceremonies: Pick<Row, 'scenario' | 'toReach'> = { scenario: 'ceremony', toReach: { 'peer, memory': 1.2, 'peer, sqlite': 4.5 } };

const OF_MANY = (of: Filling['of']) => ({ client: 'gateway' as const, filling: { of, count: 100_000 }, toReach: { limit: 0.7 } });

/** The rows of one group are measured together, round by round, so that they can be compared with one another. */
export const GROUPS: readonly Row[][] = [
  [row('CIBA request', { scenario: 'cibaRequest', client: 'secret', toReach: { 'peer, memory': 2, 'peer, sqlite': 4.5 } })],
  [row('CIBA request', { scenario: 'cibaRequest', client: 'privateKeyJwt', toReach: { 'peer, memory': 1.8, 'peer, sqlite': 4.5 } })],
  [row('CIBA request', { scenario: 'cibaRequest', client: 'signedRequest', toReach: { 'peer, memory': 1.7, 'peer, sqlite': 3.5 } })],
  pendingPolls('secret', { 'peer, memory': 3.5 }),
  pendingPolls('privateKeyJwt', { 'peer, memory': 2.2 }),
  [row('introspection', { scenario: 'introspection', client: 'secret' })],
  [row('ceremony ES256', { ...ceremonies, client: 'secret' })],
  [row('ceremony ES256', { ...ceremonies, client: 'privateKeyJwt' })],
  [row('request, approval and ping', { scenario: 'ping', client: 'ping', toReach: { 'peer, memory': 1.7, 'peer, sqlite': 3.5 } })],
  [row('ceremony PS256', { scenario: 'ceremony', client: 'secret', idTokenAlg: 'PS256' })],
  [row('consent validate, 100,000 consents', { ...OF_MANY('consents'), scenario: 'validate' })],
  // By an access token of each user: a password would have to be checked, which the limit does not do.
  [{ ...row('', { ...OF_MANY('devices'), scenario: 'deviceLookup' }), name: 'device lookup, 100,000 devices, bearer token' }],
];
