import { readFile } from 'node:fs/promises';
import * as z from 'zod';
import type { PsuDirectory } from '../../domain/ports/psu-directory.ts';
import { psuId } from '../../domain/psu/psu-id.ts';
import { accountList } from '../account-list.ts';
import { passwordFits } from './password.ts';

const account = z.strictObject({ account_id: z.string().min(1), display_name: z.string().min(1) });
const directoryFile = z.strictObject({
  psus: z.array(
    z.strictObject({
      psu_id: psuId,
      username: z.string().min(1),
      first_name: z.string().min(1).optional(),
      last_name: z.string().min(1).optional(),
      password_hash: z.string(),
      /** The argon2id hash of the code that the PSU tells TPPs, where there is one. */
      user_code_hash: z.string().optional(),
      accounts: accountList(account),
    }),
  ),
});
export type DirectoryFile = z.output<typeof directoryFile>;

/** PSUs and their accounts from a JSON file, read once. */
export const filePsuDirectory = async (file: string): Promise<PsuDirectory> => {
  const { psus } = directoryFile.parse(JSON.parse(await readFile(file, 'utf8')));
  const byUsername = new Map(psus.map((psu) => [psu.username, psu]));
  const byId = new Map(psus.map((psu) => [psu.psu_id, psu]));
  return {
    findByHint: async (loginHint) => byUsername.get(loginHint)?.psu_id ?? null,
    exists: async (psuId) => byId.has(psuId),
    async nameOf(psuId) {
      const psu = byId.get(psuId);
      return psu === undefined ? null : { username: psu.username, givenName: psu.first_name ?? null, familyName: psu.last_name ?? null };
    },
    async authenticate(username, password) {
      const psu = byUsername.get(username);
      return (await passwordFits(password, psu?.password_hash ?? '')) ? (psu?.psu_id ?? null) : null;
    },
    hasUserCode: async (psuId) => byId.get(psuId)?.user_code_hash !== undefined,
    userCodeFits: (psuId, userCode) => passwordFits(userCode, byId.get(psuId)?.user_code_hash ?? ''),
    accounts: async (psuId) =>
      (byId.get(psuId)?.accounts ?? []).map(({ account_id, display_name }) => ({ accountId: account_id, displayName: display_name })),
  };
};
