import { spawnSync } from 'node:child_process';
import { createSecretKey } from 'node:crypto';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterAll, describe, expect, test } from '@jest/globals';
import { systemIds } from '../../src/adapters/clock.ts';
import { sqliteEventStore } from '../../src/adapters/event-store/sqlite.ts';
import { insertInto, makeTable } from '../../src/adapters/event-store/sqlite-statements.ts';
import { recordOf, recordsInFile, standingText } from '../../src/adapters/evidence/checkpoints.ts';
import { growingTiles } from '../../src/adapters/evidence/tiles.ts';
import { encrypt } from '../../src/adapters/keys/aes-gcm.ts';
import { newWrappedKey, unwrapped } from '../../src/adapters/keys/psu-key.ts';
import { verifyLog } from '../../src/cli/verify-sources.ts';
import { sealingContext } from '../../src/domain/events.ts';
import type { StoredEvent } from '../../src/domain/ports/event-store.ts';
import { ONLY_KEY } from '../../src/domain/psu/retention.ts';
import { checkpointText } from '../../src/evidence/checkpoint.ts';
import { leafHash, leafOf } from '../../src/evidence/leaf.ts';
import { signNote } from '../../src/evidence/note.ts';
import { growing } from '../../src/evidence/tree.ts';
import type { BundleTrust } from '../../src/evidence/verify-bundle.ts';
import { bundleOf, checkpointOf, factsOf, headOf, NO_TRUST, newSigner, ORIGIN } from './bundles.ts';
import { type History, MASTER, makeHistory } from './histories.ts';

const CLI = join(import.meta.dirname, '../../src/cli.ts');
const folder = mkdtempSync(join(tmpdir(), 'verify-'));
afterAll(() => rmSync(folder, { recursive: true }));
const signer = newSigner();
const key = signer.verifierKey.text;
let directories = 0;

interface LogInFile {
  dataDir: string;
  file: string;
  history: History;
  /** A checkpoint over all of it. */
  note: string;
}

const noteOver = (events: readonly StoredEvent[]): string => {
  const tree = growing();
  for (const event of events) tree.append(leafHash(leafOf(event)));
  return signNote(checkpointText({ origin: ORIGIN, size: tree.size, root: tree.root() }), [signer]);
};

/** A data directory as an engine leaves it: log, keys, and the evidence log where that is kept. */
const logInFile = async (seed: number, { evidence = true } = {}): Promise<LogInFile> => {
  directories += 1;
  const dataDir = join(folder, `${directories}`);
  mkdirSync(join(dataDir, 'keys'), { recursive: true });
  writeFileSync(join(dataDir, 'keys', 'master.key'), MASTER.toString('base64url'));
  const history = await makeHistory(seed, 20, join(dataDir, 'keys', 'psu-keys.sqlite'));
  const { events } = history;
  const file = join(dataDir, 'log.sqlite');
  const db = new DatabaseSync(file);
  makeTable(db);
  events.forEach(insertInto(db));
  db.close();
  const note = noteOver(events);
  if (evidence) {
    const evidenceFile = join(dataDir, 'evidence.sqlite');
    const tiles = growingTiles(evidenceFile, ORIGIN);
    for (const event of events) tiles.append(leafHash(leafOf(event)), event.position);
    tiles.keep(events.length);
    const newest = { note, size: events.length, root: tiles.rootAt(events.length), at: 0 };
    const records = recordsInFile(evidenceFile);
    const standing = { newest, position: events.length, cosigned: null, unwitnessedSince: null, witnesses: {} };
    await records.write(recordOf(ORIGIN), standingText(standing), -1);
    records.close();
    tiles.close();
  }
  return { dataDir, file, history, note };
};

const reportOn = async ({ file }: LogInFile, trust: Partial<BundleTrust> = {}, keys: string | null = null) =>
  (await verifyLog(file, { ...NO_TRUST, key, ...trust }, keys, { progress() {}, fact() {} })).report;
const rulesIn = async (...given: Parameters<typeof reportOn>) =>
  (await reportOn(...given)).doubts.map(({ rule, index }) => (index === null ? rule : `${rule} ${index}`));
const change = ({ file }: LogInFile, sql: string, ...values: (string | number)[]) => {
  const db = new DatabaseSync(file);
  db.prepare(sql).run(...values);
  db.close();
};

describe('a log in a file', () => {
  test('is verified with all that is sealed in it', async () => {
    const log = await logInFile(31);
    const { verdict, facts, signatures, sealed } = await reportOn(log, {}, join(log.dataDir, 'keys'));
    expect([verdict, facts]).toEqual(['no doubt', log.history.events.length]);
    expect(signatures).toBeGreaterThan(0);
    expect(sealed.sealed).toBe(0);
    expect(await reportOn(log, {}, join(log.dataDir, 'keys', 'master.key'))).toMatchObject({ verdict, signatures, sealed });
    expect(await reportOn(log)).toMatchObject({ verdict, signatures: 0, sealed: { opened: 0 } });
  });

  test('shows each changed column, at its fact', async () => {
    const log = await logInFile(32);
    const { events } = log.history;
    const columns = ['stream', 'id', 'type', 'actor_kind', 'actor_id', 'correlation_id', 'causation_id', 'data', 'sealed'];
    for (const [n, column] of columns.entries()) {
      const at = (n * 7 + 3) % events.length;
      const before = new DatabaseSync(log.file);
      const value = before.prepare(`select ${column} as value from event where position = ?`).get(at + 1)?.['value'] as string | null;
      before.close();
      change(log, `update event set ${column} = ? where position = ?`, `${value ?? ''}x`, at + 1);
      expect([column, await rulesIn(log)]).toEqual([column, expect.arrayContaining([`T4 ${at}`, 'T1 0'])]);
      change(
        log,
        `update event set ${column} = ${value === null ? 'nullif(?1, ?1)' : '?'} where position = ?${value === null ? '2' : ''}`,
        value ?? '',
        at + 1,
      );
    }
    for (const column of ['revision', 'version', 'recorded_at']) {
      change(log, `update event set ${column} = ${column} + 100 where position = 5`);
      expect([column, await rulesIn(log)]).toEqual([column, expect.arrayContaining(['T4 4'])]);
      change(log, `update event set ${column} = ${column} - 100 where position = 5`);
    }
    expect(await rulesIn(log)).toEqual([]);
  });

  test('shows a row that is gone, and one that was put in its place', async () => {
    const log = await logInFile(33);
    change(log, 'delete from event where position = 8');
    expect(await rulesIn(log)).toEqual(expect.arrayContaining(['S1 7', 'T4 7', 'T2 0']));
    change(log, 'update event set position = 8 where position = 9');
    expect(await rulesIn(log)).toEqual(expect.arrayContaining(['T4 7', 'S1 8']));
  });

  test('that somebody made anew, tree and all, differs from the checkpoint that was kept', async () => {
    const log = await logInFile(34, { evidence: false });
    const kept = [
      { note: log.note, from: 'kept' },
      { note: noteOver(log.history.events.slice(0, 20)), from: 'older' },
    ];
    expect(await rulesIn(log, { kept })).toEqual([]);
    change(log, `update event set actor_id = 'mallory' where position = 26`);
    expect(await rulesIn(log, { kept })).toEqual(['T1 20']);
    expect(await rulesIn(log)).toEqual(['N2']);
  });

  test('is verified while an engine writes to it', async () => {
    const log = await logInFile(35);
    const store = sqliteEventStore(log.file);
    const { position: _, revision: __, recordedAt: ___, stream: ____, ...last } = log.history.events.at(-1) as StoredEvent;
    const noted = { ...last, type: 'AuditRead', version: 1, data: '{"clientId":"a","purpose":"b","what":"c","at":1}', sealed: null };
    for (let n = 0; n < 5; n += 1) await store.append(`audit-${n}`, [{ ...noted, id: systemIds.uuid() }], -1);
    const { doubts, uncovered } = await reportOn(log);
    expect([doubts, uncovered]).toEqual([[], 5]);
    await store.close();
  });

  test('has erased what its facts say was erased, and nothing else', async () => {
    for (let seed = 36; ; seed += 1) {
      const log = await logInFile(seed);
      const erased = log.history.events.find(({ type }) => type === 'PsuErased');
      const keys = join(log.dataDir, 'keys');
      const { verdict, sealed } = await reportOn(log, {}, keys);
      expect(verdict).toBe('no doubt');
      if (erased === undefined || sealed.erased === 0) continue;
      const file = join(keys, 'psu-keys.sqlite');
      const db = new DatabaseSync(file);
      db.exec(`delete from sealing_key where psu_id = 'alice'`);
      db.close();
      const first = log.history.events.findIndex(({ data, sealed: text }) => text !== null && JSON.parse(data).psuId === 'alice');
      expect(await rulesIn(log, {}, keys)).toContain(`P4 ${first}`);
      return;
    }
  });

  test('is opened where it was sealed before keys had names', async () => {
    const log = await logInFile(37, { evidence: false });
    const db = new DatabaseSync(join(log.dataDir, 'keys', 'psu-keys.sqlite'));
    const secret = createSecretKey(MASTER);
    const wrapped = newWrappedKey(secret, 'alice', ONLY_KEY);
    db.prepare('insert into sealing_key values (?, ?, ?)').run('alice', ONLY_KEY, wrapped);
    db.close();
    const only = unwrapped(secret, 'alice', ONLY_KEY, wrapped);
    const { sealer } = log.history;
    const events = log.history.events.map((event): StoredEvent => {
      const { psuId } = JSON.parse(event.data);
      if (event.sealed === null || psuId !== 'alice') return event;
      const context = sealingContext(event.stream, event.revision, event);
      const text = sealer.open({ psuId, version: event.version, context, text: event.sealed }) as string;
      const committed = Buffer.from(systemIds.hash(`${only.commits}\n${context}`), 'base64url');
      const sealed = Buffer.concat([committed, encrypt(only.object, Buffer.from(text), context)]).toString('base64url');
      change(log, 'update event set sealed = ? where position = ?', sealed, event.position);
      return { ...event, sealed };
    });
    const kept = [{ note: noteOver(events), from: 'kept' }];
    const { verdict, sealed } = await reportOn(log, { kept }, join(log.dataDir, 'keys'));
    expect([verdict, sealed.sealed]).toEqual(['no doubt', 0]);
  });
});

describe('countersign verify', () => {
  const run = (args: readonly string[], input?: Buffer) => {
    const { status, stdout, stderr } = spawnSync(process.execPath, [CLI, 'verify', ...args], { input, encoding: 'utf8' });
    return { status, lines: stdout.trimEnd().split('\n'), stderr };
  };

  test('says the verdict first, and ends with 0', async () => {
    const log = await logInFile(38);
    const facts = log.history.events.length;
    const { status, lines } = run([log.dataDir, '--key', key, '--keys', join(log.dataDir, 'keys')]);
    expect([status, lines[0]]).toEqual([0, expect.stringMatching(new RegExp(`^no doubt: ${facts} facts of \\d+ streams$`))]);
    const { consentId } = JSON.parse(log.history.events.find(({ type }) => type === 'GrantOpened')?.data as string);
    const listed = run([log.file, '--key', key, '--consent', String(consentId)]);
    expect(listed.status).toBe(0);
    expect(listed.lines.length).toBeGreaterThan(lines.length - 2);
  });

  test('says where and what, and ends with 1', async () => {
    const log = await logInFile(39);
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
    const bytes = bundleOf(headOf(facts, signer), facts);
    const file = join(folder, 'bundle.jsonl');
    writeFileSync(file, bytes);
    const kept = join(folder, 'kept');
    writeFileSync(kept, checkpointOf(facts, signer, 9));
    const { status, lines } = run([file, '--checkpoint', kept]);
    expect([status, lines.filter((line) => line.includes('agrees with')).length]).toEqual([0, 2]);
    expect(run(['-', '--key', key], bytes)).toMatchObject({
      status: 0,
      lines: [lines[0], expect.anything(), expect.anything(), expect.anything(), expect.stringContaining(key)],
    });
    expect(run(['-', '--key', newSigner().verifierKey.text], bytes).status).toBe(1);
  });

  test('ends with 2 where it cannot begin', async () => {
    const log = await logInFile(41, { evidence: false });
    for (const args of [['nothing-there'], [log.dataDir], [log.file, '--bad'], [log.file, '--key', key, '--quorum', '1']])
      expect([args, run(args).status]).toEqual([args, 2]);
  });
});
