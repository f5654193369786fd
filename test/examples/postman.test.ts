import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { parse } from 'smol-toml';
import { developmentSandbox } from '../../src/adapters/sandbox.ts';
import { freshEnvironment, type Served, served, temporaryFolder } from '../support/served.ts';

const ROOT = join(import.meta.dirname, '../..');
const POSTMAN = join(ROOT, 'examples/postman');
const COLLECTION = join(POSTMAN, 'countersign.postman_collection.json');

interface Item {
  name: string;
  item?: Item[];
}
const folders = (JSON.parse(readFileSync(COLLECTION, 'utf8')) as { item: Item[] }).item;

interface Execution {
  item: { name: string };
  assertions?: unknown[];
}
let engine: Served;
let run: { failures: { source?: { name: string }; error: { message: string } }[]; executions: Execution[] };

beforeAll(async () => {
  const env = await freshEnvironment();
  const { COUNTERSIGN_DATA_DIR: dataDir = '', COUNTERSIGN_SERVER_PORT: port } = env;
  await developmentSandbox(join(dataDir, 'sandbox'));
  const issuer = `https://localhost:${port}`;
  const written = spawnSync(process.execPath, [join(POSTMAN, 'environment.ts')], {
    env: { ...process.env, ISSUER: issuer, DATA_DIR: dataDir },
    encoding: 'utf8',
  });
  expect([written.status, written.stderr]).toEqual([0, '']);
  const printed = parse(written.stdout.slice(written.stdout.indexOf('['))) as Record<string, Record<string, unknown>>;
  const settings = Object.entries(printed).flatMap(([table, values]) =>
    Object.entries(values).map(([name, value]) => [`COUNTERSIGN_${table}_${name}`.toUpperCase(), String(value)]),
  );
  engine = await served({ ...env, ...Object.fromEntries(settings) });
  const report = join(temporaryFolder(), 'report.json');
  const newman = spawn(
    process.execPath,
    [
      ...[join(ROOT, 'node_modules/newman/bin/newman.js'), 'run', COLLECTION, '--environment', join(dataDir, 'postman/environment.json')],
      ...['--ssl-extra-ca-certs', join(dataDir, 'tls/ca.pem'), '--reporters', 'json', '--reporter-json-export', report],
    ],
    { stdio: 'ignore' },
  );
  await once(newman, 'close');
  run = JSON.parse(readFileSync(report, 'utf8')).run;
}, 120_000);
afterAll(() => engine?.serving.close());

/** What went wrong in a request, in words. */
const problems = (request: string): string[] =>
  run.failures.filter(({ source }) => source?.name === request).map(({ error }) => `${request}: ${error.message}`);

describe('the Postman collection, run by newman', () => {
  test.each(folders.map(({ name, item = [] }) => [name, item.map((request) => request.name)] as const))('%s', (_name, requests) => {
    expect(requests.flatMap(problems)).toEqual([]);
    const checked = run.executions.filter(({ assertions = [] }) => assertions.length > 0).map(({ item }) => item.name);
    expect(requests.filter((request) => !checked.includes(request))).toEqual([]);
  });

  test('has no failure outside its requests', () => expect(run.failures.map(({ error }) => error.message)).toEqual([]));
});
