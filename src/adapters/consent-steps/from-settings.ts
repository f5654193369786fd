import type { ConsentSteps } from '../../domain/ports/consent-steps.ts';
import type { PsuDirectory } from '../../domain/ports/psu-directory.ts';
import type { Sealer } from '../../domain/ports/sealer.ts';
import { builtInRetrieval } from './built-in.ts';
import { ownPersist, ownRetrieval, type StepSetting } from './own.ts';
import { consentStepsOf } from './pipeline.ts';

interface Deps {
  directory: Pick<PsuDirectory, 'accounts'>;
  sealer: Sealer;
  onFault(what: string, error: unknown): void;
}

/** The steps that the settings name, loaded. Throws for a module that cannot be used. */
export const openConsentSteps = async (
  { retrieve, persist }: { retrieve: readonly StepSetting[]; persist: readonly StepSetting[] },
  { directory, sealer, onFault }: Deps,
): Promise<ConsentSteps> => {
  const builtIn = builtInRetrieval(directory);
  const retrieval = retrieve.map(async (step) => {
    const known = isOwn(step) ? undefined : builtIn[step.name];
    return known === undefined ? ownRetrieval(step) : { name: step.name, priority: step.priority, retrieve: known };
  });
  return consentStepsOf({
    retrieve: await Promise.all(retrieval),
    // Those that are built in are the recording itself, which comes after all others.
    persist: await Promise.all(persist.filter(isOwn).map(ownPersist)),
    ...{ sealer, onFault },
  });
};

const isOwn = ({ module, url }: StepSetting): boolean => module !== null || url !== null;
