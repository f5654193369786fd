/** The last poll of a request, in epoch milliseconds: two processes that know it agree on the later poll and the longer interval. */
export interface Pace {
  polledAt: number;
  intervalMs: number;
  /** The interval once it was told to slow down. */
  slowedMs: number;
  expiresAtMs: number;
}

/** What one process has spent of a key of a budget, until all of it is there again (epoch seconds). */
export interface Share {
  /** The process, from its start to its end. */
  origin: string;
  /** Of two shares of one origin the one with the higher revision counts. */
  revision: number;
  count: number;
  until: number;
}

/** What becomes of limits in a process, for others to take over: in any order, and as often as they like. */
export interface Told {
  used(identifier: string, expiresAt: number): void;
  polled(requestId: string, pace: Pace): void;
  spent(budget: string, key: string, share: Share): void;
}
