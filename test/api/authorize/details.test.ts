import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { decodeJwt } from 'jose';
import { answerIn, type Browser, browser, decide, fieldsOf, signIn, type Visited } from '../../support/browser.ts';
import { type TestEngine, testEngine } from '../../support/engine.ts';
import { facts } from '../../support/log.ts';
import { authorizeUrl, type RedirectTpp, redirectTpp } from '../../support/redirecting.ts';

const payment = {
  type: 'payment_initiation',
  actions: ['initiate', 'status'],
  instructedAmount: { currency: 'EUR', amount: '123.50' },
  creditorName: 'Merchant A',
  creditorAccount: { iban: 'DE02120300000000202051' },
};
const reading = {
  type: 'account_information',
  actions: ['list_accounts', 'read_balances'],
  accounts: [{ accountId: 'a-1' }, { accountId: 'a-2' }],
};

let tested: TestEngine;
let tpp: RedirectTpp;
beforeAll(async () => {
  tested = await testEngine();
  tpp = await redirectTpp(tested, { authorization_details_types: ['payment_initiation', 'account_information'] });
});
afterAll(() => tested.close());

const shown = async (...details: object[]): Promise<{ at: Browser; page: Visited }> => {
  const at = browser(tested.url);
  const url = authorizeUrl({ ...tpp.request, scope: 'openid', authorization_details: JSON.stringify(details) });
  return { at, page: await signIn(at, await at.get(url), 'alice') };
};
/** Approves on the page without these ticks. */
const approve = (at: Browser, page: Visited, ...gone: string[]) => {
  const form = Object.fromEntries(Object.entries(fieldsOf(page)).filter(([name]) => !gone.includes(name)));
  return at.post('/oauth2/authorize/consent', { ...form, verdict: 'approved' });
};
const approvalsOf = async (page: Visited) =>
  (await facts(tested)).filter(
    ({ type, stream }) => type === 'AuthorizationApproved' && stream === `authorization-${fieldsOf(page)['interaction_id']}`,
  );

describe('the page of authorization details', () => {
  test.each<[string, string[], object[]]>([
    ['all of them', [], [payment, reading]],
    ['one of two', ['detail.0'], [reading]],
    ['fewer rights of one', ['detail.0.actions.1'], [{ ...payment, actions: ['initiate'] }, reading]],
    [
      'fewer rights and accounts of another',
      ['detail.0', 'detail.1.actions.0', 'detail.1.accounts.1'],
      [{ ...reading, actions: ['read_balances'], accounts: [{ accountId: 'a-1' }] }],
    ],
    ['none of a list, and so not its entry', ['detail.1.accounts.0', 'detail.1.accounts.1'], [payment]],
  ])('approves %s, and the tokens carry just that', async (_, gone, approved) => {
    const { at, page } = await shown(payment, reading);
    const { code = '' } = answerIn((await approve(at, page, ...gone)).goesTo);
    const { body } = await tpp.redeem(code);
    expect(body['authorization_details']).toEqual(approved);
    expect(decodeJwt(String(body['access_token']))['authorization_details']).toEqual(approved);
    const { body: introspected } = await tested.post('/oauth2/introspect', { ...tpp.auth, token: String(body['access_token']) });
    expect(introspected['authorization_details']).toEqual(approved);
  });

  test('is shown again where nothing stays, with the ticks as they were left', async () => {
    const { at, page } = await shown(payment, reading);
    const again = await approve(at, page, 'detail.0', 'detail.1.actions.0', 'detail.1.actions.1');
    expect([again.status, again.alert]).toEqual([400, 'Leave a tick at something that you allow, or deny.']);
    expect(Object.keys(fieldsOf(again)).filter((name) => name.startsWith('detail.'))).toEqual([
      'detail.0.actions.0',
      'detail.0.actions.1',
      'detail.1',
      'detail.1.accounts.0',
      'detail.1.accounts.1',
    ]);
    expect(await approvalsOf(page)).toEqual([]);
    const { code = '' } = answerIn((await at.submit(again, { verdict: 'approved', 'detail.1.actions.0': 'yes' })).goesTo);
    expect((await tpp.redeem(code)).body['authorization_details']).toEqual([{ ...reading, actions: ['list_accounts'] }]);
  });

  test('takes no rights from the form', async () => {
    const { at, page } = await shown({ ...reading, actions: ['list_accounts'] });
    const more = JSON.stringify([{ ...reading, actions: ['read_transactions'] }]);
    const forged = {
      'detail.0': more,
      'detail.0.actions.0': more,
      'detail.0.actions.1': 'yes',
      'detail.1': 'yes',
      authorization_details: more,
    };
    const { code = '' } = answerIn((await at.submit(page, { ...forged, verdict: 'approved' })).goesTo);
    expect((await tpp.redeem(code)).body['authorization_details']).toEqual([{ ...reading, actions: ['list_accounts'] }]);
  });

  test('posted twice is one approval; posted with other ticks the second time is refused', async () => {
    const { at, page } = await shown(payment, reading);
    const [one, other] = await Promise.all([approve(at, page, 'detail.0'), approve(at, page, 'detail.0')]);
    expect(one.goesTo).not.toBeNull();
    expect(other.goesTo).toBe(one.goesTo);
    expect((await approve(at, page)).status).toBe(409);
    expect((await approve(at, page, 'detail.0', 'detail.1')).status).toBe(409);
    expect(await approvalsOf(page)).toHaveLength(1);
  });

  test('posted at once with different ticks is one of the two', async () => {
    for (let round = 0; round < 5; round += 1) {
      const { at, page } = await shown(payment, reading);
      const replies = await Promise.all([approve(at, page, 'detail.0'), approve(at, page, 'detail.1')]);
      expect(replies.filter(({ status }) => status === 409)).toHaveLength(1);
      const { code = '' } = answerIn(replies.find(({ goesTo }) => goesTo !== null)?.goesTo ?? null);
      const approved = (await tpp.redeem(code)).body['authorization_details'];
      expect(approved).toEqual(replies[0].goesTo === null ? [payment] : [reading]);
    }
  });

  test('can be denied whatever is ticked', async () => {
    const { at, page } = await shown(payment);
    expect(answerIn((await decide(at, page, 'denied')).goesTo)).toMatchObject({ error: 'access_denied' });
  });
});
