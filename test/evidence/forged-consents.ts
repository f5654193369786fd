import { systemIds } from '../../src/adapters/clock.ts';
import type { BundledFact } from '../../src/evidence/bundle.ts';
import {
  again,
  beginningOf,
  dataOf,
  edit,
  type Facts,
  idOf,
  ofNothing,
  type Recipe,
  rearranged,
  resealed,
  retyped,
  shownAt,
  streamOf,
  without,
} from './recipes.ts';

const has = (facts: Facts, fact: BundledFact, type: string): boolean => streamOf(facts, fact).some(({ event }) => event.type === type);
const first = (facts: Facts, fact: BundledFact, type: string): BundledFact | undefined =>
  streamOf(facts, fact).find(({ event }) => event.type === type);
const isOwn = (facts: Facts, fact: BundledFact): boolean => facts.some(({ event }) => event.stream === `cibaRequest-${idOf(fact)}`);
const isOver = (facts: Facts, fact: BundledFact): boolean =>
  streamOf(facts, fact).some(({ event }) => /^Consent(Rejected|Revoked|Expired)$/.test(event.type));

const AMENDED = { content: { kind: 'account-access' }, expiresAt: null, reason: 'x', endedRequests: [] };

/** What breaks the rules of consents (R9, R10). */
export const OF_CONSENTS: readonly Recipe[] = [
  again('ConsentLodged', 'R9', 'again'),
  ofNothing('ConsentAuthorised', 'R9'),
  edit('ConsentLodged', 'R9', 'after its end', (data) => ({ ...data, expiresAt: data.at })),
  again('ConsentFileUploaded', 'R9', 'again'),
  edit('ConsentFileUploaded', 'R9', 'after its end', (data, fact, facts) => {
    const { expiresAt } = beginningOf(facts, fact);
    return expiresAt === null ? null : { ...data, at: expiresAt };
  }),
  edit('ConsentAmended', 'R9', 'other requests end', (data) => ({ ...data, endedRequests: ['another'] })),
  edit('ConsentAmended', 'R9', 'no request ends', (data) => ({ ...data, endedRequests: [] })),
  edit('ConsentAmended', 'R9', 'after its end', (data, fact, facts) => {
    const { expiresAt } = beginningOf(facts, fact);
    return expiresAt === null ? null : { ...data, at: expiresAt };
  }),
  again('ConsentRevoked', 'R9', 'again'),
  again('ConsentRejected', 'R9', 'and then revoked', ({ at }) => ({ by: 'psu', at }), { type: 'ConsentRevoked', version: 1 }),
  again(
    'ConsentRevoked',
    'R9',
    'and then expired',
    (_, fact, facts) => {
      const { expiresAt } = beginningOf(facts, fact);
      return expiresAt === null || has(facts, fact, 'ConsentAmended') ? null : { at: expiresAt };
    },
    { type: 'ConsentExpired', version: 1 },
  ),
  again(
    'ConsentLodged',
    'R9',
    'expired too early',
    ({ expiresAt }, fact, facts) =>
      expiresAt === null || isOver(facts, fact) || has(facts, fact, 'ConsentAmended') ? null : { at: expiresAt - 1 },
    { type: 'ConsentExpired', version: 1 },
  ),
  rearranged('ConsentExpired: again', 'R9', 'ConsentExpired', (facts) => {
    const lodged = facts.findLast(
      (fact) =>
        fact.event.type === 'ConsentLodged' &&
        dataOf(fact).expiresAt !== null &&
        !isOver(facts, fact) &&
        !has(facts, fact, 'ConsentAmended'),
    );
    if (lodged === undefined) return null;
    const { key: _, ...fact } = lodged;
    const data = JSON.stringify({ at: dataOf(lodged).expiresAt });
    const expired = () => ({
      ...fact,
      event: { ...fact.event, id: systemIds.uuid(), type: 'ConsentExpired', version: 1, data, sealed: null },
    });
    return { facts: [...facts, expired(), expired()], index: facts.length + 1 };
  }),
  again(
    'ConsentRejected',
    'R9',
    'and then amended',
    ({ at }, fact, facts) => (has(facts, fact, 'ConsentAuthorisationGiven') ? null : { ...AMENDED, at }),
    { type: 'ConsentAmended', version: 1 },
  ),

  edit('ConsentAuthorised', 'R10', 'by a request that nobody made', (data) => ({ ...data, requestId: 'another' })),
  edit('ConsentAuthorised', 'R10', 'by a request over another consent', (data, _, facts) => {
    const other = facts.find(({ event }) => event.type === 'CibaRequestApproved' && event.stream !== `cibaRequest-${data.requestId}`);
    return other === undefined ? null : { ...data, requestId: idOf(other) };
  }),
  ...['ConsentAuthorised', 'ConsentRejected'].flatMap((type) => [
    edit(type, 'R10', 'by another PSU', (data) => ({ ...data, psuId: 'mallory' })),
    edit(type, 'R10', 'on another device', (data) => ({ ...data, deviceId: 'another' })),
    edit(type, 'R10', 'over something else', (data) => ({ ...data, digest: systemIds.secret() })),
    edit(type, 'R10', 'at another time', (data) => ({ ...data, at: data.at - 1 })),
  ]),
  retyped('CibaRequestApproved', ['CibaRequestDenied', 2], 'R10', 'ConsentAuth'),
  retyped('CibaRequestDenied', ['CibaRequestApproved', 3], 'R10', 'ConsentRejected'),
  ...['ConsentAuthorised', 'ConsentRejected'].map((type) =>
    shownAt(
      type,
      edit('ConsentLodged', 'R10', 'of another client', (data, fact, facts) => {
        const other = facts.find(({ event }) => event.type === 'ClientRegistered' && event.stream !== `client-${data.clientId}`);
        return other !== undefined && isOwn(facts, fact) && has(facts, fact, type) ? { ...data, clientId: idOf(other) } : null;
      }),
    ),
  ),
  shownAt(
    'ConsentAuth',
    edit('ConsentRetrieved', 'R10', 'over another state of the consent', (data, { event }, facts) =>
      facts.some((fact) => fact.event.type.startsWith('ConsentAuth') && event.stream.endsWith(dataOf(fact).requestId)) &&
      data.consentRevision >= 0
        ? { ...data, consentRevision: data.consentRevision + 1 }
        : null,
    ),
  ),
  rearranged('ConsentAuthorised: of a consent of the request’s own that was amended', 'R10', 'ConsentAuthorised', (facts) => {
    const fact = facts.findLast((one) => one.event.type === 'ConsentAuthorised' && isOwn(facts, one));
    if (fact === undefined) return null;
    const data = JSON.stringify({ ...AMENDED, at: dataOf(fact).at });
    const event = { ...fact.event, type: 'ConsentAmended', version: 1, id: systemIds.uuid(), data };
    return { facts: facts.toSpliced(fact.index, 0, { index: fact.index, event }), index: fact.index };
  }),
  shownAt(
    'ConsentAuthorised',
    edit('ConsentLodged', 'R10', 'awaits a file', (data, fact, facts) =>
      has(facts, fact, 'ConsentAuthorised') && !data.awaitsUpload ? { ...data, awaitsUpload: true } : null,
    ),
  ),
  without('ConsentFileUploaded', 'R10', 'ConsentAuth', (_, fact, facts) => has(facts, fact, 'ConsentAuthorised')),
  shownAt(
    'ConsentAuthorisationGiven',
    edit('ConsentLodged', 'R10', 'a PSU was not to be asked', (data, fact, facts) => {
      const given = first(facts, fact, 'ConsentAuthorisationGiven');
      if (given === undefined) return null;
      const { psuId } = dataOf(given);
      return { ...data, authorisers: data.authorisers.map((one: string) => (one === psuId ? 'mallory' : one)) };
    }),
  ),
  ...['ConsentAuthorised', 'ConsentAuthorisationGiven'].map((type) =>
    shownAt(
      type,
      edit('ConsentLodged', 'R10', 'over before it was authorised', (data, fact, facts) => {
        const { at = 0 } = dataOf(first(facts, fact, type) ?? fact);
        return at > data.at && !has(facts, fact, 'ConsentAmended') ? { ...data, expiresAt: at } : null;
      }),
    ),
  ),
  rearranged('a PSU agrees twice', 'R10', 'ConsentAuthorisationGiven', (facts) => {
    const fact = facts.findLast(({ event }) => event.type === 'ConsentAuthorisationGiven');
    if (fact === undefined) return null;
    const { key: _, ...copy } = fact;
    const index = fact.index + 1;
    return { facts: facts.toSpliced(index, 0, { ...copy, event: { ...copy.event, id: systemIds.uuid() } }), index };
  }),
  shownAt(
    'ConsentAuthorised',
    edit('ConsentLodged', 'R10', 'somebody else was to be asked, too', (data, fact, facts) =>
      data.authorisers.length > 0 && has(facts, fact, 'ConsentAuthorised')
        ? { ...data, authorisers: [...data.authorisers, 'mallory'] }
        : null,
    ),
  ),
  retyped('ConsentAuthorisationGiven', ['ConsentAuthorised', 2], 'R10', 'ConsentAuthorised'),
  retyped('ConsentAuthorised', ['ConsentAuthorisationGiven', 1], 'R10', 'ConsentAuthorisationGiven'),
  // Who had agreed is who has to agree again.
  shownAt(
    'ConsentAuthorised',
    edit('ConsentAuthorised', 'R10', 'by another PSU, before it was amended', (data, fact, facts) =>
      streamOf(facts, fact).findLastIndex(({ event }) => event.type === 'ConsentAuthorised') >
        streamOf(facts, fact).findIndex(({ event }) => event.type === 'ConsentAmended') &&
      streamOf(facts, fact).findIndex(({ event }) => event.type === 'ConsentAmended') > fact.event.revision
        ? { ...data, psuId: 'mallory' }
        : null,
    ),
  ),
  edit('ConsentAuthorised', 'R10', 'with details, or without, wrongly', (data) => ({
    ...data,
    hasAuthorizationDetails: !data.hasAuthorizationDetails,
  })),
  resealed('ConsentAuthorised', 'R10', 'other accounts than approved', (personal) => ({ ...personal, accountIds: ['a-9'] })),
  resealed('ConsentAuthorised', 'R10', 'other details than approved', (personal) =>
    personal.authorizationDetails == null ? null : { ...personal, authorizationDetails: [{ type: 'x' }] },
  ),
  again('ConsentAuthorised', 'R10', 'again'),
];
