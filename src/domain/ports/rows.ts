export type Value = string | number | null;

/** Rows of this node: what read models are written with. All calls are synchronous; SQL texts should be constants, for they are prepared once. */
export interface Rows {
  run(sql: string, ...values: Value[]): void;
  all<Row>(sql: string, ...values: Value[]): readonly Row[];
  get<Row>(sql: string, ...values: Value[]): Row | undefined;
  /** All that `work` writes is kept, or, when it throws, nothing. Not nested. */
  transaction<T>(work: () => T): T;
  close(): void;
}
