import { OAuthError } from '../../domain/oauth-error.ts';
import { RevisionConflict, StoreBusy, StoreStopped, StoreUnavailable } from '../../domain/ports/event-store.ts';
import { ProjectionStopped, ProjectionsBehind } from '../../projections/runner.ts';
import type { Answer, Ask, Thrown } from './messages.ts';

// What can wait does so this long for company: a message costs far more than what is in it.
const MOMENT_MS = 2;

/**
 * Hands on, together, what came in one turn of the event loop. What `canWait` waits for others, where something was handed on a moment ago:
 * under load there are fewer messages, and without it nobody waits.
 */
export const together = <Item>(handOn: (items: Item[]) => void): ((item: Item, canWait: boolean) => void) => {
  let items: Item[] = [];
  let last = 0;
  let soon: NodeJS.Immediate | undefined;
  let later: NodeJS.Timeout | undefined;
  const flush = () => {
    clearImmediate(soon);
    clearTimeout(later);
    [soon, later] = [undefined, undefined];
    last = performance.now();
    const batch = items;
    items = [];
    handOn(batch);
  };
  return (item, canWait) => {
    items.push(item);
    if (soon !== undefined) return;
    const rest = canWait ? last + MOMENT_MS - performance.now() : 0;
    if (rest > 0) later ??= setTimeout(flush, rest);
    else soon = setImmediate(flush);
  };
};

/** The one question that does not wait for others: every step of a ceremony asks it, one after the other. */
export const APPEND = 'append';

/** Calls a function of the owner. */
export type AskOwner = (method: string, args: readonly unknown[]) => Promise<unknown>;

/** Questions to the owner, and where its answers go. */
export const makeAsking = (send: (asks: readonly Ask[]) => void): { ask: AskOwner; answered(answers: readonly Answer[]): void } => {
  const waiting = new Map<number, Pick<PromiseWithResolvers<unknown>, 'resolve' | 'reject'>>();
  const queue = together(send);
  let last = 0;
  return {
    ask: (method, args) =>
      new Promise((resolve, reject) => {
        last += 1;
        waiting.set(last, { resolve, reject });
        queue([last, method, args], method !== APPEND);
      }),
    answered(answers) {
      for (const [id, result, error] of answers) {
        const { resolve, reject } = waiting.get(id) ?? {};
        waiting.delete(id);
        if (error === undefined) resolve?.(result);
        else reject?.(thrown(error));
      }
    },
  };
};

/** The answer to one question. */
export const answerTo = async ([id, method, args]: Ask, call: AskOwner): Promise<Answer> => {
  try {
    return [id, await call(method, args)];
  } catch (error) {
    if (error instanceof OAuthError) return [id, null, { name: error.name, message: error.message, code: error.error }];
    const { name, message } = error instanceof Error ? error : new Error(String(error));
    return [id, null, { name, message }];
  }
};

// What callers tell apart.
const KNOWN = [RevisionConflict, StoreStopped, StoreUnavailable, StoreBusy, ProjectionsBehind, ProjectionStopped];

const thrown = ({ name, message, code }: Thrown): Error => {
  if (code !== undefined) return new OAuthError(code, message);
  const error = Object.assign(new Error(message), { name });
  const known = KNOWN.find((one) => one.name === name);
  return known === undefined ? error : Object.setPrototypeOf(error, known.prototype);
};
