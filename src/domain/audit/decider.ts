import type { Decider, Decision } from '../decider.ts';
import { type AuditEvents, type AuditFact, auditEvents } from './events.ts';

type Read = AuditFact['data'];

export type Audit = { status: 'absent' } | ({ status: 'read' } & Read);

/** One read of an auditor, from its event. */
export const audit: Decider<Audit, AuditEvents> = {
  events: auditEvents,
  initial: { status: 'absent' },
  evolve: (_state, { data }) => ({ status: 'read', ...data }),
};

/** An auditor reads. */
export const record =
  (read: Read): Decision<Audit, AuditEvents> =>
  (state) =>
    state.status === 'absent' ? [{ type: 'AuditRead', data: read }] : [];
