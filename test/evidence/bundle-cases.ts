import { createPrivateKey, hash, type KeyObject } from 'node:crypto';
import { expect } from '@jest/globals';
import type { BundledFact } from '../../src/evidence/bundle.ts';
import { checkpointText } from '../../src/evidence/checkpoint.ts';
import { signNote } from '../../src/evidence/note.ts';
import { witnessSigner } from '../../src/evidence/note-key.ts';
import type { BundleTrust } from '../../src/evidence/verify-bundle.ts';
import {
  bundleOf,
  checkpointOf,
  consistencyOf,
  factsOf,
  factsOfConsent,
  headOf,
  newSigner,
  ORIGIN,
  treeOf,
  withProofs,
} from './bundles.ts';
import { type History, makeHistory } from './histories.ts';

/** A bundle, what an auditor brings to it, and the rules that it breaks, with the indices. */
export interface BundleCase {
  name: string;
  bytes: Buffer;
  trust: Partial<BundleTrust>;
  /** A list of texts, or what one is compared with. */
  doubts: unknown;
}

const SIGNER = newSigner();
const RANGE = { from: 10, to: 30 };
const among = (...doubts: string[]): unknown => expect.arrayContaining(doubts);

/** Bundles of everything, of a range and of a consent, as they should be and not, with what auditors may have of the log. */
export const bundleCases = async (): Promise<BundleCase[]> => {
  const facts = factsOf(await makeHistory(21, 16));
  return [...ofEverything(facts), ...ofRanges(facts), ...ofConsents(facts), ...(await ofSealedParts(facts))];
};

const ofEverything = (facts: readonly BundledFact[]): BundleCase[] => {
  const head = headOf(facts, SIGNER);
  const own = SIGNER.verifierKey.text;
  const other = newSigner().verifierKey.text;
  const cosigners = ['one', 'two', 'three'].map((name) => witnessSigner(name, keyFrom(name), () => 1_790_000_000));
  const witnesses = cosigners.map(({ verifierKey }) => verifierKey.text);
  const [witness = ''] = witnesses;
  const checkpoint = signNote(checkpointText({ origin: ORIGIN, ...treeOf(facts) }), [SIGNER, ...cosigners.slice(0, 2)]);
  const shorter = facts.slice(0, -3);
  const lines = bundleOf(head, facts).toString().split('\n');
  const of = (name: string, doubts: unknown, trust: Partial<BundleTrust> = {}, bytes = bundleOf(head, facts)): BundleCase => ({
    ...{ name, bytes, trust, doubts },
  });
  const cosigned = (name: string, doubts: unknown, quorum: number, note = checkpoint) =>
    of(name, doubts, { witnesses, quorum }, bundleOf({ ...head, checkpoint: note }, facts));
  return [
    of('of nothing', ['N1', 'N2', 'F1'], {}, Buffer.alloc(0)),
    of('of something else', ['N1', 'N2', 'F1'], {}, Buffer.from('SQLite format 3\0')),
    of(
      'with a line that is not a fact, behind which nothing is looked at',
      ['F1 3', 'T2 0'],
      {},
      Buffer.from(lines.with(4, 'x').join('\n')),
    ),
    of('of the log whose key was given', [], { key: own }),
    of('of a log with another key', ['N1', 'N2', 'N4'], { key: other }),
    of('of a log with another name', ['N4'], {}, bundleOf({ ...head, origin: 'another' }, facts)),
    of('without a cosignature, where none is wanted', [], { key: own, witnesses: [witness] }),
    of('with the key of a log in the place of a witness’s', ['N1', 'N2'], { key: own, witnesses: [other] }),
    of('with the key of a witness in the place of the log’s', ['N1', 'N2', 'N4'], { key: witness }),
    cosigned('with the cosignatures of as many witnesses as are wanted', [], 2),
    cosigned('with the cosignatures of too few witnesses', ['N3'], 3),
    cosigned('with a cosignature by another key of that name', ['N3'], 2, checkpoint.replace(/two \S{8}/, 'two AAAAAAAA')),
    cosigned('with a cosignature that is wrong', among('N1'), 2, checkpoint.replace(/.{8}\n$/, 'AAAAAAA=\n')),
    of('with less facts than its checkpoint covers', ['T2 0'], {}, bundleOf(head, shorter)),
    of('with more facts than its checkpoint covers', [`T2 ${shorter.length}`], {}, bundleOf(headOf(shorter, SIGNER), facts)),
    of(
      'with less facts than its checkpoint covers, and not less than a kept one does',
      ['T2 10'],
      { kept: [{ note: checkpointOf(facts, SIGNER, 10), from: 'kept' }] },
      bundleOf(head, shorter),
    ),
  ];
};

const ofRanges = (facts: readonly BundledFact[]): BundleCase[] => {
  const head = { ...headOf(facts, SIGNER), range: RANGE };
  const some = withProofs(facts.slice(RANGE.from, RANGE.to + 1), facts);
  const to = facts.length - 5;
  const [first, second] = [some[0] as BundledFact, some[1] as BundledFact];
  const later = { ...first, event: { ...first.event, recordedAt: first.event.recordedAt + 1 } };
  const consistency = [consistencyOf(facts, 7), consistencyOf(facts, 20), consistencyOf(facts, facts.length)];
  const keep = (size: number, of = facts) => ({ kept: [{ note: checkpointOf(of, SIGNER, size), from: 'kept' }] });
  const forked = facts.with(3, facts[4] as BundledFact);
  const of = (name: string, doubts: unknown, shown: readonly BundledFact[], trust: Partial<BundleTrust> = {}, given: object = {}) => ({
    ...{ name: `of a range, ${name}`, bytes: bundleOf({ ...head, ...given }, shown), trust, doubts },
  });
  return [
    of('with the proof of each fact', [], some),
    of('from the first fact on', [], withProofs(facts.slice(0, to + 1), facts), {}, { range: { from: 0, to } }),
    of('without its first fact', among('S1 11'), some.slice(1)),
    of('without its last fact', ['S1 30'], some.slice(0, -1)),
    of('without one between', among('S1 16'), some.toSpliced(5, 1)),
    of('with the proof of another fact', ['T3 10'], some.with(0, { ...first, proof: second.proof })),
    of('without a proof', ['T3 10'], some.with(0, { ...first, proof: undefined })),
    of('with another fact than is proved', ['T3 10'], some.with(0, later)),
    of('with a proof from a kept checkpoint', [], some, keep(20), { consistency }),
    of('without a proof from a kept checkpoint', ['T5'], some, keep(20)),
    of('with proofs from others than the kept checkpoint', ['T5'], some, keep(19), { consistency }),
    of('with a kept checkpoint of another log', ['T5'], some, keep(20, forked), { consistency }),
    of('with a kept checkpoint of its size', [], some, keep(facts.length), { consistency }),
    of('with a kept checkpoint of its size, of another log', ['T5'], some, keep(facts.length, forked), { consistency }),
  ];
};

const ofConsents = (facts: readonly BundledFact[]): BundleCase[] => {
  const head = headOf(facts, SIGNER);
  const consents = new Set(facts.filter(({ event }) => event.stream.startsWith('consent-')).map(({ event }) => event.correlationId));
  const cases = [...consents].flatMap((consent, at) => {
    const own = withProofs(factsOfConsent(facts, consent), facts);
    const of = (name: string, doubts: unknown, shown: readonly BundledFact[]) => ({
      ...{ name: `of consent ${at + 1}, ${name}`, bytes: bundleOf({ ...head, consent }, shown), trust: {}, doubts },
    });
    const last = own.findLast(({ event }) => event.revision > 0);
    const gap = own.filter(({ event }) => event.stream !== last?.event.stream || event.revision !== last.event.revision - 1);
    return [
      of('with all that it depends on', [], own),
      of(
        'without its client',
        among(expect.stringMatching('^R1 ') as unknown as string),
        own.filter(({ event }) => !event.stream.startsWith('client-')),
      ),
      of('with its first fact last', among(`S1 ${own[0]?.index}`), [...own.slice(1), ...own.slice(0, 1)]),
      ...(last === undefined ? [] : [of('with a gap in a stream', among(`S2 ${last.index}`), gap)]),
    ];
  });
  return [
    ...cases,
    {
      name: 'of a consent, with facts of others',
      bytes: bundleOf({ ...head, consent: 'another' }, withProofs(facts.slice(0, 3), facts)),
      trust: {},
      doubts: ['S5'],
    },
  ];
};

const ofSealedParts = async (facts: readonly BundledFact[]): Promise<BundleCase[]> => {
  const at = facts.findIndex(({ event }) => event.type === 'ConsentRetrieved');
  const { key, ...fact } = facts[at] as BundledFact;
  const other = facts.find((one) => one.key !== undefined && one.key !== key)?.key;
  const erased = factsOf(await erasedHistory());
  const subject = JSON.parse(fact.event.data).psuId;
  const removed = erased.findIndex((one) => one.event.sealed !== null && one.key === undefined);
  const of = (name: string, doubts: unknown, bytes: Buffer) => ({ name: `with a sealed part ${name}`, bytes, trust: {}, doubts });
  const head = headOf(facts, SIGNER);
  return [
    of('whose key is not given', [], bundleOf(head, facts.with(at, fact))),
    of('with the key of another event', [`P3 ${at}`], bundleOf(head, facts.with(at, { ...fact, key: other }))),
    of('that was taken away', [`P4 ${at}`], takenAway(facts, at)),
    of('that was taken away after an erasure', [], takenAway(erased, removed)),
    of('that was taken away, of what expired', [], takenAway([...facts, expired(facts, at, subject)], at)),
    of('that was taken away, where something of another PSU expired', [`P4 ${at}`], takenAway([...facts, expired(facts, at, 'x')], at)),
    of('that was taken away, with another hash', among('T1 0'), takenAway(erased, removed, hash('sha256', 'x', 'base64url'))),
  ];
};

/** A fact that says so: some of what was sealed for a PSU can be read no more. */
const expired = (facts: readonly BundledFact[], at: number, psuId: string): BundledFact => {
  const { event } = facts[at] as BundledFact;
  const stream = `psu-${psuId}`;
  const data = JSON.stringify({ psuId, retention: 'x', period: 'y', at: JSON.parse(event.data).at });
  const revision = facts.filter((fact) => fact.event.stream === stream).length;
  return {
    index: facts.length,
    event: { ...event, id: 'expired', type: 'PsuDataExpired', version: 1, sealed: null, stream, revision, data },
  };
};

/** A bundle of facts, one of which has only the hash of its sealed part. */
const takenAway = (facts: readonly BundledFact[], at: number, sealedHash?: string): Buffer => {
  const { key: _, ...fact } = facts[at] as BundledFact;
  const { event } = fact;
  const without = { ...fact, event: { ...event, sealed: null }, sealedHash: sealedHash ?? hash('sha256', event.sealed ?? '', 'base64url') };
  return bundleOf(headOf(facts, SIGNER), facts.with(at, without));
};

/** One in which a PSU was erased. */
const erasedHistory = async (): Promise<History> => {
  for (let seed = 100; ; seed += 1) {
    const history = await makeHistory(seed, 12);
    const isErased = history.events.some(({ type }) => type === 'PsuErased');
    if (isErased && factsOf(history).filter(({ event, key }) => event.sealed !== null && key === undefined).length > 1) return history;
  }
};

const keyFrom = (seed: string): KeyObject =>
  createPrivateKey({
    key: Buffer.concat([Buffer.from('302e020100300506032b657004220420', 'hex'), hash('sha256', seed, 'buffer')]),
    format: 'der',
    type: 'pkcs8',
  });
