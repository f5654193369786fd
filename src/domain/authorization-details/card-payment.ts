import * as z from 'zod';
import { defineType } from './detail-type.ts';
import { cardNumber, currency, isAmount, shownText } from './fields.ts';

/** One payment by card (ConnectID CIBA profile, section 4.1.3): approved whole or left out. Only the end of the card number is shown. */
export const cardPayment = defineType({
  schema: z.strictObject({
    type: z.literal('3ds:payment_authorisation'),
    instructed_amount: z.strictObject({
      amount: z.number().refine((amount) => isAmount(String(amount)), 'must be a positive number with at most five decimals'),
      currency,
    }),
    source_account: cardNumber,
    beneficiary_name: shownText(140),
    payment_desc: shownText(300),
  }),
  narrowing: {},
  amountOf: ({ instructed_amount }) => instructed_amount.amount,
  lines: ({ instructed_amount, source_account, beneficiary_name, payment_desc }) => [
    `Card payment of ${instructed_amount.amount} ${instructed_amount.currency}`,
    `To ${beneficiary_name}`,
    `For ${payment_desc}`,
    `From the card that ends in ${source_account.slice(-4)}`,
  ],
});
