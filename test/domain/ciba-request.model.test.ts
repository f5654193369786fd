import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { detailTypes } from '../../src/domain/authorization-details/registered.ts';
import { answer, type CibaRequest, cancel, cibaRequest, expire, redeem, retrieve } from '../../src/domain/ciba-request/decider.ts';
import type { CibaRequestEvents, CibaRequestFact } from '../../src/domain/ciba-request/events.ts';
import type { Decision } from '../../src/domain/decider.ts';
import { OAuthError } from '../../src/domain/oauth-error.ts';
import {
  accounts,
  authorised,
  authorisedBy,
  consentAfter,
  consentAt,
  lodged,
  received,
  rejected,
  retrieved,
  revoked,
} from '../support/ceremony-facts.ts';
import { recorded } from '../support/given.ts';

// The least that a CIBA request can be: who answered what, and whether it is over.
interface Model {
  answer: 'approved' | 'denied' | null;
  over: 'cancelled' | 'expired' | 'redeemed' | null;
}
type Outcome =
  | CibaRequestFact['type']
  | 'nothing new'
  | 'conflict'
  | 'gone'
  | 'not_found'
  | 'authorization_pending'
  | 'access_denied'
  | 'expired_token'
  | 'invalid_grant';

const EXPIRES_AT = received.data.expiresAt;
const consents = {
  waiting: consentAfter(lodged),
  authorised: consentAfter(lodged, authorised),
  another: consentAfter(lodged, authorisedBy('another')),
  rejected: consentAfter(lodged, rejected),
  revoked: consentAfter(lodged, authorised, revoked),
};

interface Step {
  name: string;
  decision: Decision<CibaRequest, CibaRequestEvents>;
  expected(model: Model): Outcome;
}

const ended = ({ over, answer }: Model, at: number): Outcome | null => {
  if (over === 'expired' || (over === null && answer === null && at >= EXPIRES_AT)) return 'gone';
  return over !== null || answer !== null ? 'conflict' : null;
};

const show = (psuId: string, at: number): Step => ({
  name: `show ${psuId} at ${at}`,
  decision: retrieve({ ...retrieved.data, psuId, at }, 'a text'),
  // The given past has shown it already.
  expected: (model) => (psuId === 'alice' ? (ended(model, at) ?? 'nothing new') : 'not_found'),
});

const answers = (verdict: 'approved' | 'denied', psuId: string, deviceId: string, at: number): Step => ({
  name: `${psuId} on ${deviceId}: ${verdict} at ${at}`,
  decision: answer(
    {
      verdict,
      psuId,
      deviceId,
      keyThumbprint: 'key',
      digest: 'digest',
      nonce: 'nonce',
      accountIds: ['account-1'],
      authorizationDetails: null,
      jws: 'jws',
      at,
    },
    consentAt(0),
    accounts(['account-1']),
    detailTypes,
  ),
  expected(model) {
    if (psuId !== 'alice') return 'not_found';
    if (model.answer === verdict && deviceId === 'phone') return 'nothing new';
    if (model.answer !== null) return 'conflict';
    return ended(model, at) ?? (deviceId === 'phone' ? (verdict === 'approved' ? 'CibaRequestApproved' : 'CibaRequestDenied') : 'conflict');
  },
});

const cancels = (at: number): Step => ({
  name: `cancel at ${at}`,
  decision: cancel({ reason: 'consent_ended', at }),
  expected: ({ answer, over }) => (answer === null && over === null ? 'CibaRequestCancelled' : 'nothing new'),
});

const expires = (at: number): Step => ({
  name: `expire at ${at}`,
  decision: expire(at),
  expected: ({ answer, over }) => (at >= EXPIRES_AT && over === null && answer === null ? 'CibaRequestExpired' : 'nothing new'),
});

const redeems = (clientId: string, consent: keyof typeof consents, at: number): Step => ({
  name: `${clientId} redeems at ${at}, consent ${consent}`,
  decision: redeem({ clientId, certificateThumbprint: null, consent: consents[consent], grantId: 'grant-1', at }),
  expected({ answer, over }) {
    if (clientId !== 'tpp') return 'invalid_grant';
    if (answer === 'denied' || over === 'cancelled') return 'access_denied';
    if (over === 'expired' || at >= EXPIRES_AT) return 'expired_token';
    if (answer === null || consent === 'waiting') return 'authorization_pending';
    if (consent !== 'authorised') return over === 'redeemed' ? 'invalid_grant' : 'access_denied';
    return over === 'redeemed' ? 'nothing new' : 'CibaRequestRedeemed';
  },
});

const moment = fc.constantFrom(1020, EXPIRES_AT - 1, EXPIRES_AT, EXPIRES_AT + 1);
const psu = fc.oneof({ weight: 5, arbitrary: fc.constant('alice') }, fc.constant('bob'));
const device = fc.oneof({ weight: 5, arbitrary: fc.constant('phone') }, fc.constant('tablet'));
const client = fc.oneof({ weight: 5, arbitrary: fc.constant('tpp') }, fc.constant('other'));
const consent = fc.constantFrom(...(Object.keys(consents) as (keyof typeof consents)[]), 'authorised' as const);
const step = fc.oneof(
  fc.tuple(psu, moment).map((by) => show(...by)),
  fc.tuple(fc.constantFrom('approved' as const, 'denied' as const), psu, device, moment).map((by) => answers(...by)),
  moment.map(cancels),
  moment.map(expires),
  fc.tuple(client, consent, moment).map((by) => redeems(...by)),
);

const outcomeOf = (decision: Step['decision'], log: readonly CibaRequestFact[]): { outcome: string; facts: readonly CibaRequestFact[] } => {
  const state = recorded(cibaRequest.events, ...log).reduce(cibaRequest.evolve, cibaRequest.initial);
  try {
    const facts = decision(state);
    return { outcome: facts.map(({ type }) => type).join() || 'nothing new', facts };
  } catch (error) {
    if (!(error instanceof OAuthError)) throw error;
    return { outcome: error.error, facts: [] };
  }
};

const next = (model: Model, outcome: Outcome): Model => {
  switch (outcome) {
    case 'CibaRequestApproved':
      return { ...model, answer: 'approved' };
    case 'CibaRequestDenied':
      return { ...model, answer: 'denied' };
    case 'CibaRequestCancelled':
      return { ...model, over: 'cancelled' };
    case 'CibaRequestExpired':
      return { ...model, over: 'expired' };
    case 'CibaRequestRedeemed':
      return { ...model, over: 'redeemed' };
    default:
      return model;
  }
};

/** Plays the steps against the decider and the model; the facts that were recorded after the request was shown. */
const play = (steps: readonly Step[]): readonly CibaRequestFact[] => {
  const log: CibaRequestFact[] = [received, retrieved];
  let model: Model = { answer: null, over: null };
  for (const { decision, expected } of steps) {
    const { outcome, facts } = outcomeOf(decision, log);
    const foretold = expected(model);
    expect(outcome).toBe(foretold);
    log.push(...facts);
    model = next(model, foretold);
  }
  return log.slice(2);
};

const typesOf = (facts: readonly CibaRequestFact[]): string => facts.map(({ type }) => type.replace('CibaRequest', '')).join(' ');

describe('a CIBA request, whatever comes in whatever order', () => {
  test('does what a model of two fields does, and only seven stories can be told of it', () => {
    const told = new Set<string>();
    const stories = fc.array(step, { maxLength: 12 });
    fc.assert(
      fc.property(stories, (steps) => {
        told.add(typesOf(play(steps)));
      }),
      { numRuns: 2000 },
    );
    expect([...told].sort()).toEqual(['', 'Approved', 'Approved Redeemed', 'Cancelled', 'Denied', 'Expired']);
  });

  // Each of the five that can win, in each of the 120 orders, in time and too late.
  test.each([1020, EXPIRES_AT])('is ended by whoever comes first, at %i', (at) => {
    const five = [
      answers('approved', 'alice', 'phone', at),
      answers('denied', 'alice', 'phone', at),
      cancels(at),
      expires(at),
      redeems('tpp', 'authorised', at),
    ];
    for (const order of permutations(five)) play(order);
  });
});

const permutations = <T>(items: readonly T[]): T[][] =>
  items.length < 2
    ? [[...items]]
    : items.flatMap((first, index) => permutations(items.toSpliced(index, 1)).map((rest) => [first, ...rest]));
