import * as z from 'zod';
import { PERMISSIONS } from '../../../domain/consent/permissions.ts';
import { dateTime } from './fields.ts';

/** `Data` of an account access consent. */
export const accountAccessData = z.strictObject({
  Permissions: z
    .array(z.enum(PERMISSIONS))
    .min(1)
    .max(PERMISSIONS.length)
    .transform((permissions) => [...new Set(permissions)]),
  ExpirationDateTime: dateTime.optional(),
  TransactionFromDateTime: dateTime.optional(),
  TransactionToDateTime: dateTime.optional(),
});
