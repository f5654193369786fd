import { describe, expect, test } from '@jest/globals';
import { leafHash } from '../../src/evidence/leaf.ts';
import { Malformed } from '../../src/evidence/malformed.ts';
import { NotSigned } from '../../src/evidence/note.ts';
import { openProof, parseProof, proofText } from '../../src/evidence/proof.ts';
import { inclusionProof } from '../../src/evidence/tree.ts';
import { smallLog } from './support.ts';

const HASH = 'gSKyXoYZUgZ6jduWYrkDOARinOMGJveXjgMkBTcdPlQ=';
const CHECKPOINT = `example.com/fancylog\n109482\nsFodV/vSp5O8n9a8QpW6PRY97tfOSW5bsc2Xl/EQi08=\n\n— example.com/fancylog AAAAAAA=\n`;
// In the form of the example of C2SP tlog-proof.
const TEXT = `c2sp.org/tlog-proof@v1\nextra YWdl\nindex 73894\n${HASH}\n${HASH}\n\n${CHECKPOINT}`;

describe('the text of a proof', () => {
  test('is read and written as in the specification', () => {
    const proof = parseProof(TEXT);
    expect(proof).toEqual({
      index: 73_894,
      proof: [Buffer.from(HASH, 'base64'), Buffer.from(HASH, 'base64')],
      checkpoint: CHECKPOINT,
      extra: Buffer.from('age'),
    });
    expect(proofText(proof)).toBe(TEXT);
  });

  test('may have no hashes and nothing besides', () => {
    const text = `c2sp.org/tlog-proof@v1\nindex 0\n\n${CHECKPOINT}`;
    expect(parseProof(text)).toEqual({ index: 0, proof: [], checkpoint: CHECKPOINT, extra: null });
    expect(proofText({ index: 0, proof: [], checkpoint: CHECKPOINT })).toBe(text);
  });

  test.each([
    ['another version', TEXT.replace('@v1', '@v2')],
    ['no index', TEXT.replace('index 73894\n', '')],
    ['an index with a zero in front', TEXT.replace('index ', 'index 0')],
    ['an extra line behind the index', TEXT.replace('extra YWdl\nindex 73894\n', 'index 73894\nextra YWdl\n')],
    ['an extra line that is not base64', TEXT.replace('YWdl', 'YWdl!')],
    ['a hash of 31 bytes', TEXT.replace(HASH, Buffer.alloc(31).toString('base64'))],
    ['a hash with a space behind', TEXT.replace(HASH, `${HASH} `)],
    ['no empty line', TEXT.replace('\n\n', '\n')],
    ['no checkpoint', `c2sp.org/tlog-proof@v1\nindex 0\n\n`],
    ['nothing', ''],
  ])('is refused with %s', (_, malformed) => {
    expect(() => parseProof(malformed)).toThrow(Malformed);
  });
});

describe('a proof', () => {
  const log = smallLog('bank.example/consents', 40);
  const trust = { log: log.signer.verifierKey };
  const proofOf = (index: number, size: number) =>
    proofText({ index, proof: inclusionProof(index, size, log.hashAt), checkpoint: log.note(size) });

  test('shows one leaf, at one place', () => {
    expect(openProof(proofOf(7, 23), leafHash('leaf 7'), trust)).toMatchObject({ index: 7, size: 23, origin: 'bank.example/consents' });
    expect(openProof(proofOf(7, 23), leafHash('leaf 8'), trust)).toBeNull();
    expect(openProof(proofOf(7, 23).replace('index 7', 'index 8'), leafHash('leaf 7'), trust)).toBeNull();
  });

  test('shows nothing under a checkpoint that nobody signed', () => {
    const other = smallLog('bank.example/consents', 40);
    expect(() => openProof(proofOf(7, 23), leafHash('leaf 7'), { log: other.signer.verifierKey })).toThrow(NotSigned);
    expect(() => openProof(proofOf(7, 23), leafHash('leaf 7'), { ...trust, quorum: 1 })).toThrow(NotSigned);
  });
});
