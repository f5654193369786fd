import { systemIds } from '../../src/adapters/clock.ts';
import type { BundledFact } from '../../src/evidence/bundle.ts';
import {
  again,
  beginningOf,
  dataOf,
  edit,
  endedBefore,
  type Facts,
  type Json,
  ofNothing,
  type Recipe,
  rearranged,
  retyped,
  shownAt,
  streamOf,
  without,
} from './recipes.ts';

const isAnswered = (facts: Facts, fact: BundledFact): boolean =>
  streamOf(facts, fact).some(({ event }) => /Approved|Denied$/.test(event.type));
const whenAnswered = (data: Json, fact: BundledFact, facts: Facts): Json | null => (isAnswered(facts, fact) ? data : null);
const ofAnother = (data: Json, facts: Facts): string | undefined => {
  const other = facts.find(({ event }) => event.type === 'ClientRegistered' && event.stream !== `client-${data.clientId}`);
  return other?.event.stream.replace('client-', '');
};
const atTheEnd = (data: Json, fact: BundledFact, facts: Facts): Json => ({ ...data, at: beginningOf(facts, fact).expiresAt });
const consentEnded = ({ consentId }: Json) => ({ stream: `consent-${consentId}`, type: 'ConsentRevoked', data: { by: 'psu' } });

/** Two facts of these types, one right behind the other, the other way round. */
const swapped = (first: string, second: string, rule: string): Recipe =>
  rearranged(`${second} before ${first}`, rule, second, (facts) => {
    const index = facts.findLastIndex(
      ({ event }, at) => event.type === first && facts[at + 1]?.event.type === second && facts[at + 1]?.event.stream === event.stream,
    );
    const [one, other] = [facts[index], facts[index + 1]];
    return one === undefined || other === undefined ? null : { facts: facts.with(index, other).with(index + 1, one), index };
  });

/** A fact of these words right before one of this type. */
const behind = (type: string, rule: string, words: { type: string; data: object }): Recipe =>
  rearranged(`${type} behind ${words.type}`, rule, type, (facts) => {
    const fact = facts.findLast(({ event }) => event.type === type);
    if (fact === undefined) return null;
    const data = JSON.stringify({ ...words.data, at: dataOf(fact).at });
    const event = { ...fact.event, id: systemIds.uuid(), type: words.type, version: 1, data, sealed: null };
    return { facts: facts.toSpliced(fact.index, 0, { index: fact.index, event }), index: fact.index };
  });

/** What is the same of both flows, of its types. */
const ofFlow = (received: string, shown: string, [approved, denied]: readonly [string, string], redeemed: string): readonly Recipe[] => [
  again(received, 'R3', 'again'),
  ofNothing(received === 'CibaRequestReceived' ? 'CibaRequestCancelled' : 'AuthorizationCancelled', 'R3'),
  edit(received, 'R3', 'over the consent of another client', (data, _, facts) => {
    const clientId = ofAnother(data, facts);
    return data.consentOrigin === 'lodged' && clientId !== undefined ? { ...data, clientId } : null;
  }),
  edit(received, 'R3', 'a consent of its own with another id', (data) =>
    data.consentOrigin === 'request' ? { ...data, consentId: 'another' } : null,
  ),
  edit(received, 'R3', 'a consent that was not lodged', (data) => (data.consentOrigin === 'lodged' ? { ...data, consentId: 'no' } : null)),
  edit(received, 'R3', 'over when it begins', (data) => ({ ...data, expiresAt: data.at })),
  edit(shown, 'R4', 'too late', atTheEnd),
  again(shown, 'R4', 'when it was answered', whenAnswered),
  ...[approved, denied].flatMap((type) => [
    edit(type, 'R5', 'another digest than was shown', (data) => ({ ...data, digest: systemIds.secret() })),
    edit(type, 'R5', 'after the end of the request', atTheEnd),
    edit(type, 'R5', 'over another consent', (data) => ({ ...data, consentId: 'another' })),
    edit(type, 'R5', 'over a consent of another kind', (data) => ({
      ...data,
      consentOrigin: data.consentOrigin === 'request' ? 'lodged' : 'request',
    })),
    again(type, 'R5', 'again'),
    behind(
      type,
      'R5',
      type.startsWith('Ciba') ? { type: 'CibaRequestCancelled', data: { reason: 'x' } } : { type: 'AuthorizationCancelled', data: {} },
    ),
  ]),
  again(redeemed, 'R8', 'again'),
  edit(redeemed, 'R8', 'for another grant', (data) => ({ ...data, grantId: 'another' })),
  endedBefore(redeemed, 'R8', (_, fact, facts) => consentEnded(beginningOf(facts, fact))),
  retyped(approved, [denied, denied === 'CibaRequestDenied' ? 2 : 1], 'R8', redeemed, (_, fact, facts) =>
    streamOf(facts, fact).some(({ event }) => event.type === redeemed),
  ),
];

/** What breaks the rules of requests (R3 to R5, R7, R8). */
export const OF_REQUESTS: readonly Recipe[] = [
  ...ofFlow('CibaRequestReceived', 'ConsentRetrieved', ['CibaRequestApproved', 'CibaRequestDenied'], 'CibaRequestRedeemed'),
  ...ofFlow('AuthorizationRequested', 'AuthorizationShown', ['AuthorizationApproved', 'AuthorizationDenied'], 'AuthorizationCodeRedeemed'),
  edit('CibaRequestReceived', 'R3', 'it supersedes what is not there', (data) => ({ ...data, supersedes: 'nothing' })),
  edit('CibaRequestReceived', 'R3', 'it supersedes a request of another client', (data, fact, facts) => {
    const older = facts.find((one) => one.event.type === fact.event.type && dataOf(one).clientId !== data.clientId);
    return older === undefined || older.index > fact.index ? null : { ...data, supersedes: older.event.stream.replace('cibaRequest-', '') };
  }),

  edit('ConsentRetrieved', 'R4', 'to another PSU', (data) => ({ ...data, psuId: 'mallory' })),
  edit('ConsentRetrieved', 'R4', 'on a device and in a session', (data) => (data.deviceId === null ? null : { ...data, sessionId: 'x' })),
  edit('ConsentRetrieved', 'R4', 'nowhere', (data) => ({ ...data, deviceId: null, sessionId: null })),

  ...['CibaRequestApproved', 'CibaRequestDenied'].flatMap((type) => [
    edit(type, 'R5', 'by another PSU', (data) => ({ ...data, psuId: 'mallory' })),
    edit(type, 'R5', 'on a device and in a session', (data) => (data.deviceId === null ? null : { ...data, sessionId: 'x' })),
    edit(type, 'R5', 'nowhere', (data) => ({ ...data, deviceId: null, sessionId: null, keyThumbprint: null })),
    edit(type, 'R5', 'with a key in a session', (data) => (data.deviceId === null ? { ...data, keyThumbprint: 'x' } : null)),
    edit(type, 'R5', 'with the key of another device', (data) =>
      data.deviceId === null ? null : { ...data, keyThumbprint: 'x'.repeat(43) },
    ),
  ]),
  // What was shown before it was shown again.
  edit('CibaRequestApproved', 'R5', 'over what was shown first', (data, fact, facts) => {
    const [first, second] = streamOf(facts, fact).filter(({ event }) => event.type === 'ConsentRetrieved');
    return first === undefined || second === undefined ? null : { ...data, digest: dataOf(first).digest };
  }),

  edit('CibaRequestExpired', 'R7', 'too early', (data, fact, facts) => ({ ...data, at: beginningOf(facts, fact).expiresAt - 1 })),
  again('CibaRequestExpired', 'R7', 'again'),
  again('CibaRequestCancelled', 'R7', 'again'),
  again('AuthorizationCancelled', 'R7', 'again'),
  edit('AuthorizationCancelled', 'R7', 'too late', atTheEnd),
  again('AuthorizationCodeIssued', 'R7', 'again'),
  swapped('AuthorizationApproved', 'AuthorizationCodeIssued', 'R7'),
  retyped('AuthorizationApproved', ['AuthorizationDenied', 1], 'R7', 'AuthorizationCodeIssued'),
  behind('AuthorizationCodeIssued', 'R7', {
    type: 'AuthorizationShown',
    data: { psuId: 'alice', sessionId: 'x', digest: 'x', nonce: 'x', consentRevision: 0 },
  }),

  edit('CibaRequestRedeemed', 'R8', 'too late', atTheEnd),
  edit('AuthorizationCodeRedeemed', 'R8', 'too late', (data, fact, facts) => {
    const issued = streamOf(facts, fact).find(({ event }) => event.type === 'AuthorizationCodeIssued');
    return issued === undefined ? null : { ...data, at: dataOf(issued).expiresAt };
  }),
  without('AuthorizationCodeIssued', 'R8', 'AuthorizationCodeRedeemed', (_, fact, facts) =>
    streamOf(facts, fact).some(({ event }) => event.type === 'AuthorizationCodeRedeemed'),
  ),
  shownAt(
    'CibaRequestRedeemed',
    edit('CibaRequestReceived', 'R8', 'over when it was redeemed', (data, fact, facts) => {
      const redeemed = streamOf(facts, fact).find(({ event }) => event.type === 'CibaRequestRedeemed');
      const answered = streamOf(facts, fact).find(({ event }) => event.type === 'CibaRequestApproved');
      if (redeemed === undefined || answered === undefined || dataOf(answered).at >= dataOf(redeemed).at) return null;
      return { ...data, expiresAt: dataOf(redeemed).at };
    }),
  ),
];
