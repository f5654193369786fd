import fc from 'fast-check';
import * as z from 'zod';

type Schema = z.core.JSONSchema.BaseSchema;
type Good = Readonly<Record<string, readonly unknown[]>>;

const anyText = fc.oneof(
  fc.string({ unit: 'binary' }),
  fc.string(),
  fc.constantFrom('', '\u0000', '__proto__', '\ud800', 'x'.repeat(3000)),
);

/** A part of a path. */
export const segment = fc.oneof(fc.uuid(), fc.webSegment(), fc.string({ unit: 'binary' }));

/** What a route takes, as its schema says; where good values are known for a member of that name, most often one of them. Undefined for no schema. */
export const inputOf = (schema: z.ZodType | undefined, good: Good): fc.Arbitrary<unknown> =>
  schema === undefined ? fc.constant(undefined) : arbitraryOf(z.toJSONSchema(schema, { io: 'input', unrepresentable: 'any' }), good);

const arbitraryOf = (schema: Schema | boolean, good: Good): fc.Arbitrary<unknown> => {
  if (typeof schema === 'boolean') return fc.jsonValue({ maxDepth: 2 });
  const { type, enum: values, const: only, anyOf, oneOf, allOf, properties, items, prefixItems } = schema;
  if (only !== undefined) return fc.constant(only);
  if (values !== undefined) return fc.constantFrom(...values);
  const choices = anyOf ?? oneOf;
  if (choices !== undefined) return fc.oneof(...choices.map((one) => arbitraryOf(one, good)));
  if (allOf !== undefined) return fc.tuple(...allOf.map((one) => arbitraryOf(one, good))).map((parts) => Object.assign({}, ...parts));
  if (properties !== undefined) return objectOf(schema, good);
  switch (type) {
    case 'array':
      if (prefixItems !== undefined) return fc.tuple(...prefixItems.map((one) => arbitraryOf(one, good)));
      return fc.array(arbitraryOf((items as Schema | undefined) ?? true, good), { maxLength: 3 });
    case 'boolean':
      return fc.boolean();
    case 'integer':
      return fc.oneof(fc.nat(1000), fc.maxSafeInteger());
    case 'number':
      return fc.oneof(fc.double({ noNaN: true, noDefaultInfinity: true }), fc.nat());
    case 'null':
      return fc.constant(null);
    case 'string':
      return fc.oneof(fc.string(), fc.webUrl(), anyText);
    default:
      return fc.jsonValue({ maxDepth: 2 });
  }
};

const ABSENT = Symbol('absent');

/** Members that need not be there mostly are not, unless a good value is known: a call with a nonsense member or two gets further than one full of them. */
const objectOf = ({ properties = {}, required = [] }: Schema, good: Good): fc.Arbitrary<unknown> => {
  const members = Object.entries(properties).map(([name, member]): [string, fc.Arbitrary<unknown>] => {
    const known = good[name];
    const free = arbitraryOf(member, good);
    const value =
      known === undefined ? free : fc.oneof({ weight: 9, arbitrary: fc.constantFrom(...known) }, { weight: 1, arbitrary: free });
    if (required.includes(name)) return [name, value];
    return [name, fc.oneof({ weight: known === undefined ? 40 : 1, arbitrary: fc.constant(ABSENT) }, { weight: 1, arbitrary: value })];
  });
  return fc
    .record(Object.fromEntries(members))
    .map((given) => Object.fromEntries(Object.entries(given).filter(([, value]) => value !== ABSENT)));
};

const MUTATIONS = ['drop', 'retype', 'oversize', 'unicode', 'repeat', 'further', 'nest', 'empty', 'prototype'] as const;
export type Mutation = (typeof MUTATIONS)[number];
export const mutation: fc.Arbitrary<Mutation> = fc.constantFrom(...MUTATIONS);

/** The same input, spoilt. What is no object is left alone, save by what replaces it. */
export const mutated = (value: unknown, mutations: readonly Mutation[]): unknown => mutations.reduce(spoilt, value);

const spoilt = (value: unknown, how: Mutation): unknown => {
  if (value === undefined) return value;
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return how === 'retype' ? [value] : value;
  const entries = Object.entries(value);
  const [name = 'member', member] = entries[entries.length >> 1] ?? [];
  switch (how) {
    case 'drop':
      return Object.fromEntries(entries.filter(([other]) => other !== name));
    case 'retype':
      return { ...value, [name]: typeof member === 'string' ? 17 : 'seventeen' };
    case 'oversize':
      return { ...value, [name]: 'x'.repeat(70_000) };
    case 'unicode':
      return { ...value, [name]: '\u202e\ufeff\ud83d\u0000é漢' };
    case 'further':
      return { ...value, 'no such member': true };
    case 'nest':
      return { ...value, [name]: [[[{ [name]: member }]]] };
    case 'empty':
      return {};
    case 'prototype':
      return JSON.parse('{"__proto__":{"polluted":true},"constructor":1}');
    case 'repeat':
      return value;
  }
};
