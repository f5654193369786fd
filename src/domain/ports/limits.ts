/** How often a client may poll: so many seconds lie between two polls, and `slowDownSeconds` more once it was told to slow down. */
export interface PollPace {
  intervalSeconds: number;
  slowDownSeconds: number;
}

/** What a budget gives to each of its keys: `count`, which are all there again `seconds` after the first of them was spent. */
export interface BudgetTerms {
  count: number;
  seconds: number;
  /** So many keys are remembered at most: those that came first are forgotten for the next. */
  most?: number;
}

/** So much of something for each key within a time. A key is no personal data: what names a person is hashed before. */
export interface Budget {
  /** Takes one from what a key has left; false when nothing is. */
  spend(key: string): Promise<boolean> | boolean;
  /** Gives back one that was not used up after all. */
  refund(key: string): Promise<void> | void;
}

/**
 * What may be done once, or not too often: within one node exactly, over many within the bounds of docs/decisions/0018. Arguments and
 * answers are plain, so that another process can be asked; one that can answer at once does so without a promise.
 */
export interface Limits {
  /**
   * Whether this is the first use of the identifier. Of many calls at once exactly one is told true; what was told true stays used
   * until `expiresAt` (epoch seconds), also after the process was killed.
   */
  firstUse(identifier: string, expiresAt: number): Promise<boolean>;
  /**
   * Whether this poll of a request that waits until `expiresAt` came too soon. From then on the interval is `slowDownSeconds` longer (CIBA
   * Core 1.0, section 11); it grows once, so that a client that begins to wait as told gets through. The first poll is never too soon.
   */
  tooSoon(requestId: string, pace: PollPace, expiresAt: number): Promise<boolean> | boolean;
  /** The same of a request that waits no more: what was not polled while it waited is never polled too soon. */
  stillTooSoon(requestId: string): Promise<boolean> | boolean;
  /** The budget of this name, which is one for all who ask for it; the terms are the same every time. */
  budget(name: string, terms: BudgetTerms): Budget;
}
