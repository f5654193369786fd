/**
 * Forgets the first tenth of what stands in a map that is full. One at a time would walk over all that were forgotten before, each time.
 */
export const makeRoom = (map: Map<string, unknown>, most: number): void => {
  if (map.size < most) return;
  let tenth = Math.ceil(most / 10);
  for (const key of map.keys()) {
    if (tenth === 0) return;
    map.delete(key);
    tenth -= 1;
  }
};
