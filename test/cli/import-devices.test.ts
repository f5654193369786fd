import { spawnSync } from 'node:child_process';
import { generateKeyPairSync } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { sqliteEventReader } from '../../src/adapters/event-store/sqlite.ts';
import { masterKey } from '../../src/adapters/keys/master-key.ts';
import { psuKeys } from '../../src/adapters/keys/psu-keys.ts';
import { csvRecords, MalformedCsv } from '../../src/cli/csv.ts';
import { importDevices } from '../../src/cli/import-devices.ts';
import { loadConfig } from '../../src/config.ts';
import { makeLoad } from '../../src/domain/decide.ts';
import { device, type RegisteredDevice } from '../../src/domain/device/decider.ts';
import { describedAs, pushTokenOf } from '../../src/domain/device/described.ts';
import { freshEnvironment, served, temporaryFolder } from '../support/served.ts';

const CLI = join(import.meta.dirname, '../../src/cli.ts');
const HEADER = 'ID,USER_ID,NAME,MODEL,PUSH_ID,PUBLIC_KEY,REGISTRATION_TIME,LAST_USED_TIME';

const publicKey = (modulusLength: number): string =>
  generateKeyPairSync('rsa', { modulusLength }).publicKey.export({ format: 'der', type: 'spki' }).toString('base64');
const [KEY, SHORT] = [publicKey(2048), publicKey(1024)];

describe('CSV', () => {
  const read = (text: string) => [...csvRecords(text)].map(({ line, fields }) => [line, ...fields]);
  test('is read as RFC 4180 has it', () => {
    expect(read('a,b\r\nc,d\r\n')).toEqual([
      [1, 'a', 'b'],
      [2, 'c', 'd'],
    ]);
    expect(read('\uFEFFa,"b ""and"", c",\n\n"two\nlines",d\ne')).toEqual([
      [1, 'a', 'b "and", c', ''],
      [3, 'two\nlines', 'd'],
      [5, 'e'],
    ]);
    expect(read('')).toEqual([]);
  });
  test.each([
    ['a"b', 1],
    ['a\n"b', 2],
    ['"a"b', 1],
    ['a\rb', 1],
  ])('%j is none', (text, line) => expect(() => read(text as string)).toThrow(new MalformedCsv(line as number)));
  test('of any size with a quote too many is none, and has its line', () => {
    const rows = 'device,"a name",model\n'.repeat(400_000);
    expect(() => read(`${rows}device,"a name,model\n${rows.replaceAll('"', '')}`)).toThrow(new MalformedCsv(400_001));
    expect(() => read(`${rows}device,"a name,model\n${rows}`)).toThrow(new MalformedCsv(400_001));
    expect(read(`"${'x""'.repeat(1_000_000)}"`)).toEqual([[1, 'x"'.repeat(1_000_000)]]);
  });
});

describe('countersign import-devices', () => {
  const setUp = async (more: Record<string, string> = {}) => {
    const env = await freshEnvironment(more);
    const dataDir = String(env['COUNTERSIGN_DATA_DIR']);
    const directory = join(temporaryFolder(), 'psus.json');
    const psu = (name: string) => ({ psu_id: `id-of-${name}`, username: name, password_hash: '', accounts: [] });
    writeFileSync(directory, JSON.stringify({ psus: [psu('alice'), psu('bob')] }));
    const run = (rows: readonly string[], ...options: string[]) => {
      const file = join(temporaryFolder(), 'devices.csv');
      writeFileSync(file, [HEADER, ...rows].join('\n'));
      const { status, stdout, stderr } = spawnSync(process.execPath, [CLI, 'import-devices', file, ...options], {
        env: { ...process.env, ...env, COUNTERSIGN_PSU_DIRECTORY_FILE: directory },
        encoding: 'utf8',
        cwd: dataDir,
        timeout: 60_000,
      });
      const said =
        stdout === ''
          ? []
          : stdout
              .trim()
              .split('\n')
              .map((line) => JSON.parse(line) as object);
      return { status, stderr, said, stdout };
    };
    return { dataDir, run };
  };
  const row = (id: string, given: Partial<Record<'user' | 'key' | 'time' | 'push', string>> = {}) => {
    const { user = 'id-of-alice', key = KEY, time = '2024-05-01 10:20:30.5', push = `push of ${id}` } = given;
    return `${id},${user},"Alice's ""good"" phone",Pixel 9,${push},${key},${time},2024-06-01 00:00:00`;
  };

  test('registers the devices under their ids, with their keys, and run again finds them', async () => {
    const { dataDir, run } = await setUp();
    const rows = [row('device-1'), row('device-2', { user: 'bob', push: '', time: '2024-05-01T12:20:30+02:00' })];
    const first = run(rows);
    expect([first.status, first.stderr]).toEqual([0, '']);
    expect(first.said).toEqual([
      { outcome: 'imported', line: 2, deviceId: 'device-1' },
      { outcome: 'imported', line: 3, deviceId: 'device-2' },
      { imported: 2, known: 0, refused: 0 },
    ]);
    const log = sqliteEventReader(join(dataDir, 'log.sqlite'));
    const load = makeLoad(log);
    const one = (await load(device, 'device-1')) as RegisteredDevice;
    expect(one).toMatchObject({ status: 'active', psuId: 'id-of-alice', dialect: 'push-auth', publicKey: { kty: 'RSA', e: 'AQAB' } });
    expect(one.registeredAt).toBe(Date.UTC(2024, 4, 1, 10, 20, 30) / 1000);
    const sealer = psuKeys(join(dataDir, 'keys/psu-keys.sqlite'), masterKey(join(dataDir, 'keys/master.key'), { create: false }));
    expect(describedAs(one, sealer)).toEqual({ name: 'Alice\'s "good" phone', model: 'Pixel 9' });
    expect(pushTokenOf(one, sealer)).toBe('push of device-1');
    const two = (await load(device, 'device-2')) as RegisteredDevice;
    expect([two.psuId, two.registeredAt, pushTokenOf(two, sealer)]).toEqual(['id-of-bob', one.registeredAt, null]);
    sealer.close();
    const head = await log.head();
    expect(run([...rows, row('device-3')]).said.at(-1)).toEqual({ imported: 1, known: 2, refused: 0 });
    expect(await log.head()).toBe(head + 1);
    await log.close();
    expect(readFileSync(join(dataDir, 'log.sqlite')).includes('push of device')).toBe(false);
  });

  const BAD = [
    [row('device-2', { user: 'mallory' }), 'USER_ID is nobody whom the directory knows'],
    [row('device-3', { key: 'AAAA' }), 'PUBLIC_KEY is no RSA key'],
    [row('device-4', { key: SHORT }), 'PUBLIC_KEY has 1024 bits: see wso2.allow_rsa1024'],
    [row('device-5', { time: 'yesterday' }), 'REGISTRATION_TIME is no time'],
    [row('device 6'), 'ID is no identifier'],
    [row('device-7', { push: 'x'.repeat(256) }), 'NAME, MODEL or PUSH_ID is too long'],
    ['device-8,only', 'expected 8 fields, got 2'],
    [row('device-1', { user: 'bob' }), 'ID stands in line 2 already'],
    [row('device-9', { user: 'alice', push: 'push of device-1' }), 'USER_ID has its PUSH_ID in line 2 already'],
  ] as const;

  test('imports nothing while a row is bad, and says what is wrong with each by its line', async () => {
    const { dataDir, run } = await setUp();
    const { status, stderr, said, stdout } = run([row('device-1'), ...BAD.map(([bad]) => bad)]);
    expect(said).toEqual(BAD.map(([bad, reason], n) => ({ outcome: 'refused', line: n + 3, deviceId: bad.split(',')[0], reason })));
    expect([status, stderr]).toEqual([1, expect.stringMatching(/nothing was imported because of 9 bad rows.*--skip-bad-rows\n$/)]);
    for (const personal of ['alice', 'Pixel', 'push of', KEY]) expect(stdout).not.toContain(personal);
    const log = sqliteEventReader(join(dataDir, 'log.sqlite'));
    expect(await log.head()).toBe(0);
    await log.close();
  });

  test('imports the others where that is wanted, and short keys where the settings let them move over', async () => {
    const { run } = await setUp({ COUNTERSIGN_WSO2_ALLOW_RSA1024: 'true' });
    const { status, said } = run([row('device-1'), ...BAD.map(([bad]) => bad)], '--skip-bad-rows');
    expect([status, said.at(-1)]).toEqual([0, { imported: 2, known: 0, refused: 8 }]);
  });

  test('keeps its hands off the id of another device', async () => {
    const { run } = await setUp();
    run([row('device-1')]);
    const { status, said } = run([row('device-1', { key: publicKey(2048) })]);
    expect([status, said]).toEqual([
      1,
      [{ outcome: 'refused', line: 2, deviceId: 'device-1', reason: 'the id is that of another device' }],
    ]);
  });

  test('says which columns are missing, and what is no CSV', async () => {
    const { dataDir, run } = await setUp();
    expect(run(['a"b']).stderr).toBe('countersign: line 2 is not valid CSV\n');
    const file = join(dataDir, 'other.csv');
    writeFileSync(file, 'ID,NAME\nx,y\n');
    const env = { ...process.env, COUNTERSIGN_DATA_DIR: dataDir };
    const { stderr } = spawnSync(process.execPath, [CLI, 'import-devices', file], { env, encoding: 'utf8' });
    expect(stderr).toBe(
      'countersign: the first line must name the columns: USER_ID, MODEL, PUSH_ID, PUBLIC_KEY, REGISTRATION_TIME missing\n',
    );
  });

  test('tells people in lines, and how far it is', async () => {
    const file = join(temporaryFolder(), 'devices.csv');
    writeFileSync(file, [HEADER, row('device-1', { user: 'bob' }), row('device-2', { user: 'nobody' })].join('\n'));
    const directory = join(temporaryFolder(), 'psus.json');
    writeFileSync(directory, JSON.stringify({ psus: [{ psu_id: 'id-of-bob', username: 'bob', password_hash: '', accounts: [] }] }));
    const env = { ...(await freshEnvironment()), COUNTERSIGN_PSU_DIRECTORY_FILE: directory };
    const { config } = loadConfig({ env, cwd: temporaryFolder() });
    const [said, progress]: string[][] = [[], []];
    await importDevices(config, file, { skipBadRows: true, print: (line) => said?.push(line), progress: (line) => progress?.push(line) });
    expect([said, progress]).toEqual([
      ['line 3: USER_ID is nobody whom the directory knows', '1 devices imported, 0 known already, 1 rows refused'],
      ['looked at 2 of 2 rows', '1 of 1'],
    ]);
  });

  test('wants the engine stopped', async () => {
    const { config, serving } = await served();
    const file = join(temporaryFolder(), 'devices.csv');
    writeFileSync(file, `${HEADER}\n`);
    const env = { ...process.env, COUNTERSIGN_DATA_DIR: config.dataDir };
    const { status, stderr } = spawnSync(process.execPath, [CLI, 'import-devices', file], { env, encoding: 'utf8' });
    expect([status, stderr]).toEqual([1, 'countersign: an engine is running: devices are imported while it is stopped\n']);
    await serving.close();
  });
});
