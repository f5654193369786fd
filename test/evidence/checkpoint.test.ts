import { describe, expect, test } from '@jest/globals';
import { checkpointText, openCheckpoint, parseCheckpoint } from '../../src/evidence/checkpoint.ts';
import { Malformed } from '../../src/evidence/malformed.ts';
import { NotSigned, signatureLines, signNote, withLines } from '../../src/evidence/note.ts';
import { logSigner, witnessSigner } from '../../src/evidence/note-key.ts';
import { newKey, smallLog } from './support.ts';

// The example of C2SP tlog-checkpoint.
const TEXT = 'example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n';

describe('the text of a checkpoint', () => {
  test('is read and written as in the specification', () => {
    const checkpoint = parseCheckpoint(TEXT);
    expect([checkpoint.origin, checkpoint.size, checkpoint.root.length]).toEqual(['example.com/behind-the-sofa', 20_852_163, 32]);
    expect(checkpointText(checkpoint)).toBe(TEXT);
  });

  test('may have more lines, which mean nothing here', () => {
    expect(parseCheckpoint(`${TEXT}more\nand more\n`).size).toBe(20_852_163);
  });

  test.each([
    ['no origin', TEXT.slice(TEXT.indexOf('\n'))],
    ['a size with a zero in front', TEXT.replace('2085', '02085')],
    ['a size with a sign', TEXT.replace('2085', '+2085')],
    ['a size that cannot be counted to', TEXT.replace('20852163', '9007199254740992')],
    ['a hexadecimal size', TEXT.replace('20852163', '0x1')],
    ['no size', TEXT.replace('20852163', '')],
    ['a root of 31 bytes', TEXT.replace(/Cs.*=/, Buffer.alloc(31).toString('base64'))],
    ['a root without its padding', TEXT.replace('=', '')],
    ['an empty line', TEXT.replace('\n2085', '\n\n2085')],
    ['an empty line behind the root', `${TEXT}\nmore\n`],
    ['no end of its last line', TEXT.slice(0, -1)],
    ['nothing', ''],
  ])('is refused with %s', (_, malformed) => {
    expect(() => parseCheckpoint(malformed)).toThrow(Malformed);
  });
});

describe('a signed checkpoint', () => {
  const log = smallLog('bank.example/consents', 5);
  const cosigners = ['w1.example', 'w2.example', 'w3.example'].map((name) => witnessSigner(name, newKey(), () => 1_700_000_000));
  const witnesses = cosigners.map(({ verifierKey }) => verifierKey);
  const note = log.note(5);
  const { text } = openCheckpoint(note, { log: log.signer.verifierKey });
  const cosigned = withLines(note, signatureLines(text, cosigners.slice(0, 2)));
  const trust = { log: log.signer.verifierKey, witnesses };

  test('is opened with as many cosignatures as are asked for, and no fewer', () => {
    const opened = openCheckpoint(cosigned, { ...trust, quorum: 2 });
    expect(opened).toMatchObject({ origin: 'bank.example/consents', size: 5, root: log.rootAt(5) });
    expect(opened.cosignatures.map(({ name, at }) => [name, at])).toEqual([
      ['w1.example', 1_700_000_000],
      ['w2.example', 1_700_000_000],
    ]);
    expect(() => openCheckpoint(cosigned, { ...trust, quorum: 3 })).toThrow('2 of 3 witnesses');
    expect(() => openCheckpoint(note, { ...trust, quorum: 1 })).toThrow(NotSigned);
  });

  test('counts one witness once, however often it cosigned', () => {
    const again = withLines(note, signatureLines(text, [cosigners[0], cosigners[0]] as typeof cosigners));
    expect(() => openCheckpoint(again, { ...trust, quorum: 2 })).toThrow(NotSigned);
  });

  test('is not opened where only witnesses signed it', () => {
    const unsigned = withLines(`${text}\n`, signatureLines(text, cosigners));
    expect(() => openCheckpoint(unsigned, { ...trust, quorum: 1 })).toThrow('did not sign');
  });

  test('is not opened where the log signed it in the name of another', () => {
    const other = signNote(checkpointText({ origin: 'other.example', size: 5, root: log.rootAt(5) }), [log.signer]);
    expect(() => openCheckpoint(other, trust)).toThrow(NotSigned);
  });

  test('is not opened where another key has the name of the log', () => {
    const other = signNote(text, [logSigner('bank.example/consents', newKey())]);
    expect(() => openCheckpoint(other, trust)).toThrow(NotSigned);
  });
});
