import type { Clock } from '../../domain/ports/clock.ts';
import type { EventStore } from '../../domain/ports/event-store.ts';
import type { Sealer } from '../../domain/ports/sealer.ts';
import type { AuditIndex } from '../../projections/audit-runner.ts';
import type { MakeReading } from './auditor.ts';

/** What every view of the log is made with. */
export interface AuditDeps {
  reading: MakeReading;
  store: EventStore;
  sealer: Sealer;
  auditIndex: AuditIndex;
  clock: Clock;
}
