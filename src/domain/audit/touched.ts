/** Who touched which places of a value (RFC 6901), in the order in which they did. */
export interface Touched<Who> {
  add(who: Who, paths: readonly string[]): void;
  /** Who touched a place, something in it, or what holds it. */
  by(path: string): Who[];
}

/** Nobody has touched anything yet. */
export const makeTouched = <Who>(): Touched<Who> => {
  const all: Who[] = [];
  // By path, as places in `all`: who touched just that, and who touched that or something in it.
  const there = new Map<string, number[]>();
  const within = new Map<string, number[]>();
  const note = (places: Map<string, number[]>, path: string, who: number) => {
    const noted = places.get(path);
    if (noted === undefined) places.set(path, [who]);
    else if (noted.at(-1) !== who) noted.push(who);
  };
  return {
    add(who, paths) {
      const place = all.push(who) - 1;
      for (const path of paths) {
        note(there, path, place);
        for (const holder of holdersOf(path)) note(within, holder, place);
        note(within, path, place);
      }
    },
    by(path) {
      const places = new Set([...(within.get(path) ?? []), ...holdersOf(path).flatMap((holder) => there.get(holder) ?? [])]);
      return [...places].sort((one, other) => one - other).map((place) => all[place] as Who);
    },
  };
};

/** The paths of what holds a place. */
const holdersOf = (path: string): readonly string[] => [...path.matchAll(/\//g)].map(({ index }) => path.slice(0, index));
