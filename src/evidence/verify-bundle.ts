import { isUtf8 } from 'node:buffer';
import { type BundleHead, readFact, readHead } from './bundle.ts';
import type { LeafEvent } from './leaf.ts';
import { Malformed } from './malformed.ts';
import { openWithEventKey } from './sealed-text.ts';
import { type Compared, makeVerification, type Report } from './verify.ts';

/** What an auditor brings to a bundle. */
export interface BundleTrust {
  /** The key of the log, from elsewhere; null for the one in the bundle. */
  key: string | null;
  witnesses: readonly string[];
  quorum: number;
  /** The checkpoints that they kept. */
  kept: readonly Compared[];
}

/** A bundle while it is verified, line by line. */
export interface BundleVerification {
  /** The key of the log that it is verified with. */
  key: string;
  /** How many facts are to come; 0 where that is not known. */
  total: number;
  /** How many have come. */
  facts(): number;
  /** Takes the next lines, without their ends. Nothing is looked at behind one that is not a fact. */
  lines(lines: readonly Buffer[]): void;
  report(): Report;
}

/** Verifies a bundle by its first line, and then the others. `watch` is told of each fact. */
export const verifyBundle = (
  first: Buffer,
  { key, witnesses, quorum, kept }: BundleTrust,
  watch?: (index: number, event: LeafEvent) => void,
): BundleVerification => {
  const head = headIn(first);
  let next: number | null = head === null ? null : 0;
  let facts = 0;
  const verification = makeVerification({
    ...{ extent: head === null ? 'whole' : extentOf(head), from: head?.range?.from, consent: head?.consent },
    ...{ key: key ?? head?.key ?? '', witnesses, quorum, growing: false, hasAllKeys: false },
    own: head === null ? [] : [{ note: head.checkpoint, from: 'the bundle' }],
    kept: kept.map((one) => ({ ...one, proof: head?.consistency?.find(({ size }) => size === sizeIn(one.note))?.proof })),
    open: ({ text, context, key: given }) => (given === undefined ? null : openWithEventKey(text, context, given)),
  });
  if (head === null) verification.say('F1', 'the first line is not that of a bundle', null);
  else if ((key ?? head.key) !== head.key || head.key.split('+')[0] !== head.origin)
    verification.say('N4', 'the bundle says that it is of another log', null);

  return {
    key: key ?? head?.key ?? '',
    facts: () => facts,
    total:
      head === null ? 0 : head.range !== null ? head.range.to - head.range.from + 1 : head.consent === null ? (verification.size ?? 0) : 0,
    lines(lines) {
      for (const line of lines) {
        if (next === null) return;
        try {
          const entry = readFact(textIn(line));
          next = entry.index + 1;
          facts += 1;
          verification.fact(entry);
          watch?.(entry.index, entry.event);
        } catch (error) {
          if (!(error instanceof Malformed)) throw error;
          verification.say('F1', `the line is not that of a fact: ${error.message}`, next);
          next = null;
        }
      }
    },
    report() {
      const { range = null } = head ?? {};
      if (range !== null && next !== null && next !== range.to + 1) verification.say('S1', 'the bundle ends before its range does', next);
      return verification.report();
    },
  };
};

const headIn = (line: Buffer): BundleHead | null => {
  try {
    return readHead(textIn(line));
  } catch (error) {
    if (error instanceof Malformed) return null;
    throw error;
  }
};

const extentOf = ({ range, consent }: BundleHead) => (range !== null ? 'range' : consent !== null ? 'consent' : 'whole');

const textIn = (line: Buffer): string => {
  if (!isUtf8(line)) throw new Malformed('the line is no text');
  return line.toString();
};

/** The size that a note says, whoever has signed it: by it the proof is found that belongs to it. */
const sizeIn = (note: string): number => Number(note.split('\n')[1]);
