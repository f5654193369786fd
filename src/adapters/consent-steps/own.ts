import type { PersistStep, RetrieveStep } from '../../domain/ports/consent-steps.ts';
import { jsonIn } from '../outbound/json-in.ts';
import { ownService } from '../outbound/own-service.ts';
import { inTime, ownModule } from '../own-module.ts';
import { secretIn } from '../secret-file.ts';
import { asTold, chosenAsTold, readRefusal, readRetrieved, toldOf } from './wire.ts';

/** One step as the settings have it: a built-in one has neither a module nor a URL. */
export interface StepSetting {
  name: string;
  priority: number;
  module: string | null;
  url: string | null;
  secretFile: string | null;
  timeoutMs: number;
}

/** A step of the ASPSP's own that retrieves: `retrieve` of its module, or its hook. */
export const ownRetrieval = async (step: StepSetting): Promise<RetrieveStep> => {
  const call = await callOf(step, 'retrieve');
  return {
    ...{ name: step.name, priority: step.priority },
    retrieve: async (about, soFar) => readRetrieved(await call({ ...toldOf(about), so_far: asTold(soFar) })),
  };
};

/** A step of the ASPSP's own that an approval passes: `persist` of its module, or its hook. */
export const ownPersist = async (step: StepSetting): Promise<PersistStep> => {
  const call = await callOf(step, 'persist');
  return {
    ...{ name: step.name, priority: step.priority },
    refusal: async (about, chosen) => readRefusal(await call({ ...toldOf(about), chosen: chosenAsTold(chosen) })),
  };
};

/** JSON in, JSON out. */
type Call = (told: object) => Promise<unknown>;

const callOf = async ({ module, url, secretFile, timeoutMs }: StepSetting, name: 'retrieve' | 'persist'): Promise<Call> => {
  if (module !== null) {
    const hooks = await ownModule(module, { needed: [name], known: [name] });
    const hook = hooks[name] as (told: object) => unknown;
    // A copy: what a module does to what it is told stays its own.
    return (told) => inTime(timeoutMs, () => hook(structuredClone(told)));
  }
  if (url === null) throw new TypeError('a step of the ASPSP’s own is a module or a hook');
  const service = ownService(url, timeoutMs);
  const headers = {
    'content-type': 'application/json',
    accept: 'application/json',
    ...(secretFile !== null && { authorization: `Bearer ${await secretIn(secretFile)}` }),
  };
  return async (told) => {
    const { status, body } = await service.fetch({ method: 'POST', url, headers, body: JSON.stringify(told) });
    if (status !== 200) throw new Error(`the hook answered ${status}`);
    return jsonIn(body);
  };
};
