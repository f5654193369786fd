// A TPP that waits as told may still arrive a little early: networks do not keep time.
const TOLERANCE_MS = 500;
const SWEEP_MS = 30_000;

interface Pace {
  polledAt: number;
  intervalMs: number;
  expiresAtMs: number;
}

/** How often a TPP polls: the last poll of each request that waits, in memory, for it says nothing that anybody relies on. */
export interface PollPacing {
  /**
   * Whether this poll came too soon. From then on the interval is `slowDownSeconds` longer (CIBA Core 1.0, section 11); it grows once, so
   * that a TPP that begins to wait as told gets through. The first poll is never too soon.
   */
  tooSoon(requestId: string, pace: { intervalSeconds: number; slowDownSeconds: number }, expiresAt: number): boolean;
}

/** The paces of one node. */
export const pollPacing = (nowMs: () => number = Date.now): PollPacing => {
  const paces = new Map<string, Pace>();
  let sweptAt = nowMs();

  const sweep = (now: number) => {
    sweptAt = now;
    for (const [requestId, { expiresAtMs }] of paces) if (expiresAtMs <= now) paces.delete(requestId);
  };

  return {
    tooSoon(requestId, { intervalSeconds, slowDownSeconds }, expiresAt) {
      const now = nowMs();
      if (now - sweptAt > SWEEP_MS) sweep(now);
      const pace = paces.get(requestId);
      if (pace === undefined) {
        paces.set(requestId, { polledAt: now, intervalMs: intervalSeconds * 1000, expiresAtMs: expiresAt * 1000 });
        return false;
      }
      const soon = now - pace.polledAt < pace.intervalMs - TOLERANCE_MS;
      if (soon) pace.intervalMs = (intervalSeconds + slowDownSeconds) * 1000;
      pace.polledAt = now;
      return soon;
    },
  };
};
