import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { conformancePage, type Ran } from './page.ts';

interface Report {
  testResults: { message: string; assertionResults: { title: string; status: string }[] }[];
}

const ROOT = join(import.meta.dirname, '..', '..', '..');
const PAGE = join(ROOT, 'docs', 'conformance.md');

/** Runs the tests of the numbered requirements, and writes what they came to into docs/conformance.md. */
const folder = mkdtempSync(join(tmpdir(), 'conformance-'));
const report = join(folder, 'report.json');
const jest = ['--disable-warning=ExperimentalWarning', '--experimental-vm-modules', join(ROOT, 'node_modules', 'jest', 'bin', 'jest.js')];
const { status } = spawnSync(
  process.execPath,
  [...jest, 'test/conformance', '-t', '(^| )[RABCD][0-9]+ ', '--json', `--outputFile=${report}`],
  {
    cwd: ROOT,
    stdio: ['ignore', 'ignore', 'inherit'],
  },
);
const { testResults } = JSON.parse(readFileSync(report, 'utf8')) as Report;
rmSync(folder, { recursive: true });
const ran: Ran[] = testResults.flatMap(({ assertionResults }) =>
  assertionResults.flatMap(({ title, status: result }) => {
    const [id] = /^[RABCD]\d+(?= )/.exec(title) ?? [];
    return id === undefined ? [] : [{ id, passed: result === 'passed' }];
  }),
);
writeFileSync(PAGE, conformancePage(ran, new Date().toISOString().slice(0, 10)));
process.exitCode = status ?? 1;
