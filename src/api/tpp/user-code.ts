import { OAuthError } from '../../domain/oauth-error.ts';
import type { Clock } from '../../domain/ports/clock.ts';
import type { PsuDirectory } from '../../domain/ports/psu-directory.ts';
import type { AuthenticatedClient } from './client-auth.ts';

const MOST_WRONG = 5;
const WITHIN_SECONDS = 900;
// Of PSUs that had a wrong code lately; beyond it the oldest is forgotten.
const MOST_PSUS = 100_000;

/** Checks the `user_code` of a request for a PSU, or refuses (CIBA Core 1.0, section 7.1). */
export type CheckUserCode = (userCode: string | undefined, psuId: string, client: Pick<AuthenticatedClient, 'metadata'>) => Promise<void>;

/**
 * Clients that are registered for user codes send the code of a PSU who has one. Over all clients a PSU's code is guessed wrong at most five
 * times within 15 minutes of the first wrong one; after that every request is `access_denied`. It is counted in the memory of this node.
 */
export const makeCheckUserCode = ({ directory, clock }: { directory: PsuDirectory; clock: Clock }): CheckUserCode => {
  const wrong = new Map<string, { count: number; until: number }>();

  /** Takes an attempt before it is made, so that many at once are no more than many in a row. */
  const take = (psuId: string): boolean => {
    const at = clock();
    const before = wrong.get(psuId);
    const attempts = before !== undefined && at < before.until ? before : { count: 0, until: at + WITHIN_SECONDS };
    if (attempts.count === MOST_WRONG) return false;
    attempts.count += 1;
    if (attempts !== before) {
      wrong.delete(psuId);
      if (wrong.size >= MOST_PSUS) wrong.delete(wrong.keys().next().value as string);
      wrong.set(psuId, attempts);
    }
    return true;
  };
  const giveBack = (psuId: string) => {
    const attempts = wrong.get(psuId);
    if (attempts === undefined) return;
    attempts.count -= 1;
    if (attempts.count === 0) wrong.delete(psuId);
  };

  return async (userCode, psuId, { metadata }) => {
    if (!metadata.backchannel_user_code_parameter) return;
    const needed = await directory.hasUserCode(psuId);
    if (userCode === undefined) {
      if (needed) throw new OAuthError('missing_user_code', 'this PSU has a user code: user_code is needed');
      return;
    }
    if (needed && !take(psuId)) throw new OAuthError('access_denied', 'too many wrong values of user_code: try again later');
    const fits = await directory.userCodeFits(psuId, userCode);
    if (!needed) return;
    if (!fits) throw new OAuthError('invalid_user_code', 'user_code is wrong');
    giveBack(psuId);
  };
};
