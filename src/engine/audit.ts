import { UnreadableEvent } from '../domain/events.ts';
import { type AuditIndex, runAuditIndex } from '../projections/audit-runner.ts';
import type { Projections } from '../projections/runner.ts';
import type { Opened } from '../serve/opened.ts';
import type { Ports } from './ports.ts';

interface Running {
  head: number;
  /** The read models, which say when there is something new. */
  running: Projections;
  onFault(what: string, error: unknown): void;
  started: Opened;
}

/** What auditors search: followed by this process, or by the one that started it. Nothing else waits for it. */
export const makeAuditIndex = (
  { store, auditRows: rows, auditReached }: Pick<Ports, 'store' | 'auditRows' | 'auditReached'>,
  { head, running, onFault, started }: Running,
): AuditIndex => {
  if (auditReached !== undefined) return { rows, reached: auditReached };
  const onStop = (error: unknown) => {
    // Of an event that this version cannot read the read models tell: they stop at it, too.
    if (!(error instanceof Error && error.cause instanceof UnreadableEvent)) onFault('audit index', error);
  };
  const index = runAuditIndex(store, rows, { head, news: running.applied, onFault: onStop });
  started.atEnd(index.stop);
  return index;
};
