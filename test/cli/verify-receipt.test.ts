import { spawnSync } from 'node:child_process';
import { generateKeyPairSync } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { CompactSign, exportJWK, generateKeyPair } from 'jose';
import { type VerifyOf, verify } from '../../src/cli/verify.ts';
import type { Phone } from '../../src/demo/phone.ts';
import { trustingFetch } from '../../src/demo/trusting-fetch.ts';
import { signatureLines, signNote } from '../../src/evidence/note.ts';
import { logSigner, witnessSigner } from '../../src/evidence/note-key.ts';
import { parseProof } from '../../src/evidence/proof.ts';
import { approve, type Fetch, type Person, parties, RECEIVER } from '../support/receipts.ts';
import { type Served, served, temporaryFolder } from '../support/served.ts';

const CLI = join(import.meta.dirname, '../../src/cli.ts');
const newKey = () => generateKeyPairSync('ed25519').privateKey;

interface Answer {
  receipt: string;
  tlog_proof: string;
}
interface Claims {
  fact: { leaf: string; data: string };
  [name: string]: unknown;
}

describe('countersign verify of a consent receipt', () => {
  const folder = temporaryFolder();
  let engine: Served;
  let phone: Phone;
  let key: string;
  let jwks: string;
  /** The receipt of a TPP, that of another consent, and that of the PSU. */
  let answer: Answer;
  let another: Answer;
  let ofPsu: Answer;

  beforeAll(async () => {
    engine = await served({ COUNTERSIGN_EVIDENCE_CHECKPOINT_MS: '100' });
    const { issuer } = engine.config;
    const fetch = trustingFetch(readFileSync(engine.serving.caFile ?? '', 'utf8')) as Fetch;
    const at = parties(fetch, issuer);
    const tpp = await at.tpp(await engine.client(RECEIVER, 'a secret'), 'a secret');
    const psu = engine.serving.sandbox?.psus[0] as Person;
    phone = await at.phone(psu);
    const receipted = async () => {
      const consentId = await tpp.lodge();
      await tpp.ask(consentId, psu.username);
      await approve(phone);
      return { consentId, answer: (await (await tpp.receipt(consentId)).json()) as Answer };
    };
    const { consentId, ...first } = await receipted();
    ({ answer } = first);
    ofPsu = (await phone.call('GET', `/consents/${consentId}/receipt`)) as Answer;
    another = (await receipted()).answer;
    key = (await (await fetch(`${issuer}/tlog/key`)).text()).trim();
    jwks = written('jwks', await (await fetch(`${issuer}/oauth2/jwks`)).text());
  });
  afterAll(() => engine.serving.close());

  const written = (name: string, content: string | object): string => {
    const file = join(folder, name);
    writeFileSync(file, typeof content === 'string' ? content : JSON.stringify(content));
    return file;
  };
  const verified = async (source: string, given: Partial<VerifyOf> = {}) => {
    const lines: string[] = [];
    const of: VerifyOf = { source, checkpoints: [], key, witnesses: [], quorum: null, keys: null, jwks, json: false, consentId: null };
    const isRight = await verify({ ...of, ...given }, { print: (line) => void lines.push(line), progress: null });
    return { isRight, lines };
  };
  /** The rules by which the answer of an engine is in doubt. */
  const doubtsOf = async (changed: object, given: Partial<VerifyOf> = {}): Promise<string[]> => {
    const { isRight, lines } = await verified(written('changed.json', changed), { ...given, json: true });
    const { verdict, doubts } = JSON.parse(lines[0] as string) as { verdict: string; doubts: { rule: string }[] };
    expect([isRight, verdict]).toEqual(doubts.length === 0 ? [true, 'no doubt'] : [false, 'doubt']);
    return doubts.map(({ rule }) => rule);
  };
  const claimsOf = ({ receipt }: Answer) => JSON.parse(Buffer.from(receipt.split('.')[1] ?? '', 'base64url').toString()) as Claims;
  /** A receipt that somebody else has signed, and the JWKS in which they are believed. */
  const signedByOther = async (claims: object, typ = 'consent-receipt+jwt') => {
    const { publicKey, privateKey } = await generateKeyPair('ES256');
    const sign = new CompactSign(Buffer.from(JSON.stringify(claims))).setProtectedHeader({ alg: 'ES256', typ, kid: 'theirs' });
    const theirs = { keys: [{ ...(await exportJWK(publicKey)), kid: 'theirs', alg: 'ES256' }] };
    return { receipt: await sign.sign(privateKey), theirs: written('theirs', theirs) };
  };
  const believed = async (changed: object, typ?: string): Promise<string[]> => {
    const { receipt, theirs } = await signedByOther({ ...claimsOf(answer), ...changed }, typ);
    return doubtsOf({ ...answer, receipt }, { jwks: theirs });
  };

  test('says what that of a TPP proves', async () => {
    const { isRight, lines } = await verified(written('receipt.json', answer));
    const { receipt_id, consent_id, aud, pii_principal_id, shown_digest } = claimsOf(answer);
    const { index } = parseProof(answer.tlog_proof);
    expect([isRight, lines]).toEqual([
      true,
      [
        `no doubt: receipt ${receipt_id} of consent ${consent_id}`,
        expect.stringMatching(new RegExp(`^  signed by ${engine.config.issuer} for ${aud}, at \\S+Z, when the consent was authorised$`)),
        expect.stringMatching(
          new RegExp(
            `^  ${pii_principal_id} agreed at \\S+Z to the text with the digest ${shown_digest}: answer signed by a registered device$`,
          ),
        ),
        expect.stringMatching(new RegExp(`^  is fact ${index} of the checkpoint of \\d+ facts from the proof, 0 cosignatures$`)),
        `  the log is ${key}`,
      ],
    ]);
  });

  test('takes that of a PSU, and one whose proof came alone', async () => {
    expect(await doubtsOf(ofPsu)).toEqual([]);
    const receipt = written('receipt.jwt', `${ofPsu.receipt}\n`);
    expect(await verified(written('receipt.tlog-proof', ofPsu.tlog_proof), { receipt })).toMatchObject({ isRight: true });
    expect((await verified(receipt)).lines).toEqual([
      'DOUBT: 1 doubt in the receipt',
      expect.stringContaining('  T3: '),
      `  the log is ${key}`,
    ]);
  });

  test('doubts a changed claim, and what others have signed', async () => {
    const [header, , signature] = answer.receipt.split('.');
    const claims = { ...claimsOf(answer), pii_principal_id: 'psu-of-somebody-else' };
    const changed = [header, Buffer.from(JSON.stringify(claims)).toString('base64url'), signature].join('.');
    expect(await doubtsOf({ ...answer, receipt: changed })).toEqual(['C1']);
    const { receipt } = await signedByOther(claimsOf(answer));
    expect(await doubtsOf({ ...answer, receipt })).toEqual(['C1']);
    const [, , ofAnother] = another.receipt.split('.');
    expect(await doubtsOf({ ...answer, receipt: answer.receipt.replace(/[^.]+$/, ofAnother as string) })).toEqual(['C1']);
  });

  test('doubts what an issuer has signed that its fact does not say', async () => {
    const { fact } = claimsOf(answer);
    const leafWith = (changed: object) => ({ fact: { ...fact, leaf: JSON.stringify({ ...JSON.parse(fact.leaf), ...changed }) } });
    const cases: [object, string[]][] = [
      [{}, []],
      [{ shown_digest: undefined }, ['C1']],
      [{ receipt_id: 'another' }, ['C2']],
      [{ consent_id: 'another' }, ['C2']],
      [{ fact: { ...fact, data: `${fact.data} ` } }, ['C2']],
      [leafWith({ ty: 'ConsentRejected.v2' }), ['C2', 'T3']],
      [{ pii_principal_id: 'another' }, ['C3']],
      [{ shown_digest: 'another' }, ['C3']],
      [{ consent_timestamp: '2026-01-01T00:00:00.000Z' }, ['C3']],
      [{ collection_method: 'by telephone' }, ['C3']],
      [leafWith({ ts: 1 }), ['T3']],
      [{ fact: { leaf: 'none', data: 'none' } }, ['C2', 'C3', 'T3']],
    ];
    for (const [changed, rules] of cases) expect([changed, await believed(changed)]).toEqual([changed, rules]);
    expect(await believed({}, 'at+jwt')).toEqual(['C1']);
  });

  test('doubts the proof of another fact, and one that cannot be read', async () => {
    expect(await doubtsOf({ ...answer, tlog_proof: another.tlog_proof })).toEqual(['T3']);
    expect(await doubtsOf({ ...answer, tlog_proof: answer.tlog_proof.replace('index ', 'index 0') })).toEqual(['T3']);
  });

  test('doubts the checkpoint of another log', async () => {
    const { checkpoint } = parseProof(answer.tlog_proof);
    const [text = ''] = checkpoint.split(/(?<=\n)\n/);
    const other = logSigner(key.split('+')[0] as string, newKey());
    const tlog_proof = answer.tlog_proof.replace(checkpoint, signNote(text, [other]));
    expect(await doubtsOf({ ...answer, tlog_proof })).toEqual(['N1']);
    expect(await doubtsOf({ ...answer, tlog_proof }, { key: other.verifierKey.text })).toEqual([]);
    expect(await doubtsOf(answer, { key: other.verifierKey.text })).toEqual(['N1']);
  });

  test('wants the cosignatures of all witnesses that are named, or of as many as are asked for', async () => {
    const [one, other] = ['one', 'other'].map((name) => witnessSigner(name, newKey(), () => 1_790_000_000));
    if (one === undefined || other === undefined) throw new Error('two witnesses');
    const [text = ''] = parseProof(answer.tlog_proof).checkpoint.split(/(?<=\n)\n/);
    const cosigned = { ...answer, tlog_proof: `${answer.tlog_proof}${signatureLines(text, [one]).join('\n')}\n` };
    const [ofOne, ofOther] = [one.verifierKey.text, other.verifierKey.text];
    expect(await doubtsOf(cosigned, { witnesses: [ofOne] })).toEqual([]);
    expect(await doubtsOf(answer, { witnesses: [ofOne] })).toEqual(['N3']);
    expect(await doubtsOf(cosigned, { witnesses: [ofOne, ofOther] })).toEqual(['N3']);
    expect(await doubtsOf(cosigned, { witnesses: [ofOne, ofOther], quorum: 1 })).toEqual([]);
  });

  test('does not begin without what it needs, nor with what is for logs', async () => {
    const [receipt, proof] = [written('receipt.json', answer), written('a.tlog-proof', answer.tlog_proof)];
    for (const [source, given, reason] of [
      [receipt, { key: null }, '--key is needed'],
      [receipt, { jwks: undefined }, '--jwks is needed'],
      [receipt, { jwks: proof }, 'no JWKS that can be read'],
      [receipt, { receipt }, '--receipt goes with a .tlog-proof'],
      [receipt, { consentId: 'one' }, 'go with logs and bundles'],
      [proof, {}, '--receipt is needed'],
      [proof, { receipt: proof }, 'is no consent receipt'],
      [written('bundle.jsonl', '{}\n{}\n'), {}, 'go with a consent receipt'],
    ] as const)
      await expect(verified(source, given)).rejects.toThrow(reason);
  });

  test('runs from the command line, without a server', () => {
    const run = (source: string) => {
      const args = ['verify', source, '--key', key, '--jwks', jwks, '--json'];
      const { status, stdout } = spawnSync(process.execPath, [CLI, ...args], { encoding: 'utf8' });
      return { status, ...(JSON.parse(stdout) as object) };
    };
    expect(run(written('receipt.json', answer))).toMatchObject({
      ...{ status: 0, verdict: 'no doubt', extent: 'receipt', key, keyGiven: true, doubts: [] },
      ...{ receipt: claimsOf(answer), index: parseProof(answer.tlog_proof).index },
    });
    expect(run(written('receipt.jwt', answer.receipt))).toMatchObject({ status: 1, verdict: 'doubt', doubts: [{ rule: 'T3' }] });
  });
});
