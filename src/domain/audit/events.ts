import * as z from 'zod';
import { defineEvents, type FactOf, versioned } from '../events.ts';

const read = z.strictObject({
  /** The auditor's client. */
  clientId: z.string(),
  /** What the auditor says it is for. */
  purpose: z.string(),
  /** What was read: the path within the audit API, with its query. */
  what: z.string(),
  at: z.int(),
});

/** Who read what of the log, and why. Every read has an id of its own: auditors do not wait for each other. */
export const auditEvents = defineEvents('audit', {
  AuditRead: versioned(read),
});
export type AuditEvents = typeof auditEvents;
export type AuditFact = FactOf<AuditEvents>;
