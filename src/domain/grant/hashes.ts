/** Hashes in the order in which they came, from the last one back. One more is added without a copy, so that folding many stays linear. */
export type Hashes = { readonly hash: string; readonly before: Hashes } | null;

/** Whether a hash is among them. */
export const includes = (hashes: Hashes, hash: string): boolean => {
  for (let one = hashes; one !== null; one = one.before) if (one.hash === hash) return true;
  return false;
};
