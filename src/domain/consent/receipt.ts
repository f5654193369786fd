import type { Sealer } from '../ports/sealer.ts';
import type { LodgedConsent } from './decider.ts';
import { consentEvents, type Receipt } from './events.ts';

/** What a consent asks for as it was lodged, or amended last; null where there is none, or it was erased. */
export const receiptOf = ({ receipt }: LodgedConsent, sealer: Sealer): Receipt | null =>
  (receipt && consentEvents.open(receipt.type, receipt.sealed, sealer)?.receipt) ?? null;

/** What stands in the open of what was lodged: all of it where it was lodged before receipts were kept. */
export const receiptInTheOpen = ({ content }: LodgedConsent): Receipt => {
  if (content.kind !== 'account-access') return { Data: {}, Risk: {} };
  const { permissions, expirationDateTime, transactionFromDateTime, transactionToDateTime } = content;
  const Data = {
    Permissions: permissions,
    ...(expirationDateTime !== null && { ExpirationDateTime: expirationDateTime }),
    ...(transactionFromDateTime !== null && { TransactionFromDateTime: transactionFromDateTime }),
    ...(transactionToDateTime !== null && { TransactionToDateTime: transactionToDateTime }),
  };
  return { Data, Risk: {} };
};

/** The file that was uploaded for a consent; null where there is none, or it was erased. */
export const fileOf = ({ file }: LodgedConsent, sealer: Sealer): string | null =>
  (file && consentEvents.open('ConsentFileUploaded', file.sealed, sealer)?.file) ?? null;
