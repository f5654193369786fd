import { filter, firstValueFrom, type Observable, Subject, type Subscription, tap, throwError, throwIfEmpty, timeout } from 'rxjs';
import { type DomainEvent, decode } from '../domain/catalogue.ts';
import type { EventStore, Page, StoredEvent } from '../domain/ports/event-store.ts';
import type { Rows } from '../domain/ports/rows.ts';
import type { Projection } from './projection.ts';

const CHECKPOINTS = `create table if not exists projection (
  name text primary key, version integer not null, position integer not null
) strict, without rowid`;

/** A page that was applied: up to where, what its events were, and their types. */
export interface Applied {
  position: number;
  events: readonly Pick<StoredEvent, 'stream' | 'type' | 'recordedAt'>[];
  types: ReadonlySet<DomainEvent['type']>;
}

/** The projections of this node, running. */
export interface Projections {
  /** Resolves when everything that stood in the log has been applied; rejects when an event could not be. */
  caughtUp: Promise<void>;
  /** The position up to which all projections have been applied. */
  position(): number;
  /** Resolves when the projections have reached the position; rejects when they stop before, or do not get there in time. */
  reached(position: number, withinMs?: number): Promise<void>;
  /** Tells after every page that was applied. Errors when a projection stops: it stays stopped. Ends when it is stopped, or the log is closed. */
  applied: Observable<Applied>;
  stop(): void;
}

/** A projection could not apply an event, or events came out of order: nothing from that position on is applied. */
export class ProjectionStopped extends Error {
  constructor(position: number, options?: ErrorOptions) {
    super(`the projections stopped before event ${position}`, options);
    this.name = 'ProjectionStopped';
  }
}

/** The projections did not come as far as that in time. They go on. */
export class ProjectionsBehind extends Error {
  constructor(position: number) {
    super(`the projections did not reach position ${position} in time`);
    this.name = 'ProjectionsBehind';
  }
}

const REACHED_WITHIN_MS = 5000;
// Events share a commit for at most this long, those of the past for this many: a page of rows that changes often is then written once.
const COMMIT_MS = 500;
const COMMIT_EVENTS = 200_000;

/** Applies every event once and in order, each together with its checkpoint. Begins with what the rows have not seen yet. */
export const runProjections = (store: EventStore, rows: Rows, projections: readonly Projection[], head: number): Projections => {
  const checkpoints = prepare(rows, projections, head);
  const handlers = handlersByType(projections);
  const applied = new Subject<Applied>();
  const caughtUp = Promise.withResolvers<void>();
  const start = Math.min(...checkpoints.values());
  let at = start;
  let uncommitted = 0;
  let committed = start;
  let ready = false;
  let timer: NodeJS.Timeout | undefined;
  let subscription: Subscription | undefined;

  const apply = ({ events, position }: Page): void => {
    if (ready) rows.run('savepoint page');
    let next = at;
    try {
      for (const stored of events) {
        if (stored.position <= next) throw new Error(`event ${stored.position} came behind event ${next}`);
        next = stored.position;
        const event = decode(stored);
        for (const { name, handle } of handlers.get(event.type) ?? []) if (next > (checkpoints.get(name) ?? 0)) handle(rows, event);
      }
      rows.run('update projection set position = max(position, ?)', position);
    } catch (cause) {
      undoPage();
      throw new ProjectionStopped(next, { cause });
    }
    if (ready) rows.run('release page');
    at = position;
    uncommitted += events.length;
    if (ready) commitSoon();
    else if (uncommitted >= COMMIT_EVENTS) commit();
  };

  const commitSoon = () => {
    timer ??= setTimeout(commitOrFail, COMMIT_MS).unref();
  };

  /** Nothing of this page stays. What was applied before may have been seen and does, once the past has been caught up with. */
  const undoPage = () => {
    try {
      if (ready) return rows.run('rollback to page');
      // Until then a place to go back to for every page would cost more than it is worth.
      rows.run('rollback');
      rows.run('begin');
    } catch {
      // SQLite has taken back the whole transaction by itself, as it does when the disk is full: why it did is what is to be told.
    }
    at = committed;
    uncommitted = 0;
  };

  const commit = () => {
    clearTimeout(timer);
    timer = undefined;
    // A page without events moves the checkpoint too.
    if (at === committed) return;
    uncommitted = 0;
    rows.commit();
    committed = at;
  };

  const fail = (cause: unknown) => {
    const failure = cause instanceof ProjectionStopped ? cause : new ProjectionStopped(at + 1, { cause });
    subscription?.unsubscribe();
    caughtUp.reject(failure);
    applied.error(failure);
  };

  const commitOrFail = () => {
    try {
      commit();
    } catch (cause) {
      fail(cause);
    }
  };

  const end = () => {
    commitOrFail();
    caughtUp.reject(new ProjectionStopped(at + 1));
    applied.complete();
  };

  subscription = store
    .follow(start)
    .pipe(tap((page) => (page.events.length > 0 || page.position > at) && apply(page)))
    .subscribe({
      next: ({ events, caughtUp: border }) => {
        // Whoever reads them elsewhere must find in the rows what is told here.
        if ((border || ready) && rows.shared === 'writer') commitOrFail();
        // Every event of it was decoded: its type is one of the catalogue.
        applied.next({ position: at, events, types: new Set(events.map(({ type }) => type as DomainEvent['type'])) });
        if (border) {
          ready = true;
          commitSoon();
          caughtUp.resolve();
        }
      },
      error: fail,
      complete: end,
    });
  caughtUp.promise.catch(() => undefined);

  return {
    caughtUp: caughtUp.promise,
    position: () => at,
    reached: makeReached(() => at, applied),
    applied,
    stop() {
      subscription?.unsubscribe();
      end();
    },
  };
};

/** Waits for what is told to be applied. */
export const makeReached =
  (at: () => number, applied: Observable<Applied>): Projections['reached'] =>
  async (position, withinMs = REACHED_WITHIN_MS) => {
    if (at() >= position) return;
    await firstValueFrom(
      applied.pipe(
        filter((page) => page.position >= position),
        throwIfEmpty(() => new ProjectionStopped(at() + 1)),
        timeout({ first: withinMs, with: () => throwError(() => new ProjectionsBehind(position)) }),
      ),
    );
  };

/** Makes the tables that are missing or of an older version, and tells where each projection stands. */
const prepare = (rows: Rows, projections: readonly Projection[], head: number): ReadonlyMap<string, number> => {
  rows.run(CHECKPOINTS);
  // A projection that does not run now would miss what is applied now: it begins again when it comes back.
  const names = JSON.stringify(projections.map(({ name }) => name));
  rows.run('delete from projection where name not in (select value from json_each(?))', names);
  const positions = new Map<string, number>();
  for (const { name, version, tables } of projections) {
    const known = rows.get<{ version: number; position: number }>('select version, position from projection where name = ?', name);
    // Rows that are ahead of the log belong to another log.
    const usable = known?.version === version && known.position <= head;
    if (!usable) {
      for (const [table, statements] of Object.entries(tables)) {
        rows.run(`drop table if exists ${table}`);
        for (const statement of statements) rows.run(statement);
      }
      rows.run('insert or replace into projection values (?, ?, 0)', name, version);
    }
    positions.set(name, usable ? known.position : 0);
  }
  rows.commit();
  return positions;
};

type Handler = { name: string; handle: (rows: Rows, event: DomainEvent) => void };

const handlersByType = (projections: readonly Projection[]): ReadonlyMap<string, readonly Handler[]> => {
  const byType = new Map<string, Handler[]>();
  for (const { name, on } of projections)
    for (const [type, handle] of Object.entries(on))
      byType.set(type, [...(byType.get(type) ?? []), { name, handle: handle as Handler['handle'] }]);
  return byType;
};
