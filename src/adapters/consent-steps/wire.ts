import * as z from 'zod';
import type { Chosen, Retrieved, StepContext } from '../../domain/ports/consent-steps.ts';
import { accountList } from '../account-list.ts';
import type { ChosenByPsu, Shown, Told, Verdict } from './module.ts';

// What is shown is hashed in its canonical form (RFC 8785), which has no place for half a character.
const wellFormed = (most: number) =>
  z
    .string()
    .max(most)
    .refine((value) => value.isWellFormed(), 'expected well-formed text');
const shown = (most: number) => wellFormed(most).min(1);

const retrieved: z.ZodType<Shown> = z.strictObject({
  consentData: z.array(z.strictObject({ title: shown(200), data: z.array(wellFormed(2000)).max(200) })).max(200),
  accounts: accountList(z.strictObject({ account_id: shown(256), display_name: shown(256) })),
  type: shown(64).nullable(),
});

/** Whether an approval may be recorded. The reason is for the PSU: printable ASCII, as an error_description is (RFC 6749, section 5.2). */
const verdict: z.ZodType<Verdict> = z.union([
  z.strictObject({ accepted: z.literal(true) }),
  z.strictObject({ accepted: z.literal(false), reason: z.string().regex(/^[\x20-\x21\x23-\x5b\x5d-\x7e]{1,200}$/) }),
]);

/** What a step of the ASPSP's own is told, whether it is a module or a hook. */
export const toldOf = (context: StepContext): Told => {
  const { flow, requestId, clientId, psuId, scope, consentId, consent, authorizationDetails, receipt } = context;
  return {
    ...{ flow, request_id: requestId, client_id: clientId, psu_id: psuId, scope },
    consent: consent && {
      ...{ consent_id: consentId, type: consent.consentType, content: consent.content, expires_at: consent.expiresAt },
      ...{ recurring: consent.recurring, frequency: consent.frequency },
    },
    authorization_details: authorizationDetails,
    receipt,
  };
};

/** What the steps before have found, as a step of the ASPSP's own is told it, and as it answers. */
export const asTold = ({ consentData, accounts, type }: Retrieved): Shown => ({
  consentData: consentData.map(({ title, data }) => ({ title, data: [...data] })),
  accounts: accounts.map(({ accountId, displayName }) => ({ account_id: accountId, display_name: displayName })),
  type,
});

/** The choice of an approval, as a step is told it. */
export const chosenAsTold = ({ accountIds, authorizationDetails }: Chosen): ChosenByPsu => ({
  account_ids: [...accountIds],
  authorization_details: authorizationDetails,
});

/** What a step of retrieving answered. Throws for what cannot be shown. */
export const readRetrieved = (answer: unknown): Retrieved => {
  const { consentData, accounts, type } = retrieved.parse(answer);
  return {
    consentData,
    accounts: accounts.map(({ account_id, display_name }) => ({ accountId: account_id, displayName: display_name })),
    type,
  };
};

/** What a step of persisting answered: why not, or null. */
export const readRefusal = (answer: unknown): string | null => {
  const read = verdict.parse(answer);
  return read.accepted ? null : read.reason;
};
