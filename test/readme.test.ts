import { type ChildProcess, execFileSync, spawn, spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { freshEnvironment, temporaryFolder } from './support/served.ts';

const ROOT = join(import.meta.dirname, '..');
const readme = readFileSync(join(ROOT, 'README.md'), 'utf8');
/** Every command that the README tells a reader to type. */
const commands = [...readme.matchAll(/```sh\n([\s\S]*?)```/g)].map(([, text = '']) => text.trim());

let checkout: string;
let env: Record<string, string>;
let server: ChildProcess | null = null;
beforeAll(async () => {
  checkout = freshCheckout();
  env = await freshEnvironment();
});
afterAll(() => {
  if (server?.pid !== undefined) process.kill(-server.pid, 'SIGKILL');
});

/** What a clone would hold: the files that git knows, without anything that was installed or built. */
const freshCheckout = (): string => {
  const folder = temporaryFolder();
  const files = execFileSync('git', ['ls-files', '--cached', '--others', '--exclude-standard', '-z'], { cwd: ROOT, encoding: 'utf8' });
  for (const file of files.split('\0').filter((name) => name !== '')) {
    mkdirSync(dirname(join(folder, file)), { recursive: true });
    cpSync(join(ROOT, file), join(folder, file));
  }
  return folder;
};

const shell = (command: string) =>
  spawnSync('bash', ['-c', command], { cwd: checkout, env: { ...process.env, ...env }, encoding: 'utf8', timeout: 60_000 });

/** Types a command that goes on, and resolves with what it has printed when that contains the text. */
const until = (command: string, text: string): Promise<string> =>
  new Promise((resolve, reject) => {
    const child = spawn('bash', ['-c', command], { cwd: checkout, env: { ...process.env, ...env }, detached: true });
    server = child;
    let printed = '';
    for (const stream of [child.stdout, child.stderr])
      stream.on('data', (chunk: Buffer) => {
        printed += chunk;
        if (printed.includes(text)) resolve(printed);
      });
    child.once('exit', (code) => reject(new Error(`${command} ended with ${code}: ${printed}`)));
  });

describe('the README', () => {
  test('names these commands and no others', () => {
    expect(commands).toEqual([
      'npm ci && npm start',
      'npm cit',
      'npm run demo',
      'npm run countersign -- history <consentId>',
      'npm run countersign -- config show --sources',
      'npm run countersign -- client register <metadata.json>',
    ]);
  });

  test('starts the engine in a fresh checkout, and the two calls that it prints work', async () => {
    const banner = await until(commands[0] as string, 'npm run demo');
    const [ask = '', poll = ''] = banner.match(/^ {2}curl .*$/gm) ?? [];
    const asked = shell(`${ask} --silent`).stdout;
    const { auth_req_id } = JSON.parse(asked) as { auth_req_id: string };
    expect(auth_req_id).toMatch(/^[\w-]{51}$/);
    const polled = JSON.parse(shell(`${poll.replace('…', auth_req_id)} --silent`).stdout) as { error: string };
    expect(polled.error).toBe('authorization_pending');
  }, 240_000);

  test('plays the demo against the engine that runs, and prints the history of its consent', () => {
    const { status, stdout, stderr } = shell(commands[2] as string);
    expect(stdout).toContain('is running: the demo uses it');
    expect([status, stderr]).toEqual([0, expect.any(String)]);
    const [, consentId = ''] = /ConsentLodged[\s\S]*history ([\w-]+)/.exec(stdout) ?? [];
    const history = shell((commands[3] as string).replace('<consentId>', consentId));
    const types = history.stdout.split('\n').flatMap((line) => /^\d+ +\S+ +(\w+)/.exec(line)?.[1] ?? []);
    expect(types).toEqual([
      'ConsentLodged',
      'CibaRequestReceived',
      'DevicePushAccepted',
      'ConsentRetrieved',
      'CibaRequestApproved',
      'ConsentAuthorised',
      'CibaRequestRedeemed',
      'GrantOpened',
      'AccessTokenIssued',
      'RefreshTokenIssued',
      'ConsentRevoked',
      'GrantRevoked',
    ]);
  }, 60_000);

  test('shows the settings with their sources', () => {
    const { status, stdout } = shell(commands[4] as string);
    expect(status).toBe(0);
    expect(stdout).toMatch(/^ciba\.interval_seconds +1 +COUNTERSIGN_CIBA_INTERVAL_SECONDS /m);
  });

  test('registers a client where no engine runs', () => {
    const file = join(temporaryFolder(), 'metadata.json');
    writeFileSync(
      file,
      JSON.stringify({
        client_name: 'A TPP',
        profile: 'plain',
        token_endpoint_auth_method: 'client_secret_basic',
        tls_client_certificate_bound_access_tokens: false,
      }),
    );
    const command = (commands[5] as string).replace('<metadata.json>', file);
    const { status, stdout } = shell(`COUNTERSIGN_DATA_DIR=${temporaryFolder()} ${command}`);
    expect(status).toBe(0);
    expect(stdout).toMatch(/^client_id [\w-]{36}$/m);
  });

  test('leaves its second command to whoever runs this test: it is the one', () => {
    expect(commands[1]).toBe('npm cit');
    expect(readFileSync(join(ROOT, '.ci/run'), 'utf8')).toContain('npm cit');
  });
});
