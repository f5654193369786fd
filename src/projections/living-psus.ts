import type { PsuDirectory } from '../domain/ports/psu-directory.ts';
import type { Rows } from '../domain/ports/rows.ts';
import { erasedPsu } from './psu-data.ts';

/** The directory without the PSUs who were erased: whatever it says of them, here they do not exist. */
export const livingPsus = (directory: PsuDirectory, rows: Rows): PsuDirectory => {
  const isGone = (psuId: string) => erasedPsu(rows, psuId) !== undefined;
  const unlessGone = (psuId: string | null) => (psuId === null || isGone(psuId) ? null : psuId);
  return {
    findByHint: async (loginHint) => unlessGone(await directory.findByHint(loginHint)),
    exists: async (psuId) => !isGone(psuId) && directory.exists(psuId),
    nameOf: async (psuId) => (isGone(psuId) ? null : directory.nameOf(psuId)),
    authenticate: async (username, password) => unlessGone(await directory.authenticate(username, password)),
    hasUserCode: async (psuId) => !isGone(psuId) && directory.hasUserCode(psuId),
    userCodeFits: async (psuId, userCode) => (await directory.userCodeFits(psuId, userCode)) && !isGone(psuId),
    accounts: async (psuId) => (isGone(psuId) ? [] : directory.accounts(psuId)),
  };
};
