import type { Clock, Ids } from '../../domain/ports/clock.ts';
import type { PsuDirectory } from '../../domain/ports/psu-directory.ts';
import { makeBudget } from '../budget.ts';

const WINDOW_SECONDS = 15 * 60;
const WRONG_PER_USERNAME = 5;
const WRONG_IN_ALL = 2000;
// Each check of a password takes its memory and a core for as long as it lasts.
const AT_ONCE = 16;
const MAX_LENGTH = 256;

/** The PSU with a user name and a password, or null; nobody is told which of the two was wrong, or that it was not even looked at. */
export type SignIn = (username: string, password: string) => Promise<string | null>;

/**
 * Signs a PSU in by user name and password, in the memory of this process: 5 wrong tries for a user name within 15 minutes, whether there
 * is such a user or not, and 2000 for all of them together. Beyond that, or with 16 checks under way, no password is looked at.
 */
export const makeSignIn = ({ directory, clock, ids }: { directory: PsuDirectory; clock: Clock; ids: Ids }): SignIn => {
  const forUsername = makeBudget({ count: WRONG_PER_USERNAME, seconds: WINDOW_SECONDS, clock });
  const forAll = makeBudget({ count: WRONG_IN_ALL, seconds: WINDOW_SECONDS, clock });
  let underWay = 0;

  return async (username, password) => {
    if (username.length > MAX_LENGTH || password.length > MAX_LENGTH || underWay >= AT_ONCE) return null;
    const key = ids.hash(username);
    if (!forAll.spend('')) return null;
    if (!forUsername.spend(key)) {
      forAll.refund('');
      return null;
    }
    underWay += 1;
    try {
      const psuId = await directory.authenticate(username, password);
      if (psuId === null) return null;
      forUsername.refund(key);
      forAll.refund('');
      return psuId;
    } finally {
      underWay -= 1;
    }
  };
};
