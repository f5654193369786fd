import { describe, expect, test } from '@jest/globals';
import { choicesIn } from '../../../src/api/pages/choices.ts';
import { consentPage } from '../../../src/api/pages/consent-page.ts';
import { errorPage } from '../../../src/api/pages/error-page.ts';
import { loginPage } from '../../../src/api/pages/login-page.ts';
import type { Reply } from '../../../src/api/reply.ts';
import { detailTypes } from '../../../src/domain/authorization-details/registered.ts';
import { elementsOf } from './markup.ts';
import { consent, login } from './samples.ts';

const inputs = ({ body }: Reply) =>
  elementsOf(body)
    .filter(({ name }) => name === 'input')
    .map(({ attributes }) => attributes);
const hidden = (reply: Reply) =>
  Object.fromEntries(
    inputs(reply)
      .filter((input) => input.get('type') === 'hidden')
      .map((input) => [input.get('name'), input.get('value')]),
  );
const buttons = ({ body }: Reply) =>
  elementsOf(body)
    .filter(({ name }) => name === 'button')
    .map(({ attributes, text }) => [attributes.get('name'), attributes.get('value'), text]);
const boxes = (reply: Reply, kind: string) =>
  inputs(reply).filter((found) => found.get('type') === 'checkbox' && found.get('name')?.startsWith(`${kind}.`));
const input = (reply: Reply, name: string) => inputs(reply).find((found) => found.get('name') === name);
const text = ({ body }: Reply) =>
  elementsOf(body)
    .find(({ name }) => name === 'main')
    ?.text.replaceAll(/\s+/g, ' ');

describe('the login page', () => {
  const first = loginPage({ ...login, username: null, error: null });
  const again = loginPage(login);

  test('is 200 at first and 400 after a failed try', () => expect([first.status, again.status]).toEqual([200, 400]));
  test('is bound to its interaction', () => expect(hidden(first)).toEqual({ interaction_id: 'interaction-1', csrf_token: 'csrf-1' }));
  test('lets a password manager fill it in', () => {
    expect(input(first, 'username')?.get('autocomplete')).toBe('username');
    expect([input(first, 'password')?.get('autocomplete'), input(first, 'password')?.get('type')]).toEqual([
      'current-password',
      'password',
    ]);
  });
  test('focuses what is to be typed next', () => {
    expect([input(first, 'username')?.has('autofocus'), input(first, 'password')?.has('autofocus')]).toEqual([true, false]);
    expect([input(again, 'username')?.has('autofocus'), input(again, 'password')?.has('autofocus')]).toEqual([false, true]);
  });
  test('keeps the user name and never a password', () => {
    expect(input(again, 'username')?.get('value')).toBe('alice');
    expect(input(again, 'password')?.has('value')).toBe(false);
  });
  test('signs in on Enter, and can be cancelled without typing', () => {
    expect(buttons(first)).toEqual([
      ['step', 'login', 'Sign in'],
      ['step', 'cancel', 'Cancel'],
    ]);
    expect(
      elementsOf(first.body)
        .find(({ attributes }) => attributes.get('value') === 'cancel')
        ?.attributes.has('formnovalidate'),
    ).toBe(true);
  });
  test('says who asks', () => expect(text(first)).toContain('Sign in to see what Budget Planner asks of you.'));
});

describe('the consent page', () => {
  const shown = consentPage({ ...consent, error: null });

  test('is 200 at first and 400 after a failed try', () => expect([shown.status, consentPage(consent).status]).toEqual([200, 400]));
  test('is bound to its interaction and to what it shows', () =>
    expect(hidden(shown)).toEqual({ interaction_id: 'interaction-1', csrf_token: 'csrf-1', nonce: 'nonce-1', digest: 'digest-1' }));
  test('says who asks, who is signed in, and for what', () => {
    for (const part of [
      'Do you allow Budget Planner to do this?',
      'You are signed in as alice.',
      'Recognise you as the same person when you come back',
      'See your accounts: name and number',
      'See your transactions and whom they were with',
      'Pay 10.00 EUR to Bob',
      'Access ends 31 January 2027 at 22:59:59 UTC',
      'Transactions from 1 January 2026 at 00:00:00 UTC',
      'Transactions until 31 December 2026 at 00:00:00 UTC',
    ])
      expect(text(shown)).toContain(part);
  });
  test('says so where there is no limit', () => {
    const open = { permissions: ['ReadTransactionsBasic'], expiration: null, transactionsFrom: null, transactionsTo: null };
    expect(text(consentPage({ ...consent, consent: open }))).toContain(
      'Access ends When you withdraw it Transactions from The earliest on record Transactions until The latest, for as long as access lasts',
    );
    const balances = { ...open, permissions: ['ReadBalances'] };
    expect(text(consentPage({ ...consent, consent: balances }))).not.toContain('Transactions');
  });
  test('leaves nothing out that has no words', () => {
    const unknown = consentPage({
      ...consent,
      scope: 'constructor payments',
      consent: { permissions: ['ReadMinds'], expiration: null, transactionsFrom: null, transactionsTo: null },
    });
    for (const part of ['constructor', 'payments', 'ReadMinds']) expect(text(unknown)).toContain(part);
  });
  test('approves nothing by itself: no account is ticked, and Enter presses no answer', () => {
    for (const reply of [shown, consentPage(consent)]) {
      expect(boxes(reply, 'account').filter((found) => found.has('checked'))).toEqual([]);
      const [first] = elementsOf(reply.body).filter(({ name }) => name === 'button');
      expect([first?.attributes.has('disabled'), first?.attributes.has('hidden')]).toEqual([true, true]);
    }
    expect(
      elementsOf(shown.body)
        .find(({ name }) => name === 'form')
        ?.attributes.get('autocomplete'),
    ).toBe('off');
  });
  test('makes it as easy to deny as to approve', () => {
    expect(buttons(shown).slice(1)).toEqual([
      ['verdict', 'approved', 'Approve'],
      ['verdict', 'denied', 'Deny'],
    ]);
    expect(elementsOf(shown.body).filter(({ name, attributes }) => name === 'button' && attributes.has('class'))).toEqual([]);
  });
  test('offers each account under its name, in a group with a legend', () => {
    const elements = elementsOf(shown.body);
    expect(elements.filter(({ name }) => name === 'legend').map(({ within }) => within.at(-1))).toEqual(Array(3).fill('fieldset'));
    const labels = elements.filter(({ name, within }) => name === 'label' && within.includes('fieldset'));
    expect(labels.slice(-2).map((label) => label.text)).toEqual(['Current account', 'Savings']);
  });
  test('offers each of the details, and the parts that may be left out, all ticked at first', () => {
    const first = boxes(consentPage({ ...consent, error: null, before: null }), 'detail');
    expect(first.map((box) => box.get('name'))).toEqual(['detail.0', 'detail.1', 'detail.1.actions.0', 'detail.1.actions.1']);
    expect(first.every((box) => box.has('checked'))).toBe(true);
  });
  test('keeps the ticks as they were posted', () => {
    const again = consentPage({
      ...consent,
      before: { 'detail.1': 'yes', 'detail.1.actions.1': 'yes', 'account.1': 'acc-2', 'account.0': 'other' },
    });
    const ticked = inputs(again).filter((found) => found.has('checked'));
    expect(ticked.map((box) => box.get('name'))).toEqual(['detail.1', 'detail.1.actions.1', 'account.1']);
  });
  test('takes back the accounts that are ticked, each under a name of its own', () => {
    const accounts = boxes(shown, 'account');
    const posted = (ticked: typeof accounts) =>
      Object.fromEntries([...ticked.map((box) => [box.get('name'), box.get('value')]), ['verdict', 'approved'], ['nonce', 'n']]);
    const chosen = (form: Record<string, string>) => choicesIn(form, { accounts: consent.accounts, details: null }, detailTypes);
    expect(chosen(posted(accounts))).toEqual({ accountIds: ['acc-1', 'acc-2'], authorizationDetails: null, tooLittle: null });
    expect(chosen(posted(accounts.slice(1)))).toMatchObject({ accountIds: ['acc-2'] });
    expect(chosen(posted([]))).toMatchObject({ accountIds: [], tooLittle: expect.stringContaining('account') });
    const strange = { 'account.': 'a', 'account.x': 'b', 'account.1x': 'c', 'xaccount.1': 'd', account: 'e' };
    expect(chosen(strange)).toMatchObject({ accountIds: [] });
  });
  test('takes back the details that are ticked, as they were asked for, whatever the form says', () => {
    const reading = { type: 'account_information', actions: ['list_accounts', 'read_balances'] };
    const chosen = (...ticks: string[]) => {
      const form = Object.fromEntries(ticks.map((name) => [name, '{"type":"account_information","actions":["read_transactions"]}']));
      const { authorizationDetails, tooLittle } = choicesIn(form, { accounts: [], details: [reading] }, detailTypes);
      return tooLittle ?? authorizationDetails;
    };
    expect(chosen('detail.0', 'detail.0.actions.0', 'detail.0.actions.1')).toEqual([reading]);
    expect(chosen('detail.0', 'detail.0.actions.1', 'detail.0.actions.2', 'detail.1')).toEqual([
      { ...reading, actions: ['read_balances'] },
    ]);
    for (const none of [[], ['detail.0'], ['detail.0.actions.0'], ['detail.00', 'detail.0.actions.0']])
      expect(chosen(...none)).toEqual(expect.stringContaining('Leave a tick'));
  });
});

describe('the error page', () => {
  const reply = errorPage(404, 'The application is not known here.');
  test('has its status and its words, and no way to anywhere', () => {
    expect([reply.status, text(reply)]).toEqual([404, expect.stringContaining('The application is not known here.')]);
    expect(elementsOf(reply.body).filter(({ name }) => ['a', 'form', 'input', 'button'].includes(name))).toEqual([]);
  });
});
