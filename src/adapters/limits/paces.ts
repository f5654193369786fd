import type { Limits } from '../../domain/ports/limits.ts';
import { makeRoom } from './make-room.ts';
import type { Pace, Told } from './told.ts';

// A TPP that waits as told may still arrive a little early: networks do not keep time.
const TOLERANCE_MS = 500;
const SWEEP_MS = 30_000;
// Far more than wait at once; beyond it those that came first have a free poll.
const MOST_PACES = 500_000;

/** The last poll of each request, in memory. */
export const makePaces = (nowMs: () => number, polled: Told['polled'], most = MOST_PACES) => {
  const paces = new Map<string, Pace>();
  let sweptAt = nowMs();

  const sweep = (now: number) => {
    sweptAt = now;
    for (const [requestId, { expiresAtMs }] of paces) if (expiresAtMs <= now) paces.delete(requestId);
  };

  const remember = (requestId: string, pace: Pace, now: number) => {
    if (now - sweptAt > SWEEP_MS) sweep(now);
    makeRoom(paces, most);
    paces.set(requestId, pace);
  };

  /** Whether a poll at this moment comes too soon; the pace goes on from it. */
  const isSoon = (requestId: string, pace: Pace, now: number): boolean => {
    const soon = now - pace.polledAt < pace.intervalMs - TOLERANCE_MS;
    if (soon) pace.intervalMs = pace.slowedMs;
    pace.polledAt = now;
    polled(requestId, pace);
    return soon;
  };

  return {
    tooSoon(requestId, { intervalSeconds, slowDownSeconds }, expiresAt) {
      const now = nowMs();
      const known = paces.get(requestId);
      if (known !== undefined) return isSoon(requestId, known, now);
      const [intervalMs, slowedMs] = [intervalSeconds * 1000, (intervalSeconds + slowDownSeconds) * 1000];
      const pace = { polledAt: now, intervalMs, slowedMs, expiresAtMs: expiresAt * 1000 };
      remember(requestId, pace, now);
      polled(requestId, pace);
      return false;
    },
    stillTooSoon(requestId) {
      const pace = paces.get(requestId);
      return pace !== undefined && isSoon(requestId, pace, nowMs());
    },
    /** Takes over what another process knows. Its clock may be ahead: nobody has polled in the future. */
    hear(requestId, pace) {
      const now = nowMs();
      if (pace.expiresAtMs <= now) return;
      const known = paces.get(requestId);
      const polledAt = Math.min(pace.polledAt, now);
      if (known === undefined) return remember(requestId, { ...pace, polledAt }, now);
      known.polledAt = Math.max(known.polledAt, polledAt);
      known.intervalMs = Math.max(known.intervalMs, pace.intervalMs);
    },
  } satisfies Pick<Limits, 'tooSoon' | 'stillTooSoon'> & { hear: Told['polled'] };
};
