/** Whether what was approved of a member stays within what was asked for. An absent member is undefined. */
export type Narrowing = (approved: unknown, asked: unknown) => boolean;

/** Whether two JSON values are the same, whatever the order of their members. */
export const sameJson: Narrowing = (one, other) => {
  if (one === other) return true;
  if (Array.isArray(one) && Array.isArray(other)) return one.length === other.length && one.every((item, at) => sameJson(item, other[at]));
  if (!isObject(one) || !isObject(other)) return false;
  return memberNames(one, other).every((name) => sameJson(memberOf(one, name), memberOf(other, name)));
};

/** A list may lose items, and gain none. */
export const fewer: Narrowing = (approved, asked) =>
  Array.isArray(approved) && Array.isArray(asked) ? eachHasItsOwn(approved, asked, sameJson) : sameJson(approved, asked);

/** Like `fewer`, for a list whose absence means everything: some may be named where none was. */
export const fewerOfAll: Narrowing = (approved, asked) => (asked === undefined ? true : fewer(approved, asked));

/** Whether every item finds one that fits it and that no other item takes: what was asked for once is not approved twice. */
export const eachHasItsOwn = <Item, Other>(
  items: readonly Item[],
  others: readonly Other[],
  fits: (item: Item, other: Other) => boolean,
): boolean => {
  const takers = new Map<number, Item>();
  // Takes the first that fits and is free, or whose taker can be moved to another one.
  const settle = (item: Item, passed: Set<number>): boolean =>
    others.some((other, at) => {
      if (passed.has(at) || !fits(item, other)) return false;
      passed.add(at);
      const taker = takers.get(at);
      if (taker !== undefined && !settle(taker, passed)) return false;
      takers.set(at, item);
      return true;
    });
  return items.length <= others.length && items.every((item) => settle(item, new Set()));
};

export const isObject = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** The names of the members that either has. */
export const memberNames = (one: object, other: object): readonly string[] => [...new Set([...Object.keys(one), ...Object.keys(other)])];

/** A member of its own, or undefined: what every object inherits is no member. */
export const memberOf = (object: Readonly<Record<string, unknown>>, name: string): unknown =>
  Object.hasOwn(object, name) ? object[name] : undefined;
