import { z } from 'zod';
import { count } from './kinds.ts';

/** How long what is sealed for PSUs can be opened. */
export const retentionSettings = z.strictObject({
  requestDays: count
    .default(400)
    .describe('The days for which what was asked of PSUs, shown to them and answered by them stays readable, from the end of its month.'),
  consentDays: count
    .default(2557)
    .describe('The days for which what was lodged and agreed to stays readable, from the end of the last consent.'),
  deviceDays: count.default(90).describe('The days for which names and push tokens stay readable when the last device of a PSU is gone.'),
  deliveryDays: count.default(30).describe('The days for which what was sent to clients stays readable, from the end of its month.'),
});
