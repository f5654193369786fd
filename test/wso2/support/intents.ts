/** Requests as the Open Banking Read/Write API 3.1 has them. */
export const inAYear = () => new Date(Date.now() + 365 * 86_400_000).toISOString();

const money = { Amount: '165.88', Currency: 'GBP' };
const creditor = { SchemeName: 'UK.OBIE.SortCodeAccountNumber', Identification: '08080021325698', Name: 'ACME Inc' };
const debtor = { SchemeName: 'UK.OBIE.SortCodeAccountNumber', Identification: '11280001234567', SecondaryIdentification: '0002' };
const risk = {
  PaymentContextCode: 'EcommerceGoods',
  MerchantCategoryCode: '5967',
  MerchantCustomerIdentification: '053598653254',
  DeliveryAddress: { AddressLine: ['Flat 7', 'Acacia Lodge'], StreetName: 'Acacia Avenue', TownName: 'Sparsholt', Country: 'UK' },
};
const identified = { InstructionIdentification: 'ACME412', EndToEndIdentification: 'FRESCO.21302.GFX.20' };
const remittance = { RemittanceInformation: { Reference: 'FRESCO-101', Unstructured: 'Internal ops code 5120101' } };
const domestic = { ...identified, InstructedAmount: money, DebtorAccount: debtor, CreditorAccount: creditor, ...remittance };
const international = {
  ...identified,
  InstructionPriority: 'Normal',
  CurrencyOfTransfer: 'USD',
  InstructedAmount: money,
  CreditorAccount: creditor,
  Creditor: { Name: 'ACME Inc', PostalAddress: { StreetName: 'Acacia Avenue', Country: 'US' } },
  ExchangeRateInformation: { UnitCurrency: 'GBP', RateType: 'Actual' },
  ...remittance,
};
const { EndToEndIdentification: _none, ...laterDomestic } = domestic;
const { EndToEndIdentification: _neither, ...laterInternational } = international;
const order = { Frequency: 'EvryDay', FirstPaymentDateTime: '2030-06-06T06:06:06+00:00', CreditorAccount: creditor };
const on = { RequestedExecutionDateTime: '2030-06-06T00:00:00+00:00' };

export const accountAccess = () => ({
  Data: {
    Permissions: ['ReadAccountsDetail', 'ReadTransactionsDetail', 'ReadBalances'],
    ExpirationDateTime: inAYear(),
    TransactionFromDateTime: '2025-05-03T00:00:00+00:00',
    TransactionToDateTime: '2026-12-03T00:00:00+00:00',
  },
  Risk: {},
});

/** Each payment consent by the last part of its path. */
export const PAYMENTS: Readonly<Record<string, object>> = {
  'domestic-payment-consents': { Data: { ReadRefundAccount: 'Yes', Initiation: domestic }, Risk: risk },
  'domestic-scheduled-payment-consents': { Data: { Permission: 'Create', Initiation: { ...laterDomestic, ...on } }, Risk: risk },
  'domestic-standing-order-consents': {
    Data: { Permission: 'Create', Initiation: { ...order, FirstPaymentAmount: money, Reference: 'Pocket money' } },
    Risk: risk,
  },
  'international-payment-consents': { Data: { Initiation: international }, Risk: risk },
  'international-scheduled-payment-consents': { Data: { Permission: 'Create', Initiation: { ...laterInternational, ...on } }, Risk: risk },
  'international-standing-order-consents': {
    Data: { Permission: 'Create', Initiation: { ...order, CurrencyOfTransfer: 'USD', InstructedAmount: money } },
    Risk: risk,
  },
};

export const vrp = () => ({
  Data: {
    ControlParameters: {
      ValidFromDateTime: '2026-01-01T00:00:00+00:00',
      ValidToDateTime: inAYear(),
      MaximumIndividualAmount: { Amount: '100.00', Currency: 'GBP' },
      PeriodicLimits: [{ PeriodType: 'Month', PeriodAlignment: 'Consent', Amount: '200.00', Currency: 'GBP' }],
      VRPType: ['UK.OBIE.VRPType.Sweeping'],
      PSUAuthenticationMethods: ['UK.OBIE.SCA'],
    },
    Initiation: { DebtorAccount: debtor, CreditorAccount: creditor, RemittanceInformation: { Reference: 'Sweepco' } },
  },
  Risk: { PaymentContextCode: 'PartyToParty' },
});

export const fundsConfirmation = () => ({ Data: { ExpirationDateTime: inAYear(), DebtorAccount: { ...debtor, Name: 'Andrea Smith' } } });

export const filePayment = (fileHash: string) => ({
  Data: {
    Initiation: { FileType: 'UK.OBIE.PaymentInitiation.3.1', FileHash: fileHash, FileReference: 'GB2OK238', NumberOfTransactions: '100' },
  },
});

const DEBTOR = ['Scheme Name : UK.OBIE.SortCodeAccountNumber', 'Identification : 11280001234567'];
const CREDITOR = ['Scheme Name : UK.OBIE.SortCodeAccountNumber', 'Identification : 08080021325698', 'Name : ACME Inc'];
const debtorShown = { title: 'Debtor Account', data: [...DEBTOR, 'Secondary Identification : 0002'] };
const creditorShown = { title: 'Creditor Account', data: CREDITOR };
const identifiedShown = [
  { title: 'Instruction Identification', data: ['ACME412'] },
  { title: 'End to End Identification', data: ['FRESCO.21302.GFX.20'] },
  { title: 'Instructed Amount', data: ['Amount : 165.88', 'Currency : GBP'] },
];

/** What a phone shows of each, as titles and values. */
export const SHOWN = {
  accounts: ({ Data }: ReturnType<typeof accountAccess>) => [
    { title: 'Permissions', data: Data.Permissions },
    { title: 'Expiration Date Time', data: [Data.ExpirationDateTime] },
    { title: 'Transaction From Date Time', data: [Data.TransactionFromDateTime] },
    { title: 'Transaction To Date Time', data: [Data.TransactionToDateTime] },
  ],
  payments: [{ title: 'Payment Type', data: ['Domestic Payments'] }, ...identifiedShown, debtorShown, creditorShown],
  international: [
    { title: 'Payment Type', data: ['International Payments'] },
    { title: 'Currency of Transfer', data: ['USD'] },
    ...identifiedShown,
    creditorShown,
  ],
  fundsconfirmations: ({ Data }: ReturnType<typeof fundsConfirmation>) => [
    { title: 'Expiration Date Time', data: [Data.ExpirationDateTime] },
    { title: 'Debtor Account', data: [...DEBTOR, 'Name : Andrea Smith', 'Secondary Identification : 0002'] },
  ],
  vrp: ({ Data: { ControlParameters } }: ReturnType<typeof vrp>) => [
    { title: 'Payment Type', data: ['Domestic VRP'] },
    { title: 'Valid to date and time', data: [ControlParameters.ValidToDateTime] },
    { title: 'Valid from date and time', data: ['2026-01-01T00:00:00+00:00'] },
    { title: 'Maximum amount per payment', data: ['GBP 100.00'] },
    { title: 'Period Alignment', data: ['Consent'] },
    { title: 'Period Type', data: ['Month'] },
    { title: 'Maximum payment amount per Month', data: ['GBP 200.00'] },
    debtorShown,
    creditorShown,
  ],
};
