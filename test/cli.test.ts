import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { sqliteEventReader } from '../src/adapters/event-store/sqlite.ts';
import { developmentSandbox } from '../src/adapters/sandbox.ts';
import { DemoFailed, playCeremony } from '../src/demo/ceremony.ts';
import type { Fetch } from '../src/demo/phone.ts';
import { trustingFetch } from '../src/demo/trusting-fetch.ts';
import { freshEnvironment, served, temporaryFolder } from './support/served.ts';

const CLI = join(import.meta.dirname, '../src/cli.ts');

const countersign = (env: Record<string, string>, ...args: string[]) =>
  spawnSync(process.execPath, [CLI, ...args], {
    env: { ...process.env, ...env },
    encoding: 'utf8',
    cwd: env['COUNTERSIGN_DATA_DIR'],
    timeout: 60_000,
  });

describe('countersign demo', () => {
  test('starts an engine of its own where none runs, plays the ceremony and ends well', async () => {
    const env = await freshEnvironment();
    const { status, stdout, stderr } = countersign(env, 'demo');
    expect([status, stderr]).toEqual([0, '']);
    expect(stdout).toContain('the demo starts its own');
    for (const fact of ['ConsentLodged', 'CibaRequestReceived', 'ConsentRetrieved', 'CibaRequestApproved', 'GrantOpened', 'ConsentRevoked'])
      expect(stdout).toMatch(new RegExp(`^ {2}\\d{4}-\\d\\d-\\d\\dT[\\d:.]+Z {2}${fact} {2}\\(event \\d+\\)$`, 'm'));
    // Its facts are there afterwards, and a second demo finds the sandbox as it was.
    const [, consentId = ''] = /history ([\w-]+)$/m.exec(stdout) ?? [];
    const history = countersign(env, 'history', consentId, '--json').stdout.trim().split('\n');
    expect(history.map((line) => JSON.parse(line).type).at(-1)).toBe('GrantRevoked');
    expect(countersign(env, 'demo').status).toBe(0);
  });

  test('fails when a step goes wrong', async () => {
    const { config, serving } = await served();
    try {
      const reached = trustingFetch(readFileSync(join(config.dataDir, 'tls/ca.pem'), 'utf8'));
      const losesTheAnswer: Fetch = async (url, init) =>
        url.endsWith('/answer') ? Response.json({ status: 'approved' }) : reached(url, init);
      const log = sqliteEventReader(join(config.dataDir, 'log.sqlite'));
      const sandbox = await developmentSandbox(join(config.dataDir, 'sandbox'));
      const played = playCeremony({ issuer: config.issuer, fetch: losesTheAnswer, sandbox, log, print: () => undefined });
      await expect(played).rejects.toThrow(DemoFailed);
      await expect(played).rejects.toThrow('expected CibaRequestApproved, ConsentAuthorised here');
      await log.close();
    } finally {
      await serving.close();
    }
  });

  test('is not to be had in production', async () => {
    const env = await freshEnvironment({ COUNTERSIGN_ENVIRONMENT: 'production' });
    const { status, stderr } = countersign(env, 'demo');
    expect(status).toBe(1);
    expect(stderr).toContain('psu.directory_file');
  });
});

describe('countersign client', () => {
  const metadata = {
    client_name: 'A TPP',
    profile: 'plain',
    token_endpoint_auth_method: 'client_secret_basic',
    tls_client_certificate_bound_access_tokens: false,
  };
  const fileOf = (content: object): string => {
    const file = join(temporaryFolder(), 'metadata.json');
    writeFileSync(file, JSON.stringify(content));
    return file;
  };

  test('registers a client that the engine knows then, and disables it', async () => {
    const env = await freshEnvironment();
    const registered = countersign(env, 'client', 'register', fileOf(metadata));
    expect(registered.stdout).toMatch(/^client_id [\w-]{36}\nclient_secret [\w-]{43}\n$/);
    const [, clientId = ''] = /client_id (\S+)/.exec(registered.stdout) ?? [];
    expect(countersign(env, 'client', 'disable', clientId)).toMatchObject({ status: 0, stdout: `${clientId} is disabled\n` });
    const log = sqliteEventReader(join(String(env['COUNTERSIGN_DATA_DIR']), 'log.sqlite'));
    expect((await log.read(`client-${clientId}`)).map(({ type }) => type)).toEqual(['ClientRegistered', 'ClientDisabled']);
    expect(JSON.stringify(await log.readAll(0, 10))).not.toContain(/client_secret (\S+)/.exec(registered.stdout)?.[1]);
    await log.close();
  });

  test('says what is wrong with metadata', async () => {
    const env = await freshEnvironment();
    const { status, stderr } = countersign(env, 'client', 'register', fileOf({ ...metadata, profile: 'fapi-ciba' }));
    expect([status, stderr]).toEqual([1, 'countersign: profile fapi-ciba does not allow client_secret_basic\n']);
  });

  test('is refused in one line while an engine runs', async () => {
    const { config, serving } = await served();
    try {
      const env = { COUNTERSIGN_DATA_DIR: config.dataDir };
      const { status, stderr } = countersign(env, 'client', 'register', fileOf(metadata));
      expect(status).toBe(1);
      expect(stderr).toMatch(/^countersign: another Countersign process is writing to .*log\.sqlite.*\n$/);
    } finally {
      await serving.close();
    }
  });
});

describe('countersign keys', () => {
  const kinds = (stdout: string) =>
    stdout
      .trim()
      .split('\n')
      .map((line) => line.split(/\s+/))
      .map(([alg, , status]) => `${alg} ${status}`);

  test('lists them, publishes the next ones, and replaces lost ones at once', async () => {
    const env = await freshEnvironment();
    expect(countersign(env, 'keys', 'list')).toMatchObject({ status: 1, stderr: expect.stringContaining('there is no log in') });
    expect(countersign(env, 'keys', 'rotate').status).toBe(0);
    expect(kinds(countersign(env, 'keys', 'list').stdout)).toEqual(['ES256 active', 'PS256 active']);
    expect(countersign(env, 'keys', 'rotate').stdout).toMatch(/^ES256: [\w-]{43} is published\nPS256: [\w-]{43} is published\n$/);
    expect(countersign(env, 'keys', 'rotate').stdout).toContain('a key is published already');
    for (const file of readdirSync(join(String(env['COUNTERSIGN_DATA_DIR']), 'keys')))
      if (file.startsWith('signing-')) rmSync(join(String(env['COUNTERSIGN_DATA_DIR']), 'keys', file));
    const refused = countersign(env, 'serve');
    expect([refused.status, refused.stderr]).toEqual([
      1,
      expect.stringMatching(/^countersign: the private part of the signing key .*--now`\n$/),
    ]);
    expect(countersign(env, 'keys', 'rotate', '--now').stdout).toMatch(/signs from now on/);
    const listed = kinds(countersign(env, 'keys', 'list').stdout);
    expect(listed.filter((line) => line.startsWith('ES256'))).toEqual(['ES256 retired', 'ES256 retired', 'ES256 active']);
  }, 60_000);

  test('are listed while an engine runs, which rotates them itself', async () => {
    const { config, serving } = await served();
    try {
      const env = { COUNTERSIGN_DATA_DIR: config.dataDir };
      expect(kinds(countersign(env, 'keys', 'list').stdout)).toEqual(['ES256 active', 'PS256 active']);
      const { status, stderr } = countersign(env, 'keys', 'rotate');
      expect([status, stderr]).toEqual([
        1,
        'countersign: an engine is running: send it SIGUSR2 and it rotates its keys by itself, or stop it first\n',
      ]);
    } finally {
      await serving.close();
    }
  });
});

test('a running engine publishes its next signing keys at SIGUSR2', async () => {
  const env = await freshEnvironment();
  const engine = spawn(process.execPath, [CLI, 'serve'], { env: { ...process.env, ...env }, stdio: ['ignore', 'pipe', 'ignore'] });
  try {
    // It goes on printing: the pipe stays open.
    await new Promise<void>((resolve) => {
      engine.stdout.setEncoding('utf8').on('data', (text: string) => text.includes('Countersign serves') && resolve());
    });
    engine.kill('SIGUSR2');
    let listed = '';
    for (let attempt = 0; attempt < 20 && !listed.includes('signs from'); attempt += 1) listed = countersign(env, 'keys', 'list').stdout;
    expect(listed).toMatch(/^ES256 .* next +signs from 20/m);
  } finally {
    engine.kill('SIGKILL');
    await once(engine, 'exit');
  }
}, 60_000);

describe('countersign history', () => {
  test('says when there is no such consent', async () => {
    const env = await freshEnvironment();
    expect(countersign(env, 'history', 'nothing')).toMatchObject({ status: 1, stderr: expect.stringContaining('there is no log in') });
  });
});

describe('countersign serve', () => {
  test('names every setting that is wrong, and does not start', async () => {
    const env = await freshEnvironment({ COUNTERSIGN_CIBA_INTERVAL: '5', COUNTERSIGN_LIMITS_BODY_BYTES: 'many' });
    const { status, stderr } = countersign(env, 'serve');
    expect(status).toBe(1);
    expect(stderr).toContain('unknown variable COUNTERSIGN_CIBA_INTERVAL');
    expect(stderr).toContain('limits.body_bytes (COUNTERSIGN_LIMITS_BODY_BYTES)');
  });
});
