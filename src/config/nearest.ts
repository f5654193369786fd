const CLOSE = 2;

/** The known name that was most likely meant: at most two letters away, else the same words without their section. */
export const nearest = (name: string, known: readonly string[]): string | null => {
  const [closest] = known.map((other) => ({ other, away: distance(name, other) })).sort((a, b) => a.away - b.away);
  if (closest !== undefined && closest.away <= CLOSE) return closest.other;
  const words = name.startsWith('COUNTERSIGN') ? name.slice('COUNTERSIGN'.length) : `.${name}`;
  return known.find((other) => other.endsWith(words)) ?? null;
};

/** Levenshtein's: the letters to add, drop or replace. */
const distance = (from: string, to: string): number => {
  let row = Array.from({ length: to.length + 1 }, (_, column) => column);
  for (const letter of from) {
    const next = [(row[0] ?? 0) + 1];
    for (let column = 1; column <= to.length; column += 1) {
      const replaced = (row[column - 1] ?? 0) + (letter === to[column - 1] ? 0 : 1);
      next.push(Math.min(replaced, (row[column] ?? 0) + 1, (next[column - 1] ?? 0) + 1));
    }
    row = next;
  }
  return row[to.length] ?? 0;
};
