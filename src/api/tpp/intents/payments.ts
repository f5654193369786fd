import * as z from 'zod';
import {
  besidePayment,
  countryCode,
  creditor,
  creditorAccount,
  creditorAgent,
  currency,
  dateTime,
  debtorAccount,
  money,
  postalAddress,
  remittanceInformation,
  supplementaryData,
  text,
} from './fields.ts';

const identified = { InstructionIdentification: text(35), EndToEndIdentification: text(35) };
const scheduled = {
  InstructionIdentification: text(35),
  EndToEndIdentification: text(35).optional(),
  RequestedExecutionDateTime: dateTime,
};
const fromTo = { DebtorAccount: debtorAccount.optional(), CreditorAccount: creditorAccount };
const inTheEnd = { RemittanceInformation: remittanceInformation.optional(), SupplementaryData: supplementaryData.optional() };

const domestic = {
  LocalInstrument: text(50).optional(),
  InstructedAmount: money,
  ...fromTo,
  CreditorPostalAddress: postalAddress.optional(),
  ...inTheEnd,
};
const abroad = {
  Purpose: text(4).optional(),
  ExtendedPurpose: text(140).optional(),
  ChargeBearer: z.enum(['BorneByCreditor', 'BorneByDebtor', 'FollowingServiceLevel', 'Shared']).optional(),
  CurrencyOfTransfer: currency,
  DestinationCountryCode: countryCode.optional(),
  InstructedAmount: money,
  ...fromTo,
  Creditor: creditor.optional(),
  CreditorAgent: creditorAgent.optional(),
};
const international = {
  LocalInstrument: text(50).optional(),
  InstructionPriority: z.enum(['Normal', 'Urgent']).optional(),
  ...abroad,
  ExchangeRateInformation: z
    .strictObject({
      UnitCurrency: currency,
      ExchangeRate: z.number().positive().optional(),
      RateType: z.enum(['Actual', 'Agreed', 'Indicative']),
      ContractIdentification: text(256).optional(),
    })
    .optional(),
  ...inTheEnd,
};
const standingOrder = {
  Frequency: text(35),
  Reference: text(35).optional(),
  NumberOfPayments: text(35).optional(),
  FirstPaymentDateTime: dateTime,
  FinalPaymentDateTime: dateTime.optional(),
};

const once = (initiation: z.ZodRawShape) => z.strictObject({ ...besidePayment, Initiation: z.strictObject(initiation) });
const later = (initiation: z.ZodRawShape) => once(initiation).extend({ Permission: z.literal('Create') });

/** `Data` of the payment consents of the Open Banking Read/Write API 3.1, by the type of payment. */
export const paymentData = {
  domestic: once({ ...identified, ...domestic }),
  'domestic-scheduled': later({ ...scheduled, ...domestic }),
  'domestic-standing-order': later({
    ...standingOrder,
    RecurringPaymentDateTime: dateTime.optional(),
    FirstPaymentAmount: money,
    RecurringPaymentAmount: money.optional(),
    FinalPaymentAmount: money.optional(),
    ...fromTo,
    SupplementaryData: supplementaryData.optional(),
  }),
  international: once({ ...identified, ...international }),
  'international-scheduled': later({ ...scheduled, ...international }),
  'international-standing-order': later({ ...standingOrder, ...abroad, SupplementaryData: supplementaryData.optional() }),
  file: z.strictObject({
    Initiation: z.strictObject({
      FileType: text(40),
      /** SHA-256 of the file in base64. */
      FileHash: text(44),
      FileReference: text(40).optional(),
      NumberOfTransactions: text(35).optional(),
      ControlSum: z.number().nonnegative().optional(),
      RequestedExecutionDateTime: dateTime.optional(),
      LocalInstrument: text(50).optional(),
      DebtorAccount: debtorAccount.optional(),
      ...inTheEnd,
    }),
    Authorisation: besidePayment.Authorisation,
    SCASupportData: besidePayment.SCASupportData,
  }),
};

const limit = z.strictObject({
  PeriodType: z.enum(['Day', 'Week', 'Fortnight', 'Month', 'Half-year', 'Year']),
  PeriodAlignment: z.enum(['Consent', 'Calendar']),
  ...money.shape,
});

/** `Data` of a consent for variable recurring payments. */
export const vrpData = z.strictObject({
  ReadRefundAccount: besidePayment.ReadRefundAccount,
  ControlParameters: z.strictObject({
    ValidFromDateTime: dateTime.optional(),
    ValidToDateTime: dateTime.optional(),
    MaximumIndividualAmount: money,
    PeriodicLimits: z.array(limit).min(1).max(20),
    VRPType: z.array(text(40)).min(1).max(10).optional(),
    PSUAuthenticationMethods: z.array(text(40)).min(1).max(10).optional(),
    PSUInteractionTypes: z
      .array(z.enum(['InSession', 'OffSession']))
      .max(2)
      .optional(),
    SupplementaryData: supplementaryData.optional(),
  }),
  Initiation: z.strictObject({
    DebtorAccount: debtorAccount.optional(),
    CreditorAccount: creditorAccount.optional(),
    CreditorPostalAddress: postalAddress.optional(),
    Creditor: creditor.optional(),
    CreditorAgent: creditorAgent.optional(),
    RemittanceInformation: remittanceInformation.optional(),
  }),
});
