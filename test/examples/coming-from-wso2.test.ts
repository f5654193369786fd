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

const inTicks = (text: string): string[] => [...text.matchAll(/`([^`]+)`/g)].map(([, name = '']) => name);
/** What stands behind a word of the column "how". */
const named = (how: string, word: 'setting' | 'command'): string[] =>
  [...how.matchAll(new RegExp(`\\b${word} ((?:\`[^\`]+\`(?:, )?)+)`, 'g'))].flatMap(([, names = '']) => inTicks(names));
/** Each test that a row names: its file, and words that its name begins with. */
const tests = (shown: string) =>
  [...shown.matchAll(/`(test\/[^`]+)`(?:: ([^;]+))?/g)].map(([, file = '', words = '']) => ({ file, words }));

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
    for (const { file, words } of tests(shown)) expect([file, read(file)]).toEqual([file, expect.stringMatching(namesTest(words))]);
    const isThere = !/^(your part|not there yet)/.test(how);
    if (isThere) expect(tests(shown)).not.toEqual([]);
    if (how === 'not there yet') expect(inTicks(`${there} ${here}`).filter(isServed)).toEqual([]);
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

  test('gives commands with options that they have', () => {
    const lines = [...page.matchAll(/^npm run countersign -- (\S+)(.*)$/gm)];
    expect(lines).not.toEqual([]);
    for (const [line, command = '', rest = ''] of lines) {
      const known = countersign(command, '--help');
      expect([line, (rest.match(/--[\w-]+/g) ?? []).filter((option) => !known.includes(option))]).toEqual([line, []]);
    }
  });
});

/** The name of a test or of a group of them, whether it stands once or for each row of a table. */
const namesTest = (words: string): RegExp =>
  new RegExp(`(?:\\b(?:test|describe)\\(|\\)\\()\\s*['"\`]${words.trim().replace(/[.*+?^${}()|[\]\\]/g, '\\$&')}`);
