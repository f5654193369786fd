// Controls, directions and other characters that nobody sees make a text read as another one.
const UNSEEN = /[\p{Cc}\p{Cf}\p{Co}\p{Cs}\p{Zl}\p{Zp}]/u;

/** Whether every character of a text is seen. */
export const isSeen = (text: string): boolean => !UNSEEN.test(text);

/**
 * Whether a JSON value has a place in the canonical form that is shown and hashed (RFC 8785), which half a character and a number without a
 * value have not, and is at most so many levels deep.
 */
export const isShowable = (value: unknown, levels: number): boolean => {
  if (typeof value === 'string') return value.isWellFormed();
  if (typeof value === 'number') return Number.isFinite(value);
  if (typeof value !== 'object' || value === null) return true;
  return levels > 0 && Object.entries(value).every(([name, member]) => isShowable(name, 0) && isShowable(member, levels - 1));
};
