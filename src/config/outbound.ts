import { z } from 'zod';
import { optionalFile, port, text } from './kinds.ts';

// A password in this URL would be a secret in the settings; secrets come as files.
const isProxy = (value: string) => /^https?:\/\/[^\s/?#@]+\/?$/.test(value) && URL.canParse(value);

/** How the engine calls others. */
export const outboundSettings = z.strictObject({
  proxy: z
    .string()
    .refine(isProxy, 'expected an http or https URL without path, user name or password')
    .nullable()
    .default(null)
    .describe('The proxy that calls to the push service go through.'),
  caFile: optionalFile.describe(
    'A PEM file of authorities that calls to the push service trust instead of the usual ones: those of a proxy that opens TLS.',
  ),
  allowedPorts: z.array(port).default([]).describe('The ports besides 443 of the TPPs and directories that the engine calls.'),
  allowedHosts: z
    .array(text)
    .default([])
    .describe('Development only: each host:port that may be called although it is no public address, also over http.'),
});
