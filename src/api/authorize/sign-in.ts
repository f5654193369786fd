import type { Ids } from '../../domain/ports/clock.ts';
import type { Limits } from '../../domain/ports/limits.ts';
import type { PsuDirectory } from '../../domain/ports/psu-directory.ts';

const WINDOW_SECONDS = 15 * 60;
const WRONG_PER_USERNAME = 5;
// Whoever wants to try one user name more often than that must try as many others before.
const USERNAMES = 100_000;
// Each check of a password takes its memory and a core for as long as it lasts.
const AT_ONCE = 16;
const MAX_LENGTH = 256;

/** Whose user name and password these are; nobody's; or nobody has looked. Nobody is told which of the two was wrong. */
export type SignIn = (username: string, password: string) => Promise<{ psuId: string } | 'wrong' | 'not looked at'>;

/**
 * Signs a PSU in by user name and password. After 5 wrong tries for a user name within 15 minutes, whether there is such a user or not, no
 * password is looked at for it, nor any while 16 checks are under way in this process.
 */
export const makeSignIn = ({ directory, limits, ids }: { directory: PsuDirectory; limits: Limits; ids: Ids }): SignIn => {
  const forUsername = limits.budget('wrong passwords', { count: WRONG_PER_USERNAME, seconds: WINDOW_SECONDS, most: USERNAMES });
  let underWay = 0;

  const checked = async (key: string, username: string, password: string): Promise<{ psuId: string } | 'wrong'> => {
    let wrong = false;
    try {
      const psuId = await directory.authenticate(username, password);
      wrong = psuId === null;
      return psuId === null ? 'wrong' : { psuId };
    } finally {
      // Also what the directory could not say was no wrong try.
      if (!wrong) await forUsername.refund(key);
    }
  };

  return async (username, password) => {
    if (username.length > MAX_LENGTH || password.length > MAX_LENGTH) return 'wrong';
    if (underWay >= AT_ONCE) return 'not looked at';
    underWay += 1;
    try {
      const key = ids.hash(username);
      return (await forUsername.spend(key)) ? await checked(key, username, password) : 'not looked at';
    } finally {
      underWay -= 1;
    }
  };
};
