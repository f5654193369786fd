/** The first number that is free, where every number before one that is taken is taken too: found by asking for few of them. */
export const firstFree = async (isTaken: (number: number) => Promise<boolean>): Promise<number> => {
  let [taken, free] = [-1, 0];
  while (await isTaken(free)) [taken, free] = [free, 2 * free + 1];
  while (free - taken > 1) {
    const middle = Math.floor((taken + free) / 2);
    if (await isTaken(middle)) taken = middle;
    else free = middle;
  }
  return free;
};
