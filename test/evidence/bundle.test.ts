import { describe, expect, test } from '@jest/globals';
import { type BundledFact, factLine, headLine, readFact, readHead, writeBundle } from '../../src/evidence/bundle.ts';
import { leafHash, leafOf } from '../../src/evidence/leaf.ts';
import { Malformed } from '../../src/evidence/malformed.ts';
import { type BundleCase, bundleCases } from './bundle-cases.ts';
import { bundleOf, factsOf, headOf, newSigner, verified } from './bundles.ts';
import { makeHistory } from './histories.ts';

const signer = newSigner();
const facts = factsOf(await makeHistory(21, 16));
const head = headOf(facts, signer);
const cases = await bundleCases();
const reportOn = (name: string) => {
  const { bytes, trust } = cases.find((one) => one.name === name) as BundleCase;
  return verified(bytes, trust);
};

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

  for (const { name, bytes, trust, doubts } of cases)
    test(`${name}: ${Array.isArray(doubts) && doubts.length === 0 ? 'no' : 'in'} doubt`, () =>
      expect(verified(bytes, trust).doubts.map(({ rule, index }) => (index === null ? rule : `${rule} ${index}`))).toEqual(doubts));

  test('says what was verified of it', () => {
    expect(reportOn('with the cosignatures of as many witnesses as are wanted').checkpoints).toEqual([
      { from: 'the bundle', size: facts.length, cosignatures: 2 },
    ]);
    expect(reportOn('of a range, with the proof of each fact').tokens).toBe(0);
    const replayed = reportOn('of a range, from the first fact on');
    expect([replayed.replayed, replayed.tokens > 0]).toEqual([true, true]);
    expect(reportOn('with a sealed part whose key is not given').sealed).toMatchObject({ sealed: 1 });
    const { sealed } = reportOn('with a sealed part that was taken away after an erasure');
    expect([sealed.removed, sealed.erased > 0]).toEqual([1, true]);
  });

  test('of several consents', () =>
    expect(cases.filter(({ name }) => name.endsWith('with all that it depends on')).length).toBeGreaterThan(3));

  test('has a leaf of its own for a fact without its sealed part', () => {
    const { event } = facts.find((fact) => fact.event.sealed !== null) as BundledFact;
    expect(leafHash(leafOf(event))).not.toEqual(leafHash(leafOf({ ...event, sealed: null })));
  });
});
