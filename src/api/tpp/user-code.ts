import { OAuthError } from '../../domain/oauth-error.ts';
import type { Ids } from '../../domain/ports/clock.ts';
import type { Limits } from '../../domain/ports/limits.ts';
import type { PsuDirectory } from '../../domain/ports/psu-directory.ts';
import type { AuthenticatedClient } from './client-auth.ts';

const MOST_WRONG = 5;
const WITHIN_SECONDS = 900;

/** Checks the `user_code` of a request for a PSU, or refuses (CIBA Core 1.0, section 7.1). */
export type CheckUserCode = (userCode: string | undefined, psuId: string, client: Pick<AuthenticatedClient, 'metadata'>) => Promise<void>;

/**
 * Clients that are registered for user codes send the code of a PSU who has one. Over all clients a PSU's code is guessed wrong at most
 * five times within 15 minutes of the first wrong one; after that every code is refused as a wrong one is.
 */
export const makeCheckUserCode = ({ directory, limits, ids }: { directory: PsuDirectory; limits: Limits; ids: Ids }): CheckUserCode => {
  const wrong = limits.budget('wrong user codes', { count: MOST_WRONG, seconds: WITHIN_SECONDS });
  const refused = () => new OAuthError('invalid_user_code', 'user_code is wrong');

  return async (userCode, psuId, { metadata }) => {
    if (!metadata.backchannel_user_code_parameter) return;
    const needed = await directory.hasUserCode(psuId);
    if (userCode === undefined) {
      if (needed) throw new OAuthError('missing_user_code', 'this PSU has a user code: user_code is needed');
      return;
    }
    // Taken before the code is looked at, so that many at once are no more than many in a row.
    const key = ids.hash(psuId);
    if (needed && !(await wrong.spend(key))) throw refused();
    let isWrong = false;
    try {
      isWrong = !(await directory.userCodeFits(psuId, userCode));
    } finally {
      // Nor is it a guess where the directory could not say.
      if (needed && !isWrong) await wrong.refund(key);
    }
    if (needed && isWrong) throw refused();
  };
};
