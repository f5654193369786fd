import type { DomainEvent } from '../domain/catalogue.ts';
import type { Rows } from '../domain/ports/rows.ts';

/** An event of one type, with its whole envelope. */
export type EventOfType<T extends DomainEvent['type']> = Extract<DomainEvent, { type: T }>;

/**
 * A read model: rows that follow the log. Its handlers read and write its own tables only, so that a rebuild gives the same rows.
 * A higher `version` drops the tables and builds them again from the first event.
 */
export interface Projection {
  name: string;
  version: number;
  /** Each table with its columns; the statements after it are its indices. */
  tables: Readonly<Record<string, readonly string[]>>;
  on: { readonly [T in DomainEvent['type']]?: (rows: Rows, event: EventOfType<T>) => void };
}
