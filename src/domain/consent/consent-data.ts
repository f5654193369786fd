import { isObject } from '../authorization-details/narrowing.ts';
import type { ConsentDatum } from '../ports/consent-steps.ts';
import type { LodgedConsent } from './decider.ts';
import type { Receipt } from './events.ts';

type Json = Readonly<Record<string, unknown>>;
type AccountAccess = Extract<LodgedConsent['content'], { kind: 'account-access' }>;

/**
 * What a lodged consent asks for, as titles and values: the reference's, in its order, for its four types. What was not lodged has no
 * entry. The payee of a variable recurring payment, and what a payment of another kind adds, stand behind the entries of the reference.
 */
export const consentDataOf = ({ content }: Pick<LodgedConsent, 'content'>, receipt: Receipt | null): readonly ConsentDatum[] => {
  const lodged = receipt?.Data ?? {};
  switch (content.kind) {
    case 'account-access':
      return accountAccess(content);
    case 'payment':
      return payment(PAYMENT_TYPES[content.paymentType], member(lodged, 'Initiation'));
    case 'funds-confirmation':
      return [
        { title: 'Expiration Date Time', data: [textOf(lodged['ExpirationDateTime']) ?? 'Open Ended Authorization Requested'] },
        ...account('Debtor Account', lodged['DebtorAccount']),
      ];
    case 'vrp':
      return variableRecurringPayment(member(lodged, 'ControlParameters'), member(lodged, 'Initiation'));
    case 'scope':
      return [];
  }
};

const PAYMENT_TYPES = {
  domestic: 'Domestic Payments',
  'domestic-scheduled': 'Domestic Scheduled Payments',
  'domestic-standing-order': 'Domestic Standing Orders',
  international: 'International Payments',
  'international-scheduled': 'International Scheduled Payments',
  'international-standing-order': 'International Standing Orders',
  file: 'File Payments',
} as const;

const accountAccess = (content: AccountAccess): ConsentDatum[] => [
  { title: 'Permissions', data: content.permissions },
  ...line('Expiration Date Time', content.expirationDateTime),
  ...line('Transaction From Date Time', content.transactionFromDateTime),
  ...line('Transaction To Date Time', content.transactionToDateTime),
];

const payment = (paymentType: string, initiation: Json): ConsentDatum[] => [
  { title: 'Payment Type', data: [paymentType] },
  ...line('Currency of Transfer', initiation['CurrencyOfTransfer']),
  ...line('Instruction Identification', initiation['InstructionIdentification']),
  ...line('End to End Identification', initiation['EndToEndIdentification']),
  ...entry('Instructed Amount', amountLines(initiation['InstructedAmount'])),
  ...account('Debtor Account', initiation['DebtorAccount']),
  ...account('Creditor Account', initiation['CreditorAccount']),
  ...OTHER_KINDS.flatMap(([title, name]) => line(title, initiation[name])),
  ...OTHER_AMOUNTS.flatMap(([title, name]) => entry(title, amountLines(initiation[name]))),
];

/** What scheduled payments, standing orders and files say beside what every payment says. */
const OTHER_KINDS = [
  ['Requested Execution Date Time', 'RequestedExecutionDateTime'],
  ['Frequency', 'Frequency'],
  ['First Payment Date Time', 'FirstPaymentDateTime'],
  ['Recurring Payment Date Time', 'RecurringPaymentDateTime'],
  ['Final Payment Date Time', 'FinalPaymentDateTime'],
  ['Number of Payments', 'NumberOfPayments'],
  ['File Type', 'FileType'],
  ['File Hash', 'FileHash'],
  ['File Reference', 'FileReference'],
  ['Number of Transactions', 'NumberOfTransactions'],
  ['Control Sum', 'ControlSum'],
] as const;
const OTHER_AMOUNTS = [
  ['First Payment Amount', 'FirstPaymentAmount'],
  ['Recurring Payment Amount', 'RecurringPaymentAmount'],
  ['Final Payment Amount', 'FinalPaymentAmount'],
] as const;

const variableRecurringPayment = (control: Json, initiation: Json): ConsentDatum[] => [
  { title: 'Payment Type', data: ['Domestic VRP'] },
  ...line('Valid to date and time', control['ValidToDateTime']),
  ...line('Valid from date and time', control['ValidFromDateTime']),
  ...line('Maximum amount per payment', currencyAndAmount(control['MaximumIndividualAmount'])),
  ...(Array.isArray(control['PeriodicLimits']) ? control['PeriodicLimits'] : []).flatMap(periodicLimit),
  ...account('Debtor Account', initiation['DebtorAccount']),
  ...account('Creditor Account', initiation['CreditorAccount']),
];

const periodicLimit = (limit: unknown): ConsentDatum[] => {
  if (!isObject(limit)) return [];
  return [
    ...line('Period Alignment', limit['PeriodAlignment']),
    ...line('Period Type', limit['PeriodType']),
    ...line(`Maximum payment amount per ${textOf(limit['PeriodType']) ?? 'period'}`, currencyAndAmount(limit)),
  ];
};

const ACCOUNT_LINES = [
  ['Scheme Name', 'SchemeName'],
  ['Identification', 'Identification'],
  ['Name', 'Name'],
  ['Secondary Identification', 'SecondaryIdentification'],
] as const;

const account = (title: string, value: unknown): ConsentDatum[] => entry(title, labelled(value, ACCOUNT_LINES));

const amountLines = (value: unknown): string[] =>
  labelled(value, [
    ['Amount', 'Amount'],
    ['Currency', 'Currency'],
  ]);

const labelled = (value: unknown, lines: readonly (readonly [label: string, name: string])[]): string[] =>
  !isObject(value)
    ? []
    : lines.flatMap(([label, name]) => {
        const text = textOf(value[name]);
        return text === null ? [] : [`${label} : ${text}`];
      });

const currencyAndAmount = (value: unknown): string | null => {
  if (!isObject(value)) return null;
  const [currency, amount] = [textOf(value['Currency']), textOf(value['Amount'])];
  return currency === null || amount === null ? null : `${currency} ${amount}`;
};

const entry = (title: string, data: readonly string[]): ConsentDatum[] => (data.length === 0 ? [] : [{ title, data }]);

const line = (title: string, value: unknown): ConsentDatum[] => {
  const text = textOf(value);
  return text === null ? [] : [{ title, data: [text] }];
};

const textOf = (value: unknown): string | null => (typeof value === 'string' ? value : typeof value === 'number' ? String(value) : null);

const member = (of: Json, name: string): Json => {
  const value = of[name];
  return isObject(value) ? value : {};
};
