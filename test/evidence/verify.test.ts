import { createSecretKey } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterAll, describe, expect, test } from '@jest/globals';
import { systemIds } from '../../src/adapters/clock.ts';
import { sqliteEventStore } from '../../src/adapters/event-store/sqlite.ts';
import { insertInto } from '../../src/adapters/event-store/sqlite-statements.ts';
import { encrypt } from '../../src/adapters/keys/aes-gcm.ts';
import { newWrappedKey, unwrapped } from '../../src/adapters/keys/psu-key.ts';
import { verifyLog } from '../../src/cli/verify-sources.ts';
import { sealingContext } from '../../src/domain/events.ts';
import type { StoredEvent } from '../../src/domain/ports/event-store.ts';
import { ONLY_KEY } from '../../src/domain/psu/retention.ts';
import type { BundleTrust } from '../../src/evidence/verify-bundle.ts';
import { NO_TRUST } from './bundles.ts';
import { MASTER } from './histories.ts';
import { change, LOG_SIGNER, type LogInFile, logInFile, noteOver } from './log-files.ts';

const folder = mkdtempSync(join(tmpdir(), 'verify-'));
afterAll(() => rmSync(folder, { recursive: true }));
const key = LOG_SIGNER.verifierKey.text;

const reportOn = async ({ file }: LogInFile, trust: Partial<BundleTrust> = {}, keys: string | null = null) =>
  (await verifyLog(file, { ...NO_TRUST, key, ...trust }, keys, { progress() {}, fact() {} })).report;
const rulesIn = async (...given: Parameters<typeof reportOn>) =>
  (await reportOn(...given)).doubts.map(({ rule, index }) => (index === null ? rule : `${rule} ${index}`));

describe('a log in a file', () => {
  test('is verified with all that is sealed in it', async () => {
    const log = await logInFile(folder, 31);
    const { verdict, facts, signatures, sealed } = await reportOn(log, {}, join(log.dataDir, 'keys'));
    expect([verdict, facts]).toEqual(['no doubt', log.history.events.length]);
    expect(signatures).toBeGreaterThan(0);
    expect(sealed.sealed).toBe(0);
    expect(await reportOn(log, {}, join(log.dataDir, 'keys', 'master.key'))).toMatchObject({ verdict, signatures, sealed });
    expect(await reportOn(log)).toMatchObject({ verdict, signatures: 0, sealed: { opened: 0 } });
  });

  test('shows each changed column, at its fact', async () => {
    const log = await logInFile(folder, 32);
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

  test('shows the first of each kind of doubt, however many of another stand in front of it', async () => {
    const log = await logInFile(folder, 35);
    const db = new DatabaseSync(log.file);
    const last = log.history.events.at(-1) as StoredEvent;
    const insert = insertInto(db);
    for (let n = 1; n <= 1500; n += 1)
      insert({ ...last, position: last.position + n, id: `id-${n}`, stream: `unknown-${n}`, revision: 0, type: 'NobodyKnowsIt' });
    insert({ ...last, position: last.position + 1501, id: 'id-1501', stream: 'unknown-9999', revision: 7, type: 'NobodyKnowsIt' });
    db.close();
    const { doubts, doubtCount } = await reportOn(log);
    expect([doubts.length, doubtCount]).toEqual([1001, 1502]);
    expect(doubts.at(-1)).toMatchObject({ rule: 'S2', stream: 'unknown-9999' });
  });

  test('shows a row that is gone, and one that was put in its place', async () => {
    const log = await logInFile(folder, 33);
    change(log, 'delete from event where position = 8');
    expect(await rulesIn(log)).toEqual(expect.arrayContaining(['S1 7', 'T4 7', 'T2 0']));
    change(log, 'update event set position = 8 where position = 9');
    expect(await rulesIn(log)).toEqual(expect.arrayContaining(['T4 7', 'S1 8']));
  });

  test('that somebody made anew, tree and all, differs from the checkpoint that was kept', async () => {
    const log = await logInFile(folder, 34, { evidence: false });
    const kept = [
      { note: log.note, from: 'kept' },
      { note: noteOver(log.history.events.slice(0, 20)), from: 'older' },
    ];
    expect(await rulesIn(log, { kept })).toEqual([]);
    change(log, `update event set actor_id = 'mallory' where position = 26`);
    expect(await rulesIn(log, { kept })).toEqual(['T1 20']);
    expect(await rulesIn(log)).toEqual(['N2']);
  });

  test('may go on behind its checkpoint: what that does not cover is counted', async () => {
    const log = await logInFile(folder, 35);
    const store = sqliteEventStore(log.file);
    const { position: _, revision: __, recordedAt: ___, stream: ____, ...last } = log.history.events.at(-1) as StoredEvent;
    const noted = { ...last, type: 'AuditRead', version: 1, data: '{"clientId":"a","purpose":"b","what":"c","at":1}', sealed: null };
    for (let n = 0; n < 5; n += 1) await store.append(`audit-${n}`, [{ ...noted, id: systemIds.uuid() }], -1);
    const { doubts, uncovered } = await reportOn(log);
    expect([doubts, uncovered]).toEqual([[], 5]);
    await store.close();
  });

  test('is verified while keys are made and destroyed', async () => {
    const { dataDir, file, history } = await logInFile(folder, 42, { evidence: false });
    const [keys, keysFile] = [join(dataDir, 'keys'), join(dataDir, 'keys', 'psu-keys.sqlite')];
    const { events } = history;
    const erased = events.filter(({ type }) => type === 'PsuErased').map(({ data }) => JSON.parse(data).psuId);
    const sealedFor = ({ sealed, data }: StoredEvent): string | null => sealed && (JSON.parse(data).psuId ?? null);
    const nameIn = ({ sealed }: StoredEvent): string => sealed?.split('.').slice(1, 3).join('.') ?? '';
    const isLaterKey = (event: StoredEvent, index: number): boolean => {
      const before = events.slice(0, index).filter((other) => sealedFor(other) !== null && sealedFor(other) === sealedFor(event));
      return before.length > 0 && !before.some((other) => nameIn(other) === nameIn(event)) && !erased.includes(sealedFor(event));
    };
    const at = events.findIndex(isLaterKey);
    const psuId = sealedFor(events[at] as StoredEvent) as string;
    const kept = [{ note: noteOver(events.slice(0, at)), from: 'kept' }];
    const db = new DatabaseSync(file);
    const inKeys = new DatabaseSync(keysFile);
    const made = inKeys.prepare('select * from sealing_key where psu_id = ? and name = ?');
    const key = made.get(psuId, nameIn(events[at] as StoredEvent)) as Record<string, string>;
    db.prepare('delete from event where position > ?').run(at);
    inKeys.prepare('delete from sealing_key where psu_id = ? and name = ?').run(psuId, key['name'] as string);
    const making = (index: number) => {
      if (index !== at - 1) return;
      inKeys.prepare('insert into sealing_key values (?, ?, ?)').run(...(Object.values(key) as [string, string, string]));
      events.slice(at).forEach(insertInto(db));
    };
    const trust = { ...NO_TRUST, key: LOG_SIGNER.verifierKey.text, kept };
    const { report } = await verifyLog(file, trust, keys, { progress() {}, fact: making });
    expect(report).toMatchObject({ doubts: [], facts: events.length, uncovered: events.length - at });

    const [first] = events as [StoredEvent];
    const fact = { ...first, type: 'PsuErased', version: 1, sealed: null, stream: `psu-${psuId}`, revision: 0, id: systemIds.uuid() };
    const data = JSON.stringify({ psuId, reason: 'asked for it', at: 1 });
    const destroying = (index: number) => {
      if (index !== 0) return;
      [{ ...fact, data, position: events.length + 1 }].forEach(insertInto(db));
      inKeys.prepare('delete from sealing_key where psu_id = ?').run(psuId);
    };
    const { report: after } = await verifyLog(file, trust, keys, { progress() {}, fact: destroying });
    expect(after).toMatchObject({ doubts: [], facts: events.length + 1 });
    expect(after.sealed.erased).toBeGreaterThan(report.sealed.erased);
    db.close();
    inKeys.close();
  });

  test('has erased what its facts say was erased, and nothing else', async () => {
    for (let seed = 36; ; seed += 1) {
      const log = await logInFile(folder, seed);
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

  test('has erased what expired of a PSU, by the name of its key', async () => {
    const log = await logInFile(folder, 43, { evidence: false });
    const { events } = log.history;
    const keys = join(log.dataDir, 'keys');
    const kept = [{ note: log.note, from: 'kept' }];
    const first = events.findIndex(({ data, sealed }) => sealed !== null && JSON.parse(data).psuId === 'alice');
    const [, retention = '', period = ''] = events[first]?.sealed?.split('.') ?? [];
    const inKeys = new DatabaseSync(join(keys, 'psu-keys.sqlite'));
    inKeys.prepare(`delete from sealing_key where psu_id = 'alice' and name = ?`).run(`${retention}.${period}`);
    inKeys.close();
    const db = new DatabaseSync(log.file);
    const insert = insertInto(db);
    const expire = (position: number, psuId: string, revision: number, name: { retention: string; period: string }) => {
      const fact = { ...(events[0] as StoredEvent), type: 'PsuDataExpired', version: 1, sealed: null, stream: `psu-${psuId}`, revision };
      insert({ ...fact, id: systemIds.uuid(), position, data: JSON.stringify({ psuId, ...name, at: 1 }) });
    };
    expect(await rulesIn(log, { kept }, keys)).toEqual([`P4 ${first}`]);
    expire(events.length + 1, 'alice', 0, { retention, period: '2019-01' });
    expire(events.length + 2, 'alice', 1, { retention: 'another', period });
    expire(events.length + 3, 'somebody', 0, { retention, period });
    expect(await rulesIn(log, { kept }, keys)).toEqual([`P4 ${first}`]);
    expire(events.length + 4, 'alice', 2, { retention, period });
    db.close();
    const { doubts, sealed } = await reportOn(log, { kept }, keys);
    expect([doubts, sealed.sealed, sealed.erased > 0]).toEqual([[], 0, true]);
  });

  test('is opened where it was sealed before keys had names', async () => {
    const log = await logInFile(folder, 37, { evidence: false });
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
