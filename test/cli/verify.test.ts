import { spawnSync } from 'node:child_process';
import { generateKeyPairSync } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, jest, test } from '@jest/globals';
import { verify } from '../../src/cli/verify.ts';
import type { StoredEvent } from '../../src/domain/ports/event-store.ts';
import { witnessSigner } from '../../src/evidence/note-key.ts';
import { bundleOf, checkpointOf, factsOf, headOf, newSigner } from '../evidence/bundles.ts';
import { makeHistory } from '../evidence/histories.ts';
import { change, LOG_SIGNER, logInFile, noteOver, writeEvidence } from '../evidence/log-files.ts';

const CLI = join(import.meta.dirname, '../../src/cli.ts');
const folder = mkdtempSync(join(tmpdir(), 'verify-'));
afterAll(() => rmSync(folder, { recursive: true }));
const key = LOG_SIGNER.verifierKey.text;
const newWitness = () => witnessSigner('witness.example', generateKeyPairSync('ed25519').privateKey, () => 1_790_000_000);

describe('countersign verify', () => {
  const run = (args: readonly string[], { input, settings = {} }: { input?: Buffer; settings?: Record<string, string> } = {}) => {
    const env = { ...process.env, ...settings };
    const { status, stdout, stderr } = spawnSync(process.execPath, [CLI, 'verify', ...args], { input, env, encoding: 'utf8' });
    return { status, lines: stdout.trimEnd().split('\n'), stderr };
  };

  test('says the verdict first, and ends with 0', async () => {
    const log = await logInFile(folder, 38);
    const facts = log.history.events.length;
    const { status, lines } = run([log.dataDir, '--key', key, '--keys', join(log.dataDir, 'keys')]);
    expect([status, lines[0]]).toEqual([0, expect.stringMatching(new RegExp(`^no doubt: ${facts} facts of \\d+ streams$`))]);
    expect(run(['--key', key], { settings: { COUNTERSIGN_DATA_DIR: log.dataDir } }).lines[0]).toBe(lines[0]);
    const { consentId } = JSON.parse(log.history.events.find(({ type }) => type === 'GrantOpened')?.data as string);
    const listed = run([log.file, '--key', key, '--consent', String(consentId)]);
    expect(listed.status).toBe(0);
    expect(listed.lines.length).toBeGreaterThan(lines.length - 2);
  });

  test('says where and what, and ends with 1', async () => {
    const log = await logInFile(folder, 39);
    const kept = join(log.dataDir, 'kept');
    writeFileSync(kept, log.note);
    change(log, `update event set actor_id = 'mallory' where position = 11`);
    const { status, lines } = run([log.dataDir, '--key', key, '--checkpoint', kept]);
    expect([status, lines[0]]).toEqual([1, expect.stringMatching(/^DOUBT: 3 doubts in .* the first at or behind fact 0$/)]);
    const { id, stream, revision } = log.history.events[10] as StoredEvent;
    expect(lines[1]).toContain(`T4 fact 10, ${stream} revision ${revision}, event ${id}`);
    const { status: again, lines: json } = run([log.dataDir, '--key', key, '--json']);
    expect([again, json.length]).toEqual([1, 1]);
    expect(JSON.parse(json[0] as string)).toMatchObject({
      verdict: 'doubt',
      first: 0,
      doubts: [{ rule: 'T4', index: 10, stream, revision, id }, { rule: 'T1' }],
    });
  });

  test('reads a bundle from a file and from standard input', async () => {
    const facts = factsOf(await makeHistory(40));
    const bytes = bundleOf(headOf(facts, LOG_SIGNER), facts);
    const file = join(folder, 'bundle.jsonl');
    writeFileSync(file, bytes);
    const kept = join(folder, 'kept');
    writeFileSync(kept, checkpointOf(facts, LOG_SIGNER, 9));
    const { status, lines } = run([file, '--checkpoint', kept]);
    expect([status, lines.filter((line) => line.includes('agrees with')).length]).toEqual([0, 2]);
    expect(run(['-', '--key', key], { input: bytes })).toMatchObject({
      status: 0,
      lines: [lines[0], expect.anything(), expect.anything(), expect.anything(), expect.stringContaining(key)],
    });
    expect(run(['-', '--key', newSigner().verifierKey.text], { input: bytes }).status).toBe(1);
  });

  test('wants the cosignatures of all witnesses that are named, or of as many as are asked for', async () => {
    const log = await logInFile(folder, 43);
    const [one, other] = [newWitness(), newWitness()];
    const kept = join(log.dataDir, 'kept');
    writeFileSync(kept, noteOver(log.history.events, [LOG_SIGNER, one]));
    const named = (...witnesses: (typeof one)[]) => witnesses.flatMap(({ verifierKey }) => ['--witness', verifierKey.text]);
    const given = [log.dataDir, '--key', key, '--checkpoint', kept];
    expect(run([...given, ...named(one)]).status).toBe(0);
    const { status, lines } = run([...given, ...named(one, other)]);
    expect([status, lines[1]]).toEqual([1, expect.stringContaining('N3')]);
    expect(run([...given, ...named(one, other), '--quorum', '1']).status).toBe(0);
    expect(run([log.dataDir, '--key', key, ...named(other), '--quorum', '0']).status).toBe(0);
  });

  test('shows on a terminal how far it is, and twenty doubts of many', async () => {
    const log = await logInFile(folder, 45);
    change(log, `update event set type = 'Nothing'`);
    const [lines, bars]: [string[], string[]] = [[], []];
    let now = 0;
    const clock = jest.spyOn(performance, 'now').mockImplementation(() => (now += 1000));
    const of = { source: log.file, checkpoints: [], key, witnesses: [], quorum: null, keys: null, json: false, consentId: null };
    const isRight = await verify(of, { print: (line) => void lines.push(line), progress: (bar) => void bars.push(bar) });
    clock.mockRestore();
    const facts = log.history.events.length;
    expect(bars).toEqual([expect.stringContaining(`verified ${'█'.repeat(30)} 100 %, ${facts} of ${facts}, `)]);
    expect([isRight, lines[0]]).toEqual([false, expect.stringContaining(`DOUBT: ${facts + 2} doubts in `)]);
    expect(lines[21]).toBe(`  and ${facts + 2 - 20} more`);
  });

  test('finds that facts are gone which no checkpoint covers yet, by the tree that has more', async () => {
    const log = await logInFile(folder, 46, { evidence: false });
    const { events } = log.history;
    const last = events.length - 1;
    await writeEvidence(join(log.dataDir, 'evidence.sqlite'), events, noteOver(events.slice(0, last)));
    change(log, 'delete from event where position > ?', last);
    const { status, lines } = run([log.dataDir, '--key', key]);
    expect([status, lines.slice(0, 2)]).toEqual([
      1,
      [
        expect.stringMatching(new RegExp(`^DOUBT: 1 doubt in .* the first at or behind fact ${last}$`)),
        `  T4 fact ${last}: the facts end at ${last}, and the tree was made of ${last + 1}`,
      ],
    ]);
  });

  test('ends with 2 where the consent that it should list is not there', async () => {
    const log = await logInFile(folder, 44);
    const { status, stderr } = run([log.dataDir, '--key', key, '--consent', 'nobody-lodged-it']);
    expect([status, stderr]).toEqual([2, expect.stringContaining('nothing of a consent nobody-lodged-it')]);
  });

  test('ends with 2 where it cannot begin', async () => {
    const log = await logInFile(folder, 41, { evidence: false });
    const witness = ['--key', key, '--witness', newWitness().verifierKey.text];
    for (const args of [
      ['nothing-there'],
      [log.dataDir],
      [log.file, '--bad'],
      [log.file, '--key', key, '--quorum', '1'],
      [log.file, '--key', newWitness().verifierKey.text],
      [log.file, '--key', key, '--witness', newSigner().verifierKey.text],
      ...['2', '-1', 'abc'].map((quorum) => [log.file, ...witness, `--quorum=${quorum}`]),
    ])
      expect([args, run(args).status]).toEqual([args, 2]);
  });
});
