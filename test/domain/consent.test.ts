import { describe, expect, test } from '@jest/globals';
import {
  authorise,
  awaiting,
  type Consent,
  consent,
  covers,
  expire,
  lodge,
  reject,
  revoke,
  waits,
} from '../../src/domain/consent/decider.ts';
import type { ConsentFact } from '../../src/domain/consent/events.ts';
import { authorised, authorisedBy, consentAfter, ended, lodged, rejected, revoked } from '../support/ceremony-facts.ts';
import { expectRefusal, given, ID } from '../support/given.ts';

const accountIds = ['account-1'];
const ofRequest = { ...lodged, data: { ...lodged.data, expiresAt: null, at: 1020 } };
const yes = authorise({ data: authorised.data, accountIds, authorizationDetails: null, lodged: null });
const yesWithoutConsent = authorise({ data: authorised.data, accountIds, authorizationDetails: null, lodged: ofRequest.data });
const yesToAnother = authorise({ data: authorisedBy('another').data, accountIds, authorizationDetails: null, lodged: null });
const no = reject({ data: rejected.data });
const takesBack = revoke(revoked.data);
const brief = { ...lodged, data: { ...lodged.data, expiresAt: 1020 } };

/** Every past of a consent that is over. */
const pastsThatEnded: ConsentFact[][] = [
  [lodged, rejected],
  [lodged, revoked],
  [lodged, ended],
  [lodged, authorised, revoked],
  [lodged, authorised, ended],
];

describe('a consent is lodged', () => {
  test('by a TPP', () => given(consent).when(lodge(lodged.data)).then(lodged));
  test('once', () => given(consent, lodged).when(lodge(lodged.data)).then());
  test('and not again, however it went on', () => {
    for (const past of [[lodged, authorised], ...pastsThatEnded])
      given(consent, ...past)
        .when(lodge(lodged.data))
        .then();
  });
});

describe('a consent is authorised', () => {
  test('by an approved request', () => given(consent, lodged).when(yes).then(authorised));
  test('with the accounts that were chosen', () => {
    const forTwo = authorise({ data: authorised.data, accountIds: ['account-1', 'account-2'], authorizationDetails: null, lodged: null });
    given(consent, lodged)
      .when(forTwo)
      .then({ ...authorised, personal: { accountIds: ['account-1', 'account-2'], authorizationDetails: null } });
  });
  test('and begins there, where the request named none', () => given(consent).when(yesWithoutConsent).then(ofRequest, authorised));
  test('once', () => {
    given(consent, lodged, authorised).when(yes).then();
    given(consent, ofRequest, authorised).when(yesWithoutConsent).then();
  });
  test('by one request only', () => given(consent, lodged, authorised).when(yesToAnother).then());
  test('never again once it is over', () => {
    for (const past of pastsThatEnded) {
      given(consent, ...past)
        .when(yes)
        .then();
      given(consent, ...past)
        .when(yesWithoutConsent)
        .then();
    }
  });
  test('not after its own end, though nobody has recorded that yet', () => given(consent, brief).when(yes).then());
  test('not when it was to be lodged and is not there', () => given(consent).when(yes).then());
});

describe('a consent is rejected', () => {
  test('by a denied request', () => given(consent, lodged).when(no).then(rejected));
  test('once', () => given(consent, lodged, rejected).when(no).then());
  test('not after it was authorised, nor once it is over', () => {
    for (const past of [[lodged, authorised], ...pastsThatEnded])
      given(consent, ...past)
        .when(no)
        .then();
  });
  test('not where the request named none', () => given(consent).when(no).then());
});

describe('a consent is revoked', () => {
  test('once it was authorised', () => given(consent, lodged, authorised).when(takesBack).then(revoked));
  test('before anyone has answered', () => given(consent, lodged).when(takesBack).then(revoked));
  test('by whoever may', () => {
    for (const by of ['client', 'psu', 'operator'] as const) {
      const data = { by, at: 1025 };
      given(consent, lodged, authorised).when(revoke(data)).then({ type: 'ConsentRevoked', data });
    }
  });
  test('once', () => {
    for (const past of pastsThatEnded)
      given(consent, ...past)
        .when(takesBack)
        .then();
  });
  test('not before it exists', () => given(consent).when(takesBack).then());
});

describe('a consent expires', () => {
  const endless = { ...lodged, data: { ...lodged.data, expiresAt: null } };

  test('at its own end', () => given(consent, lodged, authorised).when(expire(5000)).then(ended));
  test('also unanswered', () => given(consent, lodged).when(expire(5000)).then(ended));
  test('not before', () => given(consent, lodged, authorised).when(expire(4999)).then());
  test('never when it has no end', () =>
    given(consent, endless, authorised)
      .when(expire(2 ** 40))
      .then());
  test('once', () => {
    for (const past of pastsThatEnded)
      given(consent, ...past)
        .when(expire(5000))
        .then();
  });
  test('not before it exists', () => given(consent).when(expire(5000)).then());
});

describe('a request may refer to a consent', () => {
  const refused = (state: Consent, clientId: string, at: number) => expectRefusal(() => awaiting(state, clientId, at), 'invalid_request');

  test('that waits for its PSU', () => expect(awaiting(consentAfter(lodged), 'tpp', 4999)).toMatchObject({ clientId: 'tpp', revision: 0 }));
  test('of its own client', () => refused(consentAfter(lodged), 'other', 1000));
  test('that exists', () => refused(consentAfter(), 'tpp', 1000));
  test('whose end has not come', () => refused(consentAfter(lodged), 'tpp', 5000));
  test('that nobody has answered, and that is not over', () => {
    for (const past of [[lodged, authorised], ...pastsThatEnded]) refused(consentAfter(...past), 'tpp', 1030);
  });
});

describe('a consent covers tokens', () => {
  test('of the request that authorised it', () => expect(covers(consentAfter(lodged, authorised), ID, 4999)).toBe(true));
  test('of no other', () => expect(covers(consentAfter(lodged, authorised), 'another', 1030)).toBe(false));
  test('not after its own end, though nobody has recorded that yet', () =>
    expect(covers(consentAfter(lodged, authorised), ID, 5000)).toBe(false));
  test('only while it is authorised', () => {
    for (const past of [[], [lodged], ...pastsThatEnded]) expect(covers(consentAfter(...past), ID, 1030)).toBe(false);
  });
});

describe('an answer has yet to reach a consent', () => {
  test('that is not there, or waits', () => {
    expect(waits(consentAfter())).toBe(true);
    expect(waits(consentAfter(lodged))).toBe(true);
  });
  test('and no other', () => {
    for (const past of [[lodged, authorised], ...pastsThatEnded]) expect(waits(consentAfter(...past))).toBe(false);
  });
});

describe('a consent remembers', () => {
  test('what was lodged, who authorised it and where its stream stands', () =>
    expect(consentAfter(lodged, authorised, revoked)).toMatchObject({
      status: 'revoked',
      revision: 2,
      clientId: 'tpp',
      content: { kind: 'scope', scope: 'openid accounts' },
      lodgedAt: 900,
      statusAt: 1025,
      authorisation: { requestId: ID, psuId: 'alice', at: 1020 },
      rejectedBy: null,
    }));
  test('which request rejected it', () =>
    expect(consentAfter(lodged, rejected)).toMatchObject({ status: 'rejected', revision: 1, rejectedBy: ID }));
  test('nothing from before its beginning', () => expect(consentAfter(authorised)).toEqual({ status: 'absent', revision: -1 }));
});
