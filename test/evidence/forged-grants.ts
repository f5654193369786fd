import type { BundledFact } from '../../src/evidence/bundle.ts';
import {
  again,
  beginningOf,
  dataOf,
  edit,
  endedBefore,
  type Facts,
  idOf,
  type Json,
  ofNothing,
  type Recipe,
  rearranged,
  shownAt,
  streamOf,
  without,
} from './recipes.ts';

const consentEnded = ({ consentId }: Json) =>
  consentId === null ? null : { stream: `consent-${consentId}`, type: 'ConsentRevoked', data: { by: 'psu' } };
const isOwn = ({ requestId }: Json) => requestId === null;
const isRedeemed = ({ requestId }: Json, fact: BundledFact) => requestId === idOf(fact);
const isAsserted = (data: Json, fact: BundledFact) => !isOwn(data) && !isRedeemed(data, fact);
const EACH = { redeemed: isRedeemed, asserted: isAsserted };
const endOfConsent = (facts: Facts, fact: BundledFact): number | null => {
  const { consentId } = beginningOf(facts, fact);
  const consent = facts.filter(({ event, index }) => event.stream === `consent-${consentId}` && index < fact.index);
  return consent.reduce<number | null>((end, one) => (dataOf(one).expiresAt === undefined ? end : dataOf(one).expiresAt), null);
};

/** What breaks the rules of grants and tokens (R11 to R14). */
export const OF_GRANTS: readonly Recipe[] = [
  again('GrantOpened', 'R11', 'again', (data) => (isOwn(data) ? data : null)),
  ofNothing('GrantRevoked', 'R11'),
  ...[{ psuId: 'alice' }, { consentId: 'x' }, { authTime: 1 }, { acr: 'x' }].map((other) =>
    edit('GrantOpened', 'R11', `of a client’s own, with ${Object.keys(other)}`, (data) => (isOwn(data) ? { ...data, ...other } : null)),
  ),
  ...Object.entries(EACH).flatMap(([kind, isKind]) => {
    const other = (what: string, change: (data: Json, facts: Facts, fact: BundledFact) => Json | null) =>
      edit('GrantOpened', 'R11', `${kind}, ${what}`, (data, fact, facts) => (isKind(data, fact) ? change(data, facts, fact) : null));
    return [
      other('more scope than was approved', (data) => ({ ...data, scope: 'openid accounts payments' })),
      other('another time of the answer', (data) => ({ ...data, authTime: data.authTime + 1 })),
      other('another PSU', (data) => ({ ...data, psuId: 'mallory' })),
      other('another acr', (data) => ({ ...data, acr: 'another' })),
      other('a request that was not approved', (data) => ({ ...data, requestId: 'another' })),
      other('for a consent that is another', (data) => ({ ...data, consentId: 'another' })),
      other('another client', (data, facts) => {
        const active = facts.find(({ event }) => event.type === 'ClientRegistered' && event.stream !== `client-${data.clientId}`);
        return active === undefined ? null : { ...data, clientId: idOf(active) };
      }),
    ];
  }),
  edit('GrantOpened', 'R11', 'redeemed, less scope', (data, fact) => (isRedeemed(data, fact) ? { ...data, scope: 'openid' } : null)),
  endedBefore('GrantOpened', 'R11', consentEnded),
  ...['CibaRequestRedeemed', 'AuthorizationCodeRedeemed'].map((type) =>
    without(type, 'R11', 'GrantOpened', (_, fact, facts) => facts.some(({ event }) => event.stream === `grant-${idOf(fact)}`)),
  ),
  ...['cibaRequest', 'authorization'].map((category) =>
    edit('GrantOpened', 'R11', `after the end of the ${category}`, (data, fact, facts) => {
      const request = facts.filter(({ event }) => event.stream === `${category}-${idOf(fact)}`);
      const limit = request.findLast((one) => dataOf(one).expiresAt !== undefined);
      return limit === undefined || endOfConsent(facts, fact) !== null ? null : { ...data, at: dataOf(limit).expiresAt + 30 };
    }),
  ),
  ...['certificateThumbprint', 'dpopKeyThumbprint'].map((member) =>
    shownAt(
      'GrantOpened',
      edit('CibaRequestReceived', 'R11', `bound by ${member}`, (data, fact, facts) =>
        facts.some(({ event }) => event.stream === `grant-${idOf(fact)}`) ? { ...data, [member]: 'x' } : null,
      ),
    ),
  ),
  shownAt(
    'GrantOpened',
    edit('AuthorizationRequested', 'R11', 'bound by dpopKeyThumbprint', (data, fact, facts) =>
      facts.some(({ event }) => event.stream === `grant-${idOf(fact)}`) ? { ...data, dpopKeyThumbprint: 'x' } : null,
    ),
  ),

  edit('AccessTokenIssued', 'R12', 'the first, more scope than the grant', (data, { event }) =>
    event.revision === 1 ? { ...data, scope: `${data.scope} payments` } : null,
  ),
  edit('AccessTokenIssued', 'R12', 'the first, less scope than the grant', (data, { event }) =>
    event.revision === 1 && data.scope !== 'accounts' ? { ...data, scope: 'accounts' } : null,
  ),
  edit('AccessTokenIssued', 'R12', 'another, more scope than the grant', (data, { event }) =>
    event.revision > 1 ? { ...data, scope: `${data.scope} payments` } : null,
  ),
  ...[true, false].map((own) =>
    edit('AccessTokenIssued', 'R12', `good for no time, ${own ? '' : 'not '}of a client’s own`, (data, fact, facts) =>
      isOwn(beginningOf(facts, fact)) === own ? { ...data, expiresAt: data.at } : null,
    ),
  ),
  edit('AccessTokenIssued', 'R12', 'good for longer than its consent', (data, fact, facts) => {
    const end = endOfConsent(facts, fact);
    return end === null ? null : { ...data, expiresAt: end + 1 };
  }),
  edit('AccessTokenIssued', 'R12', 'half a minute after its consent', (data, fact, facts) => {
    const end = endOfConsent(facts, fact);
    return end === null || fact.event.revision > 1 ? null : { ...data, at: end + 30 };
  }),
  endedBefore('AccessTokenIssued', 'R12', (_, fact, facts) => consentEnded(beginningOf(facts, fact))),
  again('AccessTokenIssued', 'R12', 'over an agreement that an amendment has ended', (data, fact, facts) => {
    const grant = beginningOf(facts, fact);
    const consent = facts.filter(({ event }) => event.stream === `consent-${grant.consentId}`);
    const [amended, last] = [consent.findLast(({ event }) => event.type === 'ConsentAmended'), consent.at(-1)];
    if (amended === undefined || last?.event.type !== 'ConsentAuthorised' || dataOf(last).requestId === grant.requestId) return null;
    const at = dataOf(amended).at + 60;
    return { ...data, at, expiresAt: at + 1 };
  }),
  rearranged('the refresh token before the access token', 'R12', 'AccessTokenIssued', (facts) => {
    const index = facts.findLastIndex(({ event }) => event.type === 'RefreshTokenIssued' && event.revision === 2);
    const [token, refreshToken] = [facts[index - 1], facts[index]];
    if (token === undefined || refreshToken === undefined) return null;
    return { facts: facts.with(index - 1, refreshToken).with(index, token), index: index - 1 };
  }),

  again('AccessTokenIssued', 'R13', 'another of a client’s own', (data, fact, facts) => (isOwn(beginningOf(facts, fact)) ? data : null)),
  edit('AccessTokenIssued', 'R13', 'when the refresh token was over', (data, fact, facts) => {
    const refreshToken = streamOf(facts, fact).findLast(({ event }) => event.type === 'RefreshTokenIssued');
    if (fact.event.revision < 2 || refreshToken === undefined) return null;
    return { ...data, at: dataOf(refreshToken).expiresAt, expiresAt: dataOf(refreshToken).expiresAt + 1 };
  }),
  ...[isOwn, isAsserted].map((isKind) =>
    rearranged(
      `a refresh token of a grant ${isKind === isOwn ? 'of a client’s own' : 'by an assertion'}`,
      'R13',
      'RefreshTokenIssued',
      (facts) => {
        const grant = facts.findLast((fact) => fact.event.type === 'GrantOpened' && isKind(dataOf(fact), fact));
        const refreshToken = facts.findLast((fact) => fact.event.type === 'RefreshTokenIssued' && dataOf(fact).replaces === null);
        if (grant === undefined || refreshToken === undefined) return null;
        const event = { ...refreshToken.event, id: `${refreshToken.event.id}x`, stream: grant.event.stream };
        return { facts: [...facts, { index: facts.length, event }], index: facts.length };
      },
    ),
  ),
  edit('RefreshTokenIssued', 'R13', 'the first, in the place of another', (data, { event }) =>
    event.revision === 2 ? { ...data, replaces: 'another' } : null,
  ),
  rearranged('the first refresh token comes late', 'R13', 'RefreshTokenIssued', (facts) => {
    const index = facts.findLastIndex(({ event }) => event.type === 'RefreshTokenIssued' && event.revision === 2);
    const fact = facts[index];
    if (fact === undefined) return null;
    const revoked = { ...fact, event: { ...fact.event, id: `${fact.event.id}x`, type: 'AccessTokenRevoked', version: 1 } };
    const { tokenHash, at } = dataOf(fact);
    const between = { ...revoked, event: { ...revoked.event, data: JSON.stringify({ tokenHash, at }) } };
    return { facts: facts.toSpliced(index, 0, between), index: index + 1 };
  }),
  edit('RefreshTokenIssued', 'R13', 'in the place of another', (data) =>
    data.replaces === null ? null : { ...data, replaces: 'another' },
  ),
  edit('RefreshTokenIssued', 'R13', 'in the place of nothing', (data) => (data.replaces === null ? null : { ...data, replaces: null })),
  edit('RefreshTokenIssued', 'R13', 'without a nonce', (data) => (data.replaces === null ? null : { ...data, nonce: null })),
  edit('RefreshTokenIssued', 'R13', 'for longer', (data) => (data.replaces === null ? null : { ...data, expiresAt: data.expiresAt + 1 })),

  edit('TokenResponseKept', 'R14', 'of another request', (data) => ({ ...data, requestId: 'another' })),
  edit('TokenResponseKept', 'R14', 'of another PSU', (data) => ({ ...data, psuId: 'mallory' })),
  again('GrantRevoked', 'R14', 'again'),
];
