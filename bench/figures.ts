/** The middle value, or the mean of the two in the middle. */
export const median = (values: readonly number[]): number => {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = (sorted.length - 1) / 2;
  return ((sorted[Math.floor(middle)] ?? Number.NaN) + (sorted[Math.ceil(middle)] ?? Number.NaN)) / 2;
};

/** The value that this share of the values does not exceed. They come sorted. */
export const quantile = (sorted: Float64Array, share: number): number => sorted[Math.floor(share * (sorted.length - 1))] ?? 0;

export const sum = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0);

export const count = (value: number): string => Math.round(value).toLocaleString('en');

export const percent = (share: number): string => `${(share * 100).toFixed(0)} %`;

/** `median (lowest–highest)`, or a dash for nothing. */
export const spread = (values: readonly number[] = []): string =>
  values.length === 0 ? '–' : `${count(median(values))} (${count(Math.min(...values))}–${count(Math.max(...values))})`;

/** A table in Markdown: the first column to the left, the others to the right. */
export const table = (head: string[], rows: string[][]): string =>
  [head, head.map((_, column) => (column === 0 ? '---' : '---:')), ...rows].map((cells) => `| ${cells.join(' | ')} |`).join('\n');
