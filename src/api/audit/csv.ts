// What a spreadsheet would take for a formula, or what leads it to one, at the beginning of a cell. One that separates cells by semicolons knows
// no quotes in the middle of a cell either: for it a cell begins behind each semicolon and each line break.
const FORMULA = /^(?=[=+\-@\t\r\n])|(?<=[;\r\n])(?=["\t ]*[=+\-@])/g;
const QUOTED = /[",\r\n]/;

/** One record of a CSV text (RFC 4180). No cell of it is a formula: one that would be begins with an apostrophe. */
export const csvRecord = (cells: readonly (string | number | null)[]): string => `${cells.map(cell).join(',')}\r\n`;

const cell = (value: string | number | null): string => {
  const text = String(value ?? '');
  const plain = text.replaceAll(FORMULA, "'");
  return QUOTED.test(plain) ? `"${plain.replaceAll('"', '""')}"` : plain;
};

/** A value as the text of a cell that is no formula, and one cell, whatever separates them. */
export const csvJson = (value: unknown): string => JSON.stringify(value).replaceAll(';', '\\u003b');
