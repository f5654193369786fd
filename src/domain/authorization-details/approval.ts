import type { AuthorizationDetail, DetailTypes } from './detail-type.ts';
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

/** An entry in short plain lines, for the phone and the consent page. A type that is not known is a fault. */
export const describe = (entry: AuthorizationDetail, types: DetailTypes): readonly string[] => {
  const type = types.get(entry.type);
  if (type === undefined) throw new TypeError('authorization_details of a type that is not registered');
  return type.lines(entry);
};
