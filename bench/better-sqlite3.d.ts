// What plain-store.ts uses of it: the package brings no types.
declare module 'better-sqlite3' {
  interface Statement {
    run(...values: unknown[]): unknown;
    all(...values: unknown[]): unknown[];
  }

  export default class Database {
    constructor(file: string);
    exec(sql: string): this;
    prepare(sql: string): Statement;
    transaction<Arguments extends unknown[], Result>(act: (...args: Arguments) => Result): { immediate(...args: Arguments): Result };
    close(): void;
  }
}
