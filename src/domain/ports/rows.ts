export type Value = string | number | null;

/**
 * Rows of this node: what read models are written with. They are in a transaction always; what was not committed is gone with a crash or
 * with `close`. All calls are synchronous; SQL texts should be constants, for they are prepared once.
 */
export interface Rows {
  /** Where several processes have the same rows: whether this one writes them, or only reads what another has committed. */
  readonly shared?: 'writer' | 'reader';
  run(sql: string, ...values: Value[]): void;
  all<Row>(sql: string, ...values: Value[]): readonly Row[];
  get<Row>(sql: string, ...values: Value[]): Row | undefined;
  /** Keeps what was written since the last commit, all of it. This node sees it before. */
  commit(): void;
  /**
   * Commits, and leaves no trace on the disk of what was deleted or overwritten before. False where somebody else still reads that: then it is to be
   * called again. Who only reads has nothing to do.
   */
  scrub(): boolean;
  close(): void;
}
