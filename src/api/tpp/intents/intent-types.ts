import * as z from 'zod';
import type { ConsentContent, ConsentType, Receipt } from '../../../domain/consent/events.ts';
import { SCOPE_OF } from '../../../domain/consent/scope.ts';
import { isShowable } from '../../../domain/showable.ts';
import { readJson } from '../../body.ts';
import type { Call } from '../../route.ts';
import { accountAccessData } from './account-access.ts';
import { dateTime, debtorAccount, paymentRisk } from './fields.ts';
import { paymentData, vrpData } from './payments.ts';

type PaymentType = Extract<ConsentContent, { kind: 'payment' }>['paymentType'];

/** What a TPP asks for, as it was read. */
export interface Intent {
  receipt: Receipt;
  content: ConsentContent;
  /** The end of the consent, or null. */
  expiresAt: number | null;
}

/** A type of consent that a TPP lodges before it asks for it. */
export interface IntentType {
  /** The last part of its path. */
  name: string;
  /** The part of the Open Banking API that it belongs to. */
  api: 'aisp' | 'pisp' | 'cbpii';
  consentType: NonNullable<ConsentType>;
  /** The type of payment; null where it is none. */
  paymentType: PaymentType | null;
  /** The scope of the tokens that it is lodged with. */
  scope: (typeof SCOPE_OF)[NonNullable<ConsentType>];
  /** Whether `x-idempotency-key` must come, may come, or says nothing. */
  idempotencyKey: 'required' | 'optional' | 'ignored';
  /** Whether a file belongs to it. */
  uploads: boolean;
  recurring: boolean;
  /** Its request, for the documentation. */
  request: z.ZodType;
  /** The request of a call, or the refusal. */
  read(call: Pick<Call, 'headers' | 'text'>): Promise<Intent>;
}

type Common = Pick<IntentType, 'name' | 'api' | 'consentType' | 'paymentType' | 'idempotencyKey' | 'uploads' | 'recurring'>;

// Deeper than any member of the standard, with room for what it leaves to the ASPSP.
const MOST_LEVELS = 16;

const intentType = <Data extends z.ZodObject>(
  common: Common,
  data: Data,
  risk: z.ZodType<Receipt['Risk'] | undefined>,
  { content, expiration }: { content(data: z.output<Data>): ConsentContent; expiration?(data: z.output<Data>): string | undefined },
): IntentType => {
  const request = z
    .strictObject({ Data: data, Risk: risk })
    .refine((value) => isShowable(value, MOST_LEVELS), `it is deeper than ${MOST_LEVELS} levels, or holds what has no canonical form`);
  return {
    ...common,
    scope: SCOPE_OF[common.consentType],
    request,
    async read(call) {
      const { Data, Risk = {} } = (await readJson(call, request)) as { Data: z.output<Data>; Risk?: Receipt['Risk'] };
      const end = expiration?.(Data);
      return { receipt: { Data, Risk }, content: content(Data), expiresAt: end === undefined ? null : Math.floor(Date.parse(end) / 1000) };
    },
  };
};

// The Open Banking standard defines no member of it for account access.
const noRisk = z.strictObject({});

const accountAccess = intentType(
  {
    ...{ name: 'account-access-consents', api: 'aisp', consentType: 'accounts' },
    ...{ paymentType: null, idempotencyKey: 'ignored', uploads: false, recurring: true },
  },
  accountAccessData,
  noRisk,
  {
    content: ({ Permissions, ExpirationDateTime, TransactionFromDateTime, TransactionToDateTime }) => ({
      kind: 'account-access',
      permissions: Permissions,
      expirationDateTime: ExpirationDateTime ?? null,
      transactionFromDateTime: TransactionFromDateTime ?? null,
      transactionToDateTime: TransactionToDateTime ?? null,
    }),
    expiration: ({ ExpirationDateTime }) => ExpirationDateTime,
  },
);

const PAYMENT_CONSENTS = [
  ['domestic-payment-consents', 'domestic'],
  ['domestic-scheduled-payment-consents', 'domestic-scheduled'],
  ['domestic-standing-order-consents', 'domestic-standing-order'],
  ['international-payment-consents', 'international'],
  ['international-scheduled-payment-consents', 'international-scheduled'],
  ['international-standing-order-consents', 'international-standing-order'],
  ['file-payment-consents', 'file'],
] as const;
const payments = PAYMENT_CONSENTS.map(([name, paymentType]) =>
  intentType<z.ZodObject>(
    {
      ...{ name, api: 'pisp', consentType: 'payments', paymentType },
      ...{ idempotencyKey: 'required', uploads: paymentType === 'file', recurring: false },
    },
    paymentData[paymentType],
    paymentType === 'file' ? noRisk.optional() : paymentRisk,
    { content: () => ({ kind: 'payment', paymentType }) },
  ),
);

const vrp = intentType(
  {
    ...{ name: 'domestic-vrp-consents', api: 'pisp', consentType: 'vrp' },
    ...{ paymentType: null, idempotencyKey: 'optional', uploads: false, recurring: true },
  },
  vrpData,
  paymentRisk,
  { content: () => ({ kind: 'vrp' }), expiration: ({ ControlParameters }) => ControlParameters.ValidToDateTime },
);

const fundsConfirmation = intentType(
  {
    ...{ name: 'funds-confirmation-consents', api: 'cbpii', consentType: 'fundsconfirmations' },
    ...{ paymentType: null, idempotencyKey: 'ignored', uploads: false, recurring: true },
  },
  z.strictObject({ ExpirationDateTime: dateTime.optional(), DebtorAccount: debtorAccount }),
  noRisk.optional(),
  { content: () => ({ kind: 'funds-confirmation' }), expiration: ({ ExpirationDateTime }) => ExpirationDateTime },
);

/** Every type of consent that can be lodged. */
export const INTENT_TYPES: readonly IntentType[] = [accountAccess, ...payments, vrp, fundsConfirmation];
