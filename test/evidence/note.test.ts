import { describe, expect, test } from '@jest/globals';
import { Malformed } from '../../src/evidence/malformed.ts';
import { NotSigned, openNote, signatureLines, signNote, withLines } from '../../src/evidence/note.ts';
import {
  COSIGNATURE,
  isKeyName,
  logSigner,
  NOTE,
  parseSignerKey,
  parseVerifierKey,
  signerKeyText,
  verified,
  witnessSigner,
} from '../../src/evidence/note-key.ts';
import { newKey } from './support.ts';

// The example of golang.org/x/mod/sumdb/note, on which the format is built.
const VKEY = 'PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW';
const SKEY = 'PRIVATE+KEY+PeterNeumann+c74f20a3+AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz';
const TEXT = "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n";
const LINE = '— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=';
const peter = parseVerifierKey(VKEY);

describe('the published example of a signed note', () => {
  test('is signed here as it is there, and opened', () => {
    const { name, type, privateKey } = parseSignerKey(SKEY);
    expect([name, type, logSigner(name, privateKey).verifierKey.text]).toEqual(['PeterNeumann', NOTE, VKEY]);
    expect(signNote(TEXT, [logSigner(name, privateKey)])).toBe(`${TEXT}\n${LINE}\n`);
    expect(openNote(`${TEXT}\n${LINE}\n`, [peter])).toEqual({
      text: TEXT,
      signatures: [{ name: 'PeterNeumann', keyId: 0xc74f20a3, at: null, line: LINE }],
    });
    expect(signerKeyText(name, type, privateKey)).toBe(SKEY);
  });

  test('is refused with any one byte of it changed', () => {
    const note = Buffer.from(`${TEXT}\n${LINE}\n`);
    const opened = [...note.keys()].filter((at) => {
      const other = Buffer.from(note);
      other[at] = (other[at] as number) ^ 1;
      try {
        openNote(other.toString(), [peter]);
        return true;
      } catch (error) {
        expect(error instanceof Malformed || error instanceof NotSigned).toBe(true);
        return false;
      }
    });
    expect(opened).toEqual([]);
  });
});

describe('a cosignature', () => {
  // A checkpoint of a public log of certificates, cosigned by a public witness.
  const NOTE_TEXT = `coachandhorses2026h1.staging.certificate.transparency.goog
185550722
YXAM0VmnrfvLaBCOOYSJhCaE5F10oGBOo+hkbDa1kng=

— coachandhorses2026h1.staging.certificate.transparency.goog MpXgsHy8ZwxXnO+WjtVrPxAzL49Rs1gWTkNVNeEa//5peAzaocRCB3qt3EaibjzY5GILLtGgBP7dBhgcSHy+JQh0OAc=
— witness.navigli.sunlight.geomys.org o+AP4gAAAABqb7DzNrGFRJnQ9vrJ8xpnwZytnr/ZYczDIsvwvouiSjwOjn7a72ccxBk+lKnZ7dKqkYKER1s/KxLTaVwQD7lJZTC/CQ==
`;
  const witness = parseVerifierKey('witness.navigli.sunlight.geomys.org+a3e00fe2+BNy/co4C1Hn1p+INwJrfUlgz7W55dSZReusH/GhUhJ/G');

  test('of another implementation is verified, with its time', () => {
    const { signatures } = openNote(NOTE_TEXT, [witness]);
    expect(signatures).toMatchObject([{ name: 'witness.navigli.sunlight.geomys.org', at: 1_785_704_691 }]);
    expect(() => openNote(NOTE_TEXT.replace('185550722', '185550723'), [witness])).toThrow(NotSigned);
  });

  test('holds for its time only', () => {
    const signer = witnessSigner('witness.example/w1', newKey(), () => 1_700_000_000);
    const signature = signer.sign(TEXT);
    expect(verified(signer.verifierKey, TEXT, signature)).toEqual({ at: 1_700_000_000 });
    signature[7] = (signature[7] as number) + 1;
    expect(verified(signer.verifierKey, TEXT, signature)).toBeNull();
    expect(verified(signer.verifierKey, TEXT, signature.subarray(0, 6))).toBeNull();
  });

  test('is no signature of a note, with the same key and the same name', () => {
    const key = newKey();
    const [log, cosigner] = [logSigner('same.example', key), witnessSigner('same.example', key, () => 1)];
    expect(log.verifierKey.keyId).not.toBe(cosigner.verifierKey.keyId);
    expect(() => openNote(signNote(TEXT, [log]), [cosigner.verifierKey])).toThrow(NotSigned);
    expect(verified(log.verifierKey, TEXT, cosigner.sign(TEXT))).toBeNull();
  });
});

describe('a note', () => {
  const signers = Array.from({ length: 16 }, (_, at) => logSigner(`log${at}.example`, newKey()));
  const note = signNote(TEXT, signers);
  const [first, second] = signers.map(({ verifierKey }) => verifierKey) as [typeof peter, typeof peter];

  test('may have 16 signatures, and those of unknown keys are passed over', () => {
    expect(openNote(note, [second]).signatures.map(({ name }) => name)).toEqual(['log1.example']);
    expect(
      openNote(
        note,
        signers.map(({ verifierKey }) => verifierKey),
      ).signatures,
    ).toHaveLength(16);
  });

  test('is refused where nobody who is known signed it', () => {
    expect(() => openNote(note, [peter])).toThrow(NotSigned);
    expect(() => openNote(note, [])).toThrow(NotSigned);
  });

  test('is refused for a wrong signature of a known key, whatever the others say', () => {
    const forged = withLines(note, signatureLines(`${TEXT}more\n`, [signers[0] as (typeof signers)[0]]));
    expect(openNote(forged, [second]).signatures).toHaveLength(1);
    expect(() => openNote(forged, [first, second])).toThrow(NotSigned);
  });

  test('lists a key once that signed twice', () => {
    const twice = withLines(note, signatureLines(TEXT, signers.slice(0, 2)));
    expect(openNote(twice, [first, second]).signatures.map(({ name }) => name)).toEqual(['log0.example', 'log1.example']);
  });

  test('may have empty lines in its text', () => {
    const text = 'one\n\ntwo\n\n\nthree\n';
    expect(openNote(signNote(text, signers), [first]).text).toBe(text);
  });

  test.each([
    ['no empty line', note.replace('\n\n', '\n')],
    ['no end of its last line', note.slice(0, -1)],
    ['no signature', `${TEXT}\n`],
    ['a tab', note.replace('cryptography', 'crypto\tgraphy')],
    ['a carriage return', note.replaceAll('\n', '\r\n')],
    ['a hyphen for the dash', note.replace('— log3', '- log3')],
    ['two spaces', note.replace('— log3', '—  log3')],
    ['a plus in a name', note.replace('— log3', '— log+3')],
    ['base64 without its padding', note.replace(/=\n$/, '\n')],
    ['base64url', `${TEXT}\n${LINE.replace('/', '_')}\n`],
    ['more at the end of a line', note.replace(/\n$/, ' more\n')],
    ['nothing behind the id of a key', withLines(note, ['— log3.example AAAAAA=='])],
    ['half a character', note.replace('cryptography', 'crypto\ud800graphy')],
    [
      '101 signatures',
      withLines(
        `${TEXT}\n`,
        Array.from({ length: 101 }, () => LINE),
      ),
    ],
  ])('is refused with %s', (_, malformed) => {
    expect(() => openNote(malformed, [first, peter])).toThrow(Malformed);
  });
});

describe('a written key', () => {
  test('is read back, of both types', () => {
    const key = newKey();
    for (const [type, { verifierKey }] of [
      [NOTE, logSigner('a.example/log', key)],
      [COSIGNATURE, witnessSigner('a.example/log', key, () => 0)],
    ] as const) {
      expect(parseVerifierKey(verifierKey.text)).toMatchObject({
        name: 'a.example/log',
        type,
        keyId: verifierKey.keyId,
        text: verifierKey.text,
      });
      expect(parseSignerKey(signerKeyText('a.example/log', type, key))).toMatchObject({ name: 'a.example/log', type });
    }
  });

  test('is refused in any other spelling', () => {
    const parts = Array.from(VKEY, (_, at) => at).flatMap((at) => [VKEY.slice(at + 1), VKEY.slice(0, at)]);
    const changed = Array.from(VKEY, (one, at) => VKEY.slice(0, at) + String.fromCharCode(one.charCodeAt(0) + 1) + VKEY.slice(at + 1));
    const others = [VKEY.toUpperCase(), `${VKEY} `, `${VKEY}\n`, VKEY.replace('c74f20a3', 'C74F20A3'), VKEY.replace('+AR', '+BR'), SKEY];
    for (const text of [...parts, ...changed, ...others]) expect(() => parseVerifierKey(text)).toThrow(Malformed);
  });

  test('says nothing of a private key that cannot be read', () => {
    for (const text of [VKEY, SKEY.replace('c74f20a3', 'c74f20a4'), SKEY.slice(0, -1), ''])
      expect(() => parseSignerKey(text)).toThrow(expect.not.objectContaining({ message: expect.stringContaining('YEKFALV') }));
  });

  test('has a name without spaces and plus', () => {
    expect(['a', 'bank.example/consents', 'Wächter'].every(isKeyName)).toBe(true);
    expect(['', 'a b', 'a+b', 'a\u00a0b', 'a\u2003b', 'a\u0085b', 'a\nb', '\ud800'].some(isKeyName)).toBe(false);
    expect(() => logSigner('a b', newKey())).toThrow(Malformed);
  });
});
