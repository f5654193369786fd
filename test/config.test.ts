import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from '@jest/globals';
import { ConfigError, configTable, loadConfig, settings } from '../src/config.ts';
import { JWKS_MAX_AGE_SECONDS } from '../src/domain/signing-key/decider.ts';

const cwd = mkdtempSync(join(tmpdir(), 'countersign-config-'));
afterAll(() => rmSync(cwd, { recursive: true }));

const withFile = (toml: string, env: NodeJS.ProcessEnv = {}, name = 'settings.toml') => {
  writeFileSync(join(cwd, name), toml);
  return loadConfig({ file: name, env, cwd });
};

const problemsOf = (load: () => unknown): readonly string[] => {
  try {
    load();
  } catch (error) {
    if (error instanceof ConfigError) return error.problems;
    throw error;
  }
  return [];
};

const PRODUCTION = {
  COUNTERSIGN_ENVIRONMENT: 'production',
  COUNTERSIGN_ISSUER: 'https://auth.bank.example',
  COUNTERSIGN_TLS_CERTIFICATE_FILE: '/run/tls.pem',
  COUNTERSIGN_TLS_KEY_FILE: '/run/secrets/tls.key',
  COUNTERSIGN_PSU_DIRECTORY_FILE: '/etc/psus.toml',
  COUNTERSIGN_KEYS_MASTER_FILE: '/run/secrets/master.key',
};

describe('the settings', () => {
  test('have a default for everything in development', () => {
    const { config, sources } = loadConfig({ env: {}, cwd });
    expect(config.server).toEqual({ host: '0.0.0.0', port: 9446, mtlsPort: 9447, workers: 1 });
    expect(config).toMatchObject({ environment: 'development', issuer: 'https://localhost:9446', dataDir: join(cwd, 'data') });
    expect(config.tokens).toMatchObject({ refreshTokenSeconds: 7_776_000, audience: 'https://localhost:9446' });
    expect(config.tls).toEqual({ certificateFile: null, keyFile: null, clientCaFiles: [] });
    expect(config.keys.masterFile).toBe(join(cwd, 'data/keys/master.key'));
    expect(new Set(Object.values(sources))).toEqual(new Set(['default']));
  });

  test('each say what they are for, in one sentence', () => {
    expect(settings.filter(({ description }) => !/^[A-Z].*\.$/.test(description))).toEqual([]);
  });

  test('come from the environment before the file, and from the file before the default', () => {
    const { config, sources } = withFile('issuer = "https://a.example"\n\n[server]\nport = 1000\nmtls_port = 1001\n', {
      COUNTERSIGN_SERVER_PORT: '2000',
      COUNTERSIGN_DATA_DIR: 'elsewhere',
      PATH: '/bin',
    });
    expect(config.server).toEqual({ host: '0.0.0.0', port: 2000, mtlsPort: 1001, workers: 1 });
    expect(config.dataDir).toBe(join(cwd, 'elsewhere'));
    expect(sources).toMatchObject({
      issuer: 'settings.toml:1',
      'server.port': 'COUNTERSIGN_SERVER_PORT',
      'server.mtls_port': 'settings.toml:5',
      'server.host': 'default',
      data_dir: 'COUNTERSIGN_DATA_DIR',
    });
  });

  test('derive the issuer from the port, and the audience from the issuer', () => {
    expect(loadConfig({ env: { COUNTERSIGN_SERVER_PORT: '8443' }, cwd }).config.issuer).toBe('https://localhost:8443');
    expect(loadConfig({ env: { COUNTERSIGN_ISSUER: 'https://a.example' }, cwd }).config.tokens.audience).toBe('https://a.example');
  });

  test('take lists from the environment with commas, and an empty variable as not set', () => {
    const env = { COUNTERSIGN_ACR_VALUES_SUPPORTED: 'urn:a, urn:b', COUNTERSIGN_OUTBOUND_PROXY: '', COUNTERSIGN_CONFIG: '' };
    const { config } = loadConfig({ env, cwd });
    expect(config.acrValuesSupported).toEqual(['urn:a', 'urn:b']);
    expect(config.outbound.proxy).toBeNull();
  });

  test('resolve paths of the file against the file, and others against the working directory', () => {
    const outside = mkdtempSync(join(tmpdir(), 'countersign-config-'));
    writeFileSync(join(outside, 'c.toml'), 'tls.client_ca_files = ["a.pem", "/b.pem"]\nkeys.master_file = "m.key"\n');
    const { config } = loadConfig({ env: { COUNTERSIGN_CONFIG: join(outside, 'c.toml'), COUNTERSIGN_OUTBOUND_CA_FILE: 'ca.pem' }, cwd });
    rmSync(outside, { recursive: true });
    expect(config.tls.clientCaFiles).toEqual([join(outside, 'a.pem'), '/b.pem']);
    expect(config.keys.masterFile).toBe(join(outside, 'm.key'));
    expect(config.outbound.caFile).toBe(join(cwd, 'ca.pem'));
    expect(config.dataDir).toBe(join(cwd, 'data'));
  });

  test('are looked for in ./countersign.toml, then nowhere; a file that was named must exist', () => {
    const home = mkdtempSync(join(tmpdir(), 'countersign-config-'));
    expect(loadConfig({ env: {}, cwd: home }).config.log.level).toBe('info');
    writeFileSync(join(home, 'countersign.toml'), 'log.level = "warn"');
    expect(loadConfig({ env: {}, cwd: home }).config.log.level).toBe('warn');
    rmSync(home, { recursive: true });
    expect(problemsOf(() => loadConfig({ file: 'none.toml', env: {}, cwd }))[0]).toMatch(/none\.toml: .*ENOENT/);
    expect(problemsOf(() => loadConfig({ env: { COUNTERSIGN_CONFIG: 'none.toml' }, cwd }))[0]).toMatch(/none\.toml: .*ENOENT/);
  });
});

describe('a settings file is refused for', () => {
  test.each([
    ['an unknown key', 'isuer = "https://a.example"', 'settings.toml:1: unknown key isuer; did you mean issuer?'],
    ['an unknown key in a table', '[server]\nmtls_prt = 1', 'settings.toml:2: unknown key server.mtls_prt; did you mean server.mtls_port?'],
    ['a key without its table', 'client_ca_files = []', 'settings.toml:1: unknown key client_ca_files; did you mean tls.client_ca_files?'],
    ['a camelCase key', '[server]\nmtlsPort = 1', 'settings.toml:2: unknown key server.mtlsPort; did you mean server.mtls_port?'],
    ['an unknown table', '[servers]\nport = 1', 'settings.toml:1: unknown key servers'],
    ['an empty unknown table', '\n[foo.bar]', 'settings.toml:2: unknown key foo'],
    ['a key of Object', '__proto__ = 1\n', 'settings.toml:1: unknown key __proto__'],
    ['a value for a table', 'server = 3', 'server (settings.toml:1): expected a table'],
    ['a table for a value', '[issuer]\na = 1', 'issuer (settings.toml:1): Invalid input: expected string, received object'],
    ['a text for a number', '[server]\nport = "1"', 'server.port (settings.toml:2): Invalid input: expected number, received string'],
    ['a fraction', 'ciba.interval_seconds = 1.5', 'ciba.interval_seconds (settings.toml:1): Invalid input: expected int, received number'],
    ['a number out of range', 'server = { port = 65536 }', 'server.port (settings.toml:1): Too big: expected number to be <=65535'],
    [
      'a wrong choice',
      'environment = "staging"',
      'environment (settings.toml:1): Invalid option: expected one of "development"|"production"',
    ],
    [
      'a wrong list item',
      'tls.client_ca_files = ["a", 1]',
      'tls.client_ca_files (settings.toml:1): Invalid input: expected string, received number',
    ],
    ['a syntax error', 'issuer = "a"\n[server]\nport =', 'settings.toml:3: Invalid TOML document: invalid value'],
    ['one port for both listeners', 'server.mtls_port = 9446', 'server.mtls_port: expected another port than server.port'],
    ['half an identity', 'tls.key_file = "a"', 'tls.certificate_file and tls.key_file: expected both or neither'],
    [
      'proxies without their header',
      'proxy.trusted = ["10.0.0.7"]',
      'proxy.trusted and proxy.certificate_header: expected both or neither',
    ],
    [
      'a header without proxies',
      'proxy.certificate_header = "Client-Cert"',
      'proxy.trusted and proxy.certificate_header: expected both or neither',
    ],
    ...['proxy.bank.example', '10.0.0.0/33', '10.0.0.0/', '10.0.0/8', '10.0.0.0/8/8', '::1/129', '*'].map((address) => [
      `${address} as a proxy`,
      `proxy = { trusted = ["${address}"], certificate_header = "Client-Cert" }`,
      'proxy.trusted (settings.toml:1): expected an IP address or a network such as 10.0.0.0/8',
    ]),
    [
      'keys that sign before TPPs have seen them',
      'keys.publish_lead_seconds = 600',
      'keys.publish_lead_seconds (settings.toml:1): Too small: expected number to be >=900',
    ],
    [
      'keys that never sign',
      'keys = { rotation_days = 1, publish_lead_seconds = 86401 }',
      'keys.publish_lead_seconds: expected at most keys.rotation_days',
    ],
    [
      'a step of authentication that there is not',
      'authentication.code_flow = ["telepathy"]',
      'authentication.code_flow (settings.toml:1): Invalid input: expected "basic"',
    ],
    ['a default beyond the limit', 'ciba.max_expiry_seconds = 60', 'ciba.default_expiry_seconds: expected at most ciba.max_expiry_seconds'],
  ])('%s', (_, toml = '', problem) => expect(problemsOf(() => withFile(toml))).toEqual([problem]));

  test('every problem at once', () => {
    expect(
      problemsOf(() => withFile('a = 1\nb = 2\n[log]\nlevel = 3', { COUNTERSIGN_MTLS_PORT: '1', COUNTERSIGN_SERVER_PORT: '-1' })),
    ).toEqual([
      'settings.toml:1: unknown key a',
      'settings.toml:2: unknown key b',
      'unknown variable COUNTERSIGN_MTLS_PORT; did you mean COUNTERSIGN_SERVER_MTLS_PORT?',
      'server.port (COUNTERSIGN_SERVER_PORT): Invalid input: expected number, received string',
      expect.stringMatching(/^log\.level \(settings\.toml:4\): Invalid option/),
    ]);
  });
});

test('the lead of a signing key is thrice what relying parties may cache: themselves, behind a cache', () => {
  const lead = settings.find(({ name }) => name === 'keys.publish_lead_seconds');
  expect(lead?.preset).toBeGreaterThanOrEqual(3 * JWKS_MAX_AGE_SECONDS);
  const least = (seconds: number) => problemsOf(() => withFile(`keys.publish_lead_seconds = ${seconds}`)).length;
  expect([3 * JWKS_MAX_AGE_SECONDS - 1, 3 * JWKS_MAX_AGE_SECONDS].map(least)).toEqual([1, 0]);
});

describe('the issuer', () => {
  test.each(['https://a.example', 'https://a.example:9446', 'https://[::1]:9446'])('may be %s', (issuer) => {
    expect(loadConfig({ env: { COUNTERSIGN_ISSUER: issuer }, cwd }).config.issuer).toBe(issuer);
  });

  test.each([
    'http://a.example',
    'https://a.example/',
    'https://a.example/b/c',
    'https://a.example/b/',
    'https://a.example?',
    'https://a.example/#',
    'https://u:p@a.example',
    'https://a b.example',
    'https://a.example:x',
    'a.example',
  ])('may not be %s', (issuer) => {
    expect(problemsOf(() => loadConfig({ env: { COUNTERSIGN_ISSUER: issuer }, cwd }))).toEqual([
      'issuer (COUNTERSIGN_ISSUER): expected an https URL without path, query or fragment',
    ]);
  });
});

describe('production', () => {
  test('starts with everything that it requires', () => {
    expect(loadConfig({ env: PRODUCTION, cwd }).config.keys.masterFile).toBe('/run/secrets/master.key');
  });

  test('names everything that is missing, in one error', () => {
    const { COUNTERSIGN_ISSUER, COUNTERSIGN_ENVIRONMENT } = PRODUCTION;
    const load = () => withFile('environment = "production"', { COUNTERSIGN_ISSUER });
    expect(problemsOf(load)).toEqual([
      'tls.certificate_file: required in production (or COUNTERSIGN_TLS_CERTIFICATE_FILE)',
      'tls.key_file: required in production (or COUNTERSIGN_TLS_KEY_FILE)',
      'psu.directory_file: required in production (or COUNTERSIGN_PSU_DIRECTORY_FILE)',
      'keys.master_file: required in production (or COUNTERSIGN_KEYS_MASTER_FILE)',
    ]);
    expect(load).toThrow(/^tls\.certificate_file.*\ntls\.key_file/);
    expect(problemsOf(() => loadConfig({ env: { COUNTERSIGN_ENVIRONMENT }, cwd }))[0]).toMatch(/^issuer: required in production/);
  });
});

describe('secrets', () => {
  test.each([
    ['a key in place of its file', { COUNTERSIGN_KEYS_MASTER_FILE: '-----BEGIN PRIVATE KEY-----\nhush\n' }],
    ['a password in the proxy', { COUNTERSIGN_OUTBOUND_PROXY: 'http://user:hush@proxy.example:3128' }],
    ['a key in place of a number', { COUNTERSIGN_SERVER_PORT: 'hush' }],
  ])('are refused and not repeated: %s', (_, env) => {
    const problems = problemsOf(() => loadConfig({ env, cwd }));
    expect(problems).toHaveLength(1);
    expect(problems.join()).not.toContain('hush');
  });

  test('stand in the table as the files that hold them', () => {
    const rows = configTable(loadConfig({ env: PRODUCTION, cwd }));
    expect(rows.map(({ name }) => name)).toEqual(settings.map(({ name }) => name));
    expect(rows.find(({ name }) => name === 'tls.key_file')).toEqual({
      name: 'tls.key_file',
      value: '/run/secrets/tls.key',
      source: 'COUNTERSIGN_TLS_KEY_FILE',
      description: 'The PEM file of the private key of the server certificate.',
    });
    expect(rows.find(({ name }) => name === 'outbound.proxy')).toMatchObject({ value: 'not set', source: 'default' });
  });
});
