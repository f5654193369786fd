/** Remembers what may be used once. */
export interface ReplayGuard {
  /**
   * Whether this is the first use of the identifier. Of many calls at once exactly one is told true; what was told true stays used
   * until `expiresAt` (epoch seconds), also after the process was killed.
   */
  firstUse(identifier: string, expiresAt: number): Promise<boolean>;
}
