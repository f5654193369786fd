import { generateKeyPairSync } from 'node:crypto';
import { type BundledFact, type BundleHead, factLine, headLine } from '../../src/evidence/bundle.ts';
import { checkpointText } from '../../src/evidence/checkpoint.ts';
import { leafHash, leafOf } from '../../src/evidence/leaf.ts';
import { signNote } from '../../src/evidence/note.ts';
import { logSigner, type NoteSigner } from '../../src/evidence/note-key.ts';
import { consistencyProof, growing, type HashAt, inclusionProof } from '../../src/evidence/tree.ts';
import type { Report } from '../../src/evidence/verify.ts';
import { type BundleTrust, verifyBundle } from '../../src/evidence/verify-bundle.ts';
import { eventKeyIn, type History } from './histories.ts';

export const ORIGIN = 'bank.example/consents';

/** The key of a log. */
export const newSigner = (): NoteSigner => logSigner(ORIGIN, generateKeyPairSync('ed25519').privateKey);

/** The facts of a history with the keys that are left of them, as an export gives them. */
export const factsOf = (history: History): BundledFact[] =>
  history.events.map(({ position: _, ...event }, index) => ({ index, event, key: eventKeyIn(history, history.events[index] as never) }));

/** A tree over facts, as they are now. */
export const treeOf = (facts: readonly BundledFact[]) => {
  const nodes = new Map<string, Buffer>();
  const tree = growing();
  for (const { event } of facts) tree.append(leafHash(leafOf(event)), (level, index, hash) => nodes.set(`${level}/${index}`, hash));
  const hashAt: HashAt = (level, index) => nodes.get(`${level}/${index}`) as Buffer;
  return { size: tree.size, root: tree.root(), hashAt };
};

/** The checkpoint over the first facts, or all of them. */
export const checkpointOf = (facts: readonly BundledFact[], signer: NoteSigner, size = facts.length): string =>
  signNote(checkpointText({ origin: ORIGIN, size, root: treeOf(facts.slice(0, size)).root }), [signer]);

/** The first line of a bundle of everything. */
export const headOf = (facts: readonly BundledFact[], signer: NoteSigner): BundleHead => ({
  ...{ origin: ORIGIN, key: signer.verifierKey.text, checkpoint: checkpointOf(facts, signer), range: null, consent: null },
});

/** The same facts with their proofs. */
export const withProofs = (chosen: readonly BundledFact[], all: readonly BundledFact[]): BundledFact[] => {
  const { size, hashAt } = treeOf(all);
  return chosen.map((fact) => ({ ...fact, proof: inclusionProof(fact.index, size, hashAt) }));
};

/** The proof that the tree over all facts begins with that over the first ones. */
export const consistencyOf = (all: readonly BundledFact[], size: number) => {
  const tree = treeOf(all);
  return { size, proof: consistencyProof(size, tree.size, tree.hashAt) };
};

/** The bytes of a bundle. */
export const bundleOf = (head: BundleHead, facts: readonly BundledFact[]): Buffer =>
  Buffer.from([headLine(head), ...facts.map(factLine), ''].join('\n'));

export const NO_TRUST: BundleTrust = { key: null, witnesses: [], quorum: 0, kept: [] };

/** What the verifier says to the bytes of a bundle. */
export const verified = (bytes: Buffer, trust: Partial<BundleTrust> = {}): Report => {
  const lines: Buffer[] = [];
  for (let start = 0; start < bytes.length; ) {
    const end = bytes.indexOf('\n', start);
    lines.push(bytes.subarray(start, end === -1 ? bytes.length : end));
    start = end === -1 ? bytes.length : end + 1;
  }
  const [first = Buffer.alloc(0), ...rest] = lines;
  const bundle = verifyBundle(first, { ...NO_TRUST, ...trust });
  bundle.lines(rest);
  return bundle.report();
};

/** The facts of the streams that one consent depends on. */
export const factsOfConsent = (facts: readonly BundledFact[], consentId: string): BundledFact[] => {
  const streams = new Set<string>();
  for (const { event } of facts) {
    const data = JSON.parse(event.data) as Record<string, unknown>;
    if (event.correlationId !== consentId) continue;
    streams.add(event.stream);
    for (const [member, category] of [
      ['deviceId', 'device'],
      ['clientId', 'client'],
      ['psuId', 'psu'],
      ['sessionId', 'authentication'],
    ] as const)
      if (typeof data[member] === 'string') streams.add(`${category}-${data[member]}`);
  }
  return facts.filter(({ event }) => streams.has(event.stream));
};
