import { UnreadableEvent } from '../../domain/events.ts';
import type { EventStore } from '../../domain/ports/event-store.ts';
import type { Signer } from '../../domain/ports/signer.ts';
import type { EvidenceLog, EvidenceState } from '../../evidence/log.ts';
import type { Outbox } from '../../projections/reactions/runner.ts';
import type { Projections } from '../../projections/runner.ts';

/** One thing that has to be well: whether it is, and what was seen. Numbers and our own words: nothing secret, nothing of anybody's. */
export type Check = { ok: boolean } & Readonly<Record<string, number | string | boolean>>;

/** Whether a node is to be given calls. */
export interface Readiness {
  ready: boolean;
  checks: Readonly<Record<string, Check>>;
}

/** How far the read models are behind the log; `seconds` is the age of the oldest event that they have not seen. */
export interface Lag {
  positions: number;
  seconds: number;
}

/** How a node is. */
export interface Health {
  /** An answer may be a second old, but for that of a node that is stopping. */
  readiness(): Promise<Readiness>;
  /** Null when the store does not say it in time. An answer may be a second old. */
  lag(): Promise<Lag | null>;
  /** The event that has stopped the read models because this version cannot read it, or null. */
  halted(): UnreadableEvent | null;
  /**
   * Whether the read models may be believed: they have not stopped, and were seen close to the log a short while ago. A node that is cut off
   * from its store does not know what others have revoked meanwhile.
   */
  mayAnswer(): boolean;
  /** From here on the node is ready only while calls can reach it. */
  readyWhile(isReached: () => boolean): void;
  /** From here on the node is not ready: it is about to go. */
  beginStop(): void;
  /** Looks no more. */
  close(): void;
}

const WITHIN_MS = 1000;
const KEPT_MS = 1000;
const LOOK_MS = 1000;
// Balancers are told first: a node answers for as long again as it may be behind and ready.
const BELIEVED = 2;

interface Deps {
  store: EventStore;
  /** Of a store that is elsewhere: whether the last write to it that is known of was taken. */
  takesWrites?: (() => boolean) | undefined;
  projections: Projections;
  signer: Signer;
  outboxes(): readonly Outbox[];
  evidence?: EvidenceLog | null | undefined;
  /** From how many seconds on a node that is behind, or owes something, is not ready. */
  settings: { readyLagSeconds: number; readyOutboxSeconds: number; checkpointMs: number };
}

/** Watches over a node. */
export const makeHealth = ({ store, takesWrites = () => true, projections, signer, outboxes, evidence, settings }: Deps): Health => {
  let hasStopped = false;
  let halted: UnreadableEvent | null = null;
  let stopping = false;
  let isReached = () => true;

  const lag = async (): Promise<Lag> => {
    const at = projections.position();
    const head = await store.head();
    // What stands behind it is read only where something does: to find nothing, a store that others use too looks through all of theirs.
    const [next] = head > at ? await store.readAll(at, 1) : [];
    if (next === undefined) return { positions: 0, seconds: 0 };
    return { positions: head - at, seconds: Math.max(0, Date.now() - next.recordedAt) / 1000 };
  };

  let seenClose = performance.now();
  let looking = false;
  const lookAtLag = async () => {
    if (looking) return;
    looking = true;
    const at = performance.now();
    // What a store that is away says is nothing.
    const seen = await lag().catch(() => null);
    looking = false;
    if (seen !== null && seen.seconds <= settings.readyLagSeconds) seenClose = at;
  };
  // From a store that lives in this process nothing can cut it off.
  const isElsewhere = store.writable === undefined;
  const timer = isElsewhere ? setInterval(lookAtLag, LOOK_MS).unref() : undefined;
  const isCutOff = () => isElsewhere && performance.now() - seenClose > BELIEVED * settings.readyLagSeconds * 1000;

  const storeCheck = async (): Promise<Check> => {
    await (store.writable?.() ?? store.head());
    return takesWrites() ? { ok: true } : { ok: false, fault: 'it answers, and takes no writes' };
  };

  const projectionsCheck = async (): Promise<Check> => {
    if (halted !== null) {
      const { type, version, position } = halted.event;
      return { ok: false, fault: 'an event that this version cannot read', type, version, position };
    }
    if (hasStopped) return { ok: false, fault: 'they have stopped' };
    const { positions, seconds } = await lag();
    return { ok: seconds <= settings.readyLagSeconds, behind_positions: positions, behind_seconds: seconds };
  };

  const outboxCheck = async (): Promise<Check> => {
    const { due, seconds } = oldestOf(outboxes());
    return { ok: seconds <= settings.readyOutboxSeconds, due, oldest_seconds: seconds };
  };

  const keysCheck = async (): Promise<Check> => {
    const { length: published } = signer.jwks().keys;
    return { ok: published > 0, published };
  };

  const look = async (): Promise<Readiness> => {
    const looks: Record<string, () => Promise<Check>> = {
      ...{ store: storeCheck, projections: projectionsCheck, outbox: outboxCheck, keys: keysCheck },
      ...(evidence != null && { evidence: async () => evidenceCheck(evidence.state(), { now: Date.now(), ...settings }) }),
    };
    const checks = await Promise.all(Object.entries(looks).map(async ([name, check]) => [name, await inTime(check, FAULTS)] as const));
    // They may have stopped after they were looked at.
    return { ready: !hasStopped && checks.every(([, { ok }]) => ok), checks: Object.fromEntries(checks) };
  };

  const looked = kept(look);
  const stopped = () => {
    hasStopped = true;
    looked.forget();
  };
  projections.applied.subscribe({
    error(failure: Error) {
      if (failure.cause instanceof UnreadableEvent) halted = failure.cause;
      stopped();
    },
    complete: stopped,
  });

  /** Why it is not ready, whatever else is seen. */
  const barred = (): Readiness | null => {
    if (stopping) return { ready: false, checks: { stopping: { ok: false } } };
    return isReached() ? null : { ready: false, checks: { listeners: { ok: false } } };
  };

  return {
    async readiness() {
      const before = barred();
      if (before !== null) return before;
      const seen = await looked.ask();
      return barred() ?? seen;
    },
    lag: kept(() => inTime<Lag | null>(lag, { late: null, failed: null })).ask,
    halted: () => halted,
    mayAnswer: () => !hasStopped && !isCutOff(),
    readyWhile(condition) {
      isReached = condition;
    },
    beginStop() {
      stopping = true;
    },
    close: () => clearInterval(timer),
  };
};

// A checkpoint without its witnesses is worth less, and no reason to refuse calls.
const UNWITNESSED_MS = 300_000;
// Facts without a checkpoint are, too. Where the node that publishes goes away, another one does so some fifteen seconds later.
const UNCOVERED_CHECKPOINTS = 10;
const UNCOVERED_MS = 30_000;

/**
 * How an evidence log is getting on. A node is not to be given calls where its log is not what was published of it, or where so many witnesses
 * have seen another one that the rest are too few.
 */
export const evidenceCheck = (
  { fault, size, published, uncoveredSince, unwitnessedSince, contradiction }: EvidenceState,
  { now, checkpointMs }: { now: number; checkpointMs: number },
): Check => {
  if (fault !== null) return { ok: false, fault };
  const against = contradiction !== null && { fault: 'a witness has seen another log', witnesses_against: contradiction.witnesses.length };
  if (contradiction?.isTooMany) return { ok: false, ...against };
  const waitsFor = (since: number | null) => (since === null ? 0 : now - since);
  const [uncoveredFor, unwitnessedFor] = [waitsFor(uncoveredSince), waitsFor(unwitnessedSince)];
  const isLate = uncoveredFor > Math.max(UNCOVERED_MS, UNCOVERED_CHECKPOINTS * checkpointMs);
  const uncovered = isLate && { uncovered_seconds: uncoveredFor / 1000 };
  const unwitnessed = unwitnessedFor > UNWITNESSED_MS && { unwitnessed_seconds: unwitnessedFor / 1000 };
  const seen = { facts: size, published: published?.size ?? 0 };
  return { ok: true, ...seen, ...((against || uncovered || unwitnessed) && { degraded: true }), ...against, ...uncovered, ...unwitnessed };
};

/** How much is owed, and for how long already. */
export const oldestOf = (outboxes: readonly Outbox[], now = Date.now()): { due: number; seconds: number } => ({
  due: outboxes.reduce((sum, { due }) => sum + due, 0),
  seconds: Math.max(0, ...outboxes.map(({ oldest }) => (oldest === null ? 0 : now - oldest))) / 1000,
});

/** One question for all who ask within a second; what is forgotten is asked again. */
const kept = <T>(question: () => Promise<T>): { ask(): Promise<T>; forget(): void } => {
  let last: { at: number; answer: Promise<T> } | undefined;
  return {
    ask() {
      const at = performance.now();
      if (last === undefined || at - last.at > KEPT_MS) last = { at, answer: question() };
      return last.answer;
    },
    forget() {
      last = undefined;
    },
  };
};

// What a check failed with may hold names of machines: it is not told.
const FAULTS: { late: Check; failed: Check } = {
  late: { ok: false, fault: 'no answer in time' },
  failed: { ok: false, fault: 'it failed' },
};

/** The answer to a question, if it comes in time. */
const inTime = async <T>(ask: () => Promise<T>, { late, failed }: { late: T; failed: T }): Promise<T> => {
  let timer: NodeJS.Timeout | undefined;
  const tooLate = new Promise<T>((resolve) => {
    timer = setTimeout(() => resolve(late), WITHIN_MS);
  });
  try {
    return await Promise.race([ask(), tooLate]);
  } catch {
    return failed;
  } finally {
    clearTimeout(timer);
  }
};
