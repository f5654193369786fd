import type * as z from 'zod';
import { memberNames, memberOf, type Narrowing, sameJson } from './narrowing.ts';

/** One entry of `authorization_details` (RFC 9396, section 2). */
export interface AuthorizationDetail {
  readonly type: string;
  readonly [member: string]: unknown;
}

/** What can be left out of an entry: an item of one of its lists. */
export interface Part {
  readonly member: string;
  readonly at: number;
}

/** A short plain line for the PSU, and the part that it is about; null for what cannot be left out alone. */
export interface DetailLine {
  readonly text: string;
  readonly part: Part | null;
}

/** A type of entry: what is well formed, how little of it the PSU may approve, and how it reads. */
export interface DetailType {
  readonly name: string;
  readonly schema: z.ZodType<AuthorizationDetail>;
  /** Whether the first is well formed, and has the rights of the second or fewer. */
  narrows(approved: AuthorizationDetail, asked: AuthorizationDetail): boolean;
  /** Lines for the PSU. An entry that is not well formed is a fault. */
  lines(entry: AuthorizationDetail): readonly DetailLine[];
  /** What the entry would move, in whatever currency; null when it names no amount. Types that move no money have none. */
  amountOf?: (entry: AuthorizationDetail) => number | null;
}

/** The types that a server knows, by their names. */
export type DetailTypes = ReadonlyMap<string, DetailType>;

/**
 * A type from its schema, which checks an entry, bounds how deep it goes, and changes nothing. Members that `narrowing` does not
 * name are approved as they were asked for. The lines must tell everything that the PSU decides on; a part of theirs is an item of a list that
 * may lose items.
 */
export const defineType = <Schema extends z.ZodObject<{ type: z.ZodLiteral<string> }, z.core.$strict>>({
  schema,
  narrowing,
  lines,
  amountOf,
}: {
  schema: Schema;
  narrowing: { readonly [Member in keyof z.output<Schema>]?: Narrowing };
  lines: (entry: z.output<Schema>) => readonly (string | DetailLine)[];
  amountOf?: (entry: z.output<Schema>) => number | null;
}): DetailType => {
  const rules = new Map(Object.entries<Narrowing | undefined>(narrowing));
  return {
    name: schema.shape.type.value,
    schema,
    narrows: (approved, asked) =>
      memberNames(approved, asked).every((name) => (rules.get(name) ?? sameJson)(memberOf(approved, name), memberOf(asked, name))) &&
      schema.safeParse(approved).success,
    lines: (entry) => lines(schema.parse(entry)).map((line) => (typeof line === 'string' ? { text: line, part: null } : line)),
    ...(amountOf && { amountOf: (entry: AuthorizationDetail) => amountOf(schema.parse(entry)) }),
  };
};

/** A line for each item of a list that may lose items. The only one of a list stays as long as its entry does. */
export const itemLines = <Item>(member: string, items: readonly Item[], words: (item: Item) => string): readonly DetailLine[] =>
  items.map((item, at) => ({ text: words(item), part: items.length > 1 ? { member, at } : null }));

/** The registry of these types. */
export const typesOf = (...types: readonly DetailType[]): DetailTypes => new Map(types.map((type) => [type.name, type]));
