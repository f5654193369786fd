import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { inMemoryEventStore } from '../../src/adapters/event-store/in-memory.ts';
import { psuKeys } from '../../src/adapters/keys/psu-keys.ts';
import { loadConfig } from '../../src/config.ts';
import { CIBA_GRANT } from '../../src/domain/client/metadata.ts';
import { erase, psu } from '../../src/domain/psu/decider.ts';
import { readFact, readHead } from '../../src/evidence/bundle.ts';
import { openCheckpoint } from '../../src/evidence/checkpoint.ts';
import { leafHash, leafOf } from '../../src/evidence/leaf.ts';
import type { EvidenceLog } from '../../src/evidence/log.ts';
import { parseVerifierKey } from '../../src/evidence/note-key.ts';
import { openProof } from '../../src/evidence/proof.ts';
import { openWithEventKey } from '../../src/evidence/sealed-text.ts';
import { verifyConsistency } from '../../src/evidence/tree.ts';
import type { Compared, Report } from '../../src/evidence/verify.ts';
import { verifyBundle } from '../../src/evidence/verify-bundle.ts';
import { openEvidence } from '../../src/serve/evidence.ts';
import { nothingOpened } from '../../src/serve/opened.ts';
import { testDevice } from '../support/device.ts';
import { type TestEngine, testEngine } from '../support/engine.ts';
import { recorded } from '../support/log.ts';
import { temporaryFolder } from '../support/served.ts';
import { ask, lodge, secretTpp } from '../support/tpp.ts';
import { auditor, type Found } from './support.ts';

const opened = nothingOpened();
let tested: TestEngine;
let evidence: EvidenceLog;
let alice: Awaited<ReturnType<typeof auditor>>;
let consentId: string;

beforeAll(async () => {
  const dataDir = temporaryFolder();
  mkdirSync(join(dataDir, 'keys'));
  const { config } = loadConfig({ env: { COUNTERSIGN_DATA_DIR: dataDir, COUNTERSIGN_EVIDENCE_CHECKPOINT_MS: '100' }, cwd: '/nonexistent' });
  const store = inMemoryEventStore();
  const onFault = (what: string, error: unknown) => {
    throw new Error(what, { cause: error });
  };
  evidence = (await openEvidence(
    config,
    { opened, say: () => undefined, onFault },
    { log: store, master: Buffer.alloc(32, 2) },
  )) as EvidenceLog;
  tested = await testEngine({ store, evidence, sealer: psuKeys(':memory:', Buffer.alloc(32, 1)) });
  alice = await auditor(tested);
  const tpp = await secretTpp(tested);
  const phone = await testDevice(tested, 'alice');
  consentId = await lodge(tested, tpp);
  // Others, whose facts stand between those of the consent.
  await lodge(tested, await secretTpp(tested));
  const asked = await ask(tested, tpp, { openbanking_intent_id: consentId, binding_message: 'shop 42' });
  await phone.decide(asked.requestId, 'approved');
  const { status } = await tested.post('/oauth2/token', { ...tpp, grant_type: CIBA_GRANT, auth_req_id: asked.authReqId });
  expect(status).toBe(200);
});
afterAll(async () => {
  await tested.close();
  await opened.closeAll();
});

const linesOf = async (path: string): Promise<string[]> => (await (await alice.get(path)).text()).trimEnd().split('\n');

/** What a verifier says of a bundle, which nobody else tells it of. */
const verified = ([first = '', ...rest]: readonly string[], kept: readonly Compared[] = []): Report => {
  const verification = verifyBundle(Buffer.from(first), { key: evidence.verifierKey, witnesses: [], quorum: 0, kept });
  verification.lines(rest.map((line) => Buffer.from(line)));
  return verification.report();
};

describe('the evidence of a consent', () => {
  test('holds without the server, with what was shown', async () => {
    const lines = await linesOf(`/consents/${consentId}/evidence`);
    const report = verified(lines);
    expect(report).toMatchObject({ verdict: 'no doubt', doubts: [], tokens: 1, signatures: 1, extent: 'consent' });
    expect(report.sealed.opened).toBeGreaterThan(2);
    const types = lines.slice(1).map((line) => readFact(line).event.type);
    expect(types).toEqual(
      expect.arrayContaining([
        'ClientRegistered',
        'DeviceRegistered',
        'ConsentLodged',
        'ConsentRetrieved',
        'CibaRequestApproved',
        'GrantOpened',
      ]),
    );
    // The other client's are none of it.
    expect(types.filter((type) => type === 'ConsentLodged')).toHaveLength(1);
  });

  test('gives no key of what somebody could still use', async () => {
    const facts = (await linesOf(`/consents/${consentId}/evidence`)).slice(1).map(readFact);
    const keyOf = (type: string) => facts.find(({ event }) => event.type === type)?.key;
    expect(keyOf('ConsentRetrieved')).toEqual(expect.any(String));
    expect(facts.find(({ event }) => event.type === 'DeviceRegistered')?.event.sealed).toEqual(expect.any(String));
    for (const { event, key } of facts.filter((fact) => fact.key !== undefined)) {
      const { stream, revision, id, type, version, sealed } = event;
      const text = openWithEventKey(sealed ?? '', `${stream}\n${revision}\n${id}\n${type}\n${version}`, key ?? '');
      expect(text).not.toMatch(/"(pushToken|notificationToken|authReqId|challenge|response)":"/);
    }
  });

  test('does not hold when anything of it was changed', async () => {
    const lines = await linesOf(`/consents/${consentId}/evidence`);
    for (const [index, line] of lines.entries()) {
      if (index === 0) continue;
      expect(
        verified(
          lines.with(
            index,
            line.replace(/"recordedAt":(\d+)/, (_, at) => `"recordedAt":${Number(at) + 1}`),
          ),
        ).verdict,
      ).toBe('doubt');
      expect(verified(lines.toSpliced(index, 0, line)).verdict).toBe('doubt');
    }
  });

  test('does not hold without a fact inside a stream; that a stream was left out whole, only the whole log shows', async () => {
    const lines = await linesOf(`/consents/${consentId}/evidence`);
    const facts = lines.slice(1).map(readFact);
    let removed = 0;
    for (const [at, { event }] of facts.entries()) {
      const next = facts.find((fact, other) => other > at && fact.event.stream === event.stream);
      if (next === undefined) continue;
      removed += 1;
      expect(verified(lines.toSpliced(at + 1, 1)).doubts).toContainEqual(expect.objectContaining({ rule: 'S2', index: next.index }));
    }
    expect(removed).toBeGreaterThan(5);
    const withoutGrant = lines.filter((line) => !line.includes('"stream":"grant-'));
    expect(withoutGrant.length).toBeLessThan(lines.length);
    expect(verified(withoutGrant)).toMatchObject({ doubts: [], tokens: 0 });
  });

  test('proves that the log begins with what an auditor has kept', async () => {
    const newest = async () => (await alice.get('/checkpoint')).text();
    const sizeOf = (note: string) => Number(note.split('\n')[1]);
    const note = await newest();
    const size = sizeOf(note);
    // The reads are facts, too.
    while (sizeOf(await newest()) === size);
    const kept = [{ note, from: 'the auditor' }];
    for (const path of [`/consents/${consentId}/evidence?`, '/export?format=bundle&']) {
      const report = verified(await linesOf(`${path}kept=${size}`), kept);
      expect([report.verdict, report.checkpoints]).toEqual([
        'no doubt',
        expect.arrayContaining([expect.objectContaining({ from: 'the auditor', size })]),
      ]);
      expect(verified(await linesOf(`${path}kept=${size - 1}`), kept).verdict).toBe('doubt');
      for (const sizes of ['999999', `${size},999999`, `${size},`, '-1', 'x', ''])
        expect([sizes, (await alice.get(`${path}kept=${sizes}`)).status]).toEqual([sizes, 400]);
    }
    const newer = await newest();
    while (sizeOf(await newest()) === sizeOf(newer));
    const both = [...kept, { note: newer, from: 'the auditor, later' }];
    const report = verified(await linesOf(`/consents/${consentId}/evidence?kept=${size},${sizeOf(newer)}`), both);
    expect([report.doubts, report.checkpoints.map(({ size }) => size)]).toEqual([[], expect.arrayContaining([size, sizeOf(newer)])]);
    expect(verified(await linesOf(`/consents/${consentId}/evidence?kept=${size}`), both).doubts).toMatchObject([{ rule: 'T5' }]);
  });

  test('is of a consent that there is', async () => {
    expect((await alice.get('/consents/nothing/evidence')).status).toBe(404);
  });
});

describe('a bundle of a range', () => {
  test('holds without the server', async () => {
    const lines = await linesOf('/export?format=bundle&from=3&to=9');
    expect(readHead(lines[0] ?? '')).toMatchObject({ range: { from: 3, to: 8 }, consent: null });
    expect(verified(lines)).toMatchObject({ verdict: 'no doubt', facts: 6, extent: 'range' });
    expect(verified(lines.toSpliced(3, 1)).verdict).toBe('doubt');
    expect((await alice.get('/export?format=bundle&from=3&to=3')).status).toBe(400);
  });
});

describe('proofs', () => {
  test('of a fact, under a signed checkpoint', async () => {
    const [event] = (await tested.log()).filter(({ type }) => type === 'ConsentLodged');
    if (event === undefined) throw new Error('no fact');
    const text = await (await alice.get(`/proofs/inclusion?position=${event.position}`)).text();
    const trust = { log: parseVerifierKey(evidence.verifierKey), witnesses: [], quorum: 0 };
    const { position: _, ...leaf } = event;
    expect(openProof(text, leafHash(leafOf(leaf)), trust)).toMatchObject({ index: event.position - 1 });
    expect((await alice.get('/proofs/inclusion?position=0')).status).toBe(404);
    expect((await alice.get('/proofs/inclusion?position=999999')).status).toBe(400);
  });

  test('that the log begins with what it held before', async () => {
    const trust = { log: parseVerifierKey(evidence.verifierKey), witnesses: [], quorum: 0 };
    const older = openCheckpoint(await (await alice.get('/checkpoint')).text(), trust);
    // The reads are facts, too.
    const newer = async () => openCheckpoint(await (await alice.get('/checkpoint')).text(), trust);
    let newest = await newer();
    while (newest.size === older.size) newest = await newer();
    const { proof } = await alice.read<{ proof: string[] }>(`/proofs/consistency?from=${older.size}&to=${newest.size}`);
    const hashes = proof.map((hash) => Buffer.from(hash, 'base64'));
    const claim = { older: older.size, olderRoot: older.root, size: newest.size, root: newest.root, proof: hashes };
    expect(verifyConsistency(claim)).toBe(true);
    for (const query of ['from=5&to=4', 'from=0&to=999999', 'from=x', ''])
      expect((await alice.get(`/proofs/consistency?${query}`)).status).toBe(400);
  });
});

test('of a PSU who was erased the evidence holds as before, without what was shown', async () => {
  const [psuId, at] = ['psu-alice', tested.ports.clock()];
  const command = { id: 'erasing', actor: { kind: 'operator', id: 'test' } as const, correlationId: psuId, causationId: null };
  await tested.engine.decide(psu, psuId, erase({ psuId, reason: 'case 4711', at }), command);
  await recorded(tested, 'PsuKeysDestroyed', `psu-${psuId}`);
  const lines = await linesOf(`/consents/${consentId}/evidence`);
  const facts = lines.slice(1).map(readFact);
  expect(facts.map(({ event }) => event.type)).toContain('PsuErased');
  expect(facts.filter(({ key, event }) => key !== undefined && event.data.includes(psuId))).toEqual([]);
  const report = verified(lines);
  expect(report).toMatchObject({ verdict: 'no doubt', doubts: [], tokens: 1 });
  expect(report.sealed.erased).toBeGreaterThan(2);
  const { facts: shown } = await alice.read<Found>(`/psus/${psuId}/history`);
  expect(shown.filter(({ type }) => type === 'ConsentRetrieved').map(({ personal }) => personal)).toEqual(['erased']);
  expect(shown.map(({ type }) => type)).toEqual(expect.arrayContaining(['PsuErased', 'PsuKeysDestroyed', 'ConsentRevoked']));
});
