import { generateKeyPairSync } from 'node:crypto';
import { copyFileSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { describe, expect, jest, test } from '@jest/globals';
import { systemClock } from '../../src/adapters/clock.ts';
import { sqliteEventReader, sqliteEventStore } from '../../src/adapters/event-store/sqlite.ts';
import { archiveFileOf } from '../../src/adapters/event-store/sqlite-archive.ts';
import { EvidenceDiffers } from '../../src/adapters/evidence/evidence-differs.ts';
import { logKeyIn } from '../../src/adapters/evidence/log-key.ts';
import { masterKey } from '../../src/adapters/keys/master-key.ts';
import { psuKeys } from '../../src/adapters/keys/psu-keys.ts';
import { archive } from '../../src/cli/archive.ts';
import { backup } from '../../src/cli/backup.ts';
import { describeFile, MANIFEST, type Manifest } from '../../src/cli/manifest.ts';
import { rebuildShadow } from '../../src/cli/rebuild-shadow.ts';
import { restore } from '../../src/cli/restore.ts';
import { verifyLog } from '../../src/cli/verify-sources.ts';
import { type Config, loadConfig } from '../../src/config.ts';
import { decode } from '../../src/domain/catalogue.ts';
import { closingAfter } from '../../src/domain/closing.ts';
import type { StoredEvent } from '../../src/domain/ports/event-store.ts';
import { signingKey } from '../../src/domain/signing-key/decider.ts';
import { findClient } from '../../src/projections/client-lookup.ts';
import { logger } from '../../src/serve/logger.ts';
import { serve } from '../../src/serve.ts';
import { writeHistory } from '../support/history.ts';
import { freshEnvironment, served, temporaryFolder } from '../support/served.ts';

const LONG_AGO_MS = 1_600_000_000_000;
const MOST_BACKUPS = 6;
const CLIENT = {
  client_name: 'A TPP',
  profile: 'plain' as const,
  token_endpoint_auth_method: 'client_secret_post' as const,
  tls_client_certificate_bound_access_tokens: false,
};

/** The settings of a data directory that is not there yet. */
const configFor = async (dataDir: string, more: Record<string, string> = {}): Promise<Config> =>
  loadConfig({ env: { ...(await freshEnvironment(more)), COUNTERSIGN_DATA_DIR: dataDir }, cwd: temporaryFolder() }).config;

const emptyLog = async () => {
  const config = await configFor(temporaryFolder());
  mkdirSync(join(config.dataDir, 'keys'));
  const sealer = psuKeys(join(config.dataDir, 'keys', 'psu-keys.sqlite'), masterKey(config.keys.masterFile, { create: true }));
  return { config, file: join(config.dataDir, 'log.sqlite'), sealer };
};

/** A data directory with a past of some years ago, of which all that can be is archived. */
const setUp = async () => {
  const { config, file, sealer } = await emptyLog();
  const store = sqliteEventStore(file, { now: () => LONG_AGO_MS });
  await writeHistory(store, { ceremonies: 3, seed: 5, sealer });
  await store.close();
  await archive(config, { compact: false }, () => undefined);
  return { config, file };
};

const newPlace = () => join(temporaryFolder(), 'new');

const backUp = async (config: Config, { withMasterKey = false } = {}) => {
  const folder = newPlace();
  const lines: string[] = [];
  await backup(config, { folder, withMasterKey }, { print: (line) => void lines.push(line), progress: null });
  return { folder, lines, manifest: JSON.parse(readFileSync(join(folder, MANIFEST), 'utf8')) as Manifest };
};

const putBack = async (folder: string, dataDir = newPlace()) => {
  await restore({ folder, dataDir }, { print: () => undefined, progress: null });
  return dataDir;
};

const everything = async (dataDir: string): Promise<readonly StoredEvent[]> => {
  const log = sqliteEventReader(join(dataDir, 'log.sqlite'));
  try {
    return await log.readAll(0, 1_000_000);
  } finally {
    await log.close();
  }
};

/** Changes the list of a backup so that it names a file as that is now. */
const listAgain = async (folder: string, manifest: Manifest, name: string, more: Partial<Manifest> = {}) => {
  const described = await describeFile(folder, name);
  const files = manifest.files.map((file) => (file.name === name ? described : file));
  writeFileSync(join(folder, MANIFEST), JSON.stringify({ ...manifest, files, ...more }));
};

describe('countersign backup and restore', () => {
  test('bring back the log with its archive, and the keys that open it', async () => {
    const { config, file } = await setUp();
    const { folder, manifest } = await backUp(config, { withMasterKey: true });
    expect(manifest.files.map(({ name }) => name).sort()).toEqual([
      ...['archive/log.sqlite', 'keys/master.key', 'keys/psu-keys.sqlite', 'log.sqlite'],
    ]);
    const dataDir = await putBack(folder);
    const log = await everything(dataDir);
    expect(log).toEqual(await everything(config.dataDir));
    expect([log.length, manifest.head]).toEqual([log.length, log.length]);
    expect(new DatabaseSync(archiveFileOf(file)).prepare('select count(*) as n from event').get()?.['n']).toBeGreaterThan(20);

    const keys = psuKeys(join(dataDir, 'keys', 'psu-keys.sqlite'), masterKey(join(dataDir, 'keys', 'master.key'), { create: false }));
    const opened = log.flatMap((event) => {
      const { sealed } = decode(event);
      return sealed === null ? [] : [keys.open(sealed)];
    });
    expect([opened.length > 10, opened.includes(null)]).toEqual([true, false]);
  });

  test('take a moment of a log that goes on and is archived, with every key that it needs', async () => {
    const { config, file, sealer } = await emptyLog();
    const writing = sqliteEventStore(file, { now: () => LONG_AGO_MS });
    let isOver = false;
    const written = writeHistory(writing, { ceremonies: 100, seed: 5, sealer }).finally(() => {
      isOver = true;
    });
    const backups: Awaited<ReturnType<typeof backUp>>[] = [];
    const closing = closingAfter(config.archive);
    while (!isOver && backups.length < MOST_BACKUPS) {
      writing.archiveSome(closing, systemClock());
      backups.push(await backUp(config));
    }
    await written;
    await writing.close();
    const log = await everything(config.dataDir);
    const heads = backups.map(({ manifest }) => manifest.head ?? 0);
    expect(new Set(heads).size).toBeGreaterThan(2);
    for (const { folder, manifest } of backups) {
      const restored = await everything(await putBack(folder));
      expect(restored).toEqual(log.slice(0, manifest.head ?? 0));
      const keys = psuKeys(join(folder, 'keys', 'psu-keys.sqlite'), masterKey(config.keys.masterFile, { create: false }));
      for (const { sealed } of restored.map(decode)) if (sealed !== null) expect(typeof keys.open(sealed)).toBe('string');
      keys.close();
    }
  });

  test('have every key that the log needs, also of a PSU who is erased while it is copied, and hold up no erasure', async () => {
    const { config, file, sealer } = await emptyLog();
    const store = sqliteEventStore(file);
    await writeHistory(store, { ceremonies: 3, seed: 5, sealer });
    await store.close();
    const log = new DatabaseSync(file);
    log.exec('create table large (x); insert into large values (zeroblob(20000000))');
    log.close();
    let erased: Promise<void> | undefined;
    // Every step of a copy is told, so that something can be done right then.
    let now = 0;
    const clock = jest.spyOn(performance, 'now').mockImplementation(() => (now += 1000));
    const folder = newPlace();
    const progress = () => {
      erased ??= sealer.erase('psu-0');
    };
    await backup(config, { folder, withMasterKey: false }, { print: () => undefined, progress });
    clock.mockRestore();
    await erased;
    expect(erased).toBeDefined();
    const keys = psuKeys(join(folder, 'keys', 'psu-keys.sqlite'), masterKey(config.keys.masterFile, { create: false }));
    const sealed = (await everything(folder)).flatMap((event) => decode(event).sealed ?? []);
    expect(sealed.some(({ psuId }) => psuId === 'psu-0')).toBe(true);
    for (const one of sealed) expect(typeof keys.open(one)).toBe('string');
    keys.close();
  });

  test('leave out what else is in the folder of keys: nothing says that it is sealed', async () => {
    const { config } = await setUp();
    const inKeys = (name: string) => join(config.dataDir, 'keys', name);
    const pem = generateKeyPairSync('ed25519').privateKey.export({ format: 'pem', type: 'pkcs8' });
    for (const name of ['evidence.pem', 'evidence.key', 'master.key.old', 'tls.key']) writeFileSync(inKeys(name), pem);
    const { manifest } = await backUp({ ...config, evidence: { ...config.evidence, keyFile: inKeys('evidence.key') } });
    expect(manifest.files.map(({ name }) => name).filter((name) => name.startsWith('keys/'))).toEqual(['keys/psu-keys.sqlite']);
  });

  test('leave the master key out unless it is wanted, whatever its name', async () => {
    const { config } = await setUp();
    const { folder, manifest } = await backUp(config);
    const text = readFileSync(config.keys.masterFile, 'utf8');
    for (const { name } of manifest.files) expect([name, readFileSync(join(folder, name)).includes(text)]).toEqual([name, false]);
    const other = join(config.dataDir, 'keys', 'ours.key');
    copyFileSync(config.keys.masterFile, other);
    const { manifest: second } = await backUp({ ...config, keys: { ...config.keys, masterFile: other } });
    expect(second.files.map(({ name }) => name)).not.toContain('keys/ours.key');
  });

  test('let an engine go on from where it was, with what it had signed and published', async () => {
    const before = await served();
    const clientId = await before.client(CLIENT, 'a secret of the client');
    const keys = await before.serving.engine.load(signingKey, 'ES256');
    const { folder, manifest } = await backUp(before.config, { withMasterKey: true });
    expect(manifest.files.map(({ name }) => name)).toEqual(expect.arrayContaining(['evidence.sqlite', 'keys/evidence.key', 'log.sqlite']));
    const later = await before.client(CLIENT, 'the secret of a later one');
    await before.serving.close();

    const config = await configFor(await putBack(folder), { COUNTERSIGN_ISSUER: before.config.issuer });
    const after = await serve(config, { say: () => undefined, log: logger({ log: { level: 'fatal' } }) });
    const found = (id: string) => after.engine.readModels.find((rows) => findClient(rows, id));
    expect([await found(clientId), await found(later)]).toEqual([expect.objectContaining({ status: 'active' }), undefined]);
    expect(await after.engine.load(signingKey, 'ES256')).toEqual(keys);
    await after.close();
    await rebuildShadow(config, { switchOver: false }, { print: () => undefined, progress: null });
  });

  test('do not let an older log pass for the one that was published', async () => {
    const { config, serving, client } = await served({ COUNTERSIGN_EVIDENCE_CHECKPOINT_MS: '100' });
    const { folder } = await backUp(config);
    await client(CLIENT, 'a secret of the client');
    await serving.close();
    for (const suffix of ['-wal', '-shm']) rmSync(join(config.dataDir, `log.sqlite${suffix}`), { force: true });
    copyFileSync(join(folder, 'log.sqlite'), join(config.dataDir, 'log.sqlite'));
    await expect(serve(config, { say: () => undefined, log: logger({ log: { level: 'fatal' } }) })).rejects.toThrow(EvidenceDiffers);
  });
});

describe('a backup with an evidence log', () => {
  const changed = async (sql: string) => {
    const { config, serving, client } = await served({ COUNTERSIGN_EVIDENCE_CHECKPOINT_MS: '100' });
    await client(CLIENT, 'a secret of the client');
    await serving.close();
    const { folder, manifest } = await backUp(config);
    const log = new DatabaseSync(join(folder, 'log.sqlite'));
    log.exec(sql);
    log.close();
    await listAgain(folder, manifest, 'log.sqlite');
    return putBack(folder);
  };

  test('is put back when the log is the one that was published', async () => {
    expect(existsSync(join(await changed('select 1'), 'log.sqlite'))).toBe(true);
  });

  test('is put back when the evidence log has got another name since, and the log is verified by that name', async () => {
    const env = await freshEnvironment({ COUNTERSIGN_EVIDENCE_CHECKPOINT_MS: '100' });
    const settings = (more: Record<string, string>) => loadConfig({ env: { ...env, ...more }, cwd: temporaryFolder() }).config;
    const serveOnce = async (config: Config) => {
      const { engine, close } = await serve(config, { say: () => undefined, log: logger({ log: { level: 'fatal' } }) });
      await engine.rotateSigningKeys({ kind: 'operator', id: 'test' });
      await close();
    };
    const [before, after] = [settings({}), settings({ COUNTERSIGN_EVIDENCE_ORIGIN: 'bank.example/consents/2' })];
    for (const config of [before, after]) await serveOnce(config);
    const verified = (keys: string | null) =>
      verifyLog(join(after.dataDir, 'log.sqlite'), { key: null, witnesses: [], quorum: 0, kept: [] }, keys, {
        progress: () => undefined,
        fact: () => undefined,
      });
    const { key, report } = await verified(join(after.dataDir, 'keys'));
    expect([key.split('+')[0], report.doubts, report.uncovered]).toEqual(['bank.example/consents/2', [], 0]);
    // Without keys, by the one that the evidence log names.
    expect(await verified(null)).toMatchObject({ key, report: { verdict: 'no doubt' } });
    // Also where the settings name another one that no engine has begun yet.
    for (const config of [after, before]) expect(existsSync(await putBack((await backUp(config)).folder))).toBe(true);
  });

  test('is compared with the key that the log names, and verified by it once that is said, where one of another log is among the keys', async () => {
    const pem = join(temporaryFolder(), 'log-key.pem');
    writeFileSync(pem, generateKeyPairSync('ed25519').privateKey.export({ format: 'pem', type: 'pkcs8' }));
    const { config, serving } = await served({ COUNTERSIGN_EVIDENCE_CHECKPOINT_MS: '100', COUNTERSIGN_EVIDENCE_KEY_FILE: pem });
    await serving.close();
    logKeyIn(join(config.dataDir, 'keys', 'evidence.key'), masterKey(config.keys.masterFile, { create: false }));
    const { folder, manifest } = await backUp({ ...config, evidence: { ...config.evidence, keyFile: null } }, { withMasterKey: true });
    const trust = { key: null, witnesses: [], quorum: 0, kept: [] };
    for (const dataDir of [config.dataDir, await putBack(folder)]) {
      const watching = { progress: () => undefined, fact: () => undefined };
      const verified = (key: string | null) => verifyLog(join(dataDir, 'log.sqlite'), { ...trust, key }, join(folder, 'keys'), watching);
      await expect(verified(null)).rejects.toThrow('say with --key which is the log’s');
      const { report, key } = await verified(manifest.logKey);
      expect([report.doubts, key]).toEqual([[], manifest.logKey]);
    }
  });

  test('says in the backup, and where it is put back, that its log is not compared: its key cannot be opened', async () => {
    const { config, serving } = await served({ COUNTERSIGN_EVIDENCE_CHECKPOINT_MS: '100' });
    await serving.close();
    // As one that began before evidence logs named their key.
    const evidence = new DatabaseSync(join(config.dataDir, 'evidence.sqlite'));
    evidence.exec(`delete from record where name like 'tlog-key %'`);
    evidence.close();
    const told = async (config: Config) => {
      const lines: string[] = [];
      const output = { print: (line: string) => void lines.push(line), progress: () => undefined };
      const folder = newPlace();
      await backup(config, { folder, withMasterKey: false }, output);
      await restore({ folder, dataDir: newPlace() }, output);
      return lines.filter((line) => line.includes('checkpoints'));
    };
    expect(await told(config)).toEqual([]);
    expect(await told({ ...config, keys: { ...config.keys, masterFile: '/nowhere/master.key' } })).toEqual([
      expect.stringContaining('the key of the evidence log cannot be opened here'),
      expect.stringContaining('was not compared with its checkpoints'),
    ]);
  });

  test('is refused when it is not whole behind a thousand doubts of another kind', async () => {
    const doubtful = `with recursive n(n) as (select 1 union all select n + 1 from n where n < 1200)
      insert into event (position, id, stream, revision, type, version, actor_kind, actor_id, correlation_id, causation_id, data, sealed, recorded_at)
      select (select max(position) from event) + n, 'id-' || n, 'client-' || n, n / 1200, 'ClientDisabled', 1, 'system', 'x', 'x', null, '{}', null, 0 from n`;
    await expect(changed(doubtful)).rejects.toThrow(/not whole, or another one \(S2\)/);
  });

  test('is refused when a fact in it was changed by somebody who has changed the list, too', async () => {
    await expect(changed(`update event set recorded_at = recorded_at + 1 where type = 'ClientRegistered'`)).rejects.toThrow(
      /another one \(T[14]\)/,
    );
    await expect(changed('delete from event where position = (select max(position) from event)')).rejects.toThrow(/another one \(T2\)/);
  });
});

describe('countersign backup', () => {
  test('writes over nothing', async () => {
    const { config } = await setUp();
    const { folder } = await backUp(config);
    await expect(backup(config, { folder, withMasterKey: false }, { print: () => undefined, progress: null })).rejects.toThrow('not empty');
  });

  test('says that there is no log', async () => {
    await expect(backUp(await configFor(newPlace()))).rejects.toThrow('there is no log');
  });

  test('says of a cluster that its log is not here, and keeps what is', async () => {
    const { config } = await setUp();
    writeFileSync(join(config.dataDir, 'keys', 'a-client.key'), 'the key of a certificate');
    const lines: string[] = [];
    const output = { print: (line: string) => void lines.push(line), progress: () => undefined };
    const folder = newPlace();
    await backup({ ...config, store: { ...config.store, kind: 'kurrentdb' } }, { folder, withMasterKey: false }, output);
    expect(lines.join('\n')).toContain('are in the cluster: back that up in its own way');
    expect([existsSync(join(folder, 'log.sqlite')), existsSync(join(folder, 'keys', 'a-client.key'))]).toEqual([false, false]);
    expect(existsSync(join(await putBack(folder), 'keys', 'psu-keys.sqlite'))).toBe(true);
  });
});

describe('countersign restore', () => {
  test('writes over nothing', async () => {
    const { folder } = await backUp((await setUp()).config);
    const dataDir = temporaryFolder();
    writeFileSync(join(dataDir, 'something'), 'of somebody');
    await expect(putBack(folder, dataDir)).rejects.toThrow('not empty');
    expect(readdirSync(dataDir)).toEqual(['something']);
  });

  test.each(['log.sqlite', 'archive/log.sqlite', 'keys/psu-keys.sqlite'])(
    'refuses a backup whose %s was changed, or is gone',
    async (name) => {
      const { folder } = await backUp((await setUp()).config);
      const file = join(folder, name);
      const bytes = readFileSync(file);
      bytes[bytes.length >> 1] = (bytes[bytes.length >> 1] ?? 0) ^ 1;
      writeFileSync(file, bytes);
      const dataDir = newPlace();
      await expect(putBack(folder, dataDir)).rejects.toThrow(`${name} of the backup is not what was backed up`);
      rmSync(file);
      await expect(putBack(folder, dataDir)).rejects.toThrow(`${name} of the backup is missing`);
      expect(existsSync(dataDir)).toBe(false);
    },
  );

  test('refuses a backup that was cut, or is none', async () => {
    const { folder } = await backUp((await setUp()).config);
    rmSync(join(folder, MANIFEST));
    await expect(putBack(folder)).rejects.toThrow('no finished backup');
    writeFileSync(join(folder, MANIFEST), '{}');
    await expect(putBack(folder)).rejects.toThrow('not one of this version');
  });

  test('refuses a list that names a file elsewhere', async () => {
    const { folder, manifest } = await backUp((await setUp()).config);
    const files = [...manifest.files, { name: 'keys/../../elsewhere', bytes: 1, sha256: '0'.repeat(64) }];
    writeFileSync(join(folder, MANIFEST), JSON.stringify({ ...manifest, files }));
    await expect(putBack(folder)).rejects.toThrow('not one of this version');
  });

  test('refuses a log that is not whole, though every file is as the list has it', async () => {
    const { folder, manifest } = await backUp((await setUp()).config);
    const cut = new DatabaseSync(join(folder, 'archive', 'log.sqlite'));
    cut.exec('delete from event where position = (select position from event order by position limit 1 offset 10)');
    cut.close();
    await listAgain(folder, manifest, 'archive/log.sqlite');
    await expect(putBack(folder)).rejects.toThrow(/shows event \d+ behind event \d+/);
  });

  test('refuses a log that ends before it should', async () => {
    const { folder, manifest } = await backUp((await setUp()).config);
    await listAgain(folder, manifest, 'log.sqlite', { head: (manifest.head ?? 0) + 1 });
    await expect(putBack(folder)).rejects.toThrow(`ends at ${manifest.head}, not at`);
  });
});
