import * as z from 'zod';
import { sameJson } from './narrowing.ts';

// Shown to the PSU letter for letter: nothing invisible, nothing that breaks a line or turns its direction.
const SHOWABLE = /^[[\p{L}\p{M}\p{N}\p{P}\p{S} ]--[\p{Default_Ignorable_Code_Point}\u2800\uFFFC\uFFFD]]+$/v;
const BLANK = /^ *$/;

/** A text that a device can show as it is. */
export const shownText = (maxLength: number) =>
  z
    .string()
    .max(maxLength, { abort: true })
    .refine((text) => SHOWABLE.test(text) && !BLANK.test(text), 'must be a text of visible characters in one line');

/** A list of at least one item, none of them twice. */
export const listOf = <Item extends z.ZodType>(item: Item, maxLength: number) =>
  z
    .array(item)
    .min(1)
    .max(maxLength, { abort: true })
    .refine((items) => items.every((one, at) => items.findIndex((other) => sameJson(one, other)) === at), 'must not hold an item twice');

// A host name without user or password, and no fragment: what follows could make the host look like another one.
const LOCATION = /^https:\/\/[a-z0-9.-]+(:\d{1,5})?(\/[\x21-\x22\x24-\x7e]*)?$/;

/** Where the resources are (RFC 9396, section 2.2). */
export const locations = listOf(
  z
    .string()
    .max(512, { abort: true })
    .refine((text) => LOCATION.test(text) && URL.canParse(text), 'must be an https URL without user and fragment, its host in lower case'),
  8,
);

/** A currency code as ISO 4217 writes them. */
export const currency = z.string().regex(/^[A-Z]{3}$/, 'must be three upper-case letters (ISO 4217)');

// 18 digits, of which five are fractions: what ISO 20022 has room for.
const AMOUNT = /^(?!0(\.0+)?$)(0|[1-9]\d{0,12})(\.\d{1,5})?$/;

/** Whether this is a positive decimal number, without sign, exponent or idle zeros in front. */
export const isAmount = (text: string): boolean => AMOUNT.test(text);

/** An IBAN without spaces, whose check digits are right (ISO 13616). */
export const iban = z
  .string()
  .regex(/^[A-Z]{2}\d{2}[A-Z0-9]{11,30}$/, { error: 'must be an IBAN in upper case without spaces', abort: true })
  .refine((text) => remainder(text.slice(4) + text.slice(0, 4)) === 1, 'must be an IBAN with the right check digits');

// ISO 7064, MOD 97-10: letters count from 10.
const remainder = (text: string): number => [...text].reduce((rest, sign) => Number(`${rest}${Number.parseInt(sign, 36)}`) % 97, 0);

/** An IBAN in groups of four, as it is printed. */
export const printedIban = (text: string): string => text.replaceAll(/.{4}(?=.)/g, '$& ');

/** The number of a payment card, whose check digit is right (ISO/IEC 7812). */
export const cardNumber = z
  .string()
  .regex(/^\d{12,19}$/, { error: 'must be a card number of 12 to 19 digits', abort: true })
  .refine((digits) => luhnSum(digits) % 10 === 0, 'must be a card number with the right check digit');

const luhnSum = (digits: string): number =>
  [...digits].reverse().reduce((sum, digit, at) => {
    const value = Number(digit) * (at % 2 === 0 ? 1 : 2);
    return sum + (value > 9 ? value - 9 : value);
  }, 0);
