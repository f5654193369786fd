import { describe, expect, test } from '@jest/globals';
import type { AuthorizationDetail } from '../../src/domain/authorization-details/detail-type.ts';
import { detailTypes } from '../../src/domain/authorization-details/registered.ts';
import {
  answer,
  cancel,
  cancelOwn,
  cibaRequest,
  expire,
  lastRetrieval,
  ofPsu,
  receive,
  redeem,
  refuseAnswer,
  retrieve,
  type SessionAnswer,
  type SignedAnswer,
  supersedable,
} from '../../src/domain/ciba-request/decider.ts';
import type { CibaRequestFact } from '../../src/domain/ciba-request/events.ts';
import type { Consent } from '../../src/domain/consent/decider.ts';
import {
  accounts,
  amended,
  approved,
  askedWith,
  authorised,
  authorisedBy,
  cancelled,
  consentAfter,
  consentAt,
  denied,
  ended,
  expired,
  lodged,
  received,
  redeemed,
  rejected,
  retrieved,
  revoked,
} from '../support/ceremony-facts.ts';
import { eventIdAt, given, ID, personalPart, stateOf } from '../support/given.ts';

const asked = (...past: CibaRequestFact[]) => given(cibaRequest, received, ...past);
const at = <Fact extends CibaRequestFact>(fact: Fact, moment: number) => ({ ...fact, data: { ...fact.data, at: moment } });

describe('a CIBA request is received', () => {
  const ask = receive(received.data, askedWith('W4SCT'));

  test('with its binding message', () => given(cibaRequest).when(ask).then(received));
  test('without one', () => {
    const plain = { ...received, personal: askedWith(null) };
    given(cibaRequest)
      .when(receive(received.data, askedWith(null)))
      .then(plain);
  });
  test('once', () => asked().when(ask).then());
});

describe('a CIBA request is shown', () => {
  const show = (data: Partial<typeof retrieved.data> = {}) => retrieve({ ...retrieved.data, ...data }, 'account-1 or account-2');
  const changed = { ...retrieved, data: { ...retrieved.data, digest: 'digest-2', nonce: 'nonce-2', consentRevision: 1, at: 1011 } };
  const again = show({ nonce: 'nonce-2', at: 1011 });
  const onTablet = show({ deviceId: 'tablet' });
  const toBob = show({ psuId: 'bob' });
  const inTime = show({ at: 1299 });
  const late = show({ at: 1300 });

  test('to its PSU', () => asked().when(show()).then(retrieved));
  test('to nobody else', () => asked().when(toBob).refuses('not_found'));
  test('to nobody before it exists', () => given(cibaRequest).when(show()).refuses('not_found'));
  test('on the same device again: nothing new', () => asked(retrieved).when(again).then());
  test('on another device of the PSU', () => {
    const elsewhere = { ...retrieved, data: { ...retrieved.data, deviceId: 'tablet' } };
    asked(retrieved).when(onTablet).then(elsewhere);
  });
  test('again when its consent has changed', () => asked(retrieved).when(show(changed.data)).then(changed));
  test('up to its last second', () => asked().when(inTime).then(at(retrieved, 1299)));
  test('not after its time', () => asked().when(late).refuses('gone'));
  test('not once it has expired', () => asked(expired).when(show()).refuses('gone'));
  test('not once it was answered or cancelled', () => {
    for (const end of [approved, denied, cancelled]) asked(end).when(show()).refuses('conflict');
    asked(approved, redeemed).when(show()).refuses('conflict');
  });
  test('and what a device saw last is known', () => {
    const request = ofPsu(stateOf(cibaRequest, received, retrieved, changed), 'alice');
    expect(lastRetrieval(request, 'phone')).toMatchObject({ digest: 'digest-2', nonce: 'nonce-2', consentRevision: 1 });
    expect(lastRetrieval(request, 'tablet')).toBeUndefined();
  });
});

describe('a CIBA request is shown and answered in a session', () => {
  const inSession = { ...retrieved, data: { ...retrieved.data, deviceId: null, sessionId: 'session' } };
  const byHand: SessionAnswer = {
    verdict: 'approved',
    psuId: 'alice',
    deviceId: null,
    sessionId: 'session',
    digest: 'digest',
    nonce: 'nonce',
    accountIds: ['account-1'],
    authorizationDetails: null,
    at: 1020,
  };
  const inBrowser = (by: Partial<SessionAnswer> = {}) =>
    answer({ ...byHand, ...by }, consentAt(0), accounts(['account-1', 'account-2']), detailTypes);
  const approvedThere = {
    ...approved,
    data: { ...approved.data, deviceId: null, keyThumbprint: null, sessionId: 'session' },
    personal: { ...approved.personal, answer: null },
  };

  test('beside a device', () => asked(retrieved).when(retrieve(inSession.data, inSession.personal.shown)).then(inSession));
  test('with the session as evidence', () => asked(inSession).when(inBrowser()).then(approvedThere));
  test('once: the same answer again is nothing new', () => asked(inSession, approvedThere).when(inBrowser()).then());
  test('not over what a device was shown', () => asked(retrieved).when(inBrowser()).refuses('conflict'));
  test('not over what another session was shown', () =>
    asked(inSession)
      .when(inBrowser({ sessionId: 'other' }))
      .refuses('conflict'));
  test('at most 30 times in sessions, however often on devices', () => {
    const often = Array.from({ length: 30 }, (_, n) => ({ ...inSession, data: { ...inSession.data, sessionId: `session-${n}` } }));
    const [inAnother, onPhone] = [retrieve(inSession.data, 'shown'), retrieve(retrieved.data, retrieved.personal.shown)];
    asked(...often)
      .when(inAnother)
      .refuses('conflict');
    asked(...often)
      .when(onPhone)
      .then(retrieved);
  });
  test('not by another PSU', () =>
    asked(inSession)
      .when(inBrowser({ psuId: 'bob' }))
      .refuses('not_found'));
  test('not after a device has answered', () => asked(retrieved, inSession, approved).when(inBrowser()).refuses('conflict'));
});

const tap: SignedAnswer = {
  verdict: 'approved',
  psuId: 'alice',
  deviceId: 'phone',
  keyThumbprint: 'key',
  digest: 'digest',
  nonce: 'nonce',
  accountIds: ['account-1'],
  authorizationDetails: null,
  jws: 'jws',
  at: 1020,
};
const answers = (by: Partial<SignedAnswer>, consentRevision = 0) =>
  answer(
    { ...tap, ...by },
    consentAt(consentRevision),
    accounts(['account-1', 'account-2'], by.verdict === 'denied' ? [] : ['account-1']),
    detailTypes,
  );
const yes = answers({});
const no = answers({ verdict: 'denied', accountIds: [] });
const lateYes = answers({ at: 1300 });
const lateNo = answers({ verdict: 'denied', at: 1300 });
const yesOfBob = answers({ psuId: 'bob' });

describe('a CIBA request is answered', () => {
  test('with yes', () => asked(retrieved).when(yes).then(approved));
  test('with no', () => asked(retrieved).when(no).then(denied));
  test('up to its last second', () => {
    const inTime = answers({ at: 1299 });
    asked(retrieved).when(inTime).then(at(approved, 1299));
  });
  test('by its PSU alone', () => {
    given(cibaRequest).when(yes).refuses('not_found');
    asked(retrieved).when(yesOfBob).refuses('not_found');
    asked(retrieved, approved).when(yesOfBob).refuses('not_found');
  });
  test('not after its time', () => {
    asked(retrieved).when(lateYes).refuses('gone');
    asked(retrieved).when(lateNo).refuses('gone');
    asked(retrieved, expired).when(yes).refuses('gone');
  });
  test('not once it was cancelled', () => asked(retrieved, cancelled).when(yes).refuses('conflict'));
});

describe('a CIBA request that was answered', () => {
  test('takes the same answer twice as one', () => {
    asked(retrieved, approved).when(yes).then();
    asked(retrieved, denied).when(no).then();
  });
  test('does so also when its time or its consent went on', () => {
    const repeated = answers({ at: 9999 }, 1);
    asked(retrieved, approved, redeemed).when(repeated).then();
    asked(retrieved, approved, expired).when(repeated).then();
  });
  test('takes no other verdict', () => {
    asked(retrieved, approved).when(no).refuses('conflict');
    asked(retrieved, denied).when(yes).refuses('conflict');
    asked(retrieved, approved, redeemed).when(no).refuses('conflict');
    asked(retrieved, approved, expired).when(no).refuses('conflict');
  });
  test('takes no answer of another device, nor over another text', () => {
    const fromTablet = answers({ deviceId: 'tablet' });
    const overAnother = answers({ digest: 'digest-2' });
    asked(retrieved, approved).when(fromTablet).refuses('conflict');
    asked(retrieved, approved).when(overAnother).refuses('conflict');
  });
  test('takes the same answer of another device that was shown the same consent, and no other', () => {
    const onTablet = (data: object = {}) => ({
      ...retrieved,
      data: { ...retrieved.data, deviceId: 'tablet', digest: 'digest-2', nonce: 'nonce-2', ...data },
    });
    const fromTablet = (by: object = {}) => answers({ deviceId: 'tablet', digest: 'digest-2', nonce: 'nonce-2', ...by });
    asked(retrieved, onTablet(), approved).when(fromTablet()).then();
    for (const other of [{ verdict: 'denied', accountIds: [] }, { accountIds: ['account-2'] }, { nonce: 'nonce-3' }])
      asked(retrieved, onTablet(), approved).when(fromTablet(other)).refuses('conflict');
    const overAmended = onTablet({ consentRevision: 5 });
    asked(retrieved, overAmended, approved).when(fromTablet()).refuses('conflict');
  });
});

describe('a signed answer that was refused', () => {
  const refused: Extract<CibaRequestFact, { type: 'AnswerRefused' }> = {
    type: 'AnswerRefused',
    data: { deviceId: 'other phone', reason: 'device', at: 1015 },
  };
  const refuses = refuseAnswer(refused.data);

  test('is recorded, and leaves the request as it was', () => {
    asked(retrieved).when(refuses).then(refused);
    asked(retrieved, refused).when(yes).then(approved);
  });
  test('is recorded ten times at most', () => {
    asked(...Array.from({ length: 9 }, () => refused))
      .when(refuses)
      .then(refused);
    asked(...Array.from({ length: 10 }, () => refused))
      .when(refuses)
      .then();
  });
  test('is none of a request that there is not', () => given(cibaRequest).when(refuses).then());
});

describe('an answer is over what its device was shown last', () => {
  const changed = { ...retrieved, data: { ...retrieved.data, digest: 'digest-2', nonce: 'nonce-2', consentRevision: 1 } };

  test.each<[string, CibaRequestFact[], Partial<SignedAnswer>, number]>([
    ['that was never shown', [], {}, 0],
    ['that another device was shown', [retrieved], { deviceId: 'tablet' }, 0],
    ['with another digest', [retrieved], { digest: 'digest-2' }, 0],
    ['with another nonce', [retrieved], { nonce: 'nonce-2' }, 0],
    ['that was shown before the last time', [retrieved, changed], {}, 1],
    ['whose consent has changed since', [retrieved], {}, 1],
    ['whose consent is gone', [retrieved], {}, -1],
  ])('not over a text %s', (_, past, by, consentRevision) => {
    const shown = asked(...past);
    shown.when(answers(by, consentRevision)).refuses('conflict');
    shown.when(answers({ ...by, verdict: 'denied' }, consentRevision)).refuses('conflict');
  });
});

describe('a yes chooses from the accounts shown', () => {
  const choose = (accountIds: string[], from = ['account-1', 'account-2']) =>
    answer({ ...tap, accountIds }, consentAt(0), accounts(from), detailTypes);
  const approvedFor = (accountIds: string[]) => ({ ...approved, personal: { answer: 'jws', accountIds, authorizationDetails: null } });
  const shown = asked(retrieved);

  test('one', () => shown.when(choose(['account-2'])).then(approvedFor(['account-2'])));
  test('all', () => shown.when(choose(['account-2', 'account-1'])).then(approvedFor(['account-2', 'account-1'])));
  test('at least one', () => shown.when(choose([])).refuses('invalid_request'));
  test('each once', () => shown.when(choose(['account-1', 'account-1'])).refuses('invalid_request'));
  test('no other', () => shown.when(choose(['account-1', 'account-3'])).refuses('invalid_request'));
  test('none where none were shown', () => shown.when(choose([], [])).then(approvedFor([])));
  test('not one where none were shown', () => shown.when(choose(['account-1'], [])).refuses('invalid_request'));
  test('as the text says that was signed', () => {
    const read: unknown[] = [];
    const offered = ({ sealed }: { sealed: Parameters<typeof personalPart>[0] }) => {
      read.push(personalPart(sealed));
      return ['account-1'];
    };
    answer(tap, consentAt(0), { ...accounts([]), offered }, detailTypes)(stateOf(cibaRequest, received, retrieved));
    expect(read).toEqual([retrieved.personal]);
  });
});

describe('a CIBA request ends by itself', () => {
  const cancels = cancel(cancelled.data);

  test('when it is cancelled', () => asked(retrieved).when(cancels).then(cancelled));
  test('when its time is over', () => asked(retrieved).when(expire(1300)).then(expired));
  test('not once it was answered: its tokens are refused by the time alone', () => asked(approved).when(expire(1300)).then());
  test('not before its time', () => asked(approved).when(expire(1299)).then());
  test('once', () => {
    for (const end of [denied, cancelled, expired]) {
      asked(end).when(cancels).then();
      asked(end).when(expire(1300)).then();
    }
    asked(approved, redeemed).when(expire(1300)).then();
    asked(approved, redeemed).when(cancels).then();
  });
  test('not by a cancellation that comes after the yes', () => asked(approved).when(cancels).then());
  test('not before it began', () => {
    given(cibaRequest).when(cancels).then();
    given(cibaRequest).when(expire(1300)).then();
  });
});

const poll = (by: { clientId?: string; certificateThumbprint?: string; consent?: Consent; at?: number } = {}) =>
  redeem({ clientId: 'tpp', certificateThumbprint: null, consent: consentAfter(lodged, authorised), grantId: 'grant-1', at: 1030, ...by });

describe('a CIBA request is redeemed', () => {
  const foreignPoll = poll({ clientId: 'other' });
  const inTime = poll({ at: 1299 });
  const late = poll({ at: 1300 });
  const bound = { ...received, data: { ...received.data, certificateThumbprint: 'x5t' } };

  test('once approved', () => asked(retrieved, approved).when(poll()).then(redeemed));
  test('up to its last second', () => asked(approved).when(inTime).then(at(redeemed, 1299)));
  test('again without a new fact: its grant knows whether there are tokens', () => asked(approved, redeemed).when(poll()).then());
  test('not before the answer', () => asked(retrieved).when(poll()).refuses('authorization_pending'));
  test('not after a no', () => asked(denied).when(poll()).refuses('access_denied'));
  test('not after a no, however late', () => asked(denied).when(late).refuses('access_denied'));
  test('not once it was cancelled', () => asked(cancelled).when(poll()).refuses('access_denied'));
  test('not after its time', () => {
    asked().when(late).refuses('expired_token');
    asked(approved).when(late).refuses('expired_token');
    asked(expired).when(poll()).refuses('expired_token');
    asked(approved, expired).when(poll()).refuses('expired_token');
  });
  test('not before it exists', () => given(cibaRequest).when(poll()).refuses('invalid_grant'));
  test('by its client alone, whatever its state', () => {
    asked().when(foreignPoll).refuses('invalid_grant');
    for (const end of [approved, denied, cancelled, expired, redeemed]) asked(end).when(foreignPoll).refuses('invalid_grant');
  });
  test('with the certificate that it was asked with, if any', () => {
    const [same, other] = [poll({ certificateThumbprint: 'x5t' }), poll({ certificateThumbprint: 'other' })];
    given(cibaRequest, bound, approved).when(same).then(redeemed);
    given(cibaRequest, bound, approved).when(other).refuses('invalid_grant');
    given(cibaRequest, bound, approved).when(poll()).refuses('invalid_grant');
    asked(approved).when(other).then(redeemed);
  });
});

describe('a CIBA request yields tokens only for its consent', () => {
  const brief = { ...lodged, data: { ...lodged.data, expiresAt: 1030 } };

  test.each([
    ['is absent', consentAfter()],
    ['still waits', consentAfter(lodged)],
  ])('not yet while the consent %s', (_, consent) => {
    const early = poll({ consent });
    asked(retrieved, approved).when(early).refuses('authorization_pending');
    asked(retrieved, approved, redeemed).when(early).refuses('authorization_pending');
  });

  test.each([
    ['was amended after it was shown', consentAfter(lodged, amended)],
    ['was authorised by another request', consentAfter(lodged, authorisedBy('another'))],
    ['was rejected', consentAfter(lodged, rejected)],
    ['was revoked', consentAfter(lodged, authorised, revoked)],
    ['is over', consentAfter(brief, authorised)],
    ['has expired', consentAfter(lodged, authorised, ended)],
  ])('not when the consent %s', (_, consent) => {
    const vain = poll({ consent });
    asked(retrieved, approved).when(vain).refuses('access_denied');
    asked(retrieved, approved, redeemed).when(vain).refuses('invalid_grant');
  });
});

describe('a CIBA request remembers', () => {
  test('what was asked, how it was answered and what came of it', () =>
    expect(stateOf(cibaRequest, received, retrieved, approved, redeemed)).toMatchObject({
      status: 'redeemed',
      requestId: ID,
      clientId: 'tpp',
      consentId: 'consent-1',
      answer: { verdict: 'approved', deviceId: 'phone', digest: 'digest', at: 1020, eventId: eventIdAt(2) },
      grantId: 'grant-1',
    }));
  test('nothing from before its beginning', () => expect(stateOf(cibaRequest, approved, redeemed)).toEqual({ status: 'absent' }));
});

describe('authorization details', () => {
  const both: AuthorizationDetail = { type: 'account_information', actions: ['list_accounts', 'read_balances'] };
  const one: AuthorizationDetail = { type: 'account_information', actions: ['read_balances'] };
  const more: AuthorizationDetail = { type: 'account_information', actions: ['read_balances', 'read_transactions'] };
  const answering = (
    named: AuthorizationDetail[] | null,
    { wanted = [both] as AuthorizationDetail[] | null, given = null as AuthorizationDetail[] | null } = {},
  ) => {
    const parts = { ...accounts(['account-1']), asked: () => wanted };
    const chosen = () => ({ accountIds: ['account-1'], authorizationDetails: given });
    return answer({ ...tap, authorizationDetails: named }, consentAt(0), { ...parts, chosen }, detailTypes);
  };
  const approving = (authorizationDetails: AuthorizationDetail[] | null) => ({
    ...approved,
    personal: { ...approved.personal, authorizationDetails },
  });

  test('are approved as they were asked for, where the answer does not name them', () => {
    const yes = answering(null);
    asked(retrieved)
      .when(yes)
      .then(approving([both]));
  });
  test('are approved as the answer names them', () => {
    const less = answering([one]);
    const all = answering([both]);
    asked(retrieved)
      .when(less)
      .then(approving([one]));
    asked(retrieved)
      .when(all)
      .then(approving([both]));
  });
  test.each<[string, AuthorizationDetail[], AuthorizationDetail[] | null]>([
    ['more than was asked for', [more], [both]],
    ['something twice', [one, one], [both]],
    ['nothing at all', [], [both]],
    ['what was not asked for', [one], null],
    ['a type that nobody knows', [{ type: 'other' }], [both]],
  ])('are never %s', (_, named, wanted) => {
    const wrong = answering(named, { wanted });
    asked(retrieved).when(wrong).refuses('invalid_request');
  });
  test('make the same answer the same: named or not', () => {
    const same = answering([both], { given: [both] });
    const silent = answering(null, { given: [both] });
    const other = answering([one], { given: [both] });
    asked(retrieved, approving([both]))
      .when(same)
      .then();
    asked(retrieved, approving([both]))
      .when(silent)
      .then();
    asked(retrieved, approving([both]))
      .when(other)
      .refuses('conflict');
  });
});

describe('a TPP takes its request back', () => {
  const back = (clientId = 'tpp', at = 1020) => cancelOwn({ clientId, at });
  const mine = back();
  const foreign = back('other');
  const tooLate = back('tpp', 1300);
  const ownCancelled: CibaRequestFact = { type: 'CibaRequestCancelled', data: { reason: 'cancelled_by_client', at: 1020 } };

  test('while it is pending', () => {
    asked().when(mine).then(ownCancelled);
    asked(retrieved).when(mine).then(ownCancelled);
  });
  test('once, however it was cancelled', () => {
    asked(ownCancelled).when(mine).then();
    asked(cancelled).when(mine).then();
  });
  test('not one that is not its own', () => {
    asked().when(foreign).refuses('invalid_grant');
    given(cibaRequest).when(mine).refuses('invalid_grant');
  });
  test('not what was answered', () => {
    for (const end of [approved, denied]) asked(retrieved, end).when(mine).refuses('invalid_grant');
    asked(retrieved, approved, redeemed).when(mine).refuses('invalid_grant');
  });
  test('not after its time', () => {
    asked().when(tooLate).refuses('expired_token');
    asked(expired).when(mine).refuses('expired_token');
  });
});

describe('a TPP puts another request in the place of', () => {
  const state = (...past: CibaRequestFact[]) => stateOf(cibaRequest, received, ...past);
  test('its own that waits', () => expect(supersedable(state(retrieved), 'tpp', 1299)).toMatchObject({ requestId: ID }));
  test.each<[string, () => unknown]>([
    ['one of another client', () => supersedable(state(), 'other', 1020)],
    ['one that does not exist', () => supersedable(stateOf(cibaRequest), 'tpp', 1020)],
    ['one whose time is over', () => supersedable(state(), 'tpp', 1300)],
    ['one that was answered', () => supersedable(state(retrieved, approved), 'tpp', 1020)],
    ['one that was cancelled', () => supersedable(state(cancelled), 'tpp', 1020)],
  ])('never %s', (_, act) => expect(act).toThrow(expect.objectContaining({ error: 'invalid_request' })));
});
