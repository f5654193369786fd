import * as z from 'zod';
import { defineType, itemLines } from './detail-type.ts';
import { iban, listOf, locations, printedIban } from './fields.ts';
import { fewer, fewerOfAll } from './narrowing.ts';

const ACTIONS = {
  list_accounts: 'List the accounts',
  read_account_details: 'Read the details of the accounts',
  read_balances: 'Read the balances',
  read_transactions: 'Read the transactions',
} as const;
type Action = keyof typeof ACTIONS;

const account = z
  .strictObject({
    iban: iban.optional(),
    /** The ASPSP's own name for it. */
    accountId: z
      .string()
      .regex(/^[\x21-\x7e]{1,128}$/, 'must be 1 to 128 printable ASCII characters without spaces')
      .optional(),
  })
  .refine(
    (reference) => (reference.iban === undefined) !== (reference.accountId === undefined),
    'must hold iban or accountId, and not both',
  );

/** Reading accounts. Without `accounts` it is about all of the PSU's; the PSU may name fewer of them, and allow fewer actions. */
export const accountInformation = defineType({
  schema: z.strictObject({
    type: z.literal('account_information'),
    actions: listOf(z.enum(Object.keys(ACTIONS) as Action[]), 4),
    locations: locations.optional(),
    accounts: listOf(account, 100).optional(),
    recurringIndicator: z.boolean().optional(),
    validUntil: z.iso.date('must be a date (YYYY-MM-DD)').optional(),
  }),
  narrowing: { actions: fewer, accounts: fewerOfAll },
  lines: ({ actions, accounts, recurringIndicator, validUntil, locations = [] }) => [
    ...itemLines('actions', actions, (action) => ACTIONS[action]),
    ...(accounts === undefined ? ['For all of your accounts'] : itemLines('accounts', accounts, accountLine)),
    ...(recurringIndicator === undefined ? [] : [recurringIndicator ? 'More than once' : 'Once only']),
    ...(validUntil === undefined ? [] : [`Until ${validUntil}`]),
    ...locations.map((location) => `At ${location}`),
  ],
});

const accountLine = ({ iban: number, accountId }: z.output<typeof account>): string =>
  number === undefined ? `For account ${accountId}` : `For IBAN ${printedIban(number)}`;
