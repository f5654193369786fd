import { describe, expect, test } from '@jest/globals';
import { openCheckpoint } from '../../src/evidence/checkpoint.ts';
import { Malformed } from '../../src/evidence/malformed.ts';
import { addCheckpointText, goesOn, parseAddCheckpoint, submitted, WitnessRefusal } from '../../src/evidence/witness.ts';
import { smallLog } from './support.ts';

// The example of C2SP tlog-witness, with one of its signatures.
const EXAMPLE = `old 20852014
PlRNCrwHpqhGrupue0L7gxbjbMiKA9temvuZZDDpkaw=
jrJZDmY8Y7SyJE0MWLpLozkIVMSMZcD5kvuKxPC3swk=
5+pKlUdi2LeF/BcMHBn+Ku6yhPGNCswZZD1X/6QgPd8=
/6WVhPs2CwSsb5rYBH5cjHV/wSmA79abXAwhXw3Kj/0=

example.com/behind-the-sofa
20852163
CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=

— example.com/behind-the-sofa Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/Zhcyv2q1gGzGku9nTo+zyWE+xeMcTOAYQ8=
`;

describe('the body of an add-checkpoint', () => {
  test('is read and written as in the specification', () => {
    const read = parseAddCheckpoint(EXAMPLE);
    expect([read.older, read.proof.length, read.note.split('\n')[1]]).toEqual([20_852_014, 4, '20852163']);
    expect(addCheckpointText(read)).toBe(EXAMPLE);
  });

  test('has at most 63 hashes', () => {
    const hashes = (count: number) => `old 1\n${`${Buffer.alloc(32).toString('base64')}\n`.repeat(count)}\n`;
    expect(parseAddCheckpoint(hashes(63)).proof).toHaveLength(63);
    expect(() => parseAddCheckpoint(hashes(64))).toThrow(Malformed);
  });

  test.each([
    ['no old size', EXAMPLE.replace(/^old.*\n/, '')],
    ['a zero in front of the old size', EXAMPLE.replace('old ', 'old 0')],
    ['a sign in front of the old size', EXAMPLE.replace('old ', 'old -')],
    ['a hash of another length', EXAMPLE.replace('PlRN', '')],
    ['no empty line', EXAMPLE.replaceAll('\n\n', '\n')],
    ['nothing', ''],
  ])('is refused with %s', (_, malformed) => {
    expect(() => parseAddCheckpoint(malformed)).toThrow(Malformed);
  });
});

const log = smallLog('bank.example/consents', 30);
const other = smallLog('other.example/log', 30);
const known = [log.signer.verifierKey, other.signer.verifierKey];
const body = (older: number, size: number, { of = log, proof }: { of?: typeof log; proof?: Buffer[] } = {}) =>
  addCheckpointText({ older, proof: proof ?? of.proof(Math.min(older, size), size), note: of.note(size) });
const refusal = (asked: () => unknown): [number, number | null] | null => {
  try {
    asked();
    return null;
  } catch (error) {
    if (!(error instanceof WitnessRefusal)) throw error;
    return [error.status, error.size];
  }
};

describe('what is submitted to a witness', () => {
  test('is the checkpoint of a log that it knows, signed by that log', () => {
    expect(submitted(body(3, 20), known)).toMatchObject({ origin: 'bank.example/consents', older: 3, size: 20, root: log.rootAt(20) });
    const { text } = openCheckpoint(log.note(20), { log: log.signer.verifierKey });
    expect(submitted(body(3, 20), known).text).toBe(text);
  });

  test.each<[string, number, string]>([
    ['is malformed', 400, body(3, 20).replace('old', 'older')],
    ['has a malformed checkpoint', 400, body(3, 20).replace('\n20\n', '\n020\n')],
    ['has an older size than the checkpoint', 400, body(21, 20)],
    ['is of an unknown log', 404, body(3, 20, { of: smallLog('unknown.example', 20) })],
    ['has a wrong signature', 403, body(3, 20).replace('\n20\n', '\n21\n')],
    ['is signed by another log that is known', 403, body(3, 20).replace('bank.example/consents\n', 'other.example/log\n')],
    ['is signed by an unknown key of this name', 403, body(3, 20, { of: smallLog('bank.example/consents', 20) })],
  ])('and %s is answered with %d', (_, status, text) => {
    expect(refusal(() => submitted(text, known))).toEqual([status, null]);
  });
});

describe('a checkpoint', () => {
  const asked = (text: string, cosigned: number | null) => () =>
    goesOn(submitted(text, known), cosigned === null ? null : { size: cosigned, root: log.rootAt(cosigned) });

  test('goes on from the one before, also where it is the same', () => {
    for (const [older, size] of [
      [0, 20],
      [0, 0],
      [3, 20],
      [20, 20],
      [16, 17],
    ] as const)
      expect(refusal(asked(body(older, size), older))).toBeNull();
    expect(refusal(asked(body(0, 20), null))).toBeNull();
  });

  test('that does not begin at the size which was cosigned is told this size', () => {
    expect(refusal(asked(body(0, 20), 3))).toEqual([409, 3]);
    expect(refusal(asked(body(3, 20), null))).toEqual([409, 0]);
    // The one that was cosigned is larger: nothing rolls it back.
    expect(refusal(asked(body(20, 20), 25))).toEqual([409, 25]);
  });

  test('with a proof that shows nothing is refused', () => {
    const [proof] = [log.proof(3, 20)];
    expect(refusal(asked(body(3, 20, { proof: [] }), 3))).toEqual([422, null]);
    expect(refusal(asked(body(3, 20, { proof: proof.slice(1) }), 3))).toEqual([422, null]);
    expect(refusal(asked(body(0, 20, { proof }), null))).toEqual([422, null]);
    expect(refusal(asked(body(20, 20, { proof }), 20))).toEqual([422, null]);
  });

  test('of a fork is refused, also of one of the same size', () => {
    const fork = smallLog('bank.example/consents', 30, { key: log.key, says: 'fork' });
    expect(refusal(asked(body(3, 20, { of: fork }), 3))).toEqual([422, null]);
    expect(refusal(asked(body(20, 20, { of: fork }), 20))).toEqual([409, null]);
  });
});
