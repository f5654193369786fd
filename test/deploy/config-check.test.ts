import { randomBytes } from 'node:crypto';
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeEach, describe, expect, test } from '@jest/globals';
import { issueServerCertificate, makeAuthority } from '../../src/adapters/tls/certificates.ts';
import { checkConfig } from '../../src/cli/config-check.ts';
import { ConfigError, loadConfig, settings } from '../../src/config.ts';
import { temporaryFolder } from '../support/served.ts';

const SECRET = 'a-secret-that-nobody-may-print';
const now = Math.floor(Date.now() / 1000);
const validity = { notBefore: now - 60, notAfter: now + 86_400 };
const authority = await makeAuthority('A CA', validity);
const [server, other] = await Promise.all(
  ['one', 'other'].map((value) => issueServerCertificate(authority, [{ type: 'dns', value }], validity)),
);

let folder: string;
beforeEach(() => {
  folder = temporaryFolder();
});

const write = (name: string, content: string): void => writeFileSync(join(folder, name), content);

/** What the command says of settings that stand in a file: each problem, or what it prints. */
const said = async (toml: string): Promise<{ problems: readonly string[]; printed: string[] }> => {
  const printed: string[] = [];
  try {
    await checkConfig(loadConfig({ file: 'settings.toml', text: toml, env: {}, cwd: folder }), (line) => printed.push(line));
    return { problems: [], printed };
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    return { problems: error.problems.map((problem) => problem.replaceAll(folder, '')), printed };
  }
};

const EVERY_FILE = `data_dir = "data"
[tls]
certificate_file = "server.pem"
key_file = "server.key"
client_ca_files = ["ca.pem"]
[store]
kind = "kurrentdb"
[store.kurrentdb]
connection_string_file = "cluster"
ca_file = "cluster.pem"
username = "engine"
password_file = "password"
[authentication]
script = "script.mjs"
[registration]
initial_access_token_file = "token"
sandbox_jwks_file = "jwks.json"
[push.fcm]
service_account_file = "fcm.json"
[outbound]
ca_file = "proxy.pem"
[sandbox]
automated_approver = true
rules_file = "rules.json"
[psu]
directory_file = "psus.json"
[keys]
master_file = "master.key"
[consent.authorize_steps]
retrieve = [{ name = "mine", priority = 1, module = "step.mjs" }, { name = "theirs", priority = 2, url = "https://hook.example", secret_file = "hook" }]
`;
const FILES =
  'data cluster cluster.pem password server.pem server.key ca.pem script.mjs token jwks.json fcm.json proxy.pem rules.json psus.json'
    .concat(' master.key step.mjs hook')
    .split(' ');

const writeEveryFile = (): void => {
  write('server.pem', server?.certificate ?? '');
  write('server.key', server?.key ?? '');
  for (const name of ['ca.pem', 'proxy.pem', 'cluster.pem']) write(name, authority.certificate);
  for (const name of ['token', 'hook', 'password']) write(name, SECRET);
  write('cluster', `kurrentdb://admin:${SECRET}@one:2113,two:2113?tls=true`);
  write('script.mjs', 'export const onSuccess = () => undefined;');
  write('step.mjs', 'export const retrieve = () => ({});');
  write('jwks.json', '{"keys":[]}');
  const account = { type: 'service_account', project_id: 'p', client_email: 'e', private_key_id: 'k', private_key: authority.key };
  write('fcm.json', JSON.stringify({ ...account, token_uri: 'https://google.example' }));
  write('rules.json', '{"rules":[]}');
  write('psus.json', '{"psus":[]}');
  write('master.key', randomBytes(32).toString('base64url'));
};

describe('countersign config check', () => {
  test('finds nothing wrong with files that can be used, writes none, and says where each setting comes from', async () => {
    writeEveryFile();
    const before = readdirSync(folder);
    const { problems, printed } = await said(EVERY_FILE);
    expect(problems).toEqual([]);
    expect(printed[0]).toMatch(/^ok: /);
    expect(printed[1]).toMatch(/^tls\.key_file +settings\.toml:4$/m);
    expect(printed.join()).not.toContain('log.level');
    expect(readdirSync(folder)).toEqual(before);
  });

  test('knows every setting that names a file', () => {
    const check = readFileSync(join(import.meta.dirname, '../../src/cli/config-check.ts'), 'utf8');
    const names = settings.map(({ name }) => name).filter((name) => /(_dir|_files?|\bscript)$/.test(name));
    expect(names.filter((name) => !check.includes(`'${name}'`))).toEqual([]);
  });

  test('names every file that is not there, by its setting and its line', async () => {
    const { problems, printed } = await said(EVERY_FILE);
    // In development the master key and the data directory are made at the start.
    const missing = FILES.filter((name) => !['data', 'master.key'].includes(name));
    expect(problems.map((problem) => /: \/([\w.]+)/.exec(problem)?.[1]).sort()).toEqual(missing.sort());
    expect(problems).toContain('tls.key_file (settings.toml:4): /server.key is not there');
    expect(printed).toEqual([]);
  });

  test('names every file that cannot be used, and quotes none', async () => {
    for (const name of FILES) write(name, name.endsWith('.mjs') ? 'export const retrieve = 1, onSuccess = 1;' : SECRET);
    const { problems } = await said(EVERY_FILE);
    const secretsAreFine = ['token', 'hook', 'password'];
    const wrong = FILES.filter((name) => !secretsAreFine.includes(name));
    expect(problems.map((problem) => wrong.find((name) => new RegExp(`/${name}(?![\\w.])`).test(problem))).sort()).toEqual(wrong.sort());
    expect(problems.join('\n')).not.toContain(SECRET);
    for (const name of secretsAreFine) write(name, '\n');
    expect((await said(EVERY_FILE)).problems).toHaveLength(FILES.length);
  });

  test('tells what does not fit in a JSON file by its place, not by its content', async () => {
    write('psus.json', JSON.stringify({ psus: [{ psu_id: SECRET, username: 7, password_hash: SECRET, accounts: [] }] }));
    const { problems } = await said('[psu]\ndirectory_file = "psus.json"');
    expect(problems).toEqual([
      'psu.directory_file (settings.toml:2): /psus.json: psus.0.username: Invalid input: expected string, received number',
    ]);
  });

  test('finds a key that belongs to another certificate, and an authority that is none', async () => {
    writeEveryFile();
    write('server.key', other?.key ?? '');
    write('ca.pem', authority.certificate + server?.certificate);
    expect((await said(EVERY_FILE)).problems).toEqual([
      "tls.client_ca_files (settings.toml:5): /ca.pem holds a certificate that is no authority's",
      'tls.certificate_file and tls.key_file: the private key belongs to another certificate',
    ]);
  });

  test('expects in production the master key that development would make', async () => {
    writeEveryFile();
    rmSync(join(folder, 'master.key'));
    const production = `environment = "production"\nissuer = "https://bank.example"\n[tls]\ncertificate_file = "server.pem"\nkey_file = "server.key"
[psu]\ndirectory_file = "psus.json"\n[keys]\nmaster_file = "master.key"`;
    expect((await said(production)).problems).toEqual(['keys.master_file (settings.toml:9): /master.key is not there']);
    expect((await said('[keys]\nmaster_file = "master.key"')).problems).toEqual([]);
  });

  test('lets production speak to its cluster over TLS alone, and repeats no connection string', async () => {
    const toml = '[store.kurrentdb]\nconnection_string_file = "cluster"';
    write('cluster', `kurrentdb://admin:${SECRET}@one:2113?tls=false`);
    expect((await said(toml)).problems).toEqual([]);
    const settings = loadConfig({ file: 'settings.toml', text: toml, env: {}, cwd: folder });
    const production = { ...settings, config: { ...settings.config, environment: 'production' as const } };
    await expect(checkConfig(production, () => undefined)).rejects.toThrow('cluster says tls=false, which is for development only');
    write('cluster', `admin:${SECRET}@one:2113`);
    const { problems } = await said(toml);
    expect(problems).toEqual([expect.stringMatching(/^store\.kurrentdb\.connection_string_file \(settings\.toml:2\): \/cluster: /)]);
    expect(problems.join()).not.toContain(SECRET);
  });

  test('finds a data directory that cannot be made', async () => {
    mkdirSync(join(folder, 'here'));
    expect((await said('data_dir = "here/and/there"')).problems).toEqual([]);
    write('file', '');
    expect((await said('data_dir = "file/in"')).problems).toEqual(['data_dir (settings.toml:1): /file/in: /file is no directory']);
  });
});
