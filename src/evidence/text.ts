import { Malformed } from './malformed.ts';

/** The bytes of a base64 text (RFC 4648, section 4); throws where it is not the one spelling of them. */
export const bytesIn = (base64: string, length?: number): Buffer => {
  const bytes = Buffer.from(base64, 'base64');
  if (bytes.toString('base64') !== base64) throw new Malformed('base64 is expected, with its padding');
  if (length !== undefined && bytes.length !== length) throw new Malformed(`${length} bytes are expected in base64`);
  return bytes;
};

/** The hashes of some lines, one in each. */
export const hashesIn = (lines: readonly string[]): Buffer[] => lines.map((line) => bytesIn(line, 32));

/** Hashes as lines, each with its end. */
export const hashLines = (hashes: readonly Buffer[]): string => hashes.map((hash) => `${hash.toString('base64')}\n`).join('');

/** The count that a decimal stands for; throws where it has zeroes in front, or cannot be counted to. */
export const countIn = (decimal: string): number => {
  const count = Number(decimal);
  if (!/^(0|[1-9]\d*)$/.test(decimal) || !Number.isSafeInteger(count)) throw new Malformed('a decimal without zeroes in front is expected');
  return count;
};
