import type { Clock } from '../../domain/ports/clock.ts';
import type { Rows } from '../../domain/ports/rows.ts';
import { persistsDue } from '../consent-lookup.ts';
import type { Reaction } from './runner.ts';

// The call that answered does it at once; only what is older was left behind by a crash.
const GRACE_SECONDS = 2;

/** CibaRequestApproved, AuthorizationApproved, …Denied without their persist → ConsentAuthorised, ConsentRejected. */
export const finishAnswers = ({
  rows,
  clock,
  persist,
}: {
  rows: Rows;
  clock: Clock;
  persist(requestId: string): Promise<unknown>;
}): Reaction => {
  // An answer that an amendment of its consent overtook has nothing to become: it is looked at once.
  const finished = new Set<string>();
  return {
    name: 'finish-answers',
    after: [],
    due: (limit) =>
      persistsDue(rows, clock() - GRACE_SECONDS, limit + finished.size)
        .filter(({ requestId }) => !finished.has(requestId))
        .map(({ requestId }) => ({ key: requestId, act: () => persist(requestId).then(() => finished.add(requestId)) })),
  };
};
