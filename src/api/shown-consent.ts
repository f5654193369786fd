import * as z from 'zod';
import type { Consent } from '../domain/consent/decider.ts';

/** A consent that was lodged, as the PSU is shown it. */
export const shownConsent = z.object({
  consent_id: z.string(),
  permissions: z.array(z.string()),
  expiration: z.string().nullable(),
  transactions_from: z.string().nullable(),
  transactions_to: z.string().nullable(),
});
export type ShownConsent = z.output<typeof shownConsent>;

/** What a consent asks for beyond the scope of its request; null when that is nothing. */
export const consentAsShown = (consentId: string, consent: Consent): ShownConsent | null =>
  consent.status === 'absent' || consent.content.kind !== 'account-access'
    ? null
    : {
        consent_id: consentId,
        permissions: consent.content.permissions,
        expiration: consent.content.expirationDateTime,
        transactions_from: consent.content.transactionFromDateTime,
        transactions_to: consent.content.transactionToDateTime,
      };
