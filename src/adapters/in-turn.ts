/** Runs at most `limit` pieces of work at once; the others wait and start in the order they came. */
export const inTurn = (limit: number): (<T>(work: () => Promise<T>) => Promise<T>) => {
  const waiting: (() => void)[] = [];
  let running = 0;
  return async (work) => {
    if (running < limit) running += 1;
    else await new Promise<void>((start) => waiting.push(start));
    try {
      return await work();
    } finally {
      const start = waiting.shift();
      if (start) start();
      else running -= 1;
    }
  };
};
