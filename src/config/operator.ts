import { z } from 'zod';
import { seconds, text } from './kinds.ts';

/** What the people who run a node see of it. */
export const operatorSettings = z.strictObject({
  host: text
    .default('127.0.0.1')
    .describe('The address that the listener of operators binds to: /livez, /readyz and /metrics, over plain HTTP.'),
  port: z.int().min(0).max(65535).default(9448).describe('Its port; 0 for none. /livez and /readyz are on the other listeners too.'),
  drainSeconds: z
    .int()
    .min(0)
    .default(1)
    .describe(
      'The time between a node saying that it is not ready any more and the end of its listeners: balancers must notice within it.',
    ),
  readyLagSeconds: seconds.default(5).describe('A node whose read models are further behind the log than this is not ready.'),
  readyOutboxSeconds: seconds.default(60).describe('A node that owes a push, a ping or a follow-up for longer than this is not ready.'),
});
