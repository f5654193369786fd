import { describe, test } from '@jest/globals';
import {
  answer,
  authenticate,
  authorization,
  cancel,
  type Redemption,
  redeem,
  request,
  type SessionAnswer,
  show,
  startable,
} from '../../src/domain/authorization/decider.ts';
import type { AuthorizationFact } from '../../src/domain/authorization/events.ts';
import { detailTypes } from '../../src/domain/authorization-details/registered.ts';
import type { Consent } from '../../src/domain/consent/decider.ts';
import { authorisedBy, consentAfter, consentAt, lodged, revoked } from '../support/ceremony-facts.ts';
import { expectRefusal, given, ID, stateOf } from '../support/given.ts';

type Named<T extends AuthorizationFact['type']> = Extract<AuthorizationFact, { type: T }>;

const asked = { state: 'state', nonce: null, loginHint: null, authorizationDetails: null };
const requested: Named<'AuthorizationRequested'> = {
  type: 'AuthorizationRequested',
  data: {
    clientId: 'tpp',
    psuId: 'client tpp',
    requiredPsuId: null,
    consentId: 'consent-1',
    consentOrigin: 'lodged',
    pushed: true,
    silent: false,
    redirectUri: 'https://tpp.example/callback',
    responseType: 'code',
    responseMode: 'query',
    scope: 'openid accounts',
    acr: null,
    codeChallenge: 'challenge',
    dpopKeyThumbprint: 'key',
    at: 1000,
    startBy: 1090,
    expiresAt: 1600,
  },
  personal: asked,
};
const signedIn: Named<'AuthorizationPsuAuthenticated'> = {
  type: 'AuthorizationPsuAuthenticated',
  data: { psuId: 'alice', sessionId: 'session', steps: ['basic'], at: 1010 },
};
const shown: Named<'AuthorizationShown'> = {
  type: 'AuthorizationShown',
  data: { psuId: 'alice', sessionId: 'session', digest: 'digest', nonce: 'nonce', consentRevision: 0, at: 1010 },
  personal: { shown: 'account-1 or account-2' },
};
const answered = {
  consentId: 'consent-1',
  consentOrigin: 'lodged' as const,
  psuId: 'alice',
  sessionId: 'session',
  digest: 'digest',
  at: 1020,
};
const approved: Named<'AuthorizationApproved'> = {
  type: 'AuthorizationApproved',
  data: answered,
  personal: { accountIds: ['account-1'], authorizationDetails: null },
};
const denied: Named<'AuthorizationDenied'> = { type: 'AuthorizationDenied', data: answered };
const cancelled: Named<'AuthorizationCancelled'> = { type: 'AuthorizationCancelled', data: { at: 1005 } };
const issued: Named<'AuthorizationCodeIssued'> = {
  type: 'AuthorizationCodeIssued',
  data: { codeHash: 'code', at: 1020, expiresAt: 1080 },
};
const redeemed: Named<'AuthorizationCodeRedeemed'> = { type: 'AuthorizationCodeRedeemed', data: { grantId: ID, at: 1030 } };

const tap: SessionAnswer = {
  verdict: 'approved',
  sessionId: 'session',
  digest: 'digest',
  nonce: 'nonce',
  accountIds: ['account-1'],
  authorizationDetails: null,
  codeHash: 'code',
  codeSeconds: 60,
  at: 1020,
};
const opened = {
  offered: () => ['account-1', 'account-2'],
  chosen: () => ({ accountIds: ['account-1'], authorizationDetails: null }),
  details: null,
};
const answers = (by: Partial<SessionAnswer> = {}, consent: Consent = consentAt(0)) =>
  answer({ ...tap, ...by }, consent, opened, detailTypes);
const redeems = (by: Partial<Redemption> = {}) =>
  redeem({
    clientId: 'tpp',
    codeHash: 'code',
    redirectUri: 'https://tpp.example/callback',
    codeChallenge: 'challenge',
    dpopKeyThumbprint: 'key',
    consent: consentAfter(lodged, authorisedBy(ID)),
    grantId: ID,
    at: 1030,
    ...by,
  });

describe('an authorization request', () => {
  test('is recorded once', () => {
    given(authorization).when(request(requested.data, asked)).then(requested);
    given(authorization, requested)
      .when(request({ ...requested.data, clientId: 'other' }, asked))
      .then();
  });
  test('begins in time, for its client, and as long as nobody has answered it', () => {
    const begin = (by: { clientId?: string; at?: number }, ...past: AuthorizationFact[]) =>
      startable(stateOf(authorization, ...past), { clientId: 'tpp', at: 1089, ...by });
    begin({}, requested, signedIn, shown);
    for (const wrong of [
      () => begin({}),
      () => begin({ clientId: 'other' }, requested),
      () => begin({ at: 1090 }, requested),
      () => begin({}, requested, cancelled),
      () => begin({}, requested, signedIn, shown, denied),
    ])
      expectRefusal(wrong, 'gone');
  });
});

describe('a PSU', () => {
  const signIn = authenticate(signedIn.data);
  test('signs in, again too', () => {
    given(authorization, requested).when(signIn).then(signedIn);
    given(authorization, requested, signedIn).when(signIn).then(signedIn);
  });
  test('does not sign in to what is over', () => {
    given(authorization).when(signIn).refuses('gone');
    given(authorization, requested, cancelled).when(signIn).refuses('gone');
    given(authorization, requested)
      .when(authenticate({ ...signedIn.data, at: 1600 }))
      .refuses('gone');
  });
  test('is the one whom the request is for', () => {
    const forBob = { ...requested, data: { ...requested.data, requiredPsuId: 'bob' } };
    given(authorization, forBob).when(signIn).refuses('access_denied');
  });
  test('signs in ten times at most', () => {
    given(authorization, requested, ...Array<typeof signedIn>(10).fill(signedIn))
      .when(signIn)
      .refuses('conflict');
  });
  test('is shown the request in their session only', () => {
    given(authorization, requested, signedIn).when(show(shown.data, shown.personal.shown)).then(shown);
    given(authorization, requested).when(show(shown.data, '')).refuses('gone');
    given(authorization, requested, signedIn)
      .when(show({ ...shown.data, psuId: 'bob' }, ''))
      .refuses('gone');
  });
  test('gives up', () => {
    given(authorization, requested).when(cancel(1005)).then(cancelled);
    given(authorization, requested, cancelled).when(cancel(1006)).then();
    given(authorization, requested, signedIn, shown, denied).when(cancel(1030)).refuses('gone');
  });
});

describe('an answer', () => {
  const before = [requested, signedIn, shown] as const;
  test('approves, with the code in the same append', () =>
    given(authorization, ...before)
      .when(answers())
      .then(approved, issued));
  test('denies', () =>
    given(authorization, ...before)
      .when(answers({ verdict: 'denied', accountIds: [] }))
      .then(denied));
  test('given twice is given once', () => {
    given(authorization, ...before, approved, issued)
      .when(answers({ at: 5000 }))
      .then();
    given(authorization, ...before, denied)
      .when(answers({ verdict: 'denied' }))
      .then();
  });
  test('is not followed by another', () => {
    given(authorization, ...before, approved, issued)
      .when(answers({ verdict: 'denied' }))
      .refuses('conflict');
    given(authorization, ...before, approved, issued)
      .when(answers({ accountIds: ['account-2'] }))
      .refuses('conflict');
    given(authorization, ...before, denied)
      .when(answers())
      .refuses('conflict');
  });
  test.each([
    ['another digest', { digest: 'other' }],
    ['another nonce', { nonce: 'other' }],
  ])('over %s is refused', (_, by) =>
    given(authorization, ...before)
      .when(answers(by))
      .refuses('conflict'),
  );
  test('of no session is refused', () =>
    given(authorization, ...before)
      .when(answers({ sessionId: 'other' }))
      .refuses('gone'));
  test('after the end is refused', () =>
    given(authorization, ...before)
      .when(answers({ at: 1600 }))
      .refuses('gone'));
  describe('to authorization details', () => {
    const reading = { type: 'account_information', actions: ['list_accounts', 'read_balances'] };
    const less = { ...reading, actions: ['read_balances'] };
    const tapped = (details: (typeof reading)[] | null, chosen: (typeof reading)[] | null = null) =>
      answer(
        { ...tap, authorizationDetails: details },
        consentAt(0),
        {
          ...{ ...opened, details: [reading, reading] },
          chosen: () => ({ accountIds: ['account-1'], authorizationDetails: chosen }),
        },
        detailTypes,
      );
    const approvedOf = (...details: (typeof reading)[]) => ({
      ...approved,
      personal: { accountIds: ['account-1'], authorizationDetails: details },
    });

    test('approves all of them, or a part', () => {
      given(authorization, ...before)
        .when(tapped(null))
        .then(approvedOf(reading, reading), issued);
      given(authorization, ...before)
        .when(tapped([less]))
        .then(approvedOf(less), issued);
    });
    test.each([
      ['nothing', []],
      ['more', [{ ...reading, actions: ['read_transactions'] }]],
      ['one more', [reading, less, less]],
    ])('approves not %s', (_, details) =>
      given(authorization, ...before)
        .when(tapped(details))
        .refuses('invalid_request'),
    );
    test('given twice is given once, and not followed by another', () => {
      given(authorization, ...before, approvedOf(less), issued)
        .when(tapped([less], [less]))
        .then();
      for (const other of [null, [reading], [less, less]])
        given(authorization, ...before, approvedOf(less), issued)
          .when(tapped(other, [less]))
          .refuses('conflict');
    });
  });
  test('over a consent that has changed is refused', () => {
    given(authorization, ...before)
      .when(answers({}, consentAt(1)))
      .refuses('conflict');
    given(authorization, ...before)
      .when(answers({}, consentAfter(lodged, revoked)))
      .refuses('conflict');
  });
  test.each([
    ['none', []],
    ['one that was not shown', ['account-3']],
    ['one twice', ['account-1', 'account-1']],
  ])('that chooses %s of the accounts is refused', (_, accountIds) =>
    given(authorization, ...before)
      .when(answers({ accountIds }))
      .refuses('invalid_request'),
  );
});

describe('a code', () => {
  const before = [requested, signedIn, shown, approved, issued] as const;
  test('is redeemed', () =>
    given(authorization, ...before)
      .when(redeems())
      .then(redeemed));
  test('is redeemed once', () =>
    given(authorization, ...before, redeemed)
      .when(redeems({ at: 4000 }))
      .then());
  test.each<[string, Partial<Redemption>]>([
    ['another client', { clientId: 'other' }],
    ['another code', { codeHash: 'other' }],
    ['another redirect_uri', { redirectUri: 'https://tpp.example/callback/' }],
    ['no redirect_uri', { redirectUri: null }],
    ['another verifier', { codeChallenge: 'other' }],
    ['no verifier', { codeChallenge: null }],
    ['another DPoP key', { dpopKeyThumbprint: 'other' }],
    ['no DPoP key', { dpopKeyThumbprint: null }],
    ['its minute over', { at: 1080 }],
    ['the consent not authorised yet', { consent: consentAfter(lodged) }],
    ['the consent authorised by another request', { consent: consentAfter(lodged, authorisedBy('other')) }],
    ['the consent taken back', { consent: consentAfter(lodged, authorisedBy(ID), revoked) }],
  ])('with %s is refused', (_, by) =>
    given(authorization, ...before)
      .when(redeems(by))
      .refuses('invalid_grant'),
  );
  test('that was redeemed yields nothing once its consent has ended, whatever became of its grant', () =>
    given(authorization, ...before, redeemed)
      .when(redeems({ consent: consentAfter(lodged, authorisedBy(ID), revoked) }))
      .refuses('invalid_grant'));
  test('of a request without a challenge takes no verifier', () => {
    const open = { ...requested, data: { ...requested.data, codeChallenge: null } };
    given(authorization, open, ...before.slice(1))
      .when(redeems())
      .refuses('invalid_grant');
  });
  test('is there only after an approval', () => {
    given(authorization).when(redeems()).refuses('invalid_grant');
    given(authorization, requested, signedIn, shown).when(redeems()).refuses('invalid_grant');
    given(authorization, requested, signedIn, shown, denied).when(redeems()).refuses('invalid_grant');
  });
});
