import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from '@jest/globals';
import { loadConfig, settings } from '../../src/config.ts';
import { temporaryFolder } from '../support/served.ts';

const ROOT = join(import.meta.dirname, '../..');
const read = (file: string) => readFileSync(join(ROOT, file), 'utf8');
const page = read('docs/coming-from-wso2.md');

/** The rows of the page's tables: what it is in the reference, here, how, and by what it is shown. */
const rows = [...page.matchAll(/^\| (.*) \|$/gm)]
  .map(([, row = '']) => row.split(' | '))
  .filter(([there = '']) => there !== 'there' && !there.startsWith('---'));

/** The headings of the guide, and by which words its steps are known, in its order. What comes after them is in no step of it. */
const GUIDE: [heading: string, steps: string[]][] = [
  ['Before you begin', ['quick start guide', 'root and issuing certificates', 'Restart both servers']],
  [
    'Keys and the registration API',
    ['keytool -genkey', 'Export the public certificate', 'Deploy the registration API', 'jwks_url_sandbox'],
  ],
  ['Push authenticator', ['beans.xml', '`push-auth`', 'Consent steps', 'PUSH_AUTHENTICATION_DEVICE']],
  ['CIBA', ['`/oauth2/ciba`', 'oauth.custom_grant_type', 'oauth.custom_response_type', 'ciba_request_object_validator', 'Restart']],
  ['Push Authenticator IDP', ['CIBA-Push-Auth', 'Firebase server key']],
  ['Authenticators', ['open_banking.sca.primaryauth', 'common.auth.script.js']],
  ['Application', ['CIBA grant type', 'Postman collection']],
  ['Mobile application', ['Android SDK', 'registers the device']],
  [
    'Trying it out',
    ['Initiate a consent', 'Push authentication request', 'notification on the phone', 'Approve or deny', 'Poll the token endpoint'],
  ],
];

const inTicks = (text: string): string[] => [...text.matchAll(/`([^`]+)`/g)].map(([, name = '']) => name);
/** What stands behind a word of the column "how". */
const named = (how: string, word: 'setting' | 'command'): string[] =>
  [...how.matchAll(new RegExp(`\\b${word} ((?:\`[^\`]+\`(?:, )?)+)`, 'g'))].flatMap(([, names = '']) => inTicks(names));
/** Each test that a row names: its file and its name. */
const tests = (shown: string) =>
  [...shown.matchAll(/`(test\/[^`]+)`: ([^;]+)/g)].map(([, file = '', name = '']) => ({ file, name: name.trim() }));

const names = settings.map(({ name }) => name);
const countersign = (...args: string[]): string =>
  spawnSync(process.execPath, [join(ROOT, 'src/cli.ts'), ...args], { encoding: 'utf8' }).stdout;
let help: string;
beforeAll(() => {
  help = countersign('--help');
});

const isCommand = (command: string): boolean => {
  const [program, word, ...more] = command.split(' ');
  if (program === 'countersign') return new RegExp(`^ {2}${word}\\b`, 'm').test(help) && more.length === 0;
  if (program === 'npm') return word !== undefined && word in JSON.parse(read('package.json')).scripts;
  return program === 'npx' && existsSync(join(ROOT, 'node_modules/.bin', word ?? ''));
};

/** Whether a name of the reference's, or of ours, is one of our settings, or becomes one. */
const isServed = (name: string): boolean =>
  names.includes(name) || names.some((setting) => name.toLowerCase().startsWith(setting.split('.').at(-1)?.replace(/s$/, '') ?? ' '));

describe('coming from WSO2', () => {
  test.each(rows)('%s', (...[there = '', here = '', how = '', shown = '']) => {
    expect(how).toMatch(/^(done for you|not needed|your part|not there yet|setting `|command `)/);
    expect(named(how, 'setting').filter((name) => !names.includes(name))).toEqual([]);
    expect(named(how, 'command').filter((command) => !isCommand(command))).toEqual([]);
    expect(tests(shown)).not.toEqual([]);
    expect(tests(shown).filter(({ file, name }) => !namesIn(file).has(name))).toEqual([]);
    if (how === 'not there yet') expect(inTicks(`${there} ${here}`).filter(isServed)).toEqual([]);
  });

  test('has the steps of the guide in its order', () => {
    const [, ...sections] = page.split(/^## /m).map((section) => section.split('\n'));
    expect(sections.slice(0, GUIDE.length).map(([heading]) => heading)).toEqual(GUIDE.map(([heading]) => heading));
    for (const [index, [heading, steps]] of GUIDE.entries()) {
      const there = (sections[index] ?? []).map((line) => line.split(' | ')[0] ?? '');
      const found = steps.map((step) => there.findIndex((cell) => cell.includes(step)));
      expect([heading, found]).toEqual([heading, found.filter((at) => at >= 0).toSorted((a, b) => a - b)]);
    }
  });

  test('has a row for every section of the wire that a test plays', () => {
    const sections = readdirSync(join(ROOT, 'test/wso2')).filter((file) => /^[a-e]\d\.test\.ts$/.test(file));
    expect(sections.filter((file) => !page.includes(`test/wso2/${file}`))).toEqual([]);
  });

  test('gives settings that are right in development and in production', () => {
    const [, text = ''] = /```toml\n([\s\S]*?)```/.exec(page) ?? [];
    const file = join(temporaryFolder(), 'countersign.toml');
    writeFileSync(file, text);
    expect(loadConfig({ file, env: {}, cwd: ROOT }).config.registration).toMatchObject({ enabled: true, profile: 'wso2-compat' });
    // Production asks for its certificate and the like too: none of what it says is about these.
    const inProduction = () => loadConfig({ file, env: { COUNTERSIGN_ENVIRONMENT: 'production' }, cwd: ROOT });
    expect(inProduction).toThrow('required in production');
    expect(inProduction).not.toThrow('registration');
  });

  test('gives commands that run, and what they write are settings of an engine', () => {
    const cwd = temporaryFolder();
    writeFileSync(join(cwd, 'deployment.toml'), '[open_banking.dcr]\njwks_url_sandbox = "https://keystore.example/sandbox.jwks"\n');
    writeFileSync(join(cwd, 'devices.csv'), 'ID,USER_ID,NAME,MODEL,PUSH_ID,PUBLIC_KEY,REGISTRATION_TIME,LAST_USED_TIME\n');
    const lines = [...page.matchAll(/^npm run countersign -- (.*)$/gm)].map(([, command = '']) => command);
    expect(lines.map((line) => line.split(' ')[0])).toEqual(['import-settings', 'import-devices']);
    for (const line of lines) {
      const env = { ...process.env, COUNTERSIGN_DATA_DIR: join(cwd, 'data') };
      const { status, stderr } = spawnSync(process.execPath, [join(ROOT, 'src/cli.ts'), ...line.split(' ')], {
        cwd,
        env,
        encoding: 'utf8',
      });
      expect({ line, status, stderr }).toMatchObject({ line, status: 0 });
    }
    const { registration } = loadConfig({ file: join(cwd, 'countersign.toml'), env: {}, cwd }).config;
    expect(registration).toMatchObject({ profile: 'wso2-compat', sandboxJwksUrl: 'https://keystore.example/sandbox.jwks' });
  });
});

/** The names of the tests of a file and of their groups, whether they stand once or for each row of a table. */
const namesIn = (file: string): Set<string> =>
  new Set([...read(file).matchAll(/(?:\b(?:test|describe)\(|\)\()\s*(['"`])((?:\\.|(?!\1).)*)\1/g)].map(([, , name = '']) => name));
