import { z } from 'zod';
import { optionalFile, text } from './kinds.ts';

/** The steps of authentication that each flow knows. */
const CODE_FLOW_STEPS = ['basic'] as const;
const CIBA_STEPS = ['push'] as const;

/** How PSUs prove who they are. */
export const authenticationSettings = z.strictObject({
  codeFlow: z
    .array(z.enum(CODE_FLOW_STEPS))
    .min(1)
    .default(['basic'])
    .describe('The steps by which a PSU signs in to the redirect flow: basic is user name and password.'),
  codeFlowAcrValues: z
    .array(z.string().regex(/^\S+$/, 'expected a value without spaces'))
    .default(['urn:openbanking:psd2:ca'])
    .describe('The authentication context classes that the steps of the redirect flow amount to, most wanted first.'),
  ciba: z
    .array(z.enum(CIBA_STEPS))
    .default(['push'])
    .describe('The steps of a CIBA request: push wakes the devices of the PSU; without it they find it when they look.'),
  psuChannel: text
    .default('Online Banking')
    .describe('The name of the channel of the PSUs, which AuthenticationSucceeded and AuthenticationFailed state.'),
  script: optionalFile.describe(
    'The ES module of your own that chooses among the steps (onLoginRequest) and is told how they ended (onSuccess, onFail).',
  ),
});
