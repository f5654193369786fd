import { z } from 'zod';

/** What phones of the reference's wire are told and may do. */
export const wso2Settings = z.strictObject({
  tenantDomain: z
    .string()
    .regex(/^[A-Za-z0-9.-]{1,255}$/, 'expected a domain name')
    .default('carbon.super')
    .describe('The tenant that phones of the reference are told of, and that their paths may name.'),
  allowRsa1024: z
    .boolean()
    .default(false)
    .describe('Whether phones of the reference may hold RSA keys of 1024 bits: for the time in which they move over.'),
});
