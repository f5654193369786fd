import { receiptOf } from '../../domain/consent/receipt.ts';
import { OAuthError } from '../../domain/oauth-error.ts';
import type { Asking, ConsentSteps, PersistStep, Retrieved, RetrieveStep, StepContext } from '../../domain/ports/consent-steps.ts';
import type { Sealer } from '../../domain/ports/sealer.ts';

const NOTHING: Retrieved = { consentData: [], accounts: [], type: null };

interface Pipeline {
  retrieve: readonly RetrieveStep[];
  /** The ASPSP's own; those that are built in are the recording itself. */
  persist: readonly PersistStep[];
  sealer: Sealer;
  /** Told why a step could not do its work; nobody else learns it. */
  onFault(step: string, error: unknown): void;
}

/** Runs the steps in the order of their priorities. */
export const consentStepsOf = ({ retrieve, persist, sealer, onFault }: Pipeline): ConsentSteps => {
  const retrieval = retrieve.toSorted(byPriority);
  const guards = persist.toSorted(byPriority);
  const contextOf = (about: Asking): StepContext => ({ ...about, receipt: about.consent && receiptOf(about.consent, sealer) });

  /** What a step gives; what it throws that is no refusal is a fault of the step. */
  const run = async <T>(step: string, work: () => Promise<T>): Promise<T> => {
    try {
      return await work();
    } catch (error) {
      if (error instanceof OAuthError) throw error;
      onFault(`consent step ${step}`, error);
      throw new OAuthError('temporarily_unavailable', 'what the consent needs could not be had now', { cause: error });
    }
  };

  return {
    async retrieve(about) {
      const context = contextOf(about);
      let soFar = NOTHING;
      for (const step of retrieval) soFar = await run(step.name, () => step.retrieve(context, soFar));
      if (about.consent !== null && soFar.consentData.length === 0)
        await run('settings', () => Promise.reject(new Error('no step of consent.authorize_steps.retrieve shows this consent')));
      return soFar;
    },
    guarded: guards.length > 0,
    async check(about, chosen) {
      if (guards.length === 0) return;
      const context = contextOf(about);
      for (const step of guards) {
        const reason = await run(step.name, () => step.refusal(context, chosen));
        if (reason !== null) throw new OAuthError('access_denied', reason);
      }
    },
  };
};

const byPriority = (one: { priority: number }, other: { priority: number }): number => one.priority - other.priority;
