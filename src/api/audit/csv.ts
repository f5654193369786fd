// What a spreadsheet would take for a formula, and what leads it to one.
const FORMULA = /^[=+\-@\t\r]/;
const QUOTED = /[",\r\n]/;

/** One record of a CSV text (RFC 4180). No cell of it is a formula: one that would be begins with an apostrophe. */
export const csvRecord = (cells: readonly (string | number | null)[]): string => `${cells.map(cell).join(',')}\r\n`;

const cell = (value: string | number | null): string => {
  const text = String(value ?? '');
  const plain = FORMULA.test(text) ? `'${text}` : text;
  return QUOTED.test(plain) ? `"${plain.replaceAll('"', '""')}"` : plain;
};
