import type { Limits } from '../../domain/ports/limits.ts';
import { type Described, emptyCounts } from './registry.ts';

/** Counts what limits refuse, by the limit. Their names are the code's own: no key of anybody becomes a label. */
export const limitMetrics = (): { observed(limits: Limits): Limits; metrics: Described[] } => {
  const refused = emptyCounts<string>('used before', 'polled too soon');
  const counted = (name: string, isRefusal: boolean, answer: Promise<boolean> | boolean) => {
    const count = (given: boolean) => given === isRefusal && refused.add(name);
    // Most answers are there at once; one that is not is not waited for here.
    if (typeof answer === 'boolean') count(answer);
    else answer.then(count, () => undefined);
    return answer;
  };
  return {
    observed: (limits) => ({
      ...limits,
      firstUse(identifier, expiresAt) {
        const first = limits.firstUse(identifier, expiresAt);
        counted('used before', false, first);
        return first;
      },
      tooSoon: (requestId, pace, expiresAt) => counted('polled too soon', true, limits.tooSoon(requestId, pace, expiresAt)),
      stillTooSoon: (requestId) => counted('polled too soon', true, limits.stillTooSoon(requestId)),
      budget(name, terms) {
        const budget = limits.budget(name, terms);
        return { ...budget, spend: (key) => counted(name, false, budget.spend(key)) };
      },
    }),
    metrics: [
      {
        name: 'countersign_limited_total',
        help: 'What limits refused: identifiers used before, polls that came too soon, budgets that were spent.',
        type: 'counter',
        samples: () => refused.samples('limit'),
      },
    ],
  };
};
