import * as z from 'zod';

interface ListedAccount {
  account_id: string;
  display_name: string;
}

/** Accounts to choose from. An approval names them by their ids, so each stands there once. */
export const accountList = <Schema extends z.ZodType<ListedAccount>>(account: Schema) =>
  z
    .array(account)
    .max(1000)
    .refine((accounts) => new Set(accounts.map(({ account_id: id }) => id)).size === accounts.length, 'expected each account once');
