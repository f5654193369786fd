import { StoreBusy } from '../../domain/ports/event-store.ts';

/** The calls that are under way, and those that wait for one of them to end. */
export interface Calls {
  /** Makes the call when fewer than allowed are under way; `StoreBusy` when as many wait already. */
  make<T>(call: () => Promise<T>): Promise<T>;
  /** Under way and waiting, as a share of what is allowed. */
  pressure(): number;
  /** Resolves when none is under way. */
  ended(): Promise<void>;
}

/** Lets so many calls be under way at once, and as many wait. */
export const limitedCalls = (allowed: number): Calls => {
  const waiting: (() => void)[] = [];
  let underWay = 0;
  let idle = Promise.withResolvers<void>();
  idle.resolve();

  const begin = (): Promise<void> | undefined => {
    if (underWay === allowed) {
      if (waiting.length === allowed) throw new StoreBusy();
      return new Promise((resolve) => waiting.push(resolve));
    }
    if (underWay === 0) idle = Promise.withResolvers();
    underWay += 1;
    return undefined;
  };

  const end = () => {
    const next = waiting.shift();
    if (next !== undefined) return next();
    underWay -= 1;
    if (underWay === 0) idle.resolve();
  };

  return {
    async make(call) {
      await begin();
      try {
        return await call();
      } finally {
        end();
      }
    },
    pressure: () => (underWay + waiting.length) / allowed,
    ended: () => idle.promise,
  };
};
