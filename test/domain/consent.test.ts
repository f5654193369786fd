import { describe, expect, test } from '@jest/globals';
import {
  amend,
  answerable,
  asOf,
  authorise,
  awaiting,
  type Consent,
  consent,
  covers,
  expire,
  isOf,
  type LodgedConsent,
  lodge,
  reject,
  revoke,
  revokeAuthorised,
  uploadFile,
  waits,
  withdraw,
} from '../../src/domain/consent/decider.ts';
import type { ConsentFact } from '../../src/domain/consent/events.ts';
import { receiptOf } from '../../src/domain/consent/receipt.ts';
import type { Sealer } from '../../src/domain/ports/sealer.ts';
import { amended, authorised, authorisedBy, consentAfter, ended, lodged, rejected, revoked } from '../support/ceremony-facts.ts';
import { expectRefusal, given, ID } from '../support/given.ts';

type OfConsent<T extends ConsentFact['type']> = Extract<ConsentFact, { type: T }>;

const accountIds = ['account-1'];
const ofRequest = { ...lodged, data: { ...lodged.data, expiresAt: null, at: 1020 } };
const yes = authorise({ data: authorised.data, consentRevision: 0, accountIds, authorizationDetails: null, lodged: null });
const yesWithoutConsent = authorise({
  data: authorised.data,
  consentRevision: -1,
  accountIds,
  authorizationDetails: null,
  lodged: ofRequest.data,
});
const yesToAnother = authorise({
  data: authorisedBy('another').data,
  consentRevision: 0,
  accountIds,
  authorizationDetails: null,
  lodged: null,
});
const no = reject({ data: rejected.data, consentRevision: 0 });
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
  test('by a TPP', () => given(consent).when(lodge(lodged.data, null)).then(lodged));
  test('once', () => given(consent, lodged).when(lodge(lodged.data, null)).then());
  test('and not again, however it went on', () => {
    for (const past of [[lodged, authorised], ...pastsThatEnded])
      given(consent, ...past)
        .when(lodge(lodged.data, null))
        .then();
  });
});

describe('a consent is authorised', () => {
  test('by an approved request', () => given(consent, lodged).when(yes).then(authorised));
  test('with the accounts that were chosen', () => {
    const forTwo = authorise({
      data: authorised.data,
      consentRevision: 0,
      accountIds: ['account-1', 'account-2'],
      authorizationDetails: null,
      lodged: null,
    });
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
  test('as one that has not ended yet', () => {
    const withdraws = withdraw(revoked.data);
    for (const past of [[lodged], [lodged, authorised]])
      given(consent, ...past)
        .when(withdraws)
        .then(revoked);
    for (const past of [...pastsThatEnded, [brief]])
      given(consent, ...past)
        .when(withdraws)
        .refuses('invalid_request');
    given(consent).when(withdraws).refuses('not_found');
  });
  test('as one that is authorised', () => {
    const revokes = revokeAuthorised(revoked.data);
    given(consent, lodged, authorised).when(revokes).then(revoked);
    for (const past of [[], [lodged], ...pastsThatEnded, [brief, authorised]])
      given(consent, ...past)
        .when(revokes)
        .refuses('invalid_request');
  });
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
  test('as of that moment, though nobody has recorded that yet', () => {
    const state = consentAfter(lodged, authorised) as LodgedConsent;
    expect(asOf(state, 4999)).toBe(state);
    expect(asOf(state, 6000)).toEqual({ ...state, status: 'expired', statusAt: 5000 });
    expect(asOf(consentAfter(lodged, revoked) as LodgedConsent, 6000)).toMatchObject({ status: 'revoked', statusAt: 1025 });
  });
});

describe('a request may refer to a consent', () => {
  const refused = (state: Consent, clientId: string, at: number) =>
    expectRefusal(() => awaiting(state, { clientId, psuId: 'alice', at }), 'invalid_request');

  test('that waits for its PSU', () =>
    expect(awaiting(consentAfter(lodged), { clientId: 'tpp', psuId: null, at: 4999 })).toMatchObject({ clientId: 'tpp', revision: 0 }));
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
    expect(waits(consentAfter(), -1)).toBe(true);
    expect(waits(consentAfter(lodged), 0)).toBe(true);
  });
  test('and no other', () => {
    for (const past of [[lodged, authorised], ...pastsThatEnded]) expect(waits(consentAfter(...past), 0)).toBe(false);
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
    expect(consentAfter(lodged, rejected)).toMatchObject({
      status: 'rejected',
      revision: 1,
      rejectedBy: { requestId: ID, psuId: 'alice' },
    }));
  test('nothing from before its beginning', () => expect(consentAfter(authorised)).toEqual({ status: 'absent', revision: -1 }));
});

describe('several must agree', () => {
  const joint = { ...lodged, data: { ...lodged.data, authorisers: ['alice', 'bob'] } };
  const agrees = (psuId: string, requestId = `request of ${psuId}`, consentRevision = 0) =>
    authorise({ ...answerOf(psuId, requestId), consentRevision, accountIds, authorizationDetails: null, lodged: null });
  const refuses = (psuId: string) => reject({ ...answerOf(psuId), consentRevision: 0 });
  const answerOf = (psuId: string, requestId = `request of ${psuId}`) => ({ data: { ...rejected.data, psuId, requestId } });
  const agreement = (psuId: string): OfConsent<'ConsentAuthorised'> => ({
    ...authorised,
    data: { ...authorised.data, ...answerOf(psuId).data },
  });
  const givenBy = (psuId: string): OfConsent<'ConsentAuthorisationGiven'> => ({ ...agreement(psuId), type: 'ConsentAuthorisationGiven' });

  test('the first leaves the others outstanding', () => {
    given(consent, joint).when(agrees('alice')).then(givenBy('alice'));
    expect(consentAfter(joint, givenBy('alice'))).toMatchObject({ status: 'awaitingFurtherAuthorisation', authorisation: null });
  });
  test('in any order', () => given(consent, joint).when(agrees('bob')).then(givenBy('bob')));
  test('the last authorises it', () => {
    given(consent, joint, givenBy('alice')).when(agrees('bob')).then(agreement('bob'));
    expect(consentAfter(joint, givenBy('alice'), agreement('bob'))).toMatchObject({
      status: 'authorised',
      authorisations: [{ psuId: 'alice' }, { psuId: 'bob' }],
      authorisation: { psuId: 'bob' },
    });
  });
  test('each once', () => {
    given(consent, joint, givenBy('alice')).when(agrees('alice')).then();
    given(consent, joint, givenBy('alice')).when(agrees('alice', 'another request')).then();
  });
  test('nobody else', () => {
    given(consent, joint).when(agrees('mallory')).then();
    given(consent, joint).when(refuses('mallory')).then();
    expectRefusal(() => awaiting(consentAfter(joint), { clientId: 'tpp', psuId: 'mallory', at: 1000 }), 'invalid_request');
    expect(answerable(consentAfter(joint), 'mallory', 1000)).toBe(false);
  });
  test('one rejection rejects, whoever has agreed', () => {
    const no = { ...rejected, data: answerOf('bob').data };
    given(consent, joint).when(refuses('bob')).then(no);
    given(consent, joint, givenBy('alice')).when(refuses('bob')).then(no);
    given(consent, joint, givenBy('alice'), no).when(agrees('bob')).then();
  });
  test('what the others were shown stands when one agrees', () => {
    const half = consentAfter(joint, givenBy('alice'));
    expect(half.revision).toBe(0);
    expect(answerable(half, 'bob', 1030)).toBe(true);
    expect(answerable(half, 'alice', 1030)).toBe(false);
    expect(waits(half, 0)).toBe(true);
  });
  test('tokens of all their requests are covered once all have agreed', () => {
    const of = (psuId: string) => `request of ${psuId}`;
    for (const psuId of ['alice', 'bob']) {
      expect(covers(consentAfter(joint, givenBy('alice')), of(psuId), 1030)).toBe(false);
      expect(covers(consentAfter(joint, givenBy('alice'), agreement('bob')), of(psuId), 1030)).toBe(true);
    }
  });
  test('it is revoked, and expires, while it waits', () => {
    given(consent, joint, givenBy('alice')).when(takesBack).then(revoked);
    given(consent, joint, givenBy('alice')).when(expire(5000)).then(ended);
  });
});

describe('a consent is amended', () => {
  const { endedRequests, ...terms } = amended.data;
  const receipt = amended.personal.receipt;
  const amends = amend(terms, receipt, () => null);
  const amendedAfter = (...requests: string[]) => ({ ...amended, data: { ...amended.data, endedRequests: requests } });

  test('before anyone has answered', () => given(consent, lodged).when(amends).then(amendedAfter()));
  test('after it was agreed, which ends what was agreed', () => {
    given(consent, lodged, authorised).when(amends).then(amendedAfter(ID));
    const state = consentAfter(lodged, authorised, amendedAfter(ID));
    expect(state).toMatchObject({ status: 'awaitingAuthorisation', revision: 2, content: { kind: 'vrp' }, authorisations: [] });
    expect(covers(state, ID, 1030)).toBe(false);
    expect(waits(state, 0)).toBe(false);
  });
  test('to the terms that it has already is none', () => {
    const same = amend({ ...terms, content: lodged.data.content, expiresAt: lodged.data.expiresAt }, receipt, () => ({
      Risk: {},
      Data: receipt.Data,
    }));
    given(consent, lodged, authorised).when(same).then();
    given(consent, lodged, amendedAfter())
      .when(amend(terms, receipt, () => receipt))
      .then();
    for (const other of [
      { ...terms, content: { kind: 'funds-confirmation' as const } },
      { ...terms, expiresAt: null },
    ])
      given(consent, lodged, amended)
        .when(amend(other, receipt, () => receipt))
        .then({ ...amended, data: { ...other, endedRequests: [] } });
    given(consent, lodged, revoked).when(same).refuses('conflict');
  });
  test('is still of those who had agreed to it, and of nobody else', () => {
    const state = consentAfter(lodged, authorised, amendedAfter(ID)) as LodgedConsent;
    expect(state.authorisers).toEqual(['alice']);
    expect([isOf(state, 'alice'), isOf(state, 'bob')]).toEqual([true, false]);
    expect([answerable(state, 'alice', 1030), answerable(state, 'bob', 1030)]).toEqual([true, false]);
    expectRefusal(() => awaiting(state, { clientId: 'tpp', psuId: 'bob', at: 1030 }), 'invalid_request');
    expect(consentAfter(lodged, amended)).toMatchObject({ authorisers: [] });
  });
  test('not by an answer over what it was', () => {
    given(consent, lodged, amendedAfter()).when(yes).then();
    given(consent, lodged, amendedAfter()).when(no).then();
  });
  test('and authorised anew by one over what it is', () => {
    const anew = authorise({
      data: authorisedBy('second').data,
      consentRevision: 1,
      accountIds,
      authorizationDetails: null,
      lodged: null,
    });
    given(consent, lodged, amendedAfter()).when(anew).then(authorisedBy('second'));
  });
  test('not once it is over', () => {
    for (const past of pastsThatEnded)
      given(consent, ...past)
        .when(amends)
        .refuses('conflict');
    given(consent, brief)
      .when(amend({ ...terms, at: 1020 }, receipt, () => null))
      .refuses('conflict');
    given(consent).when(amends).refuses('not_found');
  });
});

describe('a consent awaits its file', () => {
  const awaitsFile = { ...lodged, data: { ...lodged.data, awaitsUpload: true } };
  const file: OfConsent<'ConsentFileUploaded'> = {
    type: 'ConsentFileUploaded',
    data: { digest: 'digest', size: 4, at: 910 },
    personal: { file: 'file' },
  };
  const upload = uploadFile(file.data, 'file');

  test('before anyone can be asked', () => {
    expect(answerable(consentAfter(awaitsFile), 'alice', 1000)).toBe(false);
    expectRefusal(() => awaiting(consentAfter(awaitsFile), { clientId: 'tpp', psuId: 'alice', at: 1000 }), 'invalid_request');
  });
  test('which comes once', () => {
    given(consent, awaitsFile).when(upload).then(file);
    given(consent, awaitsFile, file).when(upload).then();
    given(consent, awaitsFile, file, authorised).when(upload).then();
    given(consent, awaitsFile, file)
      .when(uploadFile({ ...file.data, digest: 'another' }, 'another'))
      .refuses('conflict');
    expect(consentAfter(awaitsFile, file)).toMatchObject({ status: 'awaitingAuthorisation', revision: 1, file: { size: 4 } });
  });
  test('if it awaits one at all', () => {
    given(consent, lodged).when(upload).refuses('conflict');
    given(consent).when(upload).refuses('not_found');
  });
  test('of a size that can be kept', () =>
    given(consent, awaitsFile)
      .when(uploadFile({ ...file.data, size: 1024 * 1024 + 1 }, 'file'))
      .refuses('content_too_large'));
  test('also when it is amended meanwhile', () => expect(consentAfter(awaitsFile, amended)).toMatchObject({ status: 'awaitingUpload' }));
  test('and another one for other terms', () => {
    for (const past of [[file], [file, authorised]]) {
      const state = consentAfter(awaitsFile, ...past, amended);
      expect(state).toMatchObject({ status: 'awaitingUpload', file: null });
      expect(answerable(state, 'alice', 1030)).toBe(false);
      given(consent, awaitsFile, ...past, amended)
        .when(upload)
        .then(file);
    }
  });
  test('or is revoked', () => given(consent, awaitsFile).when(takesBack).then(revoked));
});

describe('what is personal in a consent', () => {
  const opens: Sealer = { seal: () => '', open: ({ text }) => text };
  const erased: Sealer = { ...opens, open: () => null };
  const withReceipt = { ...lodged, personal: { receipt: { Data: { a: 1 }, Risk: {} } } };
  const lodgedState = (...facts: ConsentFact[]) => consentAfter(...facts) as LodgedConsent;

  test('is the receipt, as it was lodged or amended last', () => {
    expect(receiptOf(lodgedState(withReceipt), opens)).toEqual({ Data: { a: 1 }, Risk: {} });
    expect(receiptOf(lodgedState(withReceipt, amended), opens)).toEqual(amended.personal.receipt);
    expect(receiptOf(lodgedState(lodged), opens)).toBeNull();
    expect(receiptOf(lodgedState(withReceipt), erased)).toBeNull();
  });
  test('is sealed under a key of its own', () => expect(lodgedState(withReceipt).receipt?.sealed.psuId).toBe(`consent ${ID}`));
});
