import { describe, expect, test } from '@jest/globals';
import { consentDataOf } from '../../src/domain/consent/consent-data.ts';
import type { ConsentContent } from '../../src/domain/consent/events.ts';

const shown = (content: ConsentContent, Data: Record<string, unknown> = {}) => consentDataOf({ content }, { Data, Risk: {} });

const debtor = { SchemeName: 'UK.OBIE.SortCodeAccountNumber', Identification: '11280001234567', Name: 'Andrea Smith' };
const creditor = { SchemeName: 'UK.OBIE.IBAN', Identification: 'GB33', Name: 'ACME', SecondaryIdentification: 'Roll 1' };
const debtorLines = ['Scheme Name : UK.OBIE.SortCodeAccountNumber', 'Identification : 11280001234567', 'Name : Andrea Smith'];
const creditorLines = ['Scheme Name : UK.OBIE.IBAN', 'Identification : GB33', 'Name : ACME', 'Secondary Identification : Roll 1'];
const initiation = {
  InstructionIdentification: 'ACME412',
  EndToEndIdentification: 'FRESCO.21302.GFX.20',
  InstructedAmount: { Amount: '165.88', Currency: 'GBP' },
  DebtorAccount: debtor,
  CreditorAccount: creditor,
};
const access = {
  kind: 'account-access' as const,
  permissions: ['ReadAccountsDetail', 'ReadBalances'],
  expirationDateTime: '2027-01-01T00:00:00Z',
  transactionFromDateTime: '2026-01-01T00:00:00Z',
  transactionToDateTime: '2026-12-31T00:00:00Z',
};

describe('C3: a consent is shown with the titles of the reference, in its order', () => {
  test('C3: accounts', () =>
    expect(shown(access)).toEqual([
      { title: 'Permissions', data: ['ReadAccountsDetail', 'ReadBalances'] },
      { title: 'Expiration Date Time', data: ['2027-01-01T00:00:00Z'] },
      { title: 'Transaction From Date Time', data: ['2026-01-01T00:00:00Z'] },
      { title: 'Transaction To Date Time', data: ['2026-12-31T00:00:00Z'] },
    ]));

  test('C3: accounts without dates, and without a receipt', () => {
    const content = { ...access, expirationDateTime: null, transactionFromDateTime: null, transactionToDateTime: null };
    expect(consentDataOf({ content }, null)).toEqual([{ title: 'Permissions', data: access.permissions }]);
  });

  test('C3: domestic payments', () =>
    expect(shown({ kind: 'payment', paymentType: 'domestic' }, { Initiation: initiation })).toEqual([
      { title: 'Payment Type', data: ['Domestic Payments'] },
      { title: 'Instruction Identification', data: ['ACME412'] },
      { title: 'End to End Identification', data: ['FRESCO.21302.GFX.20'] },
      { title: 'Instructed Amount', data: ['Amount : 165.88', 'Currency : GBP'] },
      { title: 'Debtor Account', data: debtorLines },
      { title: 'Creditor Account', data: creditorLines },
    ]));

  test('C3: international payments', () => {
    const { DebtorAccount: _, ...withoutDebtor } = initiation;
    const Initiation = { ...withoutDebtor, CurrencyOfTransfer: 'USD' };
    expect(shown({ kind: 'payment', paymentType: 'international' }, { Initiation }).map(({ title }) => title)).toEqual([
      'Payment Type',
      'Currency of Transfer',
      'Instruction Identification',
      'End to End Identification',
      'Instructed Amount',
      'Creditor Account',
    ]);
  });

  test('C3: payments of other kinds say what they add', () => {
    const Initiation = {
      ...initiation,
      Frequency: 'EvryDay',
      FirstPaymentAmount: { Amount: '1.00', Currency: 'GBP' },
      NumberOfPayments: 3,
    };
    const entries = shown({ kind: 'payment', paymentType: 'domestic-standing-order' }, { Initiation });
    expect(entries[0]).toEqual({ title: 'Payment Type', data: ['Domestic Standing Orders'] });
    expect(entries.slice(-3)).toEqual([
      { title: 'Frequency', data: ['EvryDay'] },
      { title: 'Number of Payments', data: ['3'] },
      { title: 'First Payment Amount', data: ['Amount : 1.00', 'Currency : GBP'] },
    ]);
  });

  test('C3: fundsconfirmations', () => {
    const content = { kind: 'funds-confirmation' as const };
    expect(shown(content, { ExpirationDateTime: '2027-01-01T00:00:00Z', DebtorAccount: debtor })).toEqual([
      { title: 'Expiration Date Time', data: ['2027-01-01T00:00:00Z'] },
      { title: 'Debtor Account', data: debtorLines },
    ]);
    expect(shown(content, { DebtorAccount: debtor })[0]).toEqual({
      title: 'Expiration Date Time',
      data: ['Open Ended Authorization Requested'],
    });
  });

  test('C3: vrp', () => {
    const ControlParameters = {
      ValidFromDateTime: '2026-01-01T00:00:00Z',
      ValidToDateTime: '2027-01-01T00:00:00Z',
      MaximumIndividualAmount: { Amount: '100.00', Currency: 'GBP' },
      PeriodicLimits: [
        { PeriodType: 'Month', PeriodAlignment: 'Consent', Amount: '200.00', Currency: 'GBP' },
        { PeriodType: 'Year', PeriodAlignment: 'Calendar', Amount: '900.00', Currency: 'GBP' },
      ],
    };
    expect(shown({ kind: 'vrp' }, { ControlParameters, Initiation: { CreditorAccount: creditor } })).toEqual([
      { title: 'Payment Type', data: ['Domestic VRP'] },
      { title: 'Valid to date and time', data: ['2027-01-01T00:00:00Z'] },
      { title: 'Valid from date and time', data: ['2026-01-01T00:00:00Z'] },
      { title: 'Maximum amount per payment', data: ['GBP 100.00'] },
      { title: 'Period Alignment', data: ['Consent'] },
      { title: 'Period Type', data: ['Month'] },
      { title: 'Maximum payment amount per Month', data: ['GBP 200.00'] },
      { title: 'Period Alignment', data: ['Calendar'] },
      { title: 'Period Type', data: ['Year'] },
      { title: 'Maximum payment amount per Year', data: ['GBP 900.00'] },
      { title: 'Creditor Account', data: creditorLines },
    ]);
  });

  test('the scope of a request says nothing beside itself', () => expect(shown({ kind: 'scope', scope: 'openid' })).toEqual([]));

  test('what is not of its form is left out', () =>
    expect(
      shown({ kind: 'vrp' }, { ControlParameters: { PeriodicLimits: [1, {}], MaximumIndividualAmount: 'x' }, Initiation: 'x' }),
    ).toEqual([{ title: 'Payment Type', data: ['Domestic VRP'] }]));
});
