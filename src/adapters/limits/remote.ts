import type { BudgetTerms, Limits, PollPace } from '../../domain/ports/limits.ts';

/** Asks another process for a function of its limits, by its name. Arguments and answer are JSON. */
export type Ask = (method: string, args: readonly unknown[]) => Promise<unknown>;

/** Limits that another process keeps. */
export const remoteLimits = (ask: Ask): Limits => ({
  firstUse: (identifier, expiresAt) => ask('firstUse', [identifier, expiresAt]) as Promise<boolean>,
  tooSoon: (requestId, pace, expiresAt) => ask('tooSoon', [requestId, pace, expiresAt]) as Promise<boolean>,
  stillTooSoon: (requestId) => ask('stillTooSoon', [requestId]) as Promise<boolean>,
  budget: (name, terms) => ({
    spend: (key) => ask('spend', [name, terms, key]) as Promise<boolean>,
    refund: (key) => ask('refund', [name, terms, key]) as Promise<void>,
  }),
});

/** Answers what `remoteLimits` of another process asks: the process that keeps the limits has one budget of each name. */
export const answerLimits =
  (limits: Limits): Ask =>
  async (method, args) => {
    switch (method) {
      case 'firstUse':
        return limits.firstUse(...(args as [string, number]));
      case 'tooSoon':
        return limits.tooSoon(...(args as [string, PollPace, number]));
      case 'stillTooSoon':
        return limits.stillTooSoon(...(args as [string]));
      case 'spend':
      case 'refund': {
        const [name, terms, key] = args as [string, BudgetTerms, string];
        return limits.budget(name, terms)[method](key);
      }
      default:
        throw new Error(`limits have no ${method}`);
    }
  };
