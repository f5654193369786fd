import { OAuthError } from '../oauth-error.ts';
import type { AuthorizationDetail, DetailLine, DetailTypes, Part } from './detail-type.ts';
import { eachHasItsOwn, isObject, memberOf } from './narrowing.ts';

/**
 * Whether what the PSU approved stays within what was asked for: each entry is one that was asked for, as it was or with fewer
 * rights, and no entry that was asked for is approved twice. Nothing at all is a refusal, and so is a type that is not known.
 */
export const isWithin = (approved: readonly unknown[], asked: readonly AuthorizationDetail[], types: DetailTypes): boolean =>
  approved.length > 0 && eachHasItsOwn(approved, asked, (one, other) => narrows(one, other, types));

const narrows = (approved: unknown, asked: AuthorizationDetail, types: DetailTypes): boolean =>
  isDetail(approved) && approved.type === asked.type && (types.get(approved.type)?.narrows(approved, asked) ?? false);

const isDetail = (value: unknown): value is AuthorizationDetail => isObject(value) && typeof memberOf(value, 'type') === 'string';

/** What an answer approves of what was asked for: all of it, or what it names, if that stays within it (RFC 9396, section 7). */
export const approvedOf = (
  asked: readonly AuthorizationDetail[] | null,
  named: readonly AuthorizationDetail[] | null,
  types: DetailTypes,
): AuthorizationDetail[] | null => {
  if (named === null) return asked && [...asked];
  if (asked === null || !isWithin(named, asked, types))
    throw new OAuthError('invalid_request', 'authorization_details must stay within what was shown');
  return [...named];
};

/** An entry in short plain lines, with the parts that may be left out. A type that is not known is a fault. */
export const linesOf = (entry: AuthorizationDetail, types: DetailTypes): readonly DetailLine[] => {
  const type = types.get(entry.type);
  if (type === undefined) throw new TypeError('authorization_details of a type that is not registered');
  return type.lines(entry);
};

/** The lines alone. */
export const describe = (entry: AuthorizationDetail, types: DetailTypes): readonly string[] =>
  linesOf(entry, types).map(({ text }) => text);

/** The entries without those, and without the parts, that are not kept. With the last item of a list its entry goes. */
export const keptOf = (
  asked: readonly AuthorizationDetail[],
  types: DetailTypes,
  isKept: (entry: number, part: Part | null) => boolean,
): readonly AuthorizationDetail[] =>
  asked.flatMap((entry, index) => {
    if (!isKept(index, null)) return [];
    const parts = linesOf(entry, types).flatMap(({ part }) => part ?? []);
    const kept = [...Map.groupBy(parts, ({ member }) => member)].map(
      ([member, items]) => [member, items.filter((part) => isKept(index, part)).map((part) => itemOf(entry, part))] as const,
    );
    return kept.some(([, items]) => items.length === 0) ? [] : [{ ...entry, ...Object.fromEntries(kept) }];
  });

const itemOf = (entry: AuthorizationDetail, { member, at }: Part): unknown => (entry[member] as readonly unknown[])[at];
