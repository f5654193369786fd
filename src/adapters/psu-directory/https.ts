import * as z from 'zod';
import { OAuthError } from '../../domain/oauth-error.ts';
import type { Outbound } from '../../domain/ports/outbound.ts';
import type { PsuDirectory } from '../../domain/ports/psu-directory.ts';
import { psuId } from '../../domain/psu/psu-id.ts';
import { accountList } from '../account-list.ts';
import { jsonIn } from '../outbound/json-in.ts';

const text = z
  .string()
  .min(1)
  .max(256)
  .refine((value) => value.isWellFormed(), 'expected well-formed text');
const psu = z.object({ psu_id: psuId });
/** Not everybody has one; services write that as nothing, as null or as an empty text. */
const nameOrNone = z
  .union([text, z.literal('')])
  .nullish()
  .transform((value) => value || null);
const name = z.object({ username: text, given_name: nameOrNone, family_name: nameOrNone });
const yes = z.object({ result: z.boolean() });
const accounts = z.object({ accounts: accountList(z.object({ account_id: text, display_name: text })) });

interface Deps {
  /** The base URL, without a slash at its end. */
  url: string;
  /** The bearer token that the directory asks for, or null. */
  token: string | null;
  outbound: Outbound;
  onFault(what: string, error: unknown): void;
}

/**
 * PSUs and their accounts from a service of the ASPSP. Each question is a `POST` of JSON to a path of its own, because a user name, a
 * password or a code in a URL would soon stand in a log: `/find` {login_hint}, `/name` {psu_id}, `/authenticate` {username, password},
 * `/accounts` {psu_id} and `/user-code` {psu_id} with user_code or without. A 404 says that there is no such PSU. Anything else than that
 * and the expected answer is told to `onFault`, and the caller gets `temporarily_unavailable`.
 */
export const httpsPsuDirectory = ({ url, token, outbound, onFault }: Deps): PsuDirectory => {
  const headers = {
    'content-type': 'application/json',
    accept: 'application/json',
    ...(token !== null && { authorization: `Bearer ${token}` }),
  };
  const ask = async <Schema extends z.ZodType>(path: string, question: object, schema: Schema): Promise<z.output<Schema> | null> => {
    try {
      const { status, body } = await outbound.fetch({ method: 'POST', url: url + path, headers, body: JSON.stringify(question) });
      if (status === 404) return null;
      if (status !== 200) throw new Error(`the directory answered ${status}`);
      return schema.parse(jsonIn(body));
    } catch (cause) {
      onFault(`PSU directory ${path}`, cause);
      throw new OAuthError('temporarily_unavailable', 'the PSU directory cannot be asked now', { cause });
    }
  };

  return {
    findByHint: async (loginHint) => (await ask('/find', { login_hint: loginHint }, psu))?.psu_id ?? null,
    exists: async (id) => (await ask('/name', { psu_id: id }, name)) !== null,
    async nameOf(id) {
      const found = await ask('/name', { psu_id: id }, name);
      return found && { username: found.username, givenName: found.given_name, familyName: found.family_name };
    },
    authenticate: async (username, password) => (await ask('/authenticate', { username, password }, psu))?.psu_id ?? null,
    hasUserCode: async (id) => (await ask('/user-code', { psu_id: id }, yes))?.result ?? false,
    userCodeFits: async (id, userCode) => (await ask('/user-code', { psu_id: id, user_code: userCode }, yes))?.result ?? false,
    accounts: async (id) =>
      ((await ask('/accounts', { psu_id: id }, accounts))?.accounts ?? []).map(({ account_id, display_name }) => ({
        accountId: account_id,
        displayName: display_name,
      })),
  };
};
