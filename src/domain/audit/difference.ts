import type { Json } from '../replay.ts';

/** One member that differs: its path (RFC 6901), and its value before and after. The side on which it was not there is left out. */
export interface Change {
  path: string;
  before?: Json;
  after?: Json;
}

/** What leads from one value to another. Applied in their order the changes make the later one of the earlier. */
export const difference = (before: Json, after: Json, path = ''): readonly Change[] => {
  if (Array.isArray(before) && Array.isArray(after)) return ofItems(before, after, path);
  if (isRecord(before) && isRecord(after)) return ofMembers(before, after, path);
  return before === after ? [] : [{ path, before, after }];
};

const isRecord = (value: Json): value is { readonly [name: string]: Json } =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

const ofMembers = (before: Readonly<Record<string, Json>>, after: Readonly<Record<string, Json>>, path: string): readonly Change[] =>
  [...new Set([...Object.keys(before), ...Object.keys(after)])].flatMap((name) => {
    const there = `${path}/${name.replaceAll('~', '~0').replaceAll('/', '~1')}`;
    return ofPlace(Object.hasOwn(before, name) ? before[name] : undefined, Object.hasOwn(after, name) ? after[name] : undefined, there);
  });

/** What is gone comes last, from the end: so each of them can be taken away in turn. */
const ofItems = (before: readonly Json[], after: readonly Json[], path: string): readonly Change[] => {
  // Lists grow at their end, and some have thousands of items.
  const same = after.findIndex((item, index) => item !== before[index]);
  const stayed = same < 0 ? [] : after.slice(same).flatMap((item, index) => ofPlace(before[same + index], item, `${path}/${same + index}`));
  const gone = before.slice(after.length).map((item, index) => ({ path: `${path}/${after.length + index}`, before: item }));
  return [...stayed, ...gone.reverse()];
};

const ofPlace = (before: Json | undefined, after: Json | undefined, path: string): readonly Change[] => {
  if (before === undefined) return after === undefined ? [] : [{ path, after }];
  return after === undefined ? [{ path, before }] : difference(before, after, path);
};
