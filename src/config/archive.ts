import { z } from 'zod';
import { count } from './kinds.ts';

/** What leaves the log for its archive, and when. */
export const archiveSettings = z.strictObject({
  enabled: z
    .boolean()
    .default(true)
    .describe('Whether streams that are over are moved from the log to <data_dir>/archive while the engine runs; they are read as before.'),
  requestDays: count.default(400).describe('The days that requests, redirections and sign-ins stay in the log after their end.'),
  deliveryDays: count.default(400).describe('The days that pushes, pings and event notifications stay in the log after the last of them.'),
  grantDays: count.default(400).describe('The days that grants stay in the log after the last of their tokens has expired.'),
});
