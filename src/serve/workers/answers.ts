import { answerLimits } from '../../adapters/limits/remote.ts';
import type { Limits } from '../../domain/ports/limits.ts';
import type { AuditIndex } from '../../projections/audit-runner.ts';
import type { Page } from '../metrics/workers.ts';
import type { Metrics } from '../metrics.ts';
import type { AskOwner } from './asking.ts';
import type { AnswerWorker } from './owner.ts';

/** What a worker calls to tell its metrics. */
export const METRICS = 'metrics';

const AUDIT_REACHED = 'auditReached';

/** How a worker waits for the rows of auditors, which the owner writes. */
export const askAuditReached =
  (ask: AskOwner): AuditIndex['reached'] =>
  async (position) => {
    await ask(AUDIT_REACHED, [position]);
  };

/** What workers ask besides for appends. */
export const answerWorkers = ({ take }: Metrics, limits: Limits, { reached }: AuditIndex): AnswerWorker => {
  const answer = answerLimits(limits);
  return async (worker, method, args) => {
    if (method === METRICS) return take(worker, ...(args as [Page]));
    if (method === AUDIT_REACHED) return reached(...(args as [number]));
    return answer(method, args);
  };
};
