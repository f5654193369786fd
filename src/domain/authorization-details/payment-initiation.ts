import * as z from 'zod';
import { defineType, itemLines } from './detail-type.ts';
import { currency, iban, isAmount, listOf, locations, printedIban, shownText } from './fields.ts';
import { fewer } from './narrowing.ts';

const ACTIONS = {
  initiate: 'Start the payment',
  status: 'Read the status of the payment',
  cancel: 'Cancel the payment',
} as const;
type Action = keyof typeof ACTIONS;

/** One payment, after the example of RFC 9396 (section 2). The PSU may allow fewer actions, and changes nothing else. */
export const paymentInitiation = defineType({
  schema: z.strictObject({
    type: z.literal('payment_initiation'),
    actions: listOf(z.enum(Object.keys(ACTIONS) as Action[]), 3).optional(),
    locations: locations.optional(),
    instructedAmount: z.strictObject({
      currency,
      amount: z.string().refine(isAmount, 'must be a positive decimal number in a string, such as 123.50'),
    }),
    creditorName: shownText(140),
    creditorAccount: z.strictObject({
      iban,
      bic: z
        .string()
        .regex(/^[A-Z0-9]{4}[A-Z]{2}[A-Z0-9]{2}([A-Z0-9]{3})?$/, 'must be a BIC of 8 or 11 characters (ISO 9362)')
        .optional(),
    }),
    debtorAccount: z.strictObject({ iban }).optional(),
    remittanceInformationUnstructured: shownText(140).optional(),
  }),
  narrowing: { actions: fewer },
  amountOf: ({ instructedAmount }) => Number(instructedAmount.amount),
  lines: ({
    instructedAmount,
    creditorName,
    creditorAccount,
    debtorAccount,
    remittanceInformationUnstructured,
    actions = [],
    locations = [],
  }) => [
    `Payment of ${instructedAmount.amount} ${instructedAmount.currency}`,
    `To ${creditorName}`,
    `To IBAN ${printedIban(creditorAccount.iban)}`,
    ...(creditorAccount.bic === undefined ? [] : [`To BIC ${creditorAccount.bic}`]),
    ...(debtorAccount === undefined ? [] : [`From IBAN ${printedIban(debtorAccount.iban)}`]),
    ...(remittanceInformationUnstructured === undefined ? [] : [`Reference: ${remittanceInformationUnstructured}`]),
    ...itemLines('actions', actions, (action) => ACTIONS[action]),
    ...locations.map((location) => `At ${location}`),
  ],
});
