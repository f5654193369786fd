import type { Sealed } from '../domain/ports/sealer.ts';
import { keyNameIn } from '../domain/psu/retention.ts';
import type { LeafEvent } from './leaf.ts';
import { isObject } from './rules/known.ts';

/** A sealed part, and its own key, where that was given. */
export interface SealedPart extends Sealed {
  key: string | undefined;
}

/** The plaintext of a sealed part; null where its key is not there. Throws where text, place or key were changed. */
export type OpenSealed = (part: SealedPart) => string | null;

/** How many sealed parts were opened, are sealed, are erased, and were taken away after an erasure. */
export interface SealedCounts {
  opened: number;
  sealed: number;
  erased: number;
  removed: number;
}

/** Whose key seals an event: the PSU's whom the data names, or one of the aggregate's own. */
export const subjectOf = (category: string, id: string, { psuId }: Record<string, unknown>): string =>
  typeof psuId === 'string' ? psuId : `${category} ${id}`;

/** Parts with one key that could not be opened. */
interface Unopened {
  /** Where it would say so that the key was destroyed. */
  erasures: readonly string[];
  isRemoved: boolean;
  count: number;
  first: { index: number; event: LeafEvent };
}

/** Opens the sealed parts of facts as they come, and says at the end whether those that could not be opened were erased. */
export const makeSealedParts = (open: OpenSealed | null, hasAllKeys: boolean) => {
  let opened = 0;
  const unopened = new Map<string, Unopened>();
  const erased = new Set<string>();

  const keepUnopened = (index: number, event: LeafEvent, subject: string) => {
    const { sealed } = event;
    const name = sealed === null ? '' : keyNameIn(sealed);
    const place = `${name}\n${subject}`;
    const known = unopened.get(place);
    if (known === undefined)
      unopened.set(place, { erasures: [subject, place], isRemoved: sealed === null, count: 1, first: { index, event } });
    else known.count += 1;
  };

  return {
    /** What is sealed in a fact; undefined where it cannot be opened. */
    open(
      index: number,
      event: LeafEvent,
      { subject, key }: { subject: string; key: string | undefined },
      say: (rule: string, text: string) => void,
    ): Record<string, unknown> | undefined {
      const { stream, revision, id, type, version, sealed } = event;
      const context = `${stream}\n${revision}\n${id}\n${type}\n${version}`;
      let text: string | null = null;
      try {
        if (sealed !== null && open !== null) text = open({ psuId: subject, context, version, text: sealed, key });
        if (text === null) {
          keepUnopened(index, event, subject);
          return undefined;
        }
        opened += 1;
        const personal: unknown = JSON.parse(text);
        if (isObject(personal)) return personal;
      } catch {
        // Said below, whatever it was that does not fit.
      }
      say('P3', text === null ? 'the sealed part was not sealed with this key, or not in this place' : 'what was sealed is no JSON object');
      return undefined;
    },

    /** A fact says that keys were destroyed: all of a subject, or one. */
    destroyed(type: string, { psuId, retention, period }: Record<string, unknown>): void {
      if (type === 'PsuErased') erased.add(String(psuId));
      // Bytes that were taken away do not name their key any more.
      else if (type === 'PsuDataExpired') for (const name of [`${retention}.${period}`, '']) erased.add(`${name}\n${psuId}`);
    },

    /** What became of the parts, in numbers. Those whose key or bytes are gone, and that nobody erased, are doubts. */
    settle(say: (rule: string, text: string, index: number, event: LeafEvent) => void): SealedCounts {
      const counts = { opened, sealed: 0, erased: 0, removed: 0 };
      for (const { erasures, isRemoved, count, first } of unopened.values()) {
        if (erasures.some((place) => erased.has(place))) counts[isRemoved ? 'removed' : 'erased'] += count;
        else if (isRemoved) say('P4', 'the sealed part was taken away, and nobody erased it', first.index, first.event);
        else if (hasAllKeys) say('P4', 'the key of the sealed part is gone, and nobody erased it', first.index, first.event);
        else counts.sealed += count;
      }
      return counts;
    },
  };
};
