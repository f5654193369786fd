import type { Observable } from 'rxjs';

/** Who caused an event. */
export interface Actor {
  kind: 'client' | 'device' | 'psu' | 'operator' | 'engine';
  id: string;
}

/** An event as it is handed to the store. */
export interface NewEvent {
  /** A UUID that is the same at every retry of the same command. */
  id: string;
  type: string;
  /** The version of the schema that `data` follows. */
  version: number;
  /** The lowest version whose readers can read it, ignoring what is new; only its own ones if not given. */
  compatibleFrom?: number | undefined;
  actor: Actor;
  /** The same for all events of one story: the consent's id where there is one. */
  correlationId: string;
  /** The id of the event that led to this one, or null. */
  causationId: string | null;
  /** The public part, as the JSON text that is kept. */
  data: string;
  /** The personal part, sealed under its PSU's key, or null. */
  sealed: string | null;
}

/** An event as it stands in the store, for ever. */
export interface StoredEvent extends NewEvent {
  stream: string;
  /** Place in its stream: 0, 1, 2 … */
  revision: number;
  /** Place in the store: an integer that grows in commit order. A store of one machine leaves no gap: 1, 2, 3 … */
  position: number;
  /**
   * Epoch milliseconds of the commit. In a store of one machine never smaller than that of the event before it; in a cluster it is what the
   * clock of its leader said, and another leader's may be behind.
   */
  recordedAt: number;
}

/** Where the last event of an append stands. */
export interface Appended {
  revision: number;
  position: number;
}

/**
 * Consecutive events of the whole store; all up to `position` have been shown with it, also where it has none. `caughtUp` says that nothing
 * newer was there when the page was made.
 */
export interface Page {
  events: readonly StoredEvent[];
  position: number;
  caughtUp: boolean;
}

/** The stream is not at the revision that the append expected: read it again and decide again. */
export class RevisionConflict extends Error {
  constructor(stream: string, expected: number, actual: number) {
    super(`${stream} is at revision ${actual}, not ${expected}`);
    this.name = 'RevisionConflict';
  }
}

/** The store takes no appends any more (a write failed, or it was closed). What was acknowledged before stays. */
export class StoreStopped extends Error {
  constructor(reason: string, options?: ErrorOptions) {
    super(`the event store has stopped: ${reason}`, options);
    this.name = 'StoreStopped';
  }
}

/**
 * The store could not be reached in time. Of an append it is not known whether it was kept; repeating it, with the same ids at the same
 * expected revision, is safe. The store goes on: a later call may succeed.
 */
export class StoreUnavailable extends Error {
  constructor(options?: ErrorOptions) {
    super('the event store could not be reached in time', options);
    this.name = 'StoreUnavailable';
  }
}

/** The store takes no append of this size: nothing of it is kept. The store goes on with smaller ones. */
export class AppendTooLarge extends Error {
  constructor(stream: string, options?: ErrorOptions) {
    super(`the event store takes no append as large as this one to ${stream}`, options);
    this.name = 'AppendTooLarge';
  }
}

/** As many calls as are allowed are under way, and as many wait: this one was not begun. */
export class StoreBusy extends Error {
  constructor() {
    super('the event store has more calls waiting than it can take');
    this.name = 'StoreBusy';
  }
}

/**
 * The log. One contract suite (`test/adapters/event-store.contract.ts`) holds every adapter to these promises:
 *
 * - Order: all events stand in one order, that of their positions; `read`, `readAll` and `follow` show it to everybody.
 * - Atomic: an append is kept whole or not at all.
 * - Exact: an append succeeds only at the expected revision (-1: the stream does not exist yet), else `RevisionConflict` and nothing is
 *   kept.
 * - Idempotent: an append that repeats the ids of events standing right behind its expected revision succeeds with their place and keeps
 *   nothing.
 * - Durable: what `append` resolved is there after a crash. After a failed write nothing is acknowledged any more: `StoreStopped`.
 */
export interface EventStore {
  append(stream: string, events: readonly NewEvent[], expectedRevision: number): Promise<Appended>;
  /** The events of one stream from a revision on; none for a stream that does not exist. */
  read(stream: string, fromRevision?: number): Promise<readonly StoredEvent[]>;
  /** At most `limit` events behind a position, in order. */
  readAll(afterPosition: number, limit: number): Promise<readonly StoredEvent[]>;
  /** The position of the newest event; 0 when there is none. */
  head(): Promise<number>;
  /**
   * All events behind a position, then those that follow, each once and in order, also while appends go on.
   * The first page with `caughtUp` marks the border. Errors when the store stops; ends when it is closed.
   */
  follow(afterPosition: number): Observable<Page>;
  /**
   * Of a store that bounds what it takes: the calls under way and waiting, as a share of those that may be under way at once. From 1 on calls
   * wait, at 2 they are refused with `StoreBusy`.
   */
  pressure?(): number;
  /**
   * Of a store that lives in this process: rejects while it takes no appends. One that is elsewhere does not know; it can be reached if
   * `head` answers.
   */
  writable?(): Promise<void>;
  close(): Promise<void>;
}
