import { randomBytes } from 'node:crypto';
import { DatabaseSync } from 'node:sqlite';
import type { Clock } from '../../domain/ports/clock.ts';
import type { Limits } from '../../domain/ports/limits.ts';
import { makeBudgets } from './budgets.ts';
import { makePaces } from './paces.ts';
import type { Told } from './told.ts';
import { usedOnce } from './used.ts';
import { writtenBehind } from './written-behind.ts';

const PRUNE_MS = 60_000;
const LOCKED_MS = 2000;

/** The limits of one process, which can tell what becomes of them and take over what others tell. */
export interface LocalLimits extends Limits {
  /** This process, from its start to its end. */
  origin: string;
  /** From now on everything that becomes of these limits is told here, too. */
  tell(told: Told): void;
  hear: Told;
  close(): void;
}

interface Settings {
  clock: Clock;
  /** Epoch milliseconds, which the pace of polls is measured in; the system's if not given. */
  nowMs?: (() => number) | undefined;
  /** What the keys of budgets are kept under. Only who gives the same at the next start finds in the file what was spent. */
  secret?: Buffer;
}

/**
 * The limits of one process: in memory, and in a small SQLite file beside the log, which outlives a killed process. What was used once is in
 * the file before anybody is told; paces and budgets follow within a second. One process uses the file: the lock of the log sees to that.
 */
export const localLimits = (file: string, { clock, nowMs = Date.now, secret = randomBytes(32) }: Settings): LocalLimits => {
  const db = new DatabaseSync(file, { timeout: LOCKED_MS });
  db.exec('pragma journal_mode=wal; pragma synchronous=normal');
  const origin = randomBytes(9).toString('base64url');
  const behind = writtenBehind(db);
  let told: Told | null = null;

  const used = usedOnce(db, { clock, tell: (identifier, expiresAt) => told?.used(identifier, expiresAt) });
  const paces = makePaces(nowMs, (requestId, pace) => {
    behind.polled(requestId, pace);
    told?.polled(requestId, pace);
  });
  const budgets = makeBudgets({
    ...{ clock, origin, secret },
    spent(budget, key, share) {
      behind.spent(budget, key, share);
      told?.spent(budget, key, share);
    },
  });
  const hear = { used: used.hear, polled: paces.hear, spent: budgets.hear };
  behind.read(hear);

  const prune = () => {
    const at = clock();
    used.prune(at);
    behind.prune(at);
  };
  const timer = setInterval(prune, PRUNE_MS).unref();

  return {
    origin,
    firstUse: used.firstUse,
    tooSoon: paces.tooSoon,
    stillTooSoon: paces.stillTooSoon,
    budget: budgets.budget,
    tell(listener) {
      told = listener;
    },
    hear,
    close() {
      clearInterval(timer);
      used.flush();
      behind.flush();
      db.close();
    },
  };
};
