import type { BundledFact } from '../../src/evidence/bundle.ts';
import type { NoteSigner } from '../../src/evidence/note-key.ts';
import type { BundleTrust } from '../../src/evidence/verify-bundle.ts';
import { bundleOf, checkpointOf, factsOf, headOf, newSigner } from './bundles.ts';
import { makeHistory, randomFrom } from './histories.ts';
import { firstChange, MUTATIONS, renumbered, type Who } from './mutations.ts';

/** What an auditor gets, and what they bring to it. */
export interface Case {
  bytes: Buffer;
  /** The facts that are shown, those that the tree is of that is shown with them, and its checkpoint. */
  shown: readonly BundledFact[];
  tree: readonly BundledFact[];
  checkpoint: string;
  trust: Partial<BundleTrust>;
  /** The index of the first fact that is not what it was; null where only the key is another. */
  changedAt: number | null;
  /** The size of the largest checkpoint outside that covers none of what was changed: where the search may begin. */
  anchor: number;
  /** Whether checkpoints were kept all along, and not only the last one. */
  isDense: boolean;
}

const SIGNER = newSigner();
const OTHER = newSigner();
// Other mutations of the same log are other cases: making a log costs most.
const LOGS = 40;
const logs = new Map<number, Promise<BundledFact[]>>();

const logOf = (seed: number): Promise<BundledFact[]> => {
  const known = logs.get(seed);
  if (known !== undefined) return known;
  const made = makeHistory(seed, 8 + (seed % 9)).then(factsOf);
  if (logs.size < LOGS) logs.set(seed, made);
  return made;
};

/** After how many facts somebody who keeps more than the last checkpoint keeps one. */
export const KEPT_EACH = 16;

/** The auditor has the key, and kept a checkpoint of all of it; some kept others before. */
const trustIn = (facts: readonly BundledFact[], seed: number, signer: NoteSigner): Partial<BundleTrust> => ({
  key: signer.verifierKey.text,
  kept: sizesKept(facts.length, seed).map((size) => ({ note: checkpointOf(facts, signer, size), from: 'outside' })),
});

const isDense = (seed: number): boolean => seed % 2 === 1;

const sizesKept = (count: number, seed: number): number[] => [
  ...(isDense(seed) ? Array.from({ length: Math.floor((count - 1) / KEPT_EACH) }, (_, index) => (index + 1) * KEPT_EACH) : []),
  count,
];

/** A log that nobody touched. */
export const cleanLog = async (seed: number): Promise<Case> => {
  const facts = await logOf(seed);
  const head = headOf(facts, SIGNER);
  return {
    ...{ bytes: bundleOf(head, facts), shown: facts, tree: facts, checkpoint: head.checkpoint },
    ...{ trust: trustIn(facts, seed, SIGNER), changedAt: null, anchor: 0, isDense: isDense(seed) },
  };
};

/** Every way to change a log, by both. */
export const tamperings: readonly { name: string; who: Who }[] = Object.keys(MUTATIONS).flatMap((name) => [
  { name, who: 'naive' },
  { name, who: 'insider' },
]);

/** A log that was changed. */
export const tampered = async (name: string, who: Who, seed: number): Promise<Case> => {
  const facts = await logOf(seed % LOGS);
  const random = randomFrom(seed * 7 + name.length);
  for (;;) {
    const changed = MUTATIONS[name]?.(facts, random);
    if (changed == null) continue;
    const { size, otherKey = false } = changed;
    const isInsider = who === 'insider';
    const shown = isInsider
      ? renumbered(changed.facts)
      : random() < 0.5
        ? changed.facts
        : changed.facts.map((fact, index) => ({ ...fact, index }));
    const changedAt = firstChange(facts, shown);
    // Some changes change nothing, as when something is moved to where it was.
    if (changedAt === null && !otherKey) continue;
    const signer = otherKey ? OTHER : SIGNER;
    const head = headOf(isInsider || otherKey ? shown : facts, signer);
    const checkpoint = size === undefined ? head.checkpoint : checkpointOf(facts, signer, size);
    const anchor = Math.max(0, ...sizesKept(facts.length, seed).filter((kept) => changedAt !== null && kept <= changedAt));
    return {
      ...{ bytes: bundleOf({ ...head, checkpoint }, shown), shown, tree: isInsider ? shown : facts, checkpoint },
      ...{ trust: trustIn(facts, seed, SIGNER), changedAt, anchor, isDense: isDense(seed) },
    };
  }
};
