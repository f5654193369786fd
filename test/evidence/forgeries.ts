import { createSecretKey } from 'node:crypto';
import { systemIds } from '../../src/adapters/clock.ts';
import { encrypt } from '../../src/adapters/keys/aes-gcm.ts';
import { sealingContext } from '../../src/domain/events.ts';
import type { BundledFact } from '../../src/evidence/bundle.ts';
import type { LeafEvent } from '../../src/evidence/leaf.ts';
import { openWithEventKey, readSealedText, sealedText } from '../../src/evidence/sealed-text.ts';
import { factsOf } from './bundles.ts';
import { makeHistory } from './histories.ts';

// biome-ignore lint/suspicious/noExplicitAny: the members of whichever event is changed
type Json = any;
type Facts = readonly BundledFact[];

/** What somebody makes of a log who has every key, and which rule shows it at which fact. */
export interface Forgery {
  name: string;
  rule: string;
  facts: BundledFact[];
  index: number;
  /** Whether it shows only in a fact behind the one that was changed. */
  later: boolean;
}

interface Recipe {
  name: string;
  rule: string;
  later?: boolean;
  /** Null where this log has nothing for it. */
  make(facts: Facts): { facts: BundledFact[]; index: number } | null;
}

const dataOf = ({ event }: BundledFact): Json => JSON.parse(event.data);

/** Another public part of the last fact of this type for which there is one. */
const edit = (type: string, rule: string, what: string, change: (data: Json, fact: BundledFact, facts: Facts) => Json | null): Recipe => ({
  name: `${type}: ${what}`,
  rule,
  make(facts) {
    for (let index = facts.length - 1; index >= 0; index -= 1) {
      const fact = facts[index] as BundledFact;
      const data = fact.event.type === type ? change(dataOf(fact), fact, facts) : null;
      if (data !== null) return { facts: facts.with(index, { ...fact, event: { ...fact.event, data: JSON.stringify(data) } }), index };
    }
    return null;
  },
});

/** The same fact with something else in its envelope. */
const envelope = (rule: string, what: string, change: (event: LeafEvent, facts: Facts) => LeafEvent): Recipe => ({
  name: what,
  rule,
  make(facts) {
    const index = facts.length - 1;
    const fact = facts[index] as BundledFact;
    return { facts: facts.with(index, { ...fact, event: change(fact.event, facts) }), index };
  },
});

/** Something else inside a sealed part, sealed with the right key. */
const resealed = (type: string, rule: string, what: string, change: (personal: Json, fact: BundledFact) => Json | null): Recipe => ({
  name: `${type}, sealed: ${what}`,
  rule,
  make(facts) {
    for (const [index, fact] of facts.entries()) {
      const { event, key } = fact;
      if (event.type !== type || event.sealed === null || key === undefined) continue;
      const context = sealingContext(event.stream, event.revision, event);
      const personal = change(JSON.parse(openWithEventKey(event.sealed, context, key)), fact);
      if (personal === null) continue;
      const secret = Buffer.from(key, 'base64url');
      const text = encrypt(createSecretKey(secret), Buffer.from(JSON.stringify(personal)), context);
      const sealed = sealedText(readSealedText(event.sealed)?.name ?? '', secret, context, text);
      return { facts: facts.with(index, { ...fact, event: { ...event, sealed } }), index };
    }
    return null;
  },
});

/** An end that was there before a fact of this type, with time between them. */
const endedBefore = (
  type: string,
  rule: string,
  ending: (data: Json, fact: BundledFact, facts: Facts) => { stream: string; type: string; data: object; version?: number } | null,
): Recipe => ({
  name: `${type} behind an end`,
  rule,
  make(facts) {
    for (const [index, fact] of facts.entries()) {
      if (fact.event.type !== type) continue;
      const end = ending(dataOf(fact), fact, facts);
      const stream = facts.filter(({ event }) => event.stream === end?.stream);
      // Nothing of the stream may stand behind it, so that all others keep their revisions.
      if (end === null || stream.some((other) => other.index >= index)) continue;
      const { recordedAt, actor } = fact.event;
      const event: LeafEvent = {
        ...{ id: systemIds.uuid(), type: end.type, version: end.version ?? 1, actor, correlationId: 'x', causationId: null },
        ...{ data: JSON.stringify(end.data), sealed: null, stream: end.stream, revision: stream.length, recordedAt: recordedAt - 60_000 },
      };
      return { facts: facts.toSpliced(index, 0, { index, event }).map((one, at) => ({ ...one, index: at })), index: index + 1 };
    }
    return null;
  },
});

const otherThan = (facts: Facts, type: string, id: string): string | null =>
  facts
    .map(({ event }) => event)
    .find((event) => event.type === type && !event.stream.endsWith(`-${id}`))
    ?.stream.replace(/^[^-]*-/, '') ?? null;
const isOf = (deviceId: unknown) => typeof deviceId === 'string';
const later = (recipe: Recipe): Recipe => ({ ...recipe, later: true });

const RECIPES: readonly Recipe[] = [
  {
    name: 'a client that was never registered',
    rule: 'R1',
    make(facts) {
      const left = facts.filter(({ event }) => !event.stream.startsWith('client-tpp-1')).map((fact, index) => ({ ...fact, index }));
      const index = left.findIndex((fact) => dataOf(fact).clientId === 'tpp-1');
      return index === -1 ? null : { facts: left, index };
    },
  },
  endedBefore('GrantOpened', 'R1', ({ clientId, at }) => ({ stream: `client-${clientId}`, type: 'ClientDisabled', data: { at: at - 60 } })),
  edit('DeviceRegistered', 'R2', 'another thumbprint', (data) => ({ ...data, keyThumbprint: 'x'.repeat(43) })),
  edit('DeviceRegistered', 'R2', 'another PSU than the offer', (data, { event }) =>
    event.revision === 0 ? null : { ...data, psuId: 'mallory' },
  ),
  endedBefore('CibaRequestApproved', 'R2', ({ deviceId, psuId, at }) =>
    isOf(deviceId) ? { stream: `device-${deviceId}`, type: 'DeviceRevoked', data: { psuId, by: 'psu', at: at - 60 } } : null,
  ),
  edit('CibaRequestReceived', 'R3', 'over the consent of another client', (data, _, facts) => {
    const other = otherThan(facts, 'ClientRegistered', data.clientId);
    return data.consentOrigin === 'lodged' && other !== null ? { ...data, clientId: other } : null;
  }),
  edit('CibaRequestReceived', 'R3', 'a consent of its own with another id', (data) =>
    data.consentOrigin === 'request' ? { ...data, consentId: 'another' } : null,
  ),
  edit('CibaRequestReceived', 'R3', 'it supersedes what is not there', (data) => ({ ...data, supersedes: 'nothing' })),
  edit('ConsentRetrieved', 'R4', 'too late', (data) => ({ ...data, at: data.at + 10_000 })),
  edit('ConsentRetrieved', 'R4', 'to another PSU', (data) => ({ ...data, psuId: 'mallory' })),
  edit('CibaRequestApproved', 'R5', 'another digest than was shown', (data) => ({ ...data, digest: systemIds.secret() })),
  edit('CibaRequestApproved', 'R5', 'after the end of the request', (data) => ({ ...data, at: data.at + 10_000 })),
  edit('CibaRequestApproved', 'R5', 'over another consent', (data) => ({ ...data, consentId: 'another' })),
  edit('CibaRequestApproved', 'R5', 'with the key of another device', (data) =>
    data.deviceId === null ? null : { ...data, keyThumbprint: 'x'.repeat(43) },
  ),
  edit('AuthorizationApproved', 'R5', 'another digest than was shown', (data) => ({ ...data, digest: systemIds.secret() })),
  resealed('CibaRequestApproved', 'R6', 'an account that was not shown', (personal) => ({ ...personal, accountIds: ['a-9'] })),
  resealed('CibaRequestApproved', 'R6', 'the answer to something else', (personal, fact) =>
    dataOf(fact).deviceId === null ? null : { ...personal, answer: personal.answer.replace(/\.[^.]*\./, '.e30.') },
  ),
  resealed('CibaRequestApproved', 'R6', 'more details than were shown', (personal) => ({
    ...personal,
    authorizationDetails: [{ type: 'x' }],
  })),
  resealed('CibaRequestDenied', 'R6', 'no signature', (personal, fact) =>
    dataOf(fact).deviceId === null ? null : { ...personal, answer: null },
  ),
  resealed('ConsentRetrieved', 'R6', 'another text', (personal) => ({ shown: personal.shown.replace('{', '{ ') })),
  resealed('AuthorizationShown', 'R6', 'another text', (personal) => ({ shown: `${personal.shown} ` })),
  later(resealed('CibaRequestReceived', 'R6', 'it asked for something else', (personal) => ({ ...personal, bindingMessage: 'Pay <2>' }))),
  resealed('ConsentRetrieved', 'P3', 'nothing', () => ({})),
  edit('CibaRequestExpired', 'R7', 'too early', (data) => ({ ...data, at: data.at - 5000 })),
  edit('CibaRequestRedeemed', 'R8', 'for another grant', (data) => ({ ...data, grantId: 'another' })),
  edit('CibaRequestRedeemed', 'R8', 'too late', (data) => ({ ...data, at: data.at + 10_000 })),
  edit('AuthorizationCodeRedeemed', 'R8', 'too late', (data) => ({ ...data, at: data.at + 1000 })),
  edit('ConsentLodged', 'R9', 'after its end', (data) => ({ ...data, expiresAt: data.at - 1 })),
  edit('ConsentAmended', 'R9', 'other requests end', (data) => ({ ...data, endedRequests: ['another'] })),
  edit('ConsentAuthorised', 'R10', 'by a request that nobody made', (data) => ({ ...data, requestId: 'another' })),
  edit('ConsentAuthorised', 'R10', 'by another PSU', (data) => ({ ...data, psuId: 'mallory' })),
  edit('ConsentAuthorised', 'R10', 'over something else', (data) => ({ ...data, digest: systemIds.secret() })),
  resealed('ConsentAuthorised', 'R10', 'other accounts than approved', (personal) => ({ ...personal, accountIds: ['a-9'] })),
  later(
    edit('ConsentRetrieved', 'R10', 'over another state of the consent', (data, { event }, facts) =>
      facts.some((fact) => fact.event.type.startsWith('ConsentAuth') && event.stream.endsWith(dataOf(fact).requestId)) &&
      data.consentRevision >= 0
        ? { ...data, consentRevision: data.consentRevision + 1 }
        : null,
    ),
  ),
  edit('GrantOpened', 'R11', 'more scope than was approved', (data) =>
    data.requestId === null ? null : { ...data, scope: 'openid accounts payments' },
  ),
  edit('GrantOpened', 'R11', 'another PSU', (data) => (data.requestId === null ? null : { ...data, psuId: 'mallory' })),
  edit('GrantOpened', 'R11', 'a request that was not approved', (data) =>
    data.requestId === null ? null : { ...data, requestId: 'another' },
  ),
  edit('GrantOpened', 'R11', 'for a consent that is another', (data) =>
    data.requestId === null ? null : { ...data, consentId: 'another' },
  ),
  edit('AccessTokenIssued', 'R12', 'more scope than the grant', (data) => ({ ...data, scope: `${data.scope} payments` })),
  edit('AccessTokenIssued', 'R12', 'good for no time', (data) => ({ ...data, expiresAt: data.at })),
  endedBefore('AccessTokenIssued', 'R12', ({ at }, { event }, facts) => {
    const grant = facts.find((fact) => fact.event.stream === event.stream && fact.event.type === 'GrantOpened');
    const consentId = grant && dataOf(grant).consentId;
    return consentId == null ? null : { stream: `consent-${consentId}`, type: 'ConsentRevoked', data: { by: 'psu', at: at - 60 } };
  }),
  edit('RefreshTokenIssued', 'R13', 'in the place of another', (data) =>
    data.replaces === null ? null : { ...data, replaces: 'another' },
  ),
  edit('RefreshTokenIssued', 'R13', 'for longer', (data) => (data.replaces === null ? null : { ...data, expiresAt: data.expiresAt + 1 })),
  edit('TokenResponseKept', 'R14', 'of another request', (data) => ({ ...data, requestId: 'another' })),
  {
    name: 'a token of a grant that was revoked',
    rule: 'R14',
    make(facts) {
      const grant = facts.findLast(({ event }) => event.type === 'GrantRevoked');
      if (grant === undefined) return null;
      const again = { ...grant.event, id: systemIds.uuid(), revision: grant.event.revision + 1 };
      return { facts: [...facts, { index: facts.length, event: again }], index: facts.length };
    },
  },
  later(edit('AuthenticationSucceeded', 'R15', 'somebody else', (data) => (data.flow === 'ciba' ? { ...data, psuId: 'mallory' } : null))),
  edit('AuthorizationShown', 'R15', 'in a session of nobody', (data) => ({ ...data, sessionId: 'another' })),
  edit('AuthorizationPsuAuthenticated', 'R15', 'another PSU than the one asked for', (data, { event }, facts) => {
    const asked = facts.find((fact) => fact.event.stream === event.stream && fact.event.type === 'AuthorizationRequested');
    return asked && dataOf(asked).requiredPsuId !== null ? { ...data, psuId: 'mallory' } : null;
  }),
  endedBefore('CibaRequestApproved', 'R16', ({ psuId, at }) => ({
    stream: `psu-${psuId}`,
    type: 'PsuErased',
    data: { psuId, reason: 'x', at: at - 60 },
  })),
  envelope('S2', 'a revision too many', (event) => ({ ...event, revision: event.revision + 1 })),
  envelope('S3', 'the id of another event', (event, facts) => ({ ...event, id: (facts[0] as BundledFact).event.id })),
  envelope('S4', 'a type that nobody knows', (event) => ({ ...event, type: 'SomethingNoted' })),
  envelope('S4', 'a version that nobody knows', (event) => ({ ...event, version: 99 })),
  envelope('S4', 'another kind of stream', (event) => ({
    ...event,
    stream: `push${event.stream.slice(event.stream.indexOf('-'))}`,
    revision: 0,
  })),
  envelope('P1', 'a member too many', (event) => ({ ...event, data: event.data.replace('{', '{"more":1,') })),
  envelope('P1', 'no JSON', (event) => ({ ...event, data: '{' })),
  {
    name: 'a sealed part that is not there',
    rule: 'P2',
    make(facts) {
      const index = facts.findIndex(({ event }) => event.type === 'ConsentRetrieved');
      const fact = facts[index];
      if (fact === undefined) return null;
      const { key: _, ...without } = fact;
      return { facts: facts.with(index, { ...without, event: { ...fact.event, sealed: null } }), index };
    },
  },
  {
    name: 'a sealed part of another event',
    rule: 'P3',
    make(facts) {
      const [one, other] = facts.filter(({ event, key }) => event.type === 'ConsentRetrieved' && key !== undefined);
      if (one === undefined || other === undefined) return null;
      return {
        facts: facts.with(one.index, { ...one, key: other.key, event: { ...one.event, sealed: other.event.sealed } }),
        index: one.index,
      };
    },
  },
];

/** Every forgery, each of a log that has what it needs. */
export const forgeries = async (): Promise<Forgery[]> => {
  const open = new Set(RECIPES);
  const made: Forgery[] = [];
  for (let seed = 500; open.size > 0; seed += 1) {
    if (seed === 700) throw new Error(`no log has what this needs: ${[...open].map(({ name }) => name).join(', ')}`);
    const facts = factsOf(await makeHistory(seed, 14));
    for (const recipe of open) {
      const forged = recipe.make(facts);
      if (forged === null) continue;
      made.push({ name: recipe.name, rule: recipe.rule, later: recipe.later ?? false, ...forged });
      open.delete(recipe);
    }
  }
  return made;
};
