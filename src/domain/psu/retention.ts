/** How long what is kept of a PSU is kept: each family of events says which of them it is of. */
export const RETENTIONS = ['request', 'delivery', 'consent', 'device'] as const;
export type Retention = (typeof RETENTIONS)[number];

/** Whether each month has a key of its own; what is not by month ends when nothing lives that it belongs to. */
export const isMonthly = (retention: Retention | 'all'): retention is 'request' | 'delivery' =>
  retention === 'request' || retention === 'delivery';

const AVERAGE_MONTH_SECONDS = 2_629_746;

/** The month of a moment, in UTC: `2026-11`. */
export const monthOf = (at: number): string => {
  // Counted from January 1970. By the average it is this one, or the one beside it.
  let month = Math.floor(at / AVERAGE_MONTH_SECONDS);
  if (at < startOf(month)) month -= 1;
  else if (at >= startOf(month + 1)) month += 1;
  return `${1970 + Math.floor(month / 12)}-${String((month % 12) + 1).padStart(2, '0')}`;
};

const startOf = (month: number): number => Date.UTC(1970, month) / 1000;

/** The one key that a PSU had for everything, before each retention and period had its own. It opens what it has sealed, and seals no more. */
export const ONLY_KEY = 'all.-';

/** The name of the key that a sealed text was sealed with: `<retention>.<period>`. */
export const keyNameIn = (text: string): string => {
  const [format, retention, period, body] = text.split('.');
  return format === '2' && body !== undefined ? `${retention}.${period}` : ONLY_KEY;
};
