import type { Observable } from 'rxjs';
import type { EventStore } from '../domain/ports/event-store.ts';
import type { Rows } from '../domain/ports/rows.ts';
import { auditIndex } from './audit-index.ts';
import { leisurely } from './leisurely.ts';
import { runProjections } from './runner.ts';

/** What auditors search. */
export interface AuditIndex {
  rows: Rows;
  /** Resolves when all facts up to a position can be found; rejects when that takes too long. */
  reached(position: number): Promise<void>;
}

interface Settings {
  /** Where the log stands. */
  head: number;
  /** Tells that something may have been recorded. */
  news: Observable<unknown>;
  onFault(error: unknown): void;
}

/** Follows the log with rows of its own, when there is time for it: nothing waits for it but who searches, and then it hurries. */
export const runAuditIndex = (store: EventStore, rows: Rows, { head, news, onFault }: Settings): AuditIndex & { stop(): void } => {
  const { follow, hurried } = leisurely(store, news);
  const running = runProjections({ ...store, follow }, rows, [auditIndex], head);
  running.applied.subscribe({ error: onFault });
  return {
    rows,
    async reached(position) {
      if (running.position() < position) await hurried(() => running.reached(position));
      // While it is far behind it commits seldom, and who asks may be another process.
      if (rows.shared === 'writer') rows.commit();
    },
    stop: running.stop,
  };
};
