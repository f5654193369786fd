import type { Decide } from '../../domain/decide.ts';
import type { Clock, Ids } from '../../domain/ports/clock.ts';
import type { Rows } from '../../domain/ports/rows.ts';
import type { SealingKeys } from '../../domain/ports/sealer.ts';
import { expire, keyNameOf, psu } from '../../domain/psu/decider.ts';
import { type ExpiredKey, expiredKeys, isStillOver, latelyExpired, type RetentionDays } from '../expired-data.ts';
import { engineCommand } from './engine-command.ts';
import type { Reaction } from './runner.ts';

const NAME = 'expire-data';
const DAY_SECONDS = 86_400;
// What failed is tried again after this.
const AGAIN_SECONDS = 600;
const REDONE_SECONDS = 30 * DAY_SECONDS;
// The clocks of nodes are not as far apart.
const APART_SECONDS = 3600;
const AT_ONCE = 32;

/** What destroys keys, because a time is over or a PSU is to be forgotten. */
export interface DestroyDeps {
  decide: Decide;
  rows: Rows;
  sealer: SealingKeys;
  clock: Clock;
  ids: Ids;
  /** Resolves when the rows hold all that stands in the log. */
  latest(): Promise<void>;
}

/** Time → PsuDataExpired, and the key is destroyed. Once a day, and at the start. */
export const expireData = (deps: DestroyDeps, days: RetentionDays): Reaction => {
  let next = 0;
  // The keys of months that were recorded before are destroyed. Of other keys some were kept because something lived, which may have ended.
  let monthsSince = 0;
  return {
    name: NAME,
    after: [],
    due() {
      const at = deps.clock();
      if (at < next) return [];
      const act = async () => {
        next = at + AGAIN_SECONDS;
        await destroyExpired(deps, days, monthsSince);
        next = at + DAY_SECONDS;
        monthsSince = at - APART_SECONDS;
      };
      return [{ key: NAME, act }];
    },
  };
};

/**
 * Records for each key that its time is over, then destroys it; also those that were recorded before, of months only since a moment. Gives how many
 * were destroyed, without these.
 */
export const destroyExpired = async (deps: DestroyDeps, days: RetentionDays, monthsSince = 0): Promise<number> => {
  const { rows, sealer, clock, latest } = deps;
  await latest();
  // A fact whose key is still there is of a process that died in between.
  for (const keys of latelyExpired(rows, { since: clock() - REDONE_SECONDS, monthsSince })) {
    await nextTurn();
    const left = keys.filter((key) => isStillOver(rows, key, clock(), days));
    if (left.length > 0) await sealer.destroy(left);
  }
  let count = 0;
  for (const keys of expiredKeys(rows, clock(), days)) {
    await nextTurn();
    for (let at = 0; at < keys.length; at += AT_ONCE) count += await expireAll(deps, days, keys.slice(at, at + AT_ONCE));
  }
  return count;
};

/** Everybody else gets a turn between two pages. */
const nextTurn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

const expireAll = async (deps: DestroyDeps, days: RetentionDays, keys: readonly ExpiredKey[]): Promise<number> => {
  const { rows, sealer, clock, latest } = deps;
  const stillOver = async (among: readonly ExpiredKey[]) => {
    await latest();
    return among.filter((key) => isStillOver(rows, { psuId: key.psuId, name: keyNameOf(key) }, clock(), days));
  };
  const over = await stillOver(keys);
  await recordExpired(deps, over, { reaction: NAME, causationId: null });
  // What was sealed with them right before the fact is in the log now.
  const gone = await stillOver(over);
  if (gone.length > 0) await sealer.destroy(gone.map((key) => ({ psuId: key.psuId, name: keyNameOf(key) })));
  return gone.length;
};

/** Records of each key that its time is over. */
export const recordExpired = async (
  { decide, clock, ids }: Pick<DestroyDeps, 'decide' | 'clock' | 'ids'>,
  keys: readonly ExpiredKey[],
  { reaction, causationId }: { reaction: string; causationId: string | null },
): Promise<void> => {
  const record = (key: ExpiredKey) =>
    decide(psu, key.psuId, expire({ ...key, at: clock() }), engineCommand(ids, reaction, key.psuId, causationId));
  for (let at = 0; at < keys.length; at += AT_ONCE) await Promise.all(keys.slice(at, at + AT_ONCE).map(record));
};
