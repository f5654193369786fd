/** One record of a CSV text, and the line that it begins in. */
export interface CsvRecord {
  line: number;
  fields: readonly string[];
}

/** The text is no CSV: a quote in the wrong place, in the record that begins in this line. */
export class MalformedCsv extends Error {
  override name = 'MalformedCsv';
  readonly line: number;

  constructor(line: number) {
    super(`line ${line} is not valid CSV`);
    this.line = line;
  }
}

// A bare field, and what ends a field.
const BARE = /[^",\r\n]*/y;
const END = /,|\r\n|\n|$/y;

const matched = (pattern: RegExp, source: string, at: number): string | null => {
  pattern.lastIndex = at;
  return pattern.exec(source)?.[0] ?? null;
};

/** Where the quote is that closes the one before `from`: doubled ones stand for themselves; -1 where there is none. */
const closingQuote = (source: string, from: number): number => {
  let at = source.indexOf('"', from);
  while (at >= 0 && source[at + 1] === '"') at = source.indexOf('"', at + 2);
  return at;
};

/** The records of a CSV text (RFC 4180). Lines may end without CR; empty ones are none. */
export function* csvRecords(text: string): Generator<CsvRecord> {
  const source = text.replace(/^\uFEFF/, '');
  let line = 1;
  for (let at = 0; at < source.length; ) {
    const fields: string[] = [];
    const start = at;
    for (let end = ','; end === ','; ) {
      const quoted = source[at] === '"';
      const from = quoted ? at + 1 : at;
      const to = quoted ? closingQuote(source, from) : from + (matched(BARE, source, from) ?? '').length;
      const ends = to < 0 ? null : matched(END, source, quoted ? to + 1 : to);
      if (ends === null) throw new MalformedCsv(line);
      fields.push(quoted ? source.slice(from, to).replaceAll('""', '"') : source.slice(from, to));
      at = (quoted ? to + 1 : to) + ends.length;
      end = ends;
    }
    if (fields.length > 1 || fields[0] !== '') yield { line, fields };
    line += source.slice(start, at).split('\n').length - 1;
  }
}
