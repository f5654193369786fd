import { keptOf } from '../../domain/authorization-details/approval.ts';
import type { AuthorizationDetail, DetailTypes, Part } from '../../domain/authorization-details/detail-type.ts';
import type { Form } from '../body.ts';

/** The most parameters that the consent page posts: as many accounts as a device may name, and the boxes of 8 KiB of details. */
export const MOST_PARAMETERS = 1600;

/** The box of an account, by its place. Each box has a name of its own, because a repeated parameter is refused. */
export const accountBox = (index: number): string => `account.${index}`;

/** The box of one of the authorization details, or of a part of it. */
export const detailBox = (entry: number, part: Part | null): string =>
  `detail.${entry}${part === null ? '' : `.${part.member}.${part.at}`}`;

/** What an approval chose of what the page offered, and what to tell the person where that is too little. */
export const choicesIn = (
  form: Form,
  { accounts, details }: { accounts: readonly unknown[]; details: readonly AuthorizationDetail[] | null },
  types: DetailTypes,
): { accountIds: readonly string[]; authorizationDetails: readonly AuthorizationDetail[] | null; tooLittle: string | null } => {
  const accountIds = chosenAccounts(form);
  const authorizationDetails = details && keptOf(details, types, (entry, part) => Object.hasOwn(form, detailBox(entry, part)));
  const chosen = { accountIds, authorizationDetails };
  if (authorizationDetails?.length === 0) return { ...chosen, tooLittle: 'Leave a tick at something that you allow, or deny.' };
  if (accounts.length > 0 && accountIds.length === 0) return { ...chosen, tooLittle: 'Choose at least one account to approve, or deny.' };
  return { ...chosen, tooLittle: null };
};

const ACCOUNT = /^account\.\d+$/;

const chosenAccounts = (form: Form): readonly string[] =>
  Object.entries(form).flatMap(([name, value]) => (ACCOUNT.test(name) ? [value] : []));
