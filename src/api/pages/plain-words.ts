import { type Html, html } from './html.ts';

const SCOPES = new Map([
  ['openid', 'Recognise you as the same person when you come back'],
  ['accounts', 'Read data of the accounts that you choose'],
  ['payments', 'Make the payments that you approve'],
  ['fundsconfirmations', 'Ask whether there is enough money on an account that you choose'],
]);

const PERMISSIONS = new Map([
  ['ReadAccountsBasic', 'See your accounts: kind, nickname and currency'],
  ['ReadAccountsDetail', 'See your accounts: name and number'],
  ['ReadBalances', 'See your balances'],
  ['ReadBeneficiariesBasic', 'See your saved payees, without their account numbers'],
  ['ReadBeneficiariesDetail', 'See your saved payees and their account numbers'],
  ['ReadDirectDebits', 'See your direct debits'],
  ['ReadOffers', 'See offers that were made to you'],
  ['ReadPAN', 'See card numbers in full'],
  ['ReadParty', 'See the names and contact details of the holders of your accounts'],
  ['ReadPartyPSU', 'See your own name and contact details'],
  ['ReadProducts', 'See which products your accounts are'],
  ['ReadScheduledPaymentsBasic', 'See your scheduled payments, without the payees’ account numbers'],
  ['ReadScheduledPaymentsDetail', 'See your scheduled payments and the payees’ account numbers'],
  ['ReadStandingOrdersBasic', 'See your standing orders, without the payees’ account numbers'],
  ['ReadStandingOrdersDetail', 'See your standing orders and the payees’ account numbers'],
  ['ReadStatementsBasic', 'See your statements, without amounts'],
  ['ReadStatementsDetail', 'See your statements with amounts'],
  ['ReadTransactionsBasic', 'See your transactions, without whom they were with'],
  ['ReadTransactionsCredits', 'See money that came in'],
  ['ReadTransactionsDebits', 'See money that went out'],
  ['ReadTransactionsDetail', 'See your transactions and whom they were with'],
]);

/** What a scope value lets the client do; one that has no words yet is shown as it is, never left out. */
export const wordsForScope = (value: string): string => SCOPES.get(value) ?? value;

/** What a permission of an account access consent lets the client do; one that has no words yet is shown as it is. */
export const wordsForPermission = (permission: string): string => PERMISSIONS.get(permission) ?? permission;

const TIME = new Intl.DateTimeFormat('en-GB', { dateStyle: 'long', timeStyle: 'medium', timeZone: 'UTC' });

/** An ISO 8601 date and time, to the second and in UTC; a text that is none is shown as it is. */
export const wordsForTime = (dateTime: string): Html => {
  const at = Date.parse(dateTime);
  if (Number.isNaN(at)) return html`${dateTime}`;
  return html`<time datetime="${new Date(at).toISOString()}">${TIME.format(at)} UTC</time>`;
};
