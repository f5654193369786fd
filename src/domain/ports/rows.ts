export type Value = string | number | null;

/** Rows of this node: what read models are written with. All calls are synchronous; SQL texts should be constants, for they are prepared once. */
export interface Rows {
  run(sql: string, ...values: Value[]): void;
  all<Row>(sql: string, ...values: Value[]): readonly Row[];
  get<Row>(sql: string, ...values: Value[]): Row | undefined;
  /** Begins a transaction: what is written until `commit` is kept together or not at all. This node sees it at once. Not nested. */
  begin(): void;
  commit(): void;
  rollback(): void;
  close(): void;
}
