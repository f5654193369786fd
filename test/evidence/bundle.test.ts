import { createPrivateKey, hash } from 'node:crypto';
import { describe, expect, test } from '@jest/globals';
import { type BundledFact, factLine, headLine, readFact, readHead, writeBundle } from '../../src/evidence/bundle.ts';
import { checkpointText } from '../../src/evidence/checkpoint.ts';
import { leafHash, leafOf } from '../../src/evidence/leaf.ts';
import { Malformed } from '../../src/evidence/malformed.ts';
import { signNote } from '../../src/evidence/note.ts';
import { witnessSigner } from '../../src/evidence/note-key.ts';
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
  verified,
  withProofs,
} from './bundles.ts';
import { type History, makeHistory } from './histories.ts';

const signer = newSigner();
const facts = factsOf(await makeHistory(21, 16));
const head = headOf(facts, signer);
const rulesIn = (bytes: Buffer, trust: Parameters<typeof verified>[1] = {}) =>
  verified(bytes, trust).doubts.map(({ rule, index }) => (index === null ? rule : `${rule} ${index}`));

describe('a bundle', () => {
  test('is read as it was written', async () => {
    const lines: string[] = [];
    for await (const line of writeBundle(head, facts)) lines.push(line);
    expect(Buffer.from(lines.join(''))).toEqual(bundleOf(head, facts));
    expect(readHead(lines[0]?.trimEnd() as string)).toEqual(head);
    for (const line of lines.slice(1)) expect(`${factLine(readFact(line.trimEnd()))}\n`).toBe(line);
  });

  test('is read in no other spelling', () => {
    const fact = factLine(facts[0] as BundledFact);
    const first = headLine(head);
    for (const other of [
      ...[
        ` ${fact}`,
        fact.replace(':', ': '),
        fact.replace('"revision":0', '"revision":0.0'),
        fact.replace('"revision":0', '"revision":-0'),
      ],
      ...[fact.replace('}', ',"more":1}'), fact.replace('{"index":0,', '{"index":1,"index":0,'), fact.replace('"id":', '"i\\u0064":')],
      ...['', '[]', 'null', '{}', '{"index":0}', fact.slice(0, -1), fact.replace('"causationId":null', '"causationId":0')],
      fact.replace('"type":"', '"type":"\\ud800'),
    ])
      expect(() => readFact(other)).toThrow(Malformed);
    for (const other of [
      first.replace('"version":1', '"version":2'),
      first.replace('"range":null', '"range":{"from":0}'),
      `${first} `,
      fact,
    ])
      expect(() => readHead(other)).toThrow(Malformed);
  });

  test('of nothing, and one of something else, is no bundle', () => {
    expect(rulesIn(Buffer.alloc(0))).toEqual(['N1', 'N2', 'F1']);
    expect(rulesIn(Buffer.from('SQLite format 3\0'))).toEqual(['N1', 'N2', 'F1']);
  });

  test('is looked at no further behind a line that is not a fact', () => {
    const lines = bundleOf(head, facts).toString().split('\n');
    const bytes = Buffer.from(lines.with(4, 'x').join('\n'));
    expect(rulesIn(bytes)).toEqual(['F1 3', 'T2 0']);
  });

  test('is of the log whose key was given', () => {
    const other = newSigner();
    expect(rulesIn(bundleOf(head, facts), { key: signer.verifierKey.text })).toEqual([]);
    expect(rulesIn(bundleOf(head, facts), { key: other.verifierKey.text })).toEqual(['N1', 'N2', 'N4']);
    expect(rulesIn(bundleOf({ ...head, origin: 'another' }, facts))).toEqual(['N4']);
  });

  test('has its checkpoint by the key of a log, and cosignatures by keys of witnesses', () => {
    const [log, witness] = [signer.verifierKey.text, witnessSigner('one', signerKey('one'), () => 0).verifierKey.text];
    const bytes = bundleOf(head, facts);
    expect(rulesIn(bytes, { key: log, witnesses: [witness] })).toEqual([]);
    expect(rulesIn(bytes, { key: log, witnesses: [newSigner().verifierKey.text] })).toEqual(['N1', 'N2']);
    expect(rulesIn(bytes, { key: witness })).toEqual(['N1', 'N2', 'N4']);
  });

  test('has to have the cosignatures of as many witnesses as are wanted', () => {
    const witnesses = ['one', 'two', 'three'].map((name) => witnessSigner(name, signerKey(name), () => 1_790_000_000));
    const text = checkpointText({ origin: ORIGIN, ...treeOf(facts) });
    const checkpoint = signNote(text, [signer, ...witnesses.slice(0, 2)]);
    const keys = witnesses.map(({ verifierKey }) => verifierKey.text);
    const bytes = bundleOf({ ...head, checkpoint }, facts);
    expect(rulesIn(bytes, { witnesses: keys, quorum: 2 })).toEqual([]);
    expect(verified(bytes, { witnesses: keys, quorum: 2 }).checkpoints).toEqual([
      { from: 'the bundle', size: facts.length, cosignatures: 2 },
    ]);
    expect(rulesIn(bytes, { witnesses: keys, quorum: 3 })).toEqual(['N3']);
    expect(
      rulesIn(bundleOf({ ...head, checkpoint: checkpoint.replace(/two \S{8}/, 'two AAAAAAAA') }, facts), { witnesses: keys, quorum: 2 }),
    ).toEqual(['N3']);
    expect(rulesIn(bundleOf({ ...head, checkpoint: checkpoint.replace(/.{8}\n$/, 'AAAAAAA=\n') }, facts), { witnesses: keys })[0]).toBe(
      'N1',
    );
  });

  test('has the facts that its checkpoint covers, and no others', () => {
    const shorter = facts.slice(0, -3);
    expect(rulesIn(bundleOf(head, shorter))).toEqual(['T2 0']);
    expect(rulesIn(bundleOf(headOf(shorter, signer), facts))).toEqual([`T2 ${shorter.length}`]);
    const kept = [{ note: checkpointOf(facts, signer, 10), from: 'kept' }];
    expect(rulesIn(bundleOf(head, shorter), { kept })).toEqual(['T2 10']);
  });
});

describe('a part of a log', () => {
  const range = { from: 10, to: 30 };
  const some = withProofs(facts.slice(10, 31), facts);

  test('a range is proved fact by fact, and its rules are not replayed', () => {
    expect(rulesIn(bundleOf({ ...head, range }, some))).toEqual([]);
    expect(verified(bundleOf({ ...head, range }, some)).tokens).toBe(0);
  });

  test('a range from the first fact on has its rules replayed', () => {
    const to = facts.length - 5;
    const report = verified(bundleOf({ ...head, range: { from: 0, to } }, withProofs(facts.slice(0, to + 1), facts)));
    expect([report.verdict, report.replayed, report.tokens > 0]).toEqual(['no doubt', true, true]);
  });

  test('a range is whole', () => {
    expect(rulesIn(bundleOf({ ...head, range }, some.slice(1)))).toContain('S1 11');
    expect(rulesIn(bundleOf({ ...head, range }, some.slice(0, -1)))).toEqual(['S1 30']);
    expect(rulesIn(bundleOf({ ...head, range }, some.toSpliced(5, 1)))).toContain('S1 16');
  });

  test('every fact has its proof', () => {
    const [first, second] = [some[0] as BundledFact, some[1] as BundledFact];
    expect(rulesIn(bundleOf({ ...head, range }, some.with(0, { ...first, proof: second.proof })))).toEqual(['T3 10']);
    expect(rulesIn(bundleOf({ ...head, range }, some.with(0, { ...first, proof: undefined })))).toEqual(['T3 10']);
    const changed = { ...first, event: { ...first.event, recordedAt: first.event.recordedAt + 1 } };
    expect(rulesIn(bundleOf({ ...head, range }, some.with(0, changed)))).toEqual(['T3 10']);
  });

  test('begins with what an older checkpoint covered, where a proof says so', () => {
    const kept = [{ note: checkpointOf(facts, signer, 20), from: 'kept' }];
    const bytes = bundleOf({ ...head, range, consistency: [consistencyOf(facts, 7), consistencyOf(facts, 20)] }, some);
    expect(rulesIn(bytes, { kept })).toEqual([]);
    expect(rulesIn(bundleOf({ ...head, range }, some), { kept })).toEqual(['T5']);
    const forked = facts.with(3, facts[4] as BundledFact);
    expect(rulesIn(bytes, { kept: [{ note: checkpointOf(forked, signer, 20), from: 'kept' }] })).toEqual(['T5']);
  });

  test('the facts of each consent keep the rules by themselves', () => {
    const consents = new Set(facts.filter(({ event }) => event.stream.startsWith('consent-')).map(({ event }) => event.correlationId));
    expect(consents.size).toBeGreaterThan(3);
    for (const consent of consents) {
      const own = withProofs(factsOfConsent(facts, consent), facts);
      expect(rulesIn(bundleOf({ ...head, consent }, own))).toEqual([]);
      const without = own.filter(({ event }) => event.stream.split('-')[0] !== 'client');
      expect(rulesIn(bundleOf({ ...head, consent }, without)).join()).toMatch('R1');
      const last = own.findLast(({ event }) => event.revision > 0);
      if (last === undefined) continue;
      const gap = own.filter(({ event }) => event.stream !== last.event.stream || event.revision !== last.event.revision - 1);
      expect(rulesIn(bundleOf({ ...head, consent }, gap))).toContain(`S2 ${last.index}`);
    }
    expect(rulesIn(bundleOf({ ...head, consent: 'another' }, withProofs(facts.slice(0, 3), facts)))).toEqual(['S5']);
  });
});

describe('a sealed part', () => {
  const at = facts.findIndex(({ event }) => event.type === 'ConsentRetrieved');
  const { key, ...fact } = facts[at] as BundledFact;

  test('is counted as sealed where its key is not given', () => {
    const { verdict, sealed } = verified(bundleOf(head, facts.with(at, fact)));
    expect([verdict, sealed]).toEqual(['no doubt', expect.objectContaining({ sealed: 1 })]);
  });

  test('is not opened with the key of another event', () => {
    const other = facts.find((one) => one.key !== undefined && one.key !== key)?.key;
    expect(rulesIn(bundleOf(head, facts.with(at, { ...fact, key: other })))).toEqual([`P3 ${at}`]);
  });

  test('that was taken away is a doubt, unless it was erased', async () => {
    const takenAway = (from: readonly BundledFact[], index: number) => {
      const { key: _, ...one } = from[index] as BundledFact;
      const sealedHash = hash('sha256', one.event.sealed as string, 'base64url');
      return bundleOf(headOf(from, signer), from.with(index, { ...one, event: { ...one.event, sealed: null }, sealedHash }));
    };
    expect(rulesIn(takenAway(facts, at))).toEqual([`P4 ${at}`]);
    const erased = factsOf(await erasedHistory());
    const index = erased.findIndex((one) => one.event.sealed !== null && one.key === undefined);
    const { verdict, sealed } = verified(takenAway(erased, index));
    expect([verdict, sealed.removed]).toEqual(['no doubt', 1]);
    expect(sealed.erased).toBeGreaterThan(0);
  });

  test('has a leaf of its own', () => expect(leafHash(leafOf(fact.event))).not.toEqual(leafHash(leafOf({ ...fact.event, sealed: null }))));
});

/** One in which a PSU was erased. */
const erasedHistory = async (): Promise<History> => {
  for (let seed = 100; ; seed += 1) {
    const history = await makeHistory(seed, 12);
    const isErased = history.events.some(({ type }) => type === 'PsuErased');
    if (isErased && factsOf(history).filter(({ event, key }) => event.sealed !== null && key === undefined).length > 1) return history;
  }
};

const signerKey = (seed: string) =>
  createPrivateKey({
    key: Buffer.concat([Buffer.from('302e020100300506032b657004220420', 'hex'), hash('sha256', seed, 'buffer')]),
    format: 'der',
    type: 'pkcs8',
  });
