import { answerLimits } from '../../adapters/limits/remote.ts';
import type { Limits } from '../../domain/ports/limits.ts';
import type { Page } from '../metrics/workers.ts';
import type { Metrics } from '../metrics.ts';
import type { AnswerWorker } from './owner.ts';

/** What a worker calls to tell its metrics. */
export const METRICS = 'metrics';

/** What workers ask besides for appends. */
export const answerWorkers = ({ take }: Metrics, limits: Limits): AnswerWorker => {
  const answer = answerLimits(limits);
  return async (worker, method, args) => (method === METRICS ? take(worker, ...(args as [Page])) : answer(method, args));
};
