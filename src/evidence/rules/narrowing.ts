import { isObject } from './known.ts';

/** Whether two JSON values are the same, whatever the order of their members. */
export const sameJson = (one: unknown, other: unknown): boolean => {
  if (one === other) return true;
  if (Array.isArray(one) && Array.isArray(other)) return one.length === other.length && one.every((item, at) => sameJson(item, other[at]));
  if (!isObject(one) || !isObject(other)) return false;
  const names = Object.keys(one);
  return (
    names.length === Object.keys(other).length && names.every((name) => Object.hasOwn(other, name) && sameJson(one[name], other[name]))
  );
};

/** The lists of the types of authorization details that come with the engine that may lose items; `accounts` may also be named where none was. */
const LISTS: Readonly<Record<string, readonly string[]>> = {
  account_information: ['actions', 'accounts'],
  payment_initiation: ['actions'],
  '3ds:payment_authorisation': [],
};

/** Whether what was approved stays within what was shown: each entry is one that was shown, or less of it, and none is used twice. */
export const detailsAreWithin = (approved: readonly unknown[], shown: readonly unknown[]): boolean =>
  approved.length > 0 && eachHasItsOwn(approved, shown, isLessOf);

const isLessOf = (approved: unknown, shown: unknown): boolean => {
  if (!isObject(approved) || !isObject(shown) || approved['type'] !== shown['type']) return false;
  const lists = LISTS[approved['type'] as string];
  // How little may be approved of a type of the ASPSP's own, only the ASPSP knows.
  if (lists === undefined) return true;
  return [...new Set([...Object.keys(approved), ...Object.keys(shown)])].every((name) => {
    const [one, other] = [approved[name], shown[name]];
    if (!lists.includes(name)) return sameJson(one, other);
    if (name === 'accounts' && other === undefined) return true;
    return Array.isArray(one) && Array.isArray(other) ? eachHasItsOwn(one, other, sameJson) : sameJson(one, other);
  });
};

const eachHasItsOwn = (items: readonly unknown[], others: readonly unknown[], fits: (one: unknown, other: unknown) => boolean): boolean => {
  const takers = new Map<number, unknown>();
  const settle = (item: unknown, passed: Set<number>): boolean =>
    others.some((other, at) => {
      if (passed.has(at) || !fits(item, other)) return false;
      passed.add(at);
      if (takers.has(at) && !settle(takers.get(at), passed)) return false;
      takers.set(at, item);
      return true;
    });
  return items.length <= others.length && items.every((item) => settle(item, new Set()));
};
