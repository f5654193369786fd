import type { Persist, Retrieve, Told } from '../../src/adapters/consent-steps/module.ts';

const LIMIT = 100;

/** What a payment consent is over, and zero for any other. */
const amountOf = ({ consent, receipt }: Told): number => {
  if (consent?.type !== 'payments') return 0;
  const { InstructedAmount: { Amount = '0' } = {} } = (receipt?.Data['Initiation'] ?? {}) as { InstructedAmount?: { Amount?: string } };
  return Number(Amount);
};

/** Says on the phone and on the page what the bank allows for one payment. */
export const retrieve: Retrieve = (told) => {
  const { so_far: shown } = told;
  if (amountOf(told) === 0) return shown;
  return { ...shown, consentData: [...shown.consentData, { title: 'Limit for One Payment', data: [`Amount : ${LIMIT}`] }] };
};

/** Lets no approval of more than that be recorded. A denial is never asked about. */
export const persist: Persist = (told) =>
  amountOf(told) > LIMIT ? { accepted: false, reason: `the bank allows ${LIMIT} for one payment` } : { accepted: true };
